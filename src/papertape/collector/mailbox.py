"""What waits for a listener in another thread, or for one with little time: bounded, the newest first to stay."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Final

import msgspec

from papertape.model.account import Candle
from papertape.model.order import Order
from papertape.model.public import PublicTicker, PublicTrade

if TYPE_CHECKING:
    from papertape.collector.collector import BookShot, DataCollector, Pulse

TRADES_MAX: Final = 10_000
ORDERS_MAX: Final = 1_000
CANDLES_MAX: Final = 1_000


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What has come since the last `Mailbox.take`.

    Attributes:
        trades: all of them, oldest first, but for those that had to go.
        orders: the newest state of each of our own that changed, by its client order id, longest unchanged first.
        tickers, books: the newest, by symbol.
        candles: finished bars, oldest first.
        pulse: the newest; None if nothing was told.
        missed_trades, missed_orders, missed_candles: how many had to go for want of room.
    """

    trades: list[PublicTrade]
    orders: dict[str, Order]
    tickers: dict[str, PublicTicker]
    books: dict[str, BookShot]
    candles: list[tuple[str, Candle]]
    pulse: Pulse | None
    missed_trades: int
    missed_orders: int
    missed_candles: int


class Mailbox:
    """Keeps what a collector tells until somebody takes it, from any thread.

    What is put in costs the exchange's thread a microsecond, whether anybody ever takes it or not, and memory stays bounded: of what
    supersedes itself (books, tickers, the state of an order) the newest is kept, of what does not (trades, bars) the newest
    so many.

    Args:
        wake: called in the exchange's thread when something waits where nothing did; it must return at once, as a Qt signal or
            `loop.call_soon_threadsafe` does.
    """

    def __init__(
        self,
        collector: DataCollector,
        *,
        trades_max: int = TRADES_MAX,
        orders_max: int = ORDERS_MAX,
        candles_max: int = CANDLES_MAX,
        wake: Callable[[], object] | None = None,
    ) -> None:
        self._wake = wake
        self._lock = Lock()
        self._limits = (trades_max, orders_max, candles_max)
        self._empty()
        self._ends = [
            collector.trades.connect(self._on_trade),
            collector.orders.connect(self._on_order),
            collector.tickers.connect(self._on_ticker),
            collector.books.connect(self._on_book),
            collector.candles.connect(self._on_candle),
            collector.health.connect(self._on_pulse),
        ]

    def take(self) -> Batch:
        """Everything that waits; nothing waits afterwards."""
        with self._lock:
            batch = Batch(
                trades=list(self._trades),
                orders=self._orders,
                tickers=self._tickers,
                books=self._books,
                candles=list(self._candles),
                pulse=self._pulse,
                missed_trades=self._told_trades - len(self._trades),
                missed_orders=self._missed_orders,
                missed_candles=self._told_candles - len(self._candles),
            )
            self._empty()
        return batch

    def close(self) -> None:
        """Hear no more."""
        for end in self._ends:
            end()

    def _empty(self) -> None:
        trades_max, _, candles_max = self._limits
        self._trades: deque[PublicTrade] = deque(maxlen=trades_max)
        self._candles: deque[tuple[str, Candle]] = deque(maxlen=candles_max)
        self._orders: dict[str, Order] = {}
        self._tickers: dict[str, PublicTicker] = {}
        self._books: dict[str, BookShot] = {}
        self._pulse: Pulse | None = None
        self._told_trades = self._told_candles = self._missed_orders = 0
        self._has_some = False

    def _came(self) -> None:
        """Wake whoever takes, once; with the lock held, so that `take` cannot come between."""
        if not self._has_some:
            self._has_some = True
            if self._wake is not None:
                self._wake()

    def _on_trade(self, trade: PublicTrade) -> None:
        with self._lock:
            self._trades.append(trade)
            self._told_trades += 1
            self._came()

    def _on_order(self, order: Order) -> None:
        with self._lock:
            key = order.client_order_id or order.id
            self._orders.pop(key, None)
            self._orders[key] = order
            if len(self._orders) > self._limits[1]:
                del self._orders[next(iter(self._orders))]
                self._missed_orders += 1
            self._came()

    def _on_ticker(self, ticker: PublicTicker) -> None:
        with self._lock:
            self._tickers[ticker.symbol] = ticker
            self._came()

    def _on_book(self, book: BookShot) -> None:
        with self._lock:
            self._books[book.symbol] = book
            self._came()

    def _on_candle(self, candle: tuple[str, Candle]) -> None:
        with self._lock:
            self._candles.append(candle)
            self._told_candles += 1
            self._came()

    def _on_pulse(self, pulse: Pulse) -> None:
        with self._lock:
            self._pulse = pulse
            self._came()
