"""papertape: break the exchange on purpose, and get the same run every time."""
