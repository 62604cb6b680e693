"""`DataCollector`: subscribes at an exchange and tells listeners, through signals, what comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Final, Self

import msgspec

from papertape.collector.signal import Signal
from papertape.exchanges.base import BaseExchange, Subscription
from papertape.model.account import Candle
from papertape.model.book import Book
from papertape.model.errors import ConfigError
from papertape.model.event import Side
from papertape.model.order import Order
from papertape.model.public import PublicTicker, PublicTrade
from papertape.model.units import SECOND, Nanos, parse_duration
from papertape.resilience.health import Health

DEPTH: Final = 25
"""Levels a side of a `BookShot`, unless told otherwise."""

EVERY: Final = "100ms"
"""How often books and tickers are shown, unless told otherwise."""

HEALTH_EVERY_NS: Final[Nanos] = SECOND


class Kind(StrEnum):
    """What a collector tells of."""

    TRADES = "trades"
    TICKER = "ticker"
    CANDLES = "candles"
    BOOK = "book"
    ORDERS = "orders"
    HEALTH = "health"


class BookShot(msgspec.Struct, frozen=True, kw_only=True):
    """The top of a book, as it was delivered to the bot's side.

    Attributes:
        venue_ns: of its last change, venue clock, since 1970-01-01 UTC.
        bids, asks: (price, amount), best first.
    """

    symbol: str
    venue_ns: Nanos
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """How the exchange is, once a second.

    Attributes:
        lag_ns: how much later than at the venue the last trade or ticker was heard, by symbol; by two clocks, so it may be negative.
        heard: how many of each kind have been told so far.
        failures: exceptions that listeners raised so far.
    """

    health: Health
    lag_ns: dict[str, Nanos]
    heard: dict[Kind, int]
    failures: int


class DataCollector:
    """Feeds user interfaces, recorders and alarms from any exchange, in any mode, beside whatever bot trades there.

        async with DataCollector(exchange, "BTC/USD") as collector:
            collector.trades.connect(print)

    It can do the bot no harm: a listener's exception goes no further than the log, a `Mailbox` is bounded, books and tickers are shown so
    often and no oftener, however often they change. What the bot has subscribed to costs the line nothing more; what it has not is asked
    of the venue like any other subscription, and a simulated run has it in its journal.

    Args:
        symbols: one or several, as ccxt writes them.
        timeframe: of the candles.
        kinds: what to subscribe to, all if left out.
        depth: how many levels a side of a book are shown.
        every: how often books and tickers are shown, if they changed.

    Attributes:
        trades, orders: each as it comes.
        tickers, books: the newest, every so often.
        candles: (symbol, bar) once it is over.
        health: a `Pulse` each second.

    Raises:
        ConfigError: no symbol, or a timeframe, depth or time that makes no sense.
    """

    def __init__(
        self,
        exchange: BaseExchange,
        symbols: str | Iterable[str],
        *,
        timeframe: str = "1m",
        kinds: Iterable[Kind | str] = tuple(Kind),
        depth: int = DEPTH,
        every: str = EVERY,
    ) -> None:
        self.trades: Signal[PublicTrade] = Signal("trades")
        self.tickers: Signal[PublicTicker] = Signal("tickers")
        self.candles: Signal[tuple[str, Candle]] = Signal("candles")
        self.books: Signal[BookShot] = Signal("books")
        self.orders: Signal[Order] = Signal("orders")
        self.health: Signal[Pulse] = Signal("health")
        self._exchange = exchange
        self._symbols = dict.fromkeys([symbols] if isinstance(symbols, str) else symbols)
        self._kinds = _kinds(kinds)
        if not self._symbols and self._kinds.keys() - {Kind.ORDERS, Kind.HEALTH}:
            raise ConfigError('DataCollector: `symbols` is empty; expected at least one, such as "BTC/USD"')
        self._timeframe = timeframe
        self._depth = depth
        if depth < 1:
            raise ConfigError(f"DataCollector: `depth` holds {depth}; expected 1 or more")
        try:
            self._every_ns = parse_duration(every)
        except ValueError as error:
            raise ConfigError(f"DataCollector: `every`: {error}") from None
        if self._every_ns <= 0:
            raise ConfigError(f'DataCollector: `every` holds "{every}"; expected more than nothing')
        self._changed_books: dict[str, Book] = {}
        self._changed_tickers: dict[str, PublicTicker] = {}
        self._lag_ns: dict[str, Nanos] = {}
        self._heard = dict.fromkeys(self._kinds, 0)
        self._subscriptions: list[Subscription] = []
        self._timer: asyncio.TimerHandle | None = None
        self._until_health_ns: Nanos = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    @property
    def subscriptions(self) -> int:
        """How many it has at the exchange now."""
        return len(self._subscriptions)

    async def start(self) -> None:
        """Subscribe; raises what the exchange does of a symbol that it has not got, and then is subscribed to nothing."""
        if self._timer is not None:
            return
        self._timer = asyncio.get_running_loop().call_later(0, self._show)
        try:
            for symbol in self._symbols:
                await self._subscribe(symbol)
            if Kind.ORDERS in self._kinds:
                self._subscriptions.append(await self._exchange.subscribe_orders(self._on_order))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Tell no more; what changed last is shown before."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        self._show_changed()
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            await subscription.unsubscribe()

    async def _subscribe(self, symbol: str) -> None:
        exchange, kinds, made = self._exchange, self._kinds, self._subscriptions
        if Kind.TRADES in kinds:
            made.append(await exchange.subscribe_trades(symbol, self._on_trade))
        if Kind.BOOK in kinds:
            made.append(await exchange.subscribe_order_book(symbol, self._book_listener(symbol)))
        if Kind.TICKER in kinds:
            made.append(await exchange.subscribe_ticker(symbol, self._on_ticker))
        if Kind.CANDLES in kinds:
            made.append(await exchange.subscribe_ohlcv(symbol, self._timeframe, self._candle_listener(symbol)))

    # In a callback of the exchange: short, and nothing may go wrong

    def _on_trade(self, trade: PublicTrade) -> None:
        event = trade.event
        self._lag_ns[event.symbol] = event.local_ns - event.venue_ns
        self._heard[Kind.TRADES] += 1
        self.trades.emit(trade)

    def _on_ticker(self, ticker: PublicTicker) -> None:
        event = ticker.event
        self._lag_ns[event.symbol] = event.local_ns - event.venue_ns
        self._heard[Kind.TICKER] += 1
        self._changed_tickers[event.symbol] = ticker

    def _on_order(self, order: Order) -> None:
        self._heard[Kind.ORDERS] += 1
        self.orders.emit(order)

    def _book_listener(self, symbol: str) -> Callable[[Book], None]:
        def on_book(book: Book) -> None:
            self._heard[Kind.BOOK] += 1
            self._changed_books[symbol] = book  # looked at when it is shown

        return on_book

    def _candle_listener(self, symbol: str) -> Callable[[Candle], None]:
        def on_candle(candle: Candle) -> None:
            self._heard[Kind.CANDLES] += 1
            self.candles.emit((symbol, candle))

        return on_candle

    # Every so often

    def _show(self) -> None:
        self._show_changed()
        if Kind.HEALTH in self._kinds:
            self._until_health_ns -= self._every_ns
            if self._until_health_ns <= 0:
                self._until_health_ns = HEALTH_EVERY_NS
                self._show_health()
        if self._timer is not None:  # no listener has stopped us
            self._timer = asyncio.get_running_loop().call_later(self._every_ns / SECOND, self._show)

    def _show_changed(self) -> None:
        books, self._changed_books = self._changed_books, {}
        tickers, self._changed_tickers = self._changed_tickers, {}
        for symbol, book in books.items():
            self.books.emit(self._shot(symbol, book))
        for ticker in tickers.values():
            self.tickers.emit(ticker)

    def _show_health(self) -> None:
        self._heard[Kind.HEALTH] += 1
        failures = sum(signal.failures for signal in (self.trades, self.tickers, self.candles, self.books, self.orders, self.health))
        self.health.emit(Pulse(health=self._exchange.health, lag_ns=dict(self._lag_ns), heard=dict(self._heard), failures=failures))

    def _shot(self, symbol: str, book: Book) -> BookShot:
        instrument = book.instrument

        def side(side: Side) -> tuple[tuple[Decimal, Decimal], ...]:
            return tuple((instrument.price(ticks), instrument.amount(lots)) for ticks, lots in book.ladder(side, self._depth))

        return BookShot(symbol=symbol, venue_ns=book.venue_ns, bids=side(Side.BUY), asks=side(Side.SELL))


def _kinds(kinds: Iterable[Kind | str]) -> dict[Kind, None]:
    try:
        return dict.fromkeys(Kind(kind) for kind in kinds)
    except ValueError as error:
        raise ConfigError(f"DataCollector: {error}; expected some of {', '.join(Kind)}") from None
