"""Bots that do as little as possible, so that what is measured is papertape."""

from __future__ import annotations

import asyncio

from papertape.exchanges.base import BaseExchange, KeptBook
from papertape.model.book import Book
from papertape.model.event import Level
from papertape.model.public import PublicTrade

SYMBOL = "BTC/USD"


async def nothing(exchange: BaseExchange) -> None:
    """Listen to nothing, until the end."""
    await asyncio.Event().wait()


class Watcher:
    """Be told of every trade and every change of the book, and look at the best prices at each trade."""

    def __init__(self) -> None:
        self.trades = 0
        self.changes = 0
        self.best: tuple[Level | None, Level | None] = (None, None)
        self.book: Book | None = None

    async def start(self, exchange: BaseExchange) -> None:
        await exchange.subscribe_order_book(SYMBOL, self.on_book)
        await exchange.subscribe_trades(SYMBOL, self.on_trade)

    async def stop(self) -> None:
        return None

    def on_book(self, book: Book) -> None:
        self.changes += 1
        self.book = book

    async def on_trade(self, trade: PublicTrade) -> None:
        self.trades += 1
        book = self.book
        if book is not None:
            self.best = (book.best_bid, book.best_ask)


class Keeper:
    """Be told of every trade, and look then at the best prices of a book that is kept meanwhile."""

    def __init__(self) -> None:
        self.trades = 0
        self.best: tuple[Level | None, Level | None] = (None, None)
        self.kept: KeptBook | None = None

    async def start(self, exchange: BaseExchange) -> None:
        self.kept = await exchange.keep_order_book(SYMBOL)
        await exchange.subscribe_trades(SYMBOL, self.on_trade)

    async def stop(self) -> None:
        return None

    async def on_trade(self, trade: PublicTrade) -> None:
        self.trades += 1
        book = None if self.kept is None else self.kept.book
        if book is not None:
            self.best = (book.best_bid, book.best_ask)
