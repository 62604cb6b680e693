"""From what a bot wrote to an order that the venue could take; what it could not take never leaves."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from papertape.exchanges.base import Number
from papertape.model.errors import BadSymbol, InvalidOrder, NotSupported
from papertape.model.event import Side
from papertape.model.instrument import Instrument
from papertape.model.order import NewOrder, OrderType, TimeInForce
from papertape.model.units import exact, plain


def draft(
    instruments: Mapping[str, Instrument],
    symbol: str,
    type: str,
    side: str,
    amount: Number | None,
    price: Number | None,
    *,
    time_in_force: str = "GTC",
    cost: Number | None = None,
    post_only: bool = False,
) -> NewOrder:
    """Check and make exact; raises BadSymbol or InvalidOrder saying what was asked and what the rule is."""
    instrument = known(instruments, symbol)
    what = f"{symbol} {type} {side}"
    try:
        kind, way, force = OrderType(type), Side(side), TimeInForce(time_in_force)
        quantity, limit, spend = (None if value is None else exact(value) for value in (amount, price, cost))
    except ValueError as error:
        raise InvalidOrder(f"{what}, amount {amount}, price {price}, {time_in_force}: {error}") from error
    if kind is OrderType.LIMIT and limit is None:
        raise InvalidOrder(f"{what}: a limit order needs a price")
    if kind is OrderType.MARKET and (limit is not None or post_only):
        raise InvalidOrder(f"{what}: a market order takes no price and cannot be post-only")
    if post_only and force is not TimeInForce.GTC:
        raise InvalidOrder(f"{what}: post_only and {force} contradict each other")
    if spend is not None and (kind is not OrderType.MARKET or way is not Side.BUY or quantity is not None):
        raise InvalidOrder(f"{what}: cost is for market buys, instead of an amount")
    if spend is None and quantity is None:
        raise InvalidOrder(f"{what}: how much? Neither amount nor cost was given")
    if spend is not None and spend < max(instrument.cost_min, instrument.tick * instrument.lot):
        raise InvalidOrder(f"{what}: cost {plain(spend)} is below the venue's minimum of {plain(instrument.cost_min)} {instrument.quote}")
    if quantity is not None:
        check_amount(instrument, quantity)
    if limit is not None:
        instrument.to_ticks(limit)
    if quantity is not None and limit is not None and quantity * limit < instrument.cost_min:
        value = plain(quantity * limit)
        raise InvalidOrder(f"{what}: worth {value}, below the venue's minimum of {plain(instrument.cost_min)} {instrument.quote}")
    return NewOrder(
        symbol=symbol, type=kind, side=way, amount=quantity, price=limit, cost=spend, time_in_force=force, post_only=post_only
    )  # fmt: skip


def refuse_unbuilt(**unbuilt: Any) -> None:
    """Say no to what this version cannot do, before anything is sent; silence would be a different order from the one asked for."""
    for name, value in unbuilt.items():
        if value:
            raise NotSupported(f"place_order: {name} is not supported yet; nothing was sent")


def known(instruments: Mapping[str, Instrument], symbol: str) -> Instrument:
    """The instrument of a symbol; raises BadSymbol naming those there are."""
    instrument = instruments.get(symbol)
    if instrument is None:
        names = ", ".join(list(instruments)[:8]) or "none; connect first"
        raise BadSymbol(f'the venue has no market "{symbol}"; it has: {names}')
    return instrument


def check_amount(instrument: Instrument, amount: Decimal) -> None:
    """Raises InvalidOrder for what is off the lot or below the minimum."""
    instrument.to_lots(amount)
    if amount < instrument.amount_min:
        raise InvalidOrder(f"{instrument.symbol}: amount {plain(amount)} is below the venue's minimum of {plain(instrument.amount_min)}")


def new_amount(instrument: Instrument, amount: Number | None) -> Decimal | None:
    """The amount of an edit, checked; None means unchanged."""
    if amount is None:
        return None
    quantity = _number(instrument, "amount", amount)
    check_amount(instrument, quantity)
    return quantity


def new_price(instrument: Instrument, price: Number | None) -> Decimal | None:
    """The price of an edit, checked; None means unchanged."""
    if price is None:
        return None
    limit = _number(instrument, "price", price)
    instrument.to_ticks(limit)
    return limit


def _number(instrument: Instrument, what: str, value: Number) -> Decimal:
    try:
        return exact(value)
    except ValueError as error:
        raise InvalidOrder(f"{instrument.symbol}: {what}: {error}") from error
