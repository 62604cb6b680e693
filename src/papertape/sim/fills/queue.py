"""Fills that wait for their turn in the queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from papertape.model.instrument import Instrument
from papertape.sim.fills.base import FillModel, Place, Told, told_before

UNKNOWN: Final = 1 << 62
"""More lots than any queue holds: where nobody knows what is ahead, only a trade through the price can fill."""

BOUNDS_MAX: Final = 16
"""Bounds kept; forgetting one of them can make an order wait longer, never shorter."""


class QueuePlace:
    """Upper bounds of what is ahead, none of which is ever too low.

    Attributes:
        bounds: (mark, lots), each lower than the one before it. The first says what was ahead when the order came; any other what a level
            change left at our price, none of which then can have been more than that. Each shrinks by the trades that it does not hold
            yet: a trade that the level changes before its mark have told is in it already.
        spared: lots at our price that the tape has as traded but that here still stand, because our orders with priority took the trade.
        before: the same at better prices than ours.

    So a trade and the level change that reports it count once, in whichever order they come. Lots that are cancelled are taken to stand
    behind us until so few are left that this cannot be.
    """

    __slots__ = ("before", "bounds", "joined", "spared")

    def __init__(self, lots: int, mark: int) -> None:
        self.bounds = [(mark, lots)]
        self.spared = 0
        self.before = 0
        self.joined = mark

    @property
    def ahead(self) -> int:
        return self.bounds[-1][1] + self.before

    def on_trade(self, lots: int, absorbed: int, told: Sequence[Told]) -> int:
        here = lots - absorbed - self._passed(lots - absorbed - told_before(told, self.joined))
        self.spared += lots - here
        shrunk = [(mark, bound - here + told_before(told, mark)) for mark, bound in self.bounds]
        self.bounds.clear()
        for mark, bound in shrunk:
            self._bound(mark, max(bound, 0))
        return max(-min(bound for _, bound in shrunk), 0)

    def on_through(self, lots: int, absorbed: int, told: Sequence[Told], mark: int) -> int:
        lots -= told_before(told, self.joined)
        if lots <= 0:
            return 0  # past, so it says nothing of who is ahead now
        lots = max(lots - absorbed, 0)
        here = lots - self._passed(lots)
        ahead = min(self.bounds[-1][1], self.spared)  # of those the tape knew at our price none is left
        self.spared = max(ahead - here, 0)
        self.bounds = [(mark, self.spared)]
        return max(here - ahead, 0)

    def on_absorbed(self, lots: int) -> None:
        self.before += lots

    def on_level(self, lots: int, mark: int, *, is_past: bool) -> None:
        standing = lots + self.spared
        if is_past and standing > self.bounds[-1][1]:
            self.bounds = [(mark, standing)]  # told late, but it stood there before us
        else:
            self._bound(mark, standing)

    def _passed(self, lots: int) -> int:
        """What of `lots` others take who stand at better prices."""
        passed = min(self.before, max(lots, 0))
        self.before -= passed
        return passed

    def _bound(self, mark: int, lots: int) -> None:
        if not self.bounds or lots < self.bounds[-1][1]:
            self.bounds.append((mark, lots))
            if len(self.bounds) > BOUNDS_MAX:
                del self.bounds[1]


class QueueFills(FillModel, frozen=True, tag="queue"):
    """A resting order waits behind what stood at its price when it came; it never fills earlier than it could have.

    On arrival everything that the tape shows at its price is ahead, less what we have taken of it, and less trades that are stamped after
    the level was told last: a level that is stamped no sooner than a trade holds it already. What is ahead shrinks by trades at that price
    that happened after the order arrived, and to at most what a level change leaves there (who cancels is taken to stand behind us). A
    trade and the level change that reports it count once, whichever comes first. The order fills, at its own limit and as a maker, by
    - the part of a trade at its price that exceeds what was ahead;
    - a trade at a price beyond its own, up to that trade's volume: whoever was ahead is gone by then;
    - a level of the other side that stands at or through its price when a message ends, up to that level's size, which is then taken.

    Several orders of ours share a volume by price, then time; what one of them takes of a trade leaves others' lots standing that the
    tape has as traded, and orders of ours behind those wait for them. Where the tape has told no book, only a trade beyond the price fills.
    """

    def join(self, lots: int | None, mark: int, instrument: Instrument) -> Place:
        return QueuePlace(UNKNOWN if lots is None else lots, mark)
