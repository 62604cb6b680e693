"""What faults of a book's snapshot have in common."""

from __future__ import annotations

from papertape.faults.on_stream import Counted
from papertape.model.request import Lane


class SnapshotFault(Counted, frozen=True, kw_only=True):
    """Some snapshots that a subscription begins with are wrong."""

    def lanes(self) -> tuple[Lane, ...]:
        return (Lane.MARKET,)
