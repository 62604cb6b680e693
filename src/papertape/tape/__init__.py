"""Recorded rows at rest."""
