"""Venues: their rules, and both sides of their wire formats."""

from __future__ import annotations

import logging
from typing import Final

from papertape.model.venue import VenueRules
from papertape.venues.binance.rules import RULES as BINANCE
from papertape.venues.coinbase.rules import RULES as COINBASE

__all__ = ["ALIASES", "VENUES", "canonical"]

VENUES: Final[dict[str, VenueRules]] = {"coinbase": COINBASE, "binance": BINANCE}
"""Every venue's rules, by the name that a scenario gives it."""

ALIASES: Final = {"coinbaseadvanced": "coinbase"}
"""Names that people know a venue by, and ours for it. ccxt had a `coinbaseadvanced` once; there, too, it is `coinbase` now."""

_log: Final = logging.getLogger(__name__)


def canonical(name: str) -> str:
    """Our name of a venue; whoever used another is told so.

    >>> canonical("coinbase")
    'coinbase'
    """
    ours = ALIASES.get(name, name)
    if ours != name:
        _log.warning('"%s" is taken for "%s", the name that it has here and in ccxt', name, ours)
    return ours
