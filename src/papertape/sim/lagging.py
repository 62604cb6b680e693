"""A venue that is told of market rows only once somebody looks at what they change.

As long as nobody looks, rows reach it without a call each: how many have, whoever brings them keeps count (its `Lag`). What they change
of the book, of trades and candles is worked in when it is asked for; what they do to an order of ours happens in its time, which is why
the venue says which rows those may be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Protocol

import msgspec

from papertape.model.book import Book
from papertape.model.errors import IllegalMove
from papertape.model.event import BookUpdate, Level, MarketEvent, Side, Trade
from papertape.model.ladder import LATE_MAX
from papertape.model.request import Answer, Op, Request
from papertape.model.units import Nanos
from papertape.sim.candles import Candles
from papertape.sim.matcher import Matcher
from papertape.sim.order import LiveOrder
from papertape.sim.prints import Fact
from papertape.sim.venue import SimVenue


class Lag(Protocol):
    """Rows that have reached a venue, and what of them is not worked into it yet."""

    def tell_books(self) -> None:
        """Work in what changes books and orders."""
        ...

    def tell_trades(self) -> None:
        """Work in the public trades."""
        ...

    def tell_candles(self) -> None:
        """Work in the bars."""
        ...


class Minds(msgspec.Struct, frozen=True):
    """Which rows of one instrument may do something that somebody hears of: fill an order of ours, or set it off.

    Attributes:
        bid, ask: our best prices; changes of the other side's levels and trades at or through them matter. None where we have none.
        all: everything does.
    """

    bid: int | None = None
    ask: int | None = None
    all: bool = False


NOTHING = Minds()


class LaggingVenue(SimVenue):
    """See above; to everybody else it is a venue like any other.

    Attributes:
        lag: who keeps count.
    """

    lag: Lag | None = None

    @cached_property
    def _minded(self) -> dict[str, tuple[tuple[int, int, bool, int], Minds]]:
        """What each instrument's orders minded when that was last asked, and what it depended on."""
        return {}

    _books: dict[str, Book]
    _trades: dict[str, deque[Trade]]
    _candles: dict[str, Candles]

    # What somebody looks at

    @property
    def books(self) -> dict[str, Book]:
        if self.lag is not None:
            self.lag.tell_books()
        return self._books

    @books.setter
    def books(self, books: dict[str, Book]) -> None:
        self._books = books

    @property
    def trades(self) -> dict[str, deque[Trade]]:
        if self.lag is not None:
            self.lag.tell_trades()
        return self._trades

    @trades.setter
    def trades(self, trades: dict[str, deque[Trade]]) -> None:
        self._trades = trades

    @property
    def candles(self) -> dict[str, Candles]:
        if self.lag is not None:
            self.lag.tell_candles()
        return self._candles

    @candles.setter
    def candles(self, candles: dict[str, Candles]) -> None:
        self._candles = candles

    def execute(self, request: Request, now_ns: Nanos) -> Answer:
        if self.lag is not None:
            self.lag.tell_books()
            if request.op is Op.TRADES_FETCH:
                self.lag.tell_trades()
            elif request.op is Op.OHLCV_FETCH:
                self.lag.tell_candles()
        return super().execute(request, now_ns)

    def apply(self, event: MarketEvent, now_ns: Nanos) -> None:
        """As there, but that trades are kept, and bars made of them, by who keeps count."""
        if type(event) is not Trade or self.lag is None:
            super().apply(event, now_ns)
            return
        if now_ns < self.now_ns:
            raise IllegalMove(f"a market message at {now_ns} ns, after the venue has been at {self.now_ns} ns")
        self.now_ns = now_ns
        if now_ns >= self._end_ns:
            self._end_orders()
        self._matchers[event.symbol].on_trade(event)
        is_heard = event.symbol in self._conditions.stops and not self._matchers[event.symbol].is_halted
        for order in self._conditions.set_off(event) if is_heard else ():
            self._trigger(order)

    @property
    def apply_in_time(self) -> Callable[[MarketEvent, Nanos], None]:
        """`apply` for who brings each row in its time, once nobody keeps count any more: there are many."""
        assert self.lag is None, "who keeps count has the trades"
        return super().apply

    # What whoever keeps count asks and tells

    def minds(self, symbol: str) -> Minds:
        """Which rows of an instrument must be told in their time; the same object while nothing has changed."""
        matcher = self._matchers[symbol]
        key = matcher.bids.changes, matcher.asks.changes, matcher.is_unsettled, len(self._settlement.open)
        known = self._minded.get(symbol)
        if known is None or known[0] != key:
            known = self._minded[symbol] = (key, self._minds(symbol, matcher))
        return known[1]

    def _minds(self, symbol: str, matcher: Matcher) -> Minds:
        bids, asks = matcher.bids, matcher.asks
        for order in self._settlement.open.values():
            if order.instrument.symbol == symbol and not _only_rests(order):
                return Minds(all=True)
        minds = Minds(bid=bids.own_best, ask=asks.own_best, all=matcher.is_unsettled)
        return NOTHING if minds == NOTHING else minds

    def matcher(self, symbol: str) -> Matcher:
        """Of an instrument; in its book only what no order of ours minds may be changed."""
        return self._matchers[symbol]

    def follow(self, event: MarketEvent) -> None:
        """Work in one row that no order of ours minds; it may tell some how many stand before them."""
        if type(event) is BookUpdate:
            matcher = self._matchers[event.symbol]
            if event.bids:
                matcher.bids.change(event.bids, event.venue_ns)
            if event.asks:
                matcher.asks.change(event.asks, event.venue_ns)
            matcher.book.venue_ns = event.venue_ns
        elif type(event) is Trade:
            matcher = self._matchers[event.symbol]
            (matcher.asks if event.taker is Side.BUY else matcher.bids).printed(event)

    def skip(self, symbol: str, side: Side, levels: Iterable[Level], facts: int, recall: Callable[[int], list[Fact]]) -> None:
        """Work in many rows of one side that no order of ours minds, and none of which is at the price of one.

        Args:
            levels: every price that changed, with what it holds in the end.
            facts: how many the rows tell.
            recall: what tells these, and those before them, up to the one with that mark, if somebody should ask.
        """
        matcher = self._matchers[symbol]
        its = matcher.bids if side is Side.BUY else matcher.asks
        its.ladder.update(levels)
        if len(its.ladder.late) > LATE_MAX:
            its.ladder.settle()
        if facts:
            its.recent.skip(facts, recall)

    def jump(self, symbol: str, side: Side, levels: Iterable[Level], facts: int, recall: Callable[[int], list[Fact]]) -> None:
        """As `skip`, where it is known what all of that side holds in the end: `levels`."""
        matcher = self._matchers[symbol]
        its = matcher.bids if side is Side.BUY else matcher.asks
        its.ladder.replace(levels)
        if facts:
            its.recent.skip(facts, recall)

    def keep_trades(self, symbol: str, trades: Iterable[Trade]) -> None:
        """Add to the public trades, oldest first."""
        self._trades[symbol].extend(trades)

    def keep_bars(self, symbol: str, bars: Iterable[tuple[int, int, int, int, int, int]], minute: int) -> None:
        """Make trades part of the bars; see `Candles.follow`."""
        self._candles[symbol].follow(bars, minute)


def _only_rests(order: LiveOrder) -> bool:
    """Whether all that can happen to an open order by itself is to be filled where it rests."""
    return order.place is not None and order.is_plain
