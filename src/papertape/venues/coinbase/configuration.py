"""What kind of order is asked for, in Coinbase's words: an object with one key."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from papertape.model.errors import NotSupported
from papertape.model.event import Side
from papertape.model.order import NewOrder, OrderType, StopDirection, TimeInForce
from papertape.model.units import plain
from papertape.venues.coinbase.api import moment
from papertape.venues.coinbase.notation import format_time, parse_side, size

KNOWN_CONFIGURATIONS: Final = {
    "market_market_ioc": True, "sor_limit_ioc": True, "limit_limit_gtc": True, "limit_limit_gtd": True, "limit_limit_fok": True,
    "stop_limit_stop_limit_gtc": True, "stop_limit_stop_limit_gtd": True, "trigger_bracket_gtc": True, "trigger_bracket_gtd": True,
    "market_market_fok": False, "twap_limit_gtd": False, "scaled_limit_gtc": False,
}  # fmt: skip
"""Coinbase's kinds of orders by the name of their configuration, and whether the simulated venue offers them."""

STOP_DIRECTIONS: Final = {StopDirection.UP: "STOP_DIRECTION_STOP_UP", StopDirection.DOWN: "STOP_DIRECTION_STOP_DOWN"}
STOP_DIRECTIONS_FROM_WIRE: Final = {wire: direction for direction, wire in STOP_DIRECTIONS.items()}


def configuration(order: NewOrder) -> dict[str, dict[str, Any]]:
    """The one-key object that says what kind of order it is. `NotSupported` for what Coinbase's spot market does not offer."""
    if order.type is OrderType.MARKET:
        if order.time_in_force is TimeInForce.FOK:
            raise NotSupported("coinbase: a spot market order cannot be fill-or-kill; use IOC or a limit price")
        size = {"quote_size": plain(order.cost)} if order.cost is not None else {"base_size": plain(order.amount or Decimal(0))}
        return {"market_market_ioc": size}
    assert order.amount is not None
    assert order.price is not None
    limit: dict[str, Any] = {"base_size": plain(order.amount), "limit_price": plain(order.price)}
    if not order.time_in_force.rests:
        if order.trigger_price is not None or order.stop_loss_price is not None:
            raise NotSupported(f"coinbase: an order with a stop rests; time in force {order.time_in_force} does not let it")
        return {"sor_limit_ioc" if order.time_in_force is TimeInForce.IOC else "limit_limit_fok": limit}
    way = order.time_in_force.lower()
    end = {} if order.expires_ns is None else {"end_time": format_time(order.expires_ns)}
    if order.trigger_price is not None:
        stop = {"stop_price": plain(order.trigger_price), "stop_direction": STOP_DIRECTIONS[direction_of(order)]}
        return {f"stop_limit_stop_limit_{way}": limit | stop | end}
    if order.stop_loss_price is not None:
        return {f"trigger_bracket_{way}": limit | {"stop_trigger_price": plain(order.stop_loss_price)} | end}
    return {f"limit_limit_{way}": limit | end | {"post_only": order.post_only}}


def direction_of(order: NewOrder) -> StopDirection:
    """Coinbase wants to be told the direction of every stop; where it was not said, that of one that protects."""
    return order.stop_direction or (StopDirection.UP if order.side is Side.BUY else StopDirection.DOWN)


def from_configuration(symbol: str, side: str, config: dict[str, Any]) -> NewOrder | None:
    """What a configuration asks for; None if it is none that we know, or lacks a size or a price.

    Raises `ValueError` or `decimal.InvalidOperation` for a number that is none.
    """
    if len(config) != 1:
        return None
    name, fields = next(iter(config.items()))
    if not isinstance(fields, dict):
        return None
    sizes = {key: size(fields[key]) for key in ("base_size", "quote_size", "limit_price") if fields.get(key)}
    base, quote, price = sizes.get("base_size"), sizes.get("quote_size"), sizes.get("limit_price")
    if name == "market_market_ioc":
        if (base is None) is (quote is None):
            return None
        return NewOrder(symbol=symbol, type=OrderType.MARKET, side=parse_side(side), amount=base, cost=quote)
    tif = TimeInForce(name[-3:].upper()) if KNOWN_CONFIGURATIONS.get(name) else None
    if tif is None or base is None or price is None:
        return None
    end, post_only = fields.get("end_time") if tif is TimeInForce.GTD else None, fields.get("post_only")
    order = NewOrder(
        symbol=symbol,
        type=OrderType.LIMIT,
        side=parse_side(side),
        amount=base,
        price=price,
        time_in_force=tif,
        post_only=name.startswith("limit_limit_gt") and post_only in (True, "true", "True"),
        expires_ns=moment(str(end)) if end else None,
    )
    if (tif is TimeInForce.GTD) is (order.expires_ns is None):
        return None
    return order if name.startswith(("limit_limit", "sor_limit")) else _with_stop(order, name, fields)


def _with_stop(order: NewOrder, name: str, fields: dict[str, Any]) -> NewOrder | None:
    """The order with the stop of its configuration; None where that is not whole."""
    key = "stop_price" if name.startswith("stop_limit") else "stop_trigger_price"
    if not fields.get(key):
        return None
    stop = size(fields[key])
    if key == "stop_trigger_price":
        return msgspec.structs.replace(order, stop_loss_price=stop)
    direction = STOP_DIRECTIONS_FROM_WIRE.get(str(fields.get("stop_direction")))
    return None if direction is None else msgspec.structs.replace(order, trigger_price=stop, stop_direction=direction)
