"""The book as it was delivered to us; changed levels are put in place only when somebody looks."""

from __future__ import annotations

from typing import Final

from sortedcontainers import SortedDict

from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate
from papertape.model.instrument import Instrument

PENDING_MAX: Final = 4_096
"""Changed levels that may wait before they are put in place unasked; bounds memory and the cost of the next look."""


class MirrorBook(Book):
    """A `Book` that costs next to nothing while nobody looks at it.

    Updates are collected per level, newest amount only, and merged into the sorted sides on the first look after them.

    >>> from decimal import Decimal
    >>> book = MirrorBook(Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001")))
    >>> book.apply(BookSnapshot(venue_ns=0, local_ns=0, symbol="BTC/USD", bids=((99, 5), (98, 1)), asks=((101, 2),)))
    >>> book.apply(BookUpdate(venue_ns=1, local_ns=1, symbol="BTC/USD", bids=((99, 0),), asks=()))
    >>> book.best_bid, book.best_ask
    ((98, 1), (101, 2))
    """

    def __init__(self, instrument: Instrument) -> None:
        self._bids: SortedDict[int, int] = SortedDict()
        self._asks: SortedDict[int, int] = SortedDict()
        self._late_bids: dict[int, int] = {}
        self._late_asks: dict[int, int] = {}
        super().__init__(instrument)

    @property
    def bids(self) -> SortedDict[int, int]:
        if self._late_bids:
            _merge(self._bids, self._late_bids)
        return self._bids

    @bids.setter
    def bids(self, side: SortedDict[int, int]) -> None:
        self._bids = side
        self._late_bids.clear()

    @property
    def asks(self) -> SortedDict[int, int]:
        if self._late_asks:
            _merge(self._asks, self._late_asks)
        return self._asks

    @asks.setter
    def asks(self, side: SortedDict[int, int]) -> None:
        self._asks = side
        self._late_asks.clear()

    def apply(self, event: BookSnapshot | BookUpdate) -> None:
        if type(event) is BookSnapshot:
            self.bids = SortedDict(event.bids)
            self.asks = SortedDict(event.asks)
            self.is_complete = True
        else:
            if event.bids:
                late = self._late_bids
                for ticks, lots in event.bids:
                    late[ticks] = lots
                if len(late) > PENDING_MAX:
                    _merge(self._bids, late)
            if event.asks:
                late = self._late_asks
                for ticks, lots in event.asks:
                    late[ticks] = lots
                if len(late) > PENDING_MAX:
                    _merge(self._asks, late)
        self.venue_ns = event.venue_ns

    def clear(self) -> None:
        self.bids = SortedDict()
        self.asks = SortedDict()
        self.is_complete = False


def _merge(side: SortedDict[int, int], late: dict[int, int]) -> None:
    for ticks, lots in late.items():
        if lots:
            side[ticks] = lots
        else:
            side.pop(ticks, None)
    late.clear()
