"""Invariants: what must hold between the client's belief and the venue's truth. A new one is a file here and a word in `INVARIANTS`."""

from __future__ import annotations

from typing import Final

from papertape.invariants.base import Case, Invariant, NotJudged
from papertape.invariants.every_order_known import EveryOrderKnown
from papertape.invariants.no_duplicate_exposure import NoDuplicateExposure
from papertape.invariants.orders_after_reconciling import OrdersAfterReconciling
from papertape.invariants.position_matches import PositionMatches
from papertape.invariants.rate_respected import RateRespected

INVARIANTS: Final[dict[str, Invariant]] = {
    member.name: member
    for member in (NoDuplicateExposure(), EveryOrderKnown(), OrdersAfterReconciling(), PositionMatches(), RateRespected())
}
"""Every invariant by its name."""

__all__ = [
    "INVARIANTS",
    "Case",
    "EveryOrderKnown",
    "Invariant",
    "NoDuplicateExposure",
    "NotJudged",
    "OrdersAfterReconciling",
    "PositionMatches",
    "RateRespected",
]
