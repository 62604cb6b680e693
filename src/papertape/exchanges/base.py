"""What a bot sees of an exchange: the same for the simulated one and the real ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Protocol, Self

from papertape.exchanges.moves import Moves
from papertape.model.account import Balances, Candle, Market, Position
from papertape.model.book import Book
from papertape.model.errors import NotSupported
from papertape.model.order import Order
from papertape.model.public import PublicTicker, PublicTrade
from papertape.model.units import Nanos
from papertape.resilience.health import Health

Number = Decimal | int | float | str
"""An amount or price as people write it; a float means what it prints as."""

TradeCallback = Callable[[PublicTrade], Awaitable[object] | None]
BookCallback = Callable[[Book], Awaitable[object] | None]
TickerCallback = Callable[[PublicTicker], Awaitable[object] | None]
CandleCallback = Callable[[Candle], Awaitable[object] | None]
StatusCallback = Callable[[Market], Awaitable[object] | None]
OrderCallback = Callable[[Order], Awaitable[object] | None]


class Subscription(Protocol):
    """What a subscribe method returns; `async with` ends it at the end of the block."""

    async def unsubscribe(self) -> None:
        """Hear no more; doing it twice does nothing."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exception: object) -> None: ...


class KeptBook(Subscription, Protocol):
    """A book that is kept up for whoever looks; see `BaseExchange.keep_order_book`."""

    @property
    def book(self) -> Book | None:
        """Always the same object, as delivered so far; None before there is any. While the line is down it is empty, and not complete."""
        ...

    async def moved(self, by: int = 1, *, bid: int | None = None, ask: int | None = None) -> Book:
        """Wait until a best price has moved, and return the book as it is then: at once if it has already.

        In a replay that is as fast as not looking at all: what nobody waits for is passed over.

        Args:
            by: ticks; the best bid has moved if it is so far away from `bid` or further, the best ask if it is from `ask`.
            bid, ask: ticks; where they are now, if not given.

        A book that loses a side, as all do when the line is lost, has moved. While one lacks a side this waits until it has both.

        Raises:
            ValueError: `by` is less than a tick.
            RuntimeError: the book is kept no more.
        """
        ...


