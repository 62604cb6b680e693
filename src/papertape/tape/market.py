"""A small market with orders of its own: price-time priority, whole numbers only. The seeded generator trades on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from sortedcontainers import SortedDict

from papertape.model.event import Level, Side


class Resting:
    """An order in the book; `lots` is what is left of it, 0 once it is gone."""

    __slots__ = ("lots", "place", "side", "ticks")

    def __init__(self, side: Side, ticks: int, lots: int, place: int) -> None:
        self.side = side
        self.ticks = ticks
        self.lots = lots
        self.place = place  # in `Market.orders`


class Ladder:
    """One side of the book: prices, each with its queue of orders and their sum."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.queues: SortedDict[int, deque[Resting]] = SortedDict()
        self.totals: dict[int, int] = {}

    def best(self) -> int:
        """The best price; the side must not be empty."""
        price: int = self.queues.peekitem(-1 if self.side is Side.BUY else 0)[0]
        return price

    def levels(self) -> tuple[Level, ...]:
        """All levels, best first."""
        prices = reversed(self.queues) if self.side is Side.BUY else iter(self.queues)
        return tuple((ticks, self.totals[ticks]) for ticks in prices)


class Market:
    """One instrument's orders.

    >>> market = Market()
    >>> market.rest(Side.SELL, 101, 5), market.rest(Side.SELL, 101, 2), market.rest(Side.SELL, 102, 9)
    (5, 7, 9)
    >>> list(market.take(Side.BUY, 6, limit_ticks=101, levels_min=0))
    [(101, 5, 2), (101, 1, 1)]
    """

    def __init__(self) -> None:
        self.bids = Ladder(Side.BUY)
        self.asks = Ladder(Side.SELL)
        self.orders: list[Resting] = []  # all that rest, in no order that means anything; one is drawn from it by its place

    def ladder(self, side: Side) -> Ladder:
        return self.bids if side is Side.BUY else self.asks

    def rest(self, side: Side, ticks: int, lots: int) -> int:
        """Put an order at the end of its level's queue; what the level then holds."""
        ladder = self.ladder(side)
        order = Resting(side, ticks, lots, len(self.orders))
        self.orders.append(order)
        queue = ladder.queues.get(ticks)
        if queue is None:
            ladder.queues[ticks] = deque((order,))
            ladder.totals[ticks] = lots
        else:
            queue.append(order)
            ladder.totals[ticks] += lots
        return ladder.totals[ticks]

    def cancel(self, order: Resting) -> int:
        """Take an order out of the book; what its level then holds."""
        ladder = self.ladder(order.side)
        ladder.queues[order.ticks].remove(order)
        return self._shrink(ladder, order, order.lots)

    def take(self, side: Side, lots: int, *, limit_ticks: int, levels_min: int) -> Iterator[tuple[int, int, int]]:
        """Trade against the other side up to `limit_ticks`, oldest order of the best level first.

        Yields (ticks, lots traded, lots left on that level) for each order met; stops where no more than `levels_min` levels are left.
        """
        ladder = self.ladder(side.opposite)
        while lots and len(ladder.queues) > levels_min:
            ticks = ladder.best()
            if (ticks > limit_ticks) if side is Side.BUY else (ticks < limit_ticks):
                return
            order = ladder.queues[ticks][0]
            traded = min(lots, order.lots)
            lots -= traded
            if traded == order.lots:
                ladder.queues[ticks].popleft()
            yield ticks, traded, self._shrink(ladder, order, traded)

    def _shrink(self, ladder: Ladder, order: Resting, lots: int) -> int:
        order.lots -= lots
        if not order.lots:
            last = self.orders.pop()
            if last is not order:
                self.orders[order.place] = last
                last.place = order.place
        left = ladder.totals[order.ticks] = ladder.totals[order.ticks] - lots
        if not left:
            del ladder.queues[order.ticks], ladder.totals[order.ticks]
        return left
