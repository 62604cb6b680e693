"""Faults: what can be done to a venue on purpose."""
