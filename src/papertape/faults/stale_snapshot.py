"""A book from the past."""

from __future__ import annotations

from typing import ClassVar

from papertape.faults.on_stream import OnSnapshot
from papertape.model.event import BookSnapshot


class StaleSnapshot(OnSnapshot, frozen=True, kw_only=True, tag="stale_snapshot"):
    """The next `count` snapshots of a book, asked for from the start on, show it as it was at the start; the changes since then never come.

    So its age is the time from the start to the subscription, and its stamp says so. While the book still is as it was at the start there
    is nothing old about it, and what is sent is the right one; it does not count. The right one follows only if the book is subscribed
    to once more, on the same connection or on a new one.

    interface: a BookSnapshot with the old levels and the old `venue_ns`.
    wire: a Coinbase's `l2_data` frame of type snapshot with the old levels and the old event times.

    Attributes:
        count: how many snapshots are old.
    """

    needs_books: ClassVar[bool] = True

    def falsified(self, right: BookSnapshot, at_start: BookSnapshot | None, done: int) -> BookSnapshot | None:
        if done >= self.count or at_start is None or (at_start.bids, at_start.asks) == (right.bids, right.asks):
            return None
        return at_start
