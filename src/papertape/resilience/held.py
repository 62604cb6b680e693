"""Changes of a book that came before the snapshot they belong to."""

from __future__ import annotations

from typing import Final

from papertape.model.event import BookSnapshot, BookUpdate
from papertape.model.units import Nanos

HELD_MAX: Final = 20_000
"""Changes that may wait for one snapshot; beyond, the snapshot is asked for anew."""


class Held:
    """Keeps changes while a book waits for its snapshot, and tells which of them the snapshot does not know.

    Those are the ones stamped at its own instant or later. One of the same instant may be in it already; as amounts are absolute, and as
    every change after it is applied as well, that does no harm. For the same reason nothing may be missing between two of them: after a gap
    what was held is of no use (`restart`). A snapshot stamped with 1970 or so says nothing of its age; it is then taken to know all that
    came before it, as a venue that puts both on one connection means it.

    Attributes:
        has_overflowed: something had to be thrown away since the last restart, so that no snapshot of before that can be completed.
        lost_ns: venue clock of the newest change that was thrown away since the last book; no older snapshot can be completed either.

    >>> held = Held()
    >>> for at_ns in (1, 2, 3):
    ...     held.hold(BookUpdate(venue_ns=at_ns, local_ns=at_ns, symbol="BTC/USD", bids=((at_ns, 5),)))
    >>> [each.venue_ns for each in held.newer_than(BookSnapshot(venue_ns=2, local_ns=9, symbol="BTC/USD", bids=((2, 5),), asks=()))]
    [2, 3]
    """

    __slots__ = ("_limit", "_updates", "has_overflowed", "lost_ns")

    def __init__(self, limit: int = HELD_MAX) -> None:
        self.has_overflowed = False
        self.lost_ns: Nanos = 0
        self._limit = limit
        self._updates: list[BookUpdate] = []

    def hold(self, update: BookUpdate) -> None:
        """A change that has no book to be applied to yet."""
        if len(self._updates) >= self._limit:
            self._updates.clear()
            self.has_overflowed = True
        self._updates.append(update)

    def restart(self) -> None:
        """Something was lost: what came before it belongs to nothing that will come."""
        for update in self._updates:
            self.lost_ns = max(self.lost_ns, update.venue_ns)
        self._updates.clear()
        self.has_overflowed = False

    def is_enough_for(self, snapshot: BookSnapshot) -> bool:
        """Whether snapshot and held changes make the whole book: not if changes were thrown away that it may not know."""
        return not self.has_overflowed or (bool(self._updates) and snapshot.venue_ns > self._updates[0].venue_ns)

    def newer_than(self, snapshot: BookSnapshot) -> list[BookUpdate]:
        """What is to be applied to the snapshot, in order; nothing is held after that."""
        newer = [update for update in self._updates if 0 < snapshot.venue_ns <= update.venue_ns]
        self.restart()
        self.lost_ns = 0
        return newer
