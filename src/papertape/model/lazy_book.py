"""A book that is put in order only when somebody looks beyond its best prices: most changes are followed by others before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sortedcontainers import SortedDict

from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, Level, Side
from papertape.model.instrument import Instrument

LATE_MAX: Final = 4_096
"""Changed levels that may wait before they are put in their places unasked; bounds memory and the cost of the next look."""


class Ladder:
    """One side of a book, ticks to lots.

    Attributes:
        late: levels that changed since the last look, newest amount each (0: gone). Whoever changes many writes here, and minds `LATE_MAX`.
        settled: all levels in order, but for what is in `late`.
        top: the best price; None where only a look can tell. Whoever writes to `late` sees to it too.

    >>> ladder = Ladder(Side.SELL)
    >>> ladder.late.update({101: 5, 99: 7, 100: 0})
    >>> ladder.best, ladder.look()
    ((99, 7), SortedDict({99: 7, 101: 5}))
    """

    __slots__ = ("_changed", "_first", "_levels", "late", "settled", "top")

    def __init__(self, side: Side) -> None:
        self._levels: dict[int, Level] = {}  # as they were handed out last, by price
        self._changed: dict[int, int] = {}  # settled since then
        self.late: dict[int, int] = {}
        self.settled: SortedDict[int, int] = SortedDict()
        self.top: int | None = None
        self._first = -1 if side is Side.BUY else 0

    @property
    def best(self) -> Level | None:
        """(ticks, lots) of the best level; as a rule without putting anything in order."""
        top = self.top
        if top is None:
            levels = self.look()
            if not levels:
                return None
            level = levels.peekitem(self._first)
            self.top = level[0]
            return level
        late = self.late.get(top)
        return top, self.settled[top] if late is None else late

    def look(self) -> SortedDict[int, int]:
        """All levels in order; always the same object, which is right until the next change."""
        if self.late:
            self.settle()
        return self.settled

    def held(self) -> list[int]:
        """Prices that may hold something, in no order; nothing is put in its place for it."""
        return [*self.settled, *self.late]

    def page(self) -> tuple[Level, ...]:
        """All levels, best first. Those that have not changed are the very objects of the page before: a long book costs half as much."""
        prices, levels = list(self.look()), self._levels
        if self._first < 0:
            prices.reverse()
        if not levels:
            levels.update(zip(prices, zip(prices, map(self.settled.__getitem__, prices), strict=True), strict=True))
        for ticks, lots in self._changed.items():
            if lots:
                levels[ticks] = (ticks, lots)
            else:
                levels.pop(ticks, None)
        self._changed.clear()
        return tuple(map(levels.__getitem__, prices))

    def settle(self) -> None:
        """Put the late levels in their places."""
        late, settled = self.late, self.settled
        if 3 * len(late) > len(settled):  # then to sort anew is cheaper than to find each one's place
            merged = dict(settled)
            merged.update(late)
            self.replace([(ticks, lots) for ticks, lots in merged.items() if lots])
            return
        if self._levels:
            self._changed.update(late)
        for ticks, lots in late.items():
            if lots:
                settled[ticks] = lots
            else:
                settled.pop(ticks, None)
        late.clear()

    def replace(self, levels: Iterable[Level]) -> None:
        """Forget everything for these levels."""
        self.late.clear()
        self._levels.clear()
        self._changed.clear()
        self.settled.clear()
        self.settled.update(levels)
        self.top = None


class LazyBook(Book):
    """A `Book` that costs next to nothing while nobody looks at it.

    >>> from decimal import Decimal
    >>> book = LazyBook(Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001")))
    >>> book.apply(BookSnapshot(venue_ns=0, local_ns=0, symbol="BTC/USD", bids=((99, 5), (98, 1)), asks=((101, 2),)))
    >>> book.apply(BookUpdate(venue_ns=1, local_ns=1, symbol="BTC/USD", bids=((99, 0),), asks=()))
    >>> book.best_bid, book.best_ask
    ((98, 1), (101, 2))
    """

    def __init__(self, instrument: Instrument) -> None:
        self.bid_ladder = Ladder(Side.BUY)
        self.ask_ladder = Ladder(Side.SELL)
        super().__init__(instrument)

    @property
    def bids(self) -> SortedDict[int, int]:
        return self.bid_ladder.look()

    @bids.setter
    def bids(self, side: SortedDict[int, int]) -> None:
        self.bid_ladder.replace(side.items())

    @property
    def asks(self) -> SortedDict[int, int]:
        return self.ask_ladder.look()

    @asks.setter
    def asks(self, side: SortedDict[int, int]) -> None:
        self.ask_ladder.replace(side.items())

    @property
    def best_bid(self) -> Level | None:
        return self.bid_ladder.best

    @property
    def best_ask(self) -> Level | None:
        return self.ask_ladder.best

    def ladder(self, side: Side, depth: int | None = None) -> tuple[Level, ...]:
        if depth is not None:
            return super().ladder(side, depth)
        return (self.bid_ladder if side is Side.BUY else self.ask_ladder).page()

    def apply(self, event: BookSnapshot | BookUpdate) -> None:
        if type(event) is BookSnapshot:
            self.bid_ladder.replace(event.bids)
            self.ask_ladder.replace(event.asks)
            self.is_complete = True
        else:
            if event.bids:
                ladder = self.bid_ladder
                late, top = ladder.late, ladder.top
                for ticks, lots in event.bids:
                    late[ticks] = lots
                    if lots:
                        if top is not None and ticks > top:
                            ladder.top = top = ticks
                    elif ticks == top:
                        ladder.top = top = None
                if len(late) > LATE_MAX:
                    ladder.settle()
            if event.asks:
                ladder = self.ask_ladder
                late, top = ladder.late, ladder.top
                for ticks, lots in event.asks:
                    late[ticks] = lots
                    if lots:
                        if top is not None and ticks < top:
                            ladder.top = top = ticks
                    elif ticks == top:
                        ladder.top = top = None
                if len(late) > LATE_MAX:
                    ladder.settle()
        self.venue_ns = event.venue_ns

    def clear(self) -> None:
        self.bid_ladder.replace(())
        self.ask_ladder.replace(())
        self.is_complete = False
