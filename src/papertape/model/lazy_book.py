"""A book that is put in order only when somebody looks beyond its best prices: most changes are followed by others before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush, merge
from typing import Final

from sortedcontainers import SortedDict

from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, Level, Side
from papertape.model.instrument import Instrument
from papertape.model.stretch import BID, Change, Stretch

LATE_MAX: Final = 4_096
"""Changed levels that may wait before they are put in their places unasked; bounds memory and the cost of the next look."""


SCANNED_MAX: Final = 1_024
"""So many late levels are looked through for the best price; more are put in their places first."""


class Ladder:
    """One side of a book, ticks to lots.

    Attributes:
        late: levels that changed since the last look, newest amount each (0: gone). Whoever changes many writes here, and minds `LATE_MAX`.
        settled: all levels in order, but for what is in `late`.
        top: the best price; None where only a look can tell. Whoever writes to `late` sees to it too.
        heap: prices in `late` alone that were not gone as they were written, bids below zero, so that the best comes first; None where
            those who write to `late` do not keep it.

    >>> ladder = Ladder(Side.SELL)
    >>> ladder.late.update({101: 5, 99: 7, 100: 0})
    >>> ladder.best, ladder.look()
    ((99, 7), SortedDict({99: 7, 101: 5}))
    """

    __slots__ = ("_changed", "_first", "_levels", "heap", "late", "settled", "top")

    def __init__(self, side: Side) -> None:
        self._levels: dict[int, Level] = {}  # as they were handed out last, by price
        self._changed: dict[int, int] = {}  # settled since then
        self.late: dict[int, int] = {}
        self.settled: SortedDict[int, int] = SortedDict()
        self.top: int | None = None
        self.heap: list[int] | None = None
        self._first = -1 if side is Side.BUY else 0

    @property
    def best(self) -> Level | None:
        """(ticks, lots) of the best level; as a rule without putting anything in order."""
        top = self.top
        if top is None:
            top = self.top = self._find()
            if top is None:
                return None
        late = self.late.get(top)
        return top, self.settled[top] if late is None else late

    def _find(self) -> int | None:
        """The best price, looked for; None where there is none."""
        late, is_bids = self.late, self._first < 0
        heap = self.heap
        if heap is None and len(late) > SCANNED_MAX:
            self.settle()
        found = None
        for ticks in reversed(self.settled) if is_bids else self.settled:
            if late.get(ticks, 1):  # else it is gone
                found = ticks
                break
        if heap is None:
            fresh = [ticks for ticks, lots in late.items() if lots]
            if fresh:
                first = max(fresh) if is_bids else min(fresh)
                return first if found is None or (first > found if is_bids else first < found) else found
            return found
        while heap and not late.get(-heap[0] if is_bids else heap[0]):
            heappop(heap)
        if heap:
            ticks = -heap[0] if is_bids else heap[0]
            if found is None or (ticks > found if is_bids else ticks < found):
                return ticks
        return found

    def lots(self, ticks: int) -> int:
        """What stands at a price; nothing is put in order for it."""
        late = self.late.get(ticks)
        return self.settled.get(ticks, 0) if late is None else late

    def within(self, limit: int | None) -> Iterator[Level]:
        """(ticks, lots) from the best price outwards, up to and with a limit; nothing is put in order for it, nor may change meanwhile.

        >>> ladder = Ladder(Side.BUY)
        >>> ladder.replace([(98, 1), (99, 2), (97, 3)])
        >>> ladder.late.update({100: 4, 98: 0})
        >>> ladder.top = None
        >>> list(ladder.within(99)), list(ladder.within(None))
        ([(100, 4), (99, 2)], [(100, 4), (99, 2), (97, 3)])
        """
        best, is_bids = self.best, self._first < 0
        if best is None or (limit is not None and (best[0] < limit if is_bids else best[0] > limit)):
            return
        late, settled = self.late, self.settled
        fresh = [ticks for ticks, lots in late.items() if lots and (limit is None or (ticks >= limit if is_bids else ticks <= limit))]
        fresh.sort(reverse=is_bids)
        still = (ticks for ticks in (reversed(settled) if is_bids else settled) if ticks not in late)
        for ticks in merge(fresh, still, reverse=is_bids):
            if limit is not None and (ticks < limit if is_bids else ticks > limit):
                return
            yield ticks, late[ticks] if ticks in late else settled[ticks]

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
        if self.heap:
            self.heap.clear()

    def replace(self, levels: Iterable[Level]) -> None:
        """Forget everything for these levels."""
        self.late.clear()
        if self.heap:
            self.heap.clear()
        self._levels.clear()
        self._changed.clear()
        self.settled.clear()
        self.settled.update(levels)
        self.top = None


FEW: Final = 64
"""So few rows are worked in one by one, which keeps the best prices known."""


class LazyBook(Book):
    """A `Book` that costs next to nothing while nobody looks at it. What `follow` tells is not even read before.

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
        self._behind: Stretch | None = None
        super().__init__(instrument)
        self.bid_ladder.heap, self.ask_ladder.heap = [], []

    @property
    def bids(self) -> SortedDict[int, int]:
        if self._behind is not None:
            self._catch_up()
        return self.bid_ladder.look()

    @bids.setter
    def bids(self, side: SortedDict[int, int]) -> None:
        if self._behind is not None:
            self._catch_up()
        self.bid_ladder.replace(side.items())

    @property
    def asks(self) -> SortedDict[int, int]:
        if self._behind is not None:
            self._catch_up()
        return self.ask_ladder.look()

    @asks.setter
    def asks(self, side: SortedDict[int, int]) -> None:
        if self._behind is not None:
            self._catch_up()
        self.ask_ladder.replace(side.items())

    @property
    def best_bid(self) -> Level | None:
        if self._behind is not None:
            self._catch_up()
        return self.bid_ladder.best

    @property
    def best_ask(self) -> Level | None:
        if self._behind is not None:
            self._catch_up()
        return self.ask_ladder.best

    def ladder(self, side: Side, depth: int | None = None) -> tuple[Level, ...]:
        if depth is not None:
            return super().ladder(side, depth)
        if self._behind is not None:
            self._catch_up()
        return (self.bid_ladder if side is Side.BUY else self.ask_ladder).page()

    def follow(self, stretch: Stretch) -> None:
        """Many changes have come; they are worked in when somebody looks. The stretch belongs to the book from now on."""
        behind = self._behind
        if behind is not None and behind.columns is stretch.columns and behind.end == stretch.begin:
            behind.end = stretch.end
        else:
            if behind is not None:
                self._catch_up()
            self._behind = behind = stretch
        self.venue_ns = stretch.venue_ns
        if behind.end - behind.begin > LATE_MAX:
            self._catch_up()

    def changing(self, changes: Iterator[Change]) -> Iterator[None]:
        """Work in changes one by one, as they come, and yield after each."""
        if self._behind is not None:
            self._catch_up()
        bids, asks = self.bid_ladder, self.ask_ladder
        bid_late, ask_late, bid_heap, ask_heap = bids.late, asks.late, bids.heap, asks.heap
        bid_known, ask_known = bids.settled, asks.settled
        assert bid_heap is not None, "nobody else writes to the ladders of a book that follows"
        assert ask_heap is not None
        for stamp_ns, side, ticks, lots in changes:
            if side == BID:
                bid_late[ticks] = lots
                top = bids.top
                if lots:
                    if ticks not in bid_known:
                        heappush(bid_heap, -ticks)
                    if top is not None and ticks > top:
                        bids.top = ticks
                    if len(bid_heap) > LATE_MAX or len(bid_late) > LATE_MAX:
                        bids.settle()
                elif ticks == top:
                    bids.top = None
            elif side:
                ask_late[ticks] = lots
                top = asks.top
                if lots:
                    if ticks not in ask_known:
                        heappush(ask_heap, ticks)
                    if top is not None and ticks < top:
                        asks.top = ticks
                    if len(ask_heap) > LATE_MAX or len(ask_late) > LATE_MAX:
                        asks.settle()
                elif ticks == top:
                    asks.top = None
            self.venue_ns = stamp_ns
            yield

    def _catch_up(self) -> None:
        behind, self._behind = self._behind, None
        assert behind is not None
        rows = behind.columns.rows(behind.begin, behind.end)
        bids, asks = self.bid_ladder, self.ask_ladder
        bid_heap, ask_heap = bids.heap, asks.heap
        assert bid_heap is not None, "nobody else writes to the ladders of a book that follows"
        assert ask_heap is not None
        if len(rows) > FEW:
            bids.late.update((ticks, lots) for side, ticks, lots in rows if side == BID)
            asks.late.update((ticks, lots) for side, ticks, lots in rows if side > BID)
            bid_heap += [-ticks for side, ticks, lots in rows if side == BID and lots and ticks not in bids.settled]
            ask_heap += [ticks for side, ticks, lots in rows if side > BID and lots and ticks not in asks.settled]
            heapify(bid_heap)
            heapify(ask_heap)
            bids.top = asks.top = None
        else:
            bid_late, ask_late, bid, ask = bids.late, asks.late, bids.top, asks.top
            bid_known, ask_known = bids.settled, asks.settled
            for side, ticks, lots in rows:
                if side == BID:
                    bid_late[ticks] = lots
                    if lots:
                        if ticks not in bid_known:
                            heappush(bid_heap, -ticks)
                        if bid is not None and ticks > bid:
                            bid = ticks
                    elif ticks == bid:
                        bid = None
                elif side:
                    ask_late[ticks] = lots
                    if lots:
                        if ticks not in ask_known:
                            heappush(ask_heap, ticks)
                        if ask is not None and ticks < ask:
                            ask = ticks
                    elif ticks == ask:
                        ask = None
            bids.top, asks.top = bid, ask
        for ladder in (bids, asks):
            if len(ladder.late) > LATE_MAX or len(ladder.heap or ()) > 4 * LATE_MAX:
                ladder.settle()

    def apply(self, event: BookSnapshot | BookUpdate) -> None:
        if self._behind is not None:
            self._catch_up()
        if type(event) is BookSnapshot:
            self.bid_ladder.replace(event.bids)
            self.ask_ladder.replace(event.asks)
            self.is_complete = True
        else:
            if event.bids:
                ladder = self.bid_ladder
                late, top, heap = ladder.late, ladder.top, ladder.heap
                for ticks, lots in event.bids:
                    late[ticks] = lots
                    if lots:
                        if heap is not None and ticks not in ladder.settled:
                            heappush(heap, -ticks)
                        if top is not None and ticks > top:
                            ladder.top = top = ticks
                    elif ticks == top:
                        ladder.top = top = None
                if len(late) > LATE_MAX or (heap and len(heap) > 4 * LATE_MAX):
                    ladder.settle()
            if event.asks:
                ladder = self.ask_ladder
                late, top, heap = ladder.late, ladder.top, ladder.heap
                for ticks, lots in event.asks:
                    late[ticks] = lots
                    if lots:
                        if heap is not None and ticks not in ladder.settled:
                            heappush(heap, ticks)
                        if top is not None and ticks < top:
                            ladder.top = top = ticks
                    elif ticks == top:
                        ladder.top = top = None
                if len(late) > LATE_MAX or (heap and len(heap) > 4 * LATE_MAX):
                    ladder.settle()
        self.venue_ns = event.venue_ns

    def clear(self) -> None:
        self._behind = None
        self.bid_ladder.replace(())
        self.ask_ladder.replace(())
        self.is_complete = False
