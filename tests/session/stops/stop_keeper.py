"""A bot that always has orders with stops and ends about, near enough to the market for some of them to be set off."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal
from itertools import count
from typing import Any

from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BaseError
from papertape.model.order import Order
from papertape.model.public import PublicTrade
from papertape.model.units import SECOND

OPEN_MAX = 6


class StopKeeper:
    """Places and cancels by turns, and gives up nothing that goes wrong: the shell has to."""

    def __init__(self, symbol: str = "BTC/USD") -> None:
        self.symbol = symbol
        self.last: PublicTrade | None = None
        self.open: dict[str, Order] = {}
        self.task: asyncio.Task[None] | None = None

    async def start(self, exchange: BaseExchange) -> None:
        await exchange.subscribe_orders(self.on_order)
        await exchange.subscribe_trades(self.symbol, self.on_trade)
        self.task = asyncio.create_task(self.run(exchange))

    def on_order(self, order: Order) -> None:
        if order.status.is_final:
            self.open.pop(order.id, None)
        else:
            self.open[order.id] = order

    def on_trade(self, trade: PublicTrade) -> None:
        self.last = trade

    async def run(self, exchange: BaseExchange) -> None:
        for turn in count():
            await asyncio.sleep(0.3 + turn % 5 * 0.25)
            if self.last is None:
                continue
            with suppress(BaseError):
                if len(self.open) > OPEN_MAX or (turn % 6 == 5 and self.open):
                    await exchange.cancel_order(next(iter(self.open)))
                else:
                    await self.place(exchange, turn, self.last)

    async def place(self, exchange: BaseExchange, turn: int, last: PublicTrade) -> None:
        away, side = Decimal(1 + turn % 17) / 100, ("buy", "sell")[turn // 6 % 2]
        up = away if side == "buy" else -away
        price: Decimal
        terms: dict[str, Any]
        match turn % 6:
            case 0 | 3:
                price, terms = last.price + 200 * up, {"trigger_price": last.price + up}
            case 1:
                side, price, terms = "sell", last.price + away, {"stop_loss_price": last.price - away}
            case 2:
                price, terms = last.price - up, {"time_in_force": "GTD", "expires_at": last.venue_ns + (2 + turn % 7) * SECOND}
            case _:
                price, terms = last.price - up, {}
        await exchange.place_order(self.symbol, "limit", side, "0.001", price, **terms)

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
