"""A book with nothing in it."""

from __future__ import annotations

from papertape.faults.on_stream import OnSnapshot
from papertape.model.event import BookSnapshot


class EmptySnapshot(OnSnapshot, frozen=True, kw_only=True, tag="empty_snapshot"):
    """The next `count` snapshots of a book, asked for from the start on, hold no level; changes follow as if nothing were wrong.

    The right one follows only if the book is subscribed to once more, on the same connection or on a new one.

    interface: a BookSnapshot without bids and asks.
    wire: a Coinbase's `l2_data` frame of type snapshot with no updates.

    Attributes:
        count: how many snapshots are wrong.
    """

    def falsified(self, right: BookSnapshot, at_start: BookSnapshot | None, done: int) -> BookSnapshot | None:
        if done >= self.count:
            return None
        return BookSnapshot(venue_ns=right.venue_ns, local_ns=right.local_ns, symbol=right.symbol, bids=(), asks=())
