"""The bots of these stories, where a sample bot does not do: each is the market maker with something more."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from papertape.bots import MarketMaker
from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BaseError
from papertape.model.event import Side
from papertape.model.order import Order
from papertape.model.public import PublicTicker, PublicTrade


class Listener(MarketMaker):
    """Listens to trades and tickers too, as a bot with a signal does, and notes what it heard."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.trades = self.tickers = 0

    async def start(self, exchange: BaseExchange) -> None:
        await super().start(exchange)
        await exchange.subscribe_trades(self.symbol, self.on_trade)
        await exchange.subscribe_ticker(self.symbol, self.on_ticker)

    def on_trade(self, trade: PublicTrade) -> None:
        self.trades += 1

    def on_ticker(self, ticker: PublicTicker) -> None:
        self.tickers += 1


class Amender(MarketMaker):
    """Moves a quote by an edit instead of a cancel and a new order; an edit that fails is followed by a cancel."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._moving: dict[Side, Decimal] = {}

    async def _withdraw(self, order: Order) -> None:
        assert self._exchange is not None
        book_price = self._moving.pop(order.side, None)
        if book_price is not None:
            try:
                edited = await self._exchange.edit_order(order.id, order.symbol, price=book_price)
            except BaseError:
                await super()._withdraw(order)
                return
            self.on_order(edited)
            if not edited.status.is_final:
                self._quotes[order.side] = edited
            return
        await super()._withdraw(order)

    async def on_book(self, book: Any) -> None:
        best_bid, best_ask = book.best_bid, book.best_ask
        if best_bid is not None and best_ask is not None:
            self._moving = {Side.BUY: book.instrument.price(best_bid[0]), Side.SELL: book.instrument.price(best_ask[0])}
        await super().on_book(book)


class TwoMarkets:
    """A market maker in each of two markets."""

    def __init__(self, symbols: tuple[str, ...] = ("BTC/USD", "ETH/USD"), **config: Any) -> None:
        self._makers = [MarketMaker(symbol=symbol, **config) for symbol in symbols]

    async def start(self, exchange: BaseExchange) -> None:
        for maker in self._makers:
            await maker.start(exchange)

    async def stop(self) -> None:
        for maker in self._makers:
            await maker.stop()


class OneMarketAtATime(TwoMarkets):
    """Quotes in two markets, of which never both may be without their book; looks fifty times a second, and says so as it stops."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._looking: asyncio.Task[None] | None = None
        self._both_stale = 0

    async def start(self, exchange: BaseExchange) -> None:
        await super().start(exchange)
        self._looking = asyncio.create_task(self._look(exchange))

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await super().stop()
        if self._both_stale:
            raise RuntimeError(f"both markets were without their book, {self._both_stale} fiftieths of a second long")

    async def _look(self, exchange: BaseExchange) -> None:
        while exchange.health.stale_books:
            await asyncio.sleep(0.02)  # they begin without
        while True:
            self._both_stale += len(exchange.health.stale_books) > 1
            await asyncio.sleep(0.02)
