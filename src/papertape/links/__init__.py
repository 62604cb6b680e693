"""Lanes to a venue."""
