"""The last book there was is the book."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from papertape.bots.canaries.base import Canary
from papertape.exchanges.base import BaseExchange
from papertape.model.book import Book
from papertape.model.event import BookSnapshot
from papertape.model.units import SECOND


class TrustsAStaleBook(Canary):
    """Quotes by the clock, from the last best prices it saw, however long ago that was.

    The bug: it keeps what a callback once showed it, and asks neither how old that is nor whether the exchange still vouches for the book.

    From: ctubio/Krypto-trading-bot#934 (167.72 in the book while the market is 168.01, after a reconnect),
    nautechsystems/nautilus_trader#4298 (the book goes stale without a word while the line is up).

    Caught by `orders_from_fresh_data`: an order leaves when nothing of its symbol has come for too long.
    """

    caught_by: ClassVar[tuple[str, ...]] = ("orders_from_fresh_data",)

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._kept: Book | None = None
        self._quoting: asyncio.Task[None] | None = None

    async def start(self, exchange: BaseExchange) -> None:
        await super().start(exchange)
        self._quoting = asyncio.get_running_loop().create_task(self._quote_by_the_clock(), name="quote by the clock")

    async def stop(self) -> None:
        if self._quoting is not None:
            self._quoting.cancel()
            await asyncio.wait([self._quoting])
        await super().stop()

    async def on_book(self, book: Book) -> None:
        bid, ask = book.best_bid, book.best_ask
        if bid is None or ask is None:
            return
        if self._kept is None:
            self._kept = Book(book.instrument)
        self._kept.apply(BookSnapshot(venue_ns=0, local_ns=0, symbol=self.symbol, bids=(bid,), asks=(ask,)))

    async def _quote_by_the_clock(self) -> None:
        quotes = 0
        while True:
            await asyncio.sleep(self.every_ns / SECOND)
            quotes += 1
            if self._kept is not None:
                self._kept.venue_ns = quotes * self.every_ns  # as if it were of now
                await super().on_book(self._kept)
