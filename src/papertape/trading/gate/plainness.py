"""Whether a request says one thing only. The link reads an order in its own way, so one that could be read in two is not judged at all."""

from __future__ import annotations

from papertape.model.event import Side
from papertape.model.order import NewOrder, OrderType
from papertape.model.request import Request


def why_not_plain(request: Request, order: NewOrder) -> str:
    """What is wrong with an order that its own exchange would never have drawn up, in words; empty if nothing is.

    >>> from decimal import Decimal
    >>> from papertape.model.request import Op
    >>> order = NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=Side.SELL, amount=Decimal(9), price=Decimal("0.01"))
    >>> why_not_plain(Request(op=Op.ORDER_CREATE, client_order_id="a", order=order), order)
    'a market order has no price, and this one says 0.01'
    """
    if ":" in order.symbol or "/" not in order.symbol:
        return f"{order.symbol} is no spot market, and the limits say nothing of any other"
    if request.symbol not in ("", order.symbol):
        return f"it names two markets, {request.symbol} and {order.symbol}"
    for name, value in (
        ("amount", order.amount), ("price", order.price), ("cost", order.cost), ("trigger_price", order.trigger_price),
        ("stop_loss_price", order.stop_loss_price),
    ):  # fmt: skip
        if value is not None and not (value.is_finite() and value > 0):
            return f"its {name} is {value}; expected a number above zero"
    if (order.amount is None) == (order.cost is None):
        return "it must say either an amount or a cost"
    if order.type is OrderType.MARKET and order.price is not None:
        return f"a market order has no price, and this one says {order.price}"
    if order.type is not OrderType.MARKET and order.price is None:
        return f"a {order.type} order has a price, and this one says none"
    if order.type is OrderType.MARKET and (order.trigger_price is not None or order.stop_loss_price is not None):
        return "an order with a stop is a limit order"
    if order.stop_loss_price is not None and order.side is not Side.SELL:
        return "a bracket sells; what one that buys would pay once its stop is set off is not known"
    if order.cost is not None and (order.type is not OrderType.MARKET or order.side is not Side.BUY):
        return "a cost is for market buys"
    return ""
