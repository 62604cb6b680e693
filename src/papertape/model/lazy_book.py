"""A book that is put in order only when somebody looks beyond its best prices: most changes are followed by others before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final

from sortedcontainers import SortedDict

from papertape.model.band import Band
from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, Level, Side
from papertape.model.instrument import Instrument
from papertape.model.stretch import BID, Change, Columns, Stretch, Tops
from papertape.model.units import Nanos

LATE_MAX: Final = 4_096
"""Changed levels that may wait before they are put in their places unasked; bounds memory and the cost of the next look."""


SCANNED_MAX: Final = 192
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
            for ticks, lots in late.items():
                if lots and (found is None or (ticks > found if is_bids else ticks < found)):
                    found = ticks
            return found
        while heap and not late.get(-heap[0] if is_bids else heap[0]):
            heappop(heap)
        if heap:
            ticks = -heap[0] if is_bids else heap[0]
            if found is None or (ticks > found if is_bids else ticks < found):
                return ticks
        return found

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

MANY: Final = 1_024
"""So many are worked in by columns, and put in their places at once."""

LOOKS: Final = 16
"""So many looks in a row, each after few rows, and the best prices are worked out ahead, by columns too."""


class LazyBook(Book):
    """A `Book` that costs next to nothing while nobody looks at it. What `follow` tells is not even read before.

    Whoever looks again and again at its best prices alone reads them where they were worked out for many rows to come, from how it was then
    and from the very rows that it is told of; these are worked in when somebody looks further.

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
        self._columns: Columns | None = None
        self._worked = self._come = 0  # rows of these columns that are worked in, and that have come
        self._tops: Tops | None = None  # from rows that were worked in then, and nothing else has been since
        self._looks = 0
        super().__init__(instrument)
        self.bid_ladder.heap, self.ask_ladder.heap = [], []

    @property
    def bids(self) -> SortedDict[int, int]:
        if self._come != self._worked:
            self._catch_up()
        return self.bid_ladder.look()

    @bids.setter
    def bids(self, side: SortedDict[int, int]) -> None:
        self._forget_columns()
        self.bid_ladder.replace(side.items())

    @property
    def asks(self) -> SortedDict[int, int]:
        if self._come != self._worked:
            self._catch_up()
        return self.ask_ladder.look()

    @asks.setter
    def asks(self, side: SortedDict[int, int]) -> None:
        self._forget_columns()
        self.ask_ladder.replace(side.items())

    @property
    def best_bid(self) -> Level | None:
        come = self._come
        if come != self._worked:
            tops = self._tops
            if tops is not None and come <= tops.end:
                place = come - tops.begin - 1
                lots = tops.bid_lots[place]
                return (tops.bids[place], lots) if lots else None
            self._look_ahead()
        return self.bid_ladder.best

    @property
    def best_ask(self) -> Level | None:
        come = self._come
        if come != self._worked:
            tops = self._tops
            if tops is not None and come <= tops.end:
                place = come - tops.begin - 1
                lots = tops.ask_lots[place]
                return (tops.asks[place], lots) if lots else None
            self._look_ahead()
        return self.ask_ladder.best

    def ladder(self, side: Side, depth: int | None = None) -> tuple[Level, ...]:
        if depth is not None:
            return super().ladder(side, depth)
        if self._come != self._worked:
            self._catch_up()
        return (self.bid_ladder if side is Side.BUY else self.ask_ladder).page()

    def follow(self, stretch: Stretch) -> None:
        """Many changes have come; they are worked in when somebody looks."""
        if self._columns is not stretch.columns or self._come != stretch.begin:
            self._catch_up()
            self._tops, self._looks = None, 0
            self._columns, self._worked = stretch.columns, stretch.begin
        self.follow_on(stretch.end, stretch.venue_ns)

    def follow_on(self, end: int, venue_ns: Nanos) -> None:
        """The rows of the same columns up to, not including, `end` have come by now; `venue_ns` is the stamp of the last."""
        self._come, self.venue_ns = end, venue_ns
        if end - self._worked > LATE_MAX and (self._tops is None or end > self._tops.end):
            self._catch_up()

    def outside(self, columns: Columns, begin: int, band: Band) -> int:
        """The first of the rows from `begin` on, which come next, after which a best price is outside, or how far that was looked for."""
        if self._columns is not columns or self._come != begin:
            self._forget_columns()
            self._columns, self._worked, self._come = columns, begin, begin
        tops = self._tops
        if tops is None or begin >= tops.end:
            self._catch_up()
            bids, asks = self.bid_ladder, self.ask_ladder
            tops = self._tops = columns.tops(begin, (bids.settled, bids.late), (asks.settled, asks.late))
        return begin if tops is None else columns.outside(tops, begin, band)

    def _look_ahead(self) -> None:
        """Work in what has come, and once that has been asked for often work out the best prices of what will."""
        self._looks = self._looks + 1 if self._come - self._worked <= FEW else 0
        self._catch_up()
        self._tops = None
        if self._looks >= LOOKS and self._columns is not None:
            bids, asks = self.bid_ladder, self.ask_ladder
            self._tops = self._columns.tops(self._worked, (bids.settled, bids.late), (asks.settled, asks.late))
            self._looks = 0

    def changing(self, changes: Iterator[Change]) -> Iterator[None]:
        """Work in changes one by one, as they come, and yield after each."""
        self._forget_columns()
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
        begin, end, columns = self._worked, self._come, self._columns
        if begin == end:
            return
        self._worked = end
        assert columns is not None, "what has come stands in them"
        bids, asks = self.bid_ladder, self.ask_ladder
        if end - begin > MANY:
            for ladder, levels in zip((bids, asks), columns.levels(begin, end), strict=True):
                ladder.late.update(levels)
                ladder.top = None
                ladder.settle()
            return
        rows = columns.rows(begin, end)
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
        if self._columns is not None:
            self._forget_columns()
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

    def _forget_columns(self) -> None:
        """Work in what has come of them: what comes now does not stand there."""
        self._catch_up()
        self._columns = self._tops = None
        self._worked = self._come = self._looks = 0

    def clear(self) -> None:
        self._worked = self._come  # whatever it says
        self._forget_columns()
        self.bid_ladder.replace(())
        self.ask_ladder.replace(())
        self.is_complete = False
