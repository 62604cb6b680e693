"""The market maker for whom nothing happens while the best prices stay where it has quoted."""

from __future__ import annotations

import asyncio

from papertape.bots.market_maker import MarketMaker
from papertape.exchanges.base import BaseExchange, KeptBook
from papertape.model.book import Book
from papertape.model.event import Side
from papertape.model.order import Order
from papertape.model.units import SECOND


class PatientMaker(MarketMaker):
    """A `MarketMaker` that is not shown each change of the book: it waits until one matters.

    One does if a best price has moved by `move` ticks from where it was quoted, or if a quote has ended; and none does for `every` after
    a quote was made. A replay passes over all others.
    """

    async def start(self, exchange: BaseExchange) -> None:
        await self._take_stock(exchange)
        self._news: asyncio.Future[Book] | None = None
        self._work = asyncio.create_task(self._quote_on(await exchange.keep_order_book(self.symbol)), name="maker")

    async def stop(self) -> None:
        self._work.cancel()
        await asyncio.wait({self._work})
        await super().stop()

    def on_order(self, order: Order) -> None:
        super().on_order(order)
        if order.status.is_final and self._news is not None:
            self._news.cancel()

    async def _quote_on(self, kept: KeptBook) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            book = await kept.moved() if kept.book is None or kept.book.mid is None else kept.book
            quoted_ns, begun = self._quoted_ns, clock()
            await self._follow(book)
            if self._quoted_ns != quoted_ns or not self._stands(book):
                await asyncio.sleep(begun + self.every_ns / SECOND - clock())
            elif book.mid is not None:
                self._news = asyncio.ensure_future(kept.moved(self.move, bid=self._stood(Side.BUY), ask=self._stood(Side.SELL)))
                await asyncio.wait({self._news})
                if not self._news.cancelled():
                    self._news.result()

    def _stands(self, book: Book) -> bool:
        """Whether our quotes are where they should be, as far as there is a book to tell."""
        ticks = {side: self._ticks(book, side) for side in self._quotes}
        return all(each is None or abs(self._quoted_at[side] - each) < self.move for side, each in ticks.items())

    def _stood(self, side: Side) -> int | None:
        """Where the best price was that a quote of ours follows."""
        if side not in self._quotes:
            return None
        return self._quoted_at[side] + (self.behind if side is Side.BUY else -self.behind)
