"""Venues: their rules, and both sides of their wire formats."""
