"""Invariants: what must hold between the client's belief and the venue's truth. A new one is a file here and a word in `INVARIANTS`."""

from __future__ import annotations

from typing import Final

from papertape.invariants.base import Case, Figure, Freshness, Invariant, NotJudged, Watch
from papertape.invariants.book_matches import BookMatches
from papertape.invariants.every_order_known import EveryOrderKnown
from papertape.invariants.late_orders_fit import LateOrdersFit
from papertape.invariants.leaves_foreign_orders_alone import LeavesForeignOrdersAlone
from papertape.invariants.money_conserved import MoneyConserved
from papertape.invariants.never_sent_is_true import NeverSentIsTrue
from papertape.invariants.no_duplicate_exposure import NoDuplicateExposure
from papertape.invariants.nothing_counted_twice import NothingCountedTwice
from papertape.invariants.nothing_left_behind import NothingLeftBehind
from papertape.invariants.orders_after_reconciling import OrdersAfterReconciling
from papertape.invariants.orders_from_fresh_data import OrdersFromFreshData
from papertape.invariants.position_matches import PositionMatches
from papertape.invariants.rate_respected import RateRespected
from papertape.invariants.stays_bounded import StaysBounded

INVARIANTS: Final[dict[str, Invariant]] = {
    member.name: member
    for member in (
        NoDuplicateExposure(),
        EveryOrderKnown(),
        NeverSentIsTrue(),
        PositionMatches(),
        NothingCountedTwice(),
        MoneyConserved(),
        LeavesForeignOrdersAlone(),
        OrdersAfterReconciling(),
        OrdersFromFreshData(),
        LateOrdersFit(),
        BookMatches(),
        RateRespected(),
        StaysBounded(),
        NothingLeftBehind(),
    )
}
"""Every invariant by its name."""

__all__ = ["INVARIANTS", "Case", "Figure", "Freshness", "Invariant", "NotJudged", "Watch"]
