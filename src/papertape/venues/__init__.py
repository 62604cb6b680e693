"""Venues: their rules, and both sides of their wire formats."""

from __future__ import annotations

from typing import Final

from papertape.model.venue import VenueRules
from papertape.venues.binance.rules import RULES as BINANCE
from papertape.venues.coinbase.rules import RULES as COINBASE

__all__ = ["VENUES"]

VENUES: Final[dict[str, VenueRules]] = {"coinbase": COINBASE, "binance": BINANCE}
"""Every venue's rules, by the name that a scenario gives it."""
