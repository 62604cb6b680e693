"""Invariants: what must hold between the client's belief and the venue's truth."""
