"""Canaries: sample bots with one known bug each. What never fails one of them cannot be trusted when it passes a bot of yours.

A new one is a file here and a word in `CANARIES`. A scenario names it as it names any bot: `papertape.bots.canaries:IgnoresRetryAfter`.
"""

from __future__ import annotations

from typing import Final

from papertape.bots.canaries.applies_a_fill_twice import AppliesAFillTwice
from papertape.bots.canaries.base import Canary
from papertape.bots.canaries.cancels_foreign_orders import CancelsForeignOrders
from papertape.bots.canaries.forgets_to_resubscribe import ForgetsToResubscribe
from papertape.bots.canaries.ignores_retry_after import IgnoresRetryAfter
from papertape.bots.canaries.merges_a_snapshot_into_the_old_book import MergesASnapshotIntoTheOldBook
from papertape.bots.canaries.orders_out_before_reconciling import OrdersOutBeforeReconciling
from papertape.bots.canaries.releases_a_stale_priced_order import ReleasesAStalePricedOrder
from papertape.bots.canaries.resends_under_a_new_id import ResendsUnderANewId
from papertape.bots.canaries.takes_a_clean_close_for_the_end import TakesACleanCloseForTheEnd
from papertape.bots.canaries.takes_not_found_for_dead import TakesNotFoundForDead
from papertape.bots.canaries.trusts_a_stale_book import TrustsAStaleBook
from papertape.bots.canaries.unbounded_queue import UnboundedQueue

CANARIES: Final[dict[str, type[Canary]]] = {
    "resends_under_a_new_id": ResendsUnderANewId,
    "forgets_to_resubscribe": ForgetsToResubscribe,
    "applies_a_fill_twice": AppliesAFillTwice,
    "trusts_a_stale_book": TrustsAStaleBook,
    "ignores_retry_after": IgnoresRetryAfter,
    "cancels_foreign_orders": CancelsForeignOrders,
    "takes_not_found_for_dead": TakesNotFoundForDead,
    "unbounded_queue": UnboundedQueue,
    "orders_out_before_reconciling": OrdersOutBeforeReconciling,
    "merges_a_snapshot_into_the_old_book": MergesASnapshotIntoTheOldBook,
    "takes_a_clean_close_for_the_end": TakesACleanCloseForTheEnd,
    "releases_a_stale_priced_order": ReleasesAStalePricedOrder,
}
"""Every canary by its bug."""


def bot_of(name: str) -> str:
    """What a scenario's key `bot` calls a canary.

    >>> bot_of("ignores_retry_after")
    'papertape.bots.canaries:IgnoresRetryAfter'
    """
    return f"{__name__}:{CANARIES[name].__name__}"


__all__ = [
    "CANARIES",
    "AppliesAFillTwice",
    "Canary",
    "CancelsForeignOrders",
    "ForgetsToResubscribe",
    "IgnoresRetryAfter",
    "MergesASnapshotIntoTheOldBook",
    "OrdersOutBeforeReconciling",
    "ReleasesAStalePricedOrder",
    "ResendsUnderANewId",
    "TakesACleanCloseForTheEnd",
    "TakesNotFoundForDead",
    "TrustsAStaleBook",
    "UnboundedQueue",
    "bot_of",
]
