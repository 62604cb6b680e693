"""Fills that wait for their turn in the queue."""

from __future__ import annotations

from papertape.sim.fills.base import FillModel, Place

UNKNOWN = 1 << 62
"""More lots than any queue holds: where nobody knows what is ahead, only a trade through the price can fill."""


class QueuePlace:
    """An upper bound of what is ahead: the lower of two counts, each of which alone is never too low.

    Attributes:
        by_trades: what was ahead on arrival, less every trade since.
        by_levels: the least that any level change since has left at our price, less the trades that happened after it.
        spared: lots that the tape's own trades took but that in this venue still stand, because our orders with priority took the trade.

    A trade shortens both counts once. The level change that reports it cannot shorten it again: it only caps `by_levels` at what the
    level then holds. Where the level change comes first, that cap already lacks the trade, so the trade shortens `by_trades` alone.
    Lots that are cancelled are taken to stand behind us until so few are left that this cannot be.
    """

    __slots__ = ("by_levels", "by_trades", "spared")

    def __init__(self, lots: int) -> None:
        self.by_trades = lots
        self.by_levels = lots
        self.spared = 0

    @property
    def ahead(self) -> int:
        return min(self.by_trades, self.by_levels)

    def on_trade(self, lots: int, *, reported: int, absorbed: int) -> int:
        by_trades = self.by_trades - lots
        by_levels = self.by_levels - (lots - reported)
        self.spared += absorbed
        self.by_trades = max(by_trades, 0)
        self.by_levels = max(by_levels, 0)
        return max(-min(by_trades, by_levels), 0)

    def on_through(self, lots: int) -> int:
        ahead = min(self.by_trades, self.by_levels, self.spared)
        self.by_trades = self.by_levels = self.spared = max(ahead - lots, 0)
        return max(lots - ahead, 0)

    def on_level(self, lots: int, *, is_past: bool) -> None:
        standing = lots + self.spared
        if is_past and standing > self.ahead:
            self.by_trades = self.by_levels = standing  # told late, but it stood there before us
        elif standing < self.by_levels:
            self.by_levels = standing


class QueueFills(FillModel, frozen=True, tag="queue"):
    """A resting order waits behind what stood at its price when it came; it never fills earlier than it could have.

    On arrival everything that the tape shows at its price, less what we or trades not yet told have taken of it, is ahead. What is ahead
    shrinks by trades at that price that happened after the order arrived, and to at most what a level change leaves there (who cancels is
    taken to stand behind us). A trade and the level change that reports it count once, whichever comes first. The order fills, at its
    own limit and as a maker, by
    - the part of a trade at its price that exceeds what was ahead;
    - a trade at a price beyond its own, up to that trade's volume: whoever was ahead is gone by then;
    - a level of the other side that stands at or through its price when a message ends, up to that level's size, which is then taken.

    Several orders of ours share a volume by price, then time; what one of them takes of a trade leaves others' lots standing that the
    tape has as traded, and orders of ours behind those wait for them. Where the tape has told no book, only a trade beyond the price fills.
    """

    def join(self, lots: int | None) -> Place:
        return QueuePlace(UNKNOWN if lots is None else lots)
