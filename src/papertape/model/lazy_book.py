"""A book that is put in order only when somebody looks beyond its best prices: most changes are followed by others before."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappush
from typing import Final

from sortedcontainers import SortedDict

from papertape.model.band import Band
from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, Level, Side
from papertape.model.instrument import Instrument
from papertape.model.ladder import LATE_MAX, Ladder
from papertape.model.stretch import BID, Change, Columns, Stretch, Tops
from papertape.model.units import Nanos

FEW: Final = 64
"""So few rows are worked in one by one, which keeps the best prices known."""

MANY: Final = 1_024
"""So many are worked in by columns."""

LOOKS: Final = 16
"""So many looks in a row, each after few rows, and the best prices are worked out ahead, by columns too."""


class LazyBook(Book):
    """A `Book` that costs next to nothing while nobody looks at it. What `follow` tells is not even read before.

    Whoever looks again and again at its best prices alone reads them where they were worked out for many rows to come, from how it was then
    and from the very rows that it is told of; these are worked in when somebody looks further.

    Attributes:
        come: rows that have come of the columns that it follows.

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
        self._worked = self.come = 0  # of these columns' rows, those that are worked in
        self._until = LATE_MAX  # so many of them may come before they are worked in unasked
        self._tops: Tops | None = None  # from rows that were worked in then, and nothing else has been since
        self._looks = 0
        super().__init__(instrument)
        self.bid_ladder.heap, self.ask_ladder.heap = [], []

    @property
    def bids(self) -> SortedDict[int, int]:
        if self.come != self._worked:
            self._catch_up()
        return self.bid_ladder.look()

    @bids.setter
    def bids(self, side: SortedDict[int, int]) -> None:
        self._forget_columns()
        self.bid_ladder.replace(side.items())

    @property
    def asks(self) -> SortedDict[int, int]:
        if self.come != self._worked:
            self._catch_up()
        return self.ask_ladder.look()

    @asks.setter
    def asks(self, side: SortedDict[int, int]) -> None:
        self._forget_columns()
        self.ask_ladder.replace(side.items())

    @property
    def best_bid(self) -> Level | None:
        tops = self._tops
        if tops is None or self.come > tops.end:
            tops = self._look_ahead()
            if tops is None:
                return self.bid_ladder.best
        place = self.come - tops.begin
        lots = tops.bid_lots[place]
        return (tops.bids[place], lots) if lots else None

    @property
    def best_ask(self) -> Level | None:
        tops = self._tops
        if tops is None or self.come > tops.end:
            tops = self._look_ahead()
            if tops is None:
                return self.ask_ladder.best
        place = self.come - tops.begin
        lots = tops.ask_lots[place]
        return (tops.asks[place], lots) if lots else None

    def ladder(self, side: Side, depth: int | None = None) -> tuple[Level, ...]:
        if depth is not None:
            return super().ladder(side, depth)
        if self.come != self._worked:
            self._catch_up()
        return (self.bid_ladder if side is Side.BUY else self.ask_ladder).page()

    def amounts(self, side: Side) -> dict[int, int]:
        if self.come != self._worked:
            self._catch_up()
        return (self.bid_ladder if side is Side.BUY else self.ask_ladder).amounts()

    def follow(self, stretch: Stretch) -> None:
        """Many changes have come; they are worked in when somebody looks."""
        if self._columns is not stretch.columns or self.come != stretch.begin:
            self._catch_up()
            self._tops, self._looks = None, 0
            self._columns, self._worked, self._until = stretch.columns, stretch.begin, stretch.begin + LATE_MAX
        self.follow_on(stretch.end, stretch.venue_ns)

    def follow_on(self, end: int, venue_ns: Nanos) -> None:
        """The rows of the same columns up to, not including, `end` have come by now; `venue_ns` is the stamp of the last."""
        self.come, self.venue_ns = end, venue_ns
        if end > self._until:
            self._tops = None
            self._catch_up()

    def outside(self, columns: Columns, begin: int, band: Band) -> int:
        """The first of the rows from `begin` on, which come next, after which a best price is outside, or how far that was looked for."""
        if self._columns is not columns or self.come != begin:
            self._forget_columns()
            self._columns, self._worked, self.come, self._until = columns, begin, begin, begin + LATE_MAX
        if self._tops is None or begin >= self._tops.end:
            self._go_on(columns)
        return begin if self._tops is None else columns.outside(self._tops, begin, band)

    def _look_ahead(self) -> Tops | None:
        """Work in what has come, and once that has been asked for often work out the best prices of what will."""
        tops, columns, new = self._tops, self._columns, self.come - self._worked
        if tops is not None:  # they have been read to their end, or nobody has looked for a while
            self._looks = LOOKS if self.come - tops.end <= FEW else 0
        elif new:
            self._looks = self._looks + 1 if new <= FEW else 0
        else:
            return None
        if self._looks >= LOOKS and columns is not None:
            self._looks = 0
            self._go_on(columns)
        else:
            self._tops = None
            self._catch_up()
        return self._tops

    def _go_on(self, columns: Columns) -> None:
        """Work out the best prices from here on: by those that end here, if that can be, else by the whole book."""
        tops = self._tops
        self._tops = None if tops is None or self.come - tops.end > FEW else columns.tops_after(tops)
        if self._tops is None or self._tops.end < self.come:
            self._tops = None
            self._catch_up()
            bids, asks = self.bid_ladder, self.ask_ladder
            self._tops = columns.tops(self._worked, (bids.known, bids.late), (asks.known, asks.late))
        if self._tops is not None:
            self._until = self._tops.end + FEW

    def changing(self, changes: Iterator[Change]) -> Iterator[None]:
        """Work in changes one by one, as they come, and yield after each."""
        self._forget_columns()
        bids, asks = self.bid_ladder, self.ask_ladder
        bid_late, ask_late, bid_heap, ask_heap = bids.late, asks.late, bids.heaped(), asks.heaped()
        bid_known, ask_known = bids.settled, asks.settled
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
        begin, end, columns = self._worked, self.come, self._columns
        if begin == end:
            return
        self._worked, self._until = end, max(self._until, end + LATE_MAX)
        assert columns is not None, "what has come stands in them"
        bids, asks = self.bid_ladder, self.ask_ladder
        if end - begin > MANY:
            for ladder, levels in zip((bids, asks), columns.levels(begin, end), strict=True):
                ladder.late.update(levels)
                ladder.top = ladder.below = ladder.heap = None
                if len(ladder.late) > LATE_MAX:
                    ladder.settle()
            return
        rows = columns.rows(begin, end)
        bid_heap, ask_heap = bids.heaped(), asks.heaped()
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
        self._worked = self.come = self._looks = 0

    def clear(self) -> None:
        self._worked = self.come  # whatever it says
        self._forget_columns()
        self.bid_ladder.replace(())
        self.ask_ladder.replace(())
        self.is_complete = False
