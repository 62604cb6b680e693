"""TWAP: one large order cut into equal slices over time."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from papertape.exchanges.base import BaseExchange
from papertape.model.errors import BadSymbol, BaseError, NetworkError, OutcomeUnknown
from papertape.model.order import Order
from papertape.model.units import SECOND, exact, parse_duration


async def twap(
    exchange: BaseExchange, symbol: str = "BTC/USD", side: str = "buy", amount: str = "0.1", slices: int = 10, over: str = "5m"
) -> Decimal:
    """Trade `amount` in `slices` market orders, spread evenly over `over`.

    A slice that the venue turned down, or that the line did not let leave, is made up for by the next. Returns what was executed, base.
    """
    wanted, done, lot = exact(amount), Decimal(0), None
    pause = parse_duration(over) / SECOND / slices
    for number in range(1, slices + 1):
        lot = lot or await _lot(exchange, symbol)
        due = wanted * number / slices - done
        lots = int(due / lot) if lot else 0
        if lot and lots:
            done += await _slice(exchange, symbol, side, lots * lot)
        if number < slices:
            await asyncio.sleep(pause)
    return done


async def _lot(exchange: BaseExchange, symbol: str) -> Decimal | None:
    """What orders come in, base; None while nobody can be asked: a bot may be started in the middle of an outage."""
    try:
        markets = await exchange.fetch_markets()
    except NetworkError:
        return None
    for market in markets:
        if market.symbol == symbol:
            return market.instrument.lot
    raise BadSymbol(f"{symbol}: the venue has no such market; it has {', '.join(market.symbol for market in markets)}")


async def _slice(exchange: BaseExchange, symbol: str, side: str, amount: Decimal) -> Decimal:
    try:
        try:
            order: Order = await exchange.place_order(symbol, "market", side, amount)
        except OutcomeUnknown as unknown:
            order = await exchange.resolve(unknown.client_order_id)
    except BaseError:  # also where the unknown one turns out never to have been there
        return Decimal(0)
    return order.filled