class BaseExchange(ABC):
    """One account at one venue.

    Symbols, timeframes, order vocabulary and argument order are ccxt's. Prices and amounts come back as `Decimal`. What goes wrong is one
    of ccxt's error classes; `papertape.model.errors` says which means what.

    Callbacks may be plain or async. Each subscription's are called one after another, and an exception in one stops the bot.
    """

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.disconnect()  # `__aexit__` is not called after this
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.disconnect()

    @abstractmethod
    async def connect(self) -> None:
        """Open every lane, learn the markets, repair what an earlier life left; raises ExchangeNotAvailable if that takes too long."""

    @abstractmethod
    async def disconnect(self) -> None:
        """Take no more orders, give back those never sent, cancel our own open ones if the settings say so, close every lane."""

    @abstractmethod
    async def fetch_balance(self) -> Balances: ...

    @abstractmethod
    async def place_order(
        self,
        symbol: str,
        type: str,
        side: str,
        amount: Number | None = None,
        price: Number | None = None,
        *,
        client_order_id: str | None = None,
        time_in_force: str = "GTC",
        expires_at: Nanos | None = None,
        cost: Number | None = None,
        post_only: bool = False,
        reduce_only: bool = False,
        trigger_price: Number | None = None,
        stop_direction: str | None = None,
        stop_loss_price: Number | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Order:
        """Place one order, once, and return at the venue's acknowledgement.

        While the line is down the order waits; after a lost answer its fate is found out before this returns.

        Args:
            type: "limit" or "market".
            amount: base; None for a market buy by `cost`, which is the quote to spend.
            time_in_force: "GTC", "IOC", "FOK", or "GTD" with `expires_at`, nanoseconds since 1970-01-01 UTC.
            trigger_price: a stop-limit order: it comes to the book at `price` once a trade reaches this. Until then it is open, and nothing
                can fill it.
            stop_direction: which way the market must go for that, "up" or "down"; that of an order that protects if left out: up for a
                buy, down for a sell. The other way takes a profit.
            stop_loss_price: a bracket: a sell that rests at `price`, and gets out once a trade falls to this.

        Raises:
            NotSupported: the venue does not offer such orders; nothing was sent.
            InvalidOrder: off the tick or lot, too small, or otherwise nothing the venue would take; nothing was sent.
            ExchangeNotAvailable: the line stayed down too long, or the symbol has an order of unknown outcome; nothing was sent.
            OutcomeUnknown: sent, and its fate is still unknown: `await exchange.resolve(error.client_order_id)`.
            ExchangeError: the venue said no; InsufficientFunds and the like.
        """

    @abstractmethod
    async def edit_order(
        self, order_id: str, symbol: str | None = None, *, amount: Number | None = None, price: Number | None = None
    ) -> Order:
        """Change what is left of an open order; returns it as it then stands."""

    @abstractmethod
    async def resolve(self, client_order_id: str) -> Order:
        """Wait until an unknown outcome is known.

        Returns the order if the venue has it; raises what the venue refused it with, or OrderNotFound if it never had it.
        """

    @abstractmethod
    async def cancel_order(self, order_id: str, symbol: str | None = None) -> Order:
        """Cancel an order and return where it then stands: a fill may have been faster, which is no error."""

    @abstractmethod
    async def fetch_order_status(self, order_id: str, symbol: str | None = None) -> Order: ...

    @abstractmethod
    async def fetch_ohlcv(self, symbol: str, timeframe: str = "1m", since: int | None = None, limit: int | None = None) -> list[Candle]:
        """Bars, oldest first; `since` in milliseconds since 1970-01-01 UTC, as ccxt has it."""

    @abstractmethod
    async def subscribe_ohlcv(self, symbol: str, timeframe: str, callback: CandleCallback) -> Subscription:
        """Each bar once it is over."""

    @abstractmethod
    async def subscribe_trades(self, symbol: str, callback: TradeCallback) -> Subscription:
        """Each public trade."""

    @abstractmethod
    async def subscribe_order_book(self, symbol: str, callback: BookCallback) -> Subscription:
        """The book after each change, as delivered so far: always the same object, so `.copy()` what is to be kept."""

    async def subscribe_orderbook(self, symbol: str, callback: BookCallback) -> Subscription:
        """The same as `subscribe_order_book`."""
        return await self.subscribe_order_book(symbol, callback)

    async def keep_order_book(self, symbol: str) -> KeptBook:
        """Keep the book up without a callback: `book` of what this returns shows it as delivered so far, whenever somebody looks.

        In a replay that is many times as fast as a callback for each change, if the bot looks now and then; `moved` of it waits until its
        best prices are others.
        """
        kept = _Kept()
        kept.subscription = await self.subscribe_order_book(symbol, kept.show)
        return kept

    @abstractmethod
    async def subscribe_ticker(self, symbol: str, callback: TickerCallback) -> Subscription:
        """Best prices and last trade; a slow callback gets the newest only."""

    async def subscribe_status(self, symbol: str, callback: StatusCallback) -> Subscription:
        """The market as it is now, and whenever its venue takes other orders there than before: `phase` says which.

        Raises NotSupported where nobody tells of it by a stream.
        """
        raise NotSupported(f"{type(self).__name__} has no stream of how {symbol} stands; fetch_markets asks for it")

    @abstractmethod
    async def subscribe_orders(self, callback: OrderCallback) -> Subscription:
        """Our own orders, whenever one changed, fills included."""

    @abstractmethod
    async def fetch_open_orders(self, symbol: str | None = None) -> list[Order]: ...

    @abstractmethod
    async def fetch_positions(self, symbols: list[str] | None = None) -> list[Position]:
        """What our own fills add up to."""

    @abstractmethod
    async def fetch_markets(self) -> list[Market]:
        """What can be traded; as every fetch, it raises NetworkError where the line stays down, right after `connect` as well."""

    @property
    def markets(self) -> Mapping[str, Market]:
        """What can be traded, by symbol, as last told; empty before anybody was. Their `phase` is kept where their status is followed."""
        return {}

    @property
    @abstractmethod
    def health(self) -> Health:
        """Lanes, queue, budget, books, right now."""


class _Kept:
    """A `KeptBook` on any adapter: it hears each change and keeps the book that it is handed."""

    subscription: Subscription

    def __init__(self) -> None:
        self._moves = Moves()

    @property
    def book(self) -> Book | None:
        return self._moves.book

    def show(self, book: Book) -> None:
        self._moves.book = book
        self._moves.look()

    async def moved(self, by: int = 1, *, bid: int | None = None, ask: int | None = None) -> Book:
        return await self._moves.wait(by, bid, ask)

    async def unsubscribe(self) -> None:
        self._moves.end()
        await self.subscription.unsubscribe()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.unsubscribe()
