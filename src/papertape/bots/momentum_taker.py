"""A momentum taker: buys strength and sells weakness, at market, and waits in between."""

from __future__ import annotations

import asyncio
from collections import deque
from decimal import Decimal

from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BaseError, OutcomeUnknown
from papertape.model.event import Side
from papertape.model.public import PublicTrade
from papertape.model.units import Nanos, exact, parse_duration


class MomentumTaker:
    """Follow the price: long after a rise of `trigger_bps` over the last `lookback` trades, flat after a fall of as much.

    Attributes:
        size: amount of each order, base; it holds 0 or `size`.
        rest: the shortest time between two orders, a duration.
    """

    def __init__(self, symbol: str = "BTC/USD", size: str = "0.01", lookback: int = 60, trigger_bps: str = "0.5", rest: str = "5s") -> None:
        self.symbol = symbol
        self.size = exact(size)
        self.trigger_bps = exact(trigger_bps)
        self.rest_ns = parse_duration(rest)
        self.position = Decimal(0)
        self._prices: deque[Decimal] = deque(maxlen=lookback)
        self._acted_ns: Nanos = 0
        self._exchange: BaseExchange | None = None
        self._acting: asyncio.Future[None] | None = None  # beside the callback: an order may take minutes to be settled, and trades go on

    async def start(self, exchange: BaseExchange) -> None:
        self._exchange = exchange
        await exchange.subscribe_trades(self.symbol, self.on_trade)

    async def stop(self) -> None:
        if self._acting is not None:
            self._acting.cancel()  # the wait, not the order

    def on_trade(self, trade: PublicTrade) -> None:
        prices = self._prices
        prices.append(trade.price)
        if len(prices) < (prices.maxlen or 0) or trade.venue_ns - self._acted_ns < self.rest_ns:
            return
        if self._acting is not None and not self._acting.done():
            return
        change_bps = (prices[-1] - prices[0]) / prices[0] * 10_000
        if change_bps >= self.trigger_bps and self.position <= 0:
            self._acting = asyncio.ensure_future(self._take(Side.BUY, trade.venue_ns))
        elif change_bps <= -self.trigger_bps and self.position > 0:
            self._acting = asyncio.ensure_future(self._take(Side.SELL, trade.venue_ns))

    async def _take(self, side: Side, now_ns: Nanos) -> None:
        assert self._exchange is not None
        self._acted_ns = now_ns
        amount = self.size if side is Side.BUY else self.position
        try:
            try:
                order = await self._exchange.place_order(self.symbol, "market", side, amount)
            except OutcomeUnknown as unknown:
                order = await self._exchange.resolve(unknown.client_order_id)
        except BaseError:  # also where the unknown one turns out never to have been there
            return
        self.position += order.filled if side is Side.BUY else -order.filled
