"""TWAP: one large order cut into equal slices over time."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BaseError, OutcomeUnknown
from papertape.model.order import Order
from papertape.model.units import SECOND, exact, parse_duration


async def twap(
    exchange: BaseExchange, symbol: str = "BTC/USD", side: str = "buy", amount: str = "0.1", slices: int = 10, over: str = "5m"
) -> Decimal:
    """Trade `amount` in `slices` market orders, spread evenly over `over`; a slice that the venue turned down is made up for by the next.

    Returns what was executed, base.
    """
    wanted, done = exact(amount), Decimal(0)
    market = next(market for market in await exchange.fetch_markets() if market.symbol == symbol)
    lot = market.instrument.lot
    pause = parse_duration(over) / SECOND / slices
    for number in range(1, slices + 1):
        due = wanted * number / slices - done
        lots = int(due / lot)
        if lots:
            done += await _slice(exchange, symbol, side, lots * lot)
        if number < slices:
            await asyncio.sleep(pause)
    return done


async def _slice(exchange: BaseExchange, symbol: str, side: str, amount: Decimal) -> Decimal:
    try:
        try:
            order: Order = await exchange.place_order(symbol, "market", side, amount)
        except OutcomeUnknown as unknown:
            order = await exchange.resolve(unknown.client_order_id)
    except BaseError:  # also where the unknown one turns out never to have been there
        return Decimal(0)
    return order.filled
