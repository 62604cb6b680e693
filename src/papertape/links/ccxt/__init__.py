"""The link to any venue that ccxt knows, through its unified calls."""
