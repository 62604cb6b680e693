"""A book that cannot be."""

from __future__ import annotations

from papertape.faults.on_stream import OnSnapshot
from papertape.model.event import BookSnapshot


class CrossedSnapshot(OnSnapshot, frozen=True, kw_only=True, tag="crossed_snapshot"):
    """The next `count` snapshots of a book, asked for from the start on, have a bid above the best ask, as left over from before a crash.

    The bid is as large as the best one, one tick above the third ask; it never goes away. A book with fewer than three asks is sent right.
    The right one follows only if the book is subscribed to once more, on the same connection or on a new one.

    interface: a BookSnapshot with one bid too many.
    wire: a Coinbase's `l2_data` frame of type snapshot with one bid too many.

    Attributes:
        count: how many snapshots are crossed.
    """

    def falsified(self, right: BookSnapshot, at_start: BookSnapshot | None, done: int) -> BookSnapshot | None:
        if done >= self.count or len(right.asks) < 3 or not right.bids:
            return None
        ghost = (right.asks[2][0] + 1, right.bids[0][1])
        bids = (ghost, *right.bids)
        return BookSnapshot(venue_ns=right.venue_ns, local_ns=right.local_ns, symbol=right.symbol, bids=bids, asks=right.asks)
