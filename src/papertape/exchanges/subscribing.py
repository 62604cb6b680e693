"""A bot's subscriptions: which callback hears what, and what the lane is asked for because of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Self

from papertape.exchanges.account import Account
from papertape.exchanges.base import (
    BookCallback,
    CandleCallback,
    OrderCallback,
    StatusCallback,
    Subscription,
    TickerCallback,
    TradeCallback,
)
from papertape.exchanges.candles import BarFeed
from papertape.exchanges.delivery import Delivery
from papertape.exchanges.drafting import known
from papertape.exchanges.feeds import BookFeed, StatusFeed, TickerFeed, TradeFeed
from papertape.exchanges.markets import Markets
from papertape.exchanges.moves import Moves
from papertape.exchanges.requests import Requests
from papertape.exchanges.streams import Streams
from papertape.model.account import Candle
from papertape.model.book import Book
from papertape.model.instrument import Instrument
from papertape.model.order import Order
from papertape.model.request import Channel, Op, Request
from papertape.model.units import Nanos
from papertape.resilience.bars import BarBuilder, span_of
from papertape.resilience.inbox import Inbox, Manner
from papertape.resilience.settings import ShellSettings
from papertape.runtime.clock import Clock
from papertape.runtime.stepper import Stepper


class Subscribing:
    """Makes subscriptions and ends them.

    Attributes:
        count: subscriptions that are not over.
    """

    def __init__(
        self,
        *,
        markets: Markets,
        streams: Streams,
        account: Account,
        requests: Requests,
        clock: Clock,
        settings: ShellSettings,
        market_is_live: Callable[[], bool],
        spawn: Callable[[str, Coroutine[Any, Any, Any]], asyncio.Task[Any]],
        on_bot_error: Callable[[BaseException], None],
        on_orders_lost: Callable[[], None],
        on_hole: Callable[[str], None],
    ) -> None:
        self._markets = markets
        self._instruments = markets.instruments
        self._streams = streams
        self._account = account
        self._requests = requests
        self._clock = clock
        self._settings = settings
        self._market_is_live = market_is_live
        self._spawn = spawn
        self._on_bot_error = on_bot_error
        self._on_orders_lost = on_orders_lost
        self._on_hole = on_hole
        self._stepper: Stepper | None = None
        self._orders: tuple[Delivery, ...] = ()
        self._bars: dict[tuple[str, Nanos], BarFeed] = {}
        self._live: dict[int, Delivery] = {}
        self._made = 0
        account.show = self._show_order

    @property
    def count(self) -> int:
        return len(self._live)

    async def trades(self, symbol: str, callback: TradeCallback) -> Subscription:
        instrument = known(self._instruments, symbol)
        feed = self._streams.trades.setdefault(symbol, TradeFeed(instrument, self._on_hole))

        async def end(delivery: Delivery) -> None:
            feed.deliveries = _without(feed.deliveries, delivery)
            await self._streams.release(Channel.TRADES, symbol)

        delivery = self._deliver(callback, Manner.QUEUE, end)
        feed.deliveries += (delivery,)
        await self._streams.want(Channel.TRADES, symbol)
        return delivery

    async def order_book(self, symbol: str, callback: BookCallback) -> Subscription:
        feed = self._book(symbol)

        async def end(delivery: Delivery) -> None:
            feed.deliveries = _without(feed.deliveries, delivery)
            await self._streams.release(Channel.BOOK, symbol)

        delivery = self._deliver(callback, Manner.CONFLATE, end)
        feed.deliveries += (delivery,)
        await self._streams.want(Channel.BOOK, symbol)
        if feed.is_valid and feed.deliveries != (delivery,):
            delivery(feed.book)  # others had the snapshot; the newcomer should not wait for the next change
        return delivery

    async def kept_book(self, symbol: str) -> BookKept:
        feed = self._book(symbol)
        kept = BookKept(feed, lambda: self._streams.release(Channel.BOOK, symbol))
        await self._streams.want(Channel.BOOK, symbol)
        return kept

    def _book(self, symbol: str) -> BookFeed:
        instrument = known(self._instruments, symbol)
        feed = self._streams.books.get(symbol)
        if feed is None:
            feed = self._streams.books[symbol] = BookFeed(instrument, self._clock.now_ns())
            self._streams.on_books_changed()
        return feed

    async def ticker(self, symbol: str, callback: TickerCallback) -> Subscription:
        instrument = known(self._instruments, symbol)
        feed = self._streams.tickers.setdefault(symbol, TickerFeed(instrument))

        async def end(delivery: Delivery) -> None:
            feed.deliveries = _without(feed.deliveries, delivery)
            await self._streams.release(Channel.TICKER, symbol)

        delivery = self._deliver(callback, Manner.CONFLATE, end)
        feed.deliveries += (delivery,)
        await self._streams.want(Channel.TICKER, symbol)
        return delivery

    async def status(self, symbol: str, callback: StatusCallback) -> Subscription:
        known(self._instruments, symbol)
        feed = self._streams.statuses.setdefault(symbol, StatusFeed())

        async def end(delivery: Delivery) -> None:
            feed.deliveries = _without(feed.deliveries, delivery)
            await self._streams.release(Channel.STATUS, symbol)

        delivery = self._deliver(callback, Manner.CONFLATE, end)
        feed.deliveries += (delivery,)
        await self._streams.want(Channel.STATUS, symbol)
        delivery(self._markets.by_symbol[symbol])
        return delivery

    async def bars(self, symbol: str, timeframe: str, callback: CandleCallback) -> Subscription:
        instrument = known(self._instruments, symbol)
        span_ns = span_of(timeframe)
        trades = self._streams.trades.setdefault(symbol, TradeFeed(instrument, self._on_hole))
        feed = self._bars.get((symbol, span_ns))
        if feed is None:
            feed = self._bars[symbol, span_ns] = self._build_bars(instrument, span_ns)
            trades.builders += (feed.on_trade,)
        feeding = feed

        async def end(delivery: Delivery) -> None:
            feeding.deliveries = _without(feeding.deliveries, delivery)
            if not feeding.deliveries:
                self._bars.pop((symbol, span_ns), None)
                trades.builders = tuple(build for build in trades.builders if build != feeding.on_trade)
                feeding.stop()
            await self._streams.release(Channel.TRADES, symbol)

        delivery = self._deliver(callback, Manner.QUEUE, end)
        feed.deliveries += (delivery,)
        await self._streams.want(Channel.TRADES, symbol)
        return delivery

    async def orders(self, callback: OrderCallback) -> Subscription:
        async def end(delivery: Delivery) -> None:
            self._orders = _without(self._orders, delivery)

        delivery = self._deliver(callback, Manner.QUEUE, end, on_lost=self._order_lost)
        self._orders += (delivery,)
        return delivery

    def tear_bars(self, of: str | None = None) -> None:
        """Trades were missed, of one instrument or of any; the bars they belong to must be fetched."""
        for (symbol, _), feed in self._bars.items():
            if of in (None, symbol):
                feed.tear()

    def end_market(self) -> None:
        """Deliver no market data any more; own orders still matter."""
        for number, delivery in list(self._live.items()):
            if delivery not in self._orders:
                delivery.end()
                del self._live[number]
        for feed in self._bars.values():
            feed.stop()
        self._bars.clear()

    def end_all(self) -> None:
        """Deliver nothing to anybody any more."""
        self.end_market()
        for delivery in self._live.values():
            delivery.end()
        self._live.clear()

    def close(self) -> None:
        """Leave no idle task behind; a callback that is under way goes on."""
        if self._stepper is not None:
            self._stepper.close()

    def _deliver(
        self,
        callback: Callable[[Any], object],
        manner: Manner,
        end: Callable[[Delivery], Coroutine[Any, Any, None]],
        on_lost: Callable[[Any], None] | None = None,
    ) -> Delivery:
        if self._stepper is None:
            self._stepper = Stepper()
        self._made += 1
        number = self._made

        async def ended(delivery: Delivery) -> None:
            self._live.pop(number, None)
            await end(delivery)

        delivery = Delivery(
            callback,
            Inbox(manner, limit=self._settings.inbox_max),
            self._stepper,
            on_error=self._on_bot_error,
            on_lost=on_lost or _let_go,
            on_end=ended,
        )
        self._live[number] = delivery
        return delivery

    def _show_order(self, order: Order) -> None:
        for deliver in self._orders:
            deliver(order)

    def _order_lost(self, order: Order) -> None:
        self._account.forget_shown(order)
        self._on_orders_lost()

    def _build_bars(self, instrument: Instrument, span_ns: Nanos) -> BarFeed:
        async def fetch(open_ns: Nanos) -> Candle | None:
            request = Request(op=Op.OHLCV_FETCH, symbol=instrument.symbol, span_ns=span_ns, since_ns=open_ns, limit=1)
            answer = await self._requests.repeat(request)
            return next((candle for candle in answer.candles if candle.open_ns == open_ns), None)

        return BarFeed(
            BarBuilder(instrument, span_ns, self._clock.wall_ns()),
            clock=self._clock,
            grace_ns=self._settings.bar_grace_ns,
            is_torn=lambda: not self._market_is_live(),
            fetch=fetch,
            spawn=self._spawn,
        )


class BookKept:
    """A `base.KeptBook` of the shell: no callback hears of its book.

    Attributes:
        book: as delivered so far.
    """

    def __init__(self, feed: BookFeed, release: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.book: Book | None = feed.book
        self._feed = feed
        self._moves = Moves(feed.book)
        self._release = release
        self._is_over = False
        feed.moves += (self._moves,)

    async def moved(self, by: int = 1, *, bid: int | None = None, ask: int | None = None) -> Book:
        """See `base.KeptBook.moved`."""
        return await self._moves.wait(by, bid, ask)

    async def unsubscribe(self) -> None:
        """Keep it no more; doing it twice does nothing."""
        if not self._is_over:
            self._is_over = True
            self._feed.moves = tuple(moves for moves in self._feed.moves if moves is not self._moves)
            self._moves.end()
            await self._release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.unsubscribe()


def _without(deliveries: tuple[Delivery, ...], gone: Delivery) -> tuple[Delivery, ...]:
    return tuple(delivery for delivery in deliveries if delivery is not gone)


def _let_go(item: object) -> None:
    """A slow callback missed it; its inbox counts how many."""
