"""A market maker: one bid and one ask, each at the best price or behind it, moved when the market moves."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from papertape.exchanges.base import BaseExchange
from papertape.model.book import Book
from papertape.model.errors import BaseError, ExchangeError, OutcomeUnknown
from papertape.model.event import Side
from papertape.model.order import Order
from papertape.model.units import SECOND, Nanos, exact, parse_duration

SIDES: Final = (Side.BUY, Side.SELL)


class MarketMaker:
    """Quote both sides of one market.

    Attributes:
        symbol: what to trade.
        size: amount of each quote, base.
        behind: how many ticks behind the best price to quote.
        move: how many ticks the best price must have moved before a quote follows.
        every: the shortest time between two moves, a duration.
        position_max: base; a quote that would take the position beyond it on either side is not made.
    """

    def __init__(
        self, symbol: str = "BTC/USD", size: str = "0.01", behind: int = 0, move: int = 5, every: str = "500ms", position_max: str = "0.05"
    ) -> None:
        self.symbol = symbol
        self.size = exact(size)
        self.behind = behind
        self.move = move
        self.every_ns = parse_duration(every)
        self.position_max = exact(position_max)
        self.position = Decimal(0)
        self._exchange: BaseExchange | None = None
        self._quotes: dict[Side, Order] = {}
        self._quoted_at: dict[Side, int] = {}  # ticks of the last quote
        self._filled: dict[str, Decimal] = {}
        self._quoted_ns: Nanos = -SECOND

    async def start(self, exchange: BaseExchange) -> None:
        await self._take_stock(exchange)
        await exchange.subscribe_order_book(self.symbol, self.on_book)

    async def _take_stock(self, exchange: BaseExchange) -> None:
        self._exchange = exchange
        self.position += sum((each.amount for each in await exchange.fetch_positions([self.symbol])), Decimal(0))  # of an earlier life
        await exchange.subscribe_orders(self.on_order)

    async def stop(self) -> None:
        for order in list(self._quotes.values()):
            await self._withdraw(order)

    def on_order(self, order: Order) -> None:
        before = self._filled.get(order.client_order_id, Decimal(0))
        if order.filled > before:
            self._filled[order.client_order_id] = order.filled
            gained = order.filled - before
            self.position += gained if order.side is Side.BUY else -gained
        if order.status.is_final:
            self._quotes = {side: quote for side, quote in self._quotes.items() if quote.client_order_id != order.client_order_id}

    async def on_book(self, book: Book) -> None:
        if book.venue_ns - self._quoted_ns >= self.every_ns:
            await self._follow(book)

    async def _follow(self, book: Book) -> None:
        """Move what the market has left behind, and quote where there is no quote."""
        for side in SIDES:
            quote, ticks = self._quotes.get(side), self._ticks(book, side)
            if quote is not None and ticks is not None:
                if abs(self._quoted_at[side] - ticks) < self.move:
                    continue
                await self._withdraw(quote)
            if ticks is None or self._ticks(book, side) is None:
                return  # the book is live: while the other side was quoted or this one withdrawn, it may have been lost
            if side not in self._quotes and self._may_quote(side):
                self._quoted_ns, self._quoted_at[side] = book.venue_ns, ticks
                await self._quote(side, book.instrument.price(ticks))

    def _ticks(self, book: Book, side: Side) -> int | None:
        """Where to quote, in ticks; None while the book is not there."""
        best_bid, best_ask = book.best_bid, book.best_ask
        if best_bid is None or best_ask is None:
            return None
        return best_bid[0] - self.behind if side is Side.BUY else best_ask[0] + self.behind

    def _may_quote(self, side: Side) -> bool:
        after = self.position + (self.size if side is Side.BUY else -self.size)
        return abs(after) <= self.position_max

    async def _quote(self, side: Side, price: Decimal) -> None:
        assert self._exchange is not None
        try:
            try:
                order = await self._exchange.place_order(self.symbol, "limit", side, self.size, price, post_only=True)
            except OutcomeUnknown as unknown:
                order = await self._exchange.resolve(unknown.client_order_id)
        except BaseError:
            return  # the price has moved, the money is out, the line is down or the order was never there: the next book decides anew
        if not order.status.is_final:
            self._quotes[side] = order
        self.on_order(order)

    async def _withdraw(self, order: Order) -> None:
        assert self._exchange is not None
        try:
            try:
                order = await self._exchange.cancel_order(order.id, order.symbol)
            except ExchangeError:
                order = await self._exchange.fetch_order_status(order.id, order.symbol)  # too late to cancel: it was filled
        except BaseError:
            return  # nobody could be asked, or does not find it yet: it counts as there until somebody says otherwise
        self.on_order(order)
