"""The bots of these stories that look at what they are told: market makers that hold trades against each other and against their book, and
one that minds whether its market is open, and one that has hardly enough money."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from papertape.bots import MarketMaker
from papertape.exchanges.base import BaseExchange
from papertape.model.account import Market
from papertape.model.errors import BaseError, InsufficientFunds, MarketClosed
from papertape.model.event import Side
from papertape.model.order import Order, OrderStatus
from papertape.model.public import PublicTicker, PublicTrade

ENOUGH = 40
"""Trades after which most of them must have told the side that their price tells."""


class Reader(MarketMaker):
    """Listens to trades too, and ends where they cannot be what they are said to be: news, told in order, by the taker's side."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._since_ns = 0
        self._last_ns = 0
        self._told = self._agree = self._middle = 0

    async def start(self, exchange: BaseExchange) -> None:
        await super().start(exchange)
        await exchange.subscribe_trades(self.symbol, self.on_trade)

    async def on_book(self, book: Any) -> None:
        self._since_ns = self._since_ns or book.venue_ns
        bid, ask = book.best_bid, book.best_ask
        if bid is not None and ask is not None:
            self._middle = bid[0] + ask[0]
        await super().on_book(book)

    def on_trade(self, trade: PublicTrade) -> None:
        event = trade.event
        if event.venue_ns < self._since_ns:
            raise ValueError(f"trade {event.trade_id} is history, and was told as news")
        if event.venue_ns < self._last_ns:
            raise ValueError(f"trade {event.trade_id} came after a later one")
        self._last_ns = event.venue_ns
        if self._middle:
            self._told += 1
            self._agree += (2 * event.price_ticks > self._middle) is (event.taker is Side.BUY)
            if self._told == ENOUGH and 2 * self._agree < ENOUGH:
                raise ValueError(f"{self._told - self._agree} of {self._told} trades were on the other side of the book than they said")


class Witness(Reader):
    """Looks whether what a story tells really happened: how the book began, and what came before it."""

    LEVELS = 40_000

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._before = {"trade": 0, "ticker": 0}  # how many came before the first book
        self._levels = 0  # of the first book
        self._since_ns = 1  # what is older than the book is no history here

    async def start(self, exchange: BaseExchange) -> None:
        await exchange.subscribe_ticker(self.symbol, self.on_ticker)
        await super().start(exchange)

    async def stop(self) -> None:
        await super().stop()
        missing = [name for name, count in self._before.items() if not count]
        if missing or self._levels < self.LEVELS:
            raise ValueError(f"the first book had {self._levels} levels; what never came before it: {', '.join(missing) or 'nothing'}")

    async def on_book(self, book: Any) -> None:
        self._levels = self._levels or sum(1 for side in Side for _ in book.levels(side))
        await super().on_book(book)

    def on_trade(self, trade: PublicTrade) -> None:
        self._before["trade"] += not self._levels
        super().on_trade(trade)

    def on_ticker(self, ticker: PublicTicker) -> None:
        self._before["ticker"] += not self._levels


class Patient(MarketMaker):
    """Quotes while its market takes orders, takes back an order far from it when it does not, and ends where the story was not so."""

    FAR = "32000.00"

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._told: list[str] = []  # phases, in the order in which they were told
        self._far: Order | None = None
        self._is_open = True
        self._did = {"an order was refused": 0, "a cancel went through meanwhile": 0, "trading resumed": 0}

    async def start(self, exchange: BaseExchange) -> None:
        self._far = await exchange.place_order(self.symbol, "limit", "buy", self.size, self.FAR)
        await super().start(exchange)
        await exchange.subscribe_status(self.symbol, self.on_status)

    async def stop(self) -> None:
        await super().stop()
        missing = [what for what, count in self._did.items() if not count]
        if missing or self._told != ["online", "cancel_only", "online"]:
            raise ValueError(f"told of {', '.join(self._told)}; what did not happen: {', '.join(missing) or 'nothing'}")

    async def on_status(self, market: Market) -> None:
        self._told.append(market.phase)
        self._is_open = market.active
        if not market.active and self._exchange is not None and self._far is not None:
            order = await self._exchange.cancel_order(self._far.id, self.symbol)
            self._did["a cancel went through meanwhile"] += order.status is OrderStatus.CANCELED

    def _may_quote(self, side: Side) -> bool:
        return self._is_open and super()._may_quote(side)

    async def _quote(self, side: Side, price: Decimal) -> None:
        assert self._exchange is not None
        try:
            order = await self._exchange.place_order(self.symbol, "limit", side, self.size, price, post_only=True)
        except MarketClosed:
            self._did["an order was refused"] += 1
            self._is_open = False  # until we are told otherwise
            return
        except BaseError:
            return  # the price has moved: the next book decides anew
        self._did["trading resumed"] += len(self._told) > 2
        self._quotes[side] = order
        self.on_order(order)


class Frugal(MarketMaker):
    """Has money for one quote a side; ends where it was never refused for want of what a cancel had freed, or not served after that."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._was_refused = False
        self._did = {"an order was refused after a cancel": 0, "one was taken after that": 0}

    async def stop(self) -> None:
        await super().stop()
        missing = [what for what, count in self._did.items() if not count]
        if missing:
            raise ValueError(f"what did not happen: {', '.join(missing)}")

    async def _quote(self, side: Side, price: Decimal) -> None:
        assert self._exchange is not None
        try:
            order = await self._exchange.place_order(self.symbol, "limit", side, self.size, price, post_only=True)
        except InsufficientFunds:
            held = (await self._exchange.fetch_balance())["USD" if side is Side.BUY else "BTC"].used
            self._was_refused = bool(held) and side not in self._quotes
            self._did["an order was refused after a cancel"] += self._was_refused
            return
        except BaseError:
            return  # the price has moved: the next book decides anew
        self._did["one was taken after that"] += self._was_refused
        self._quotes[side] = order
        self.on_order(order)
