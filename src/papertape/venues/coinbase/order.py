"""An order in Coinbase's three ways of writing it: as asked for, as REST tells it, as the user channel tells it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from papertape.model.event import Side
from papertape.model.order import Fill, Liquidity, NewOrder, Order, OrderStatus, OrderType, TimeInForce
from papertape.model.units import EXACT, Nanos, plain
from papertape.venues.coinbase.configuration import configuration, from_configuration
from papertape.venues.coinbase.notation import decimal_or, format_side, format_time, parse_side, parse_time, product_id, symbol_of

STATUS_TO_WIRE: Final = {
    OrderStatus.OPEN: "OPEN",
    OrderStatus.CLOSED: "FILLED",
    OrderStatus.CANCELED: "CANCELLED",
    OrderStatus.EXPIRED: "EXPIRED",
    OrderStatus.REJECTED: "FAILED",
}
STATUS_FROM_WIRE: Final = {wire: status for status, wire in STATUS_TO_WIRE.items()} | {
    "PENDING": OrderStatus.OPEN,
    "QUEUED": OrderStatus.OPEN,
    "CANCEL_QUEUED": OrderStatus.OPEN,  # may still fill
    "EDIT_QUEUED": OrderStatus.OPEN,
}
TIME_IN_FORCE: Final = {
    TimeInForce.GTC: "GOOD_UNTIL_CANCELLED",
    TimeInForce.IOC: "IMMEDIATE_OR_CANCEL",
    TimeInForce.FOK: "FILL_OR_KILL",
    TimeInForce.GTD: "GOOD_UNTIL_DATE_TIME",
}
TIME_IN_FORCE_FROM_WIRE: Final = {wire: tif for tif, wire in TIME_IN_FORCE.items()}
OTHER_COMMISSIONS: Final = ("gst_commission", "withholding_commission", "client_commission", "venue_commission",
                           "regulatory_commission", "clearing_commission")  # fmt: skip
STOP_TRIGGERED: Final = "STOP_TRIGGERED"
NO_REASON: Final = ("", "REJECT_REASON_UNSPECIFIED", "Internal error", "User requested cancel")


class UserOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order of the `user` channel: cumulative, its fills without ids of their own."""

    order_id: str
    client_order_id: str = ""
    cumulative_quantity: str = "0"
    leaves_quantity: str = "0"
    avg_price: str = "0"
    total_fees: str = "0"
    filled_value: str = "0"
    number_of_fills: str = "0"
    completion_percentage: str = "0"
    status: str = "OPEN"
    product_id: str = ""
    product_type: str = "SPOT"
    creation_time: str = ""
    order_side: str = "BUY"
    order_type: str = "Limit"
    limit_price: str = ""
    stop_price: str = ""
    time_in_force: str = "GOOD_UNTIL_CANCELLED"
    trigger_status: str = "INVALID_ORDER_TYPE"
    cancel_reason: str = ""
    reject_reason: str = ""
    outstanding_hold_amount: str = "0"
    total_value_after_fees: str = "0"
    post_only: str = "false"
    contract_expiry_type: str = "UNKNOWN_CONTRACT_EXPIRY_TYPE"
    risk_managed_by: str = "UNKNOWN_RISK_MANAGEMENT_TYPE"
    end_time: str | msgspec.UnsetType = msgspec.UNSET


def to_user_order(order: Order) -> UserOrder:
    """An order as the user channel tells it."""
    is_open = order.status is OrderStatus.OPEN
    return UserOrder(
        order_id=order.id,
        client_order_id=order.client_order_id,
        cumulative_quantity=plain(order.filled),
        leaves_quantity=plain(order.remaining) if is_open else "0",  # a final update says that nothing is left to wait for
        avg_price=plain(order.average or Decimal(0)),
        total_fees=plain(order.fee),
        filled_value=plain(order.cost),
        number_of_fills=str(order.fills_count),
        completion_percentage=_completion(order),
        status=STATUS_TO_WIRE[order.status],
        product_id=product_id(order.symbol),
        creation_time=format_time(order.created_ns),
        order_side=format_side(order.side),
        order_type={"STOP_LIMIT": "Stop Limit"}.get(order_type(order), order_type(order).capitalize()),
        limit_price="" if order.price is None else plain(order.price),
        stop_price=plain(stop) if (stop := order.trigger_price or order.stop_loss_price) else "",
        time_in_force=time_in_force(order),
        trigger_status=trigger_status(order),
        end_time=msgspec.UNSET if order.expires_ns is None else format_time(order.expires_ns),
        cancel_reason=order.reason if order.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED) else "",
        reject_reason=order.reason if order.status is OrderStatus.REJECTED else "",
        outstanding_hold_amount=_hold(order),
        total_value_after_fees=_value_after_fees(order),
        post_only="true" if order.post_only else "false",
    )


def from_user_order(wire: UserOrder, venue_ns: Nanos) -> Order:
    """The order as far as the channel tells it.

    A final update no longer says what amount was asked for; `amount` is then what was filled. From which side a stop is reached it never
    says.
    """
    filled = decimal_or(wire.cumulative_quantity)
    stop, is_bracket = decimal_or(wire.stop_price) or None, wire.order_type.upper() == "BRACKET"
    kind = OrderType.MARKET if wire.order_type.upper() == "MARKET" else OrderType.LIMIT
    return Order(
        id=wire.order_id,
        client_order_id=wire.client_order_id,
        symbol=symbol_of(wire.product_id),
        type=kind,
        side=parse_side(wire.order_side),
        amount=filled + decimal_or(wire.leaves_quantity),
        price=Decimal(wire.limit_price) if decimal_or(wire.limit_price) else None,
        time_in_force=_time_in_force(wire.time_in_force, kind, TimeInForce.GTC),
        post_only=wire.post_only == "true",
        status=STATUS_FROM_WIRE.get(wire.status, OrderStatus.OPEN),
        created_ns=parse_time(wire.creation_time) if wire.creation_time else venue_ns,
        updated_ns=venue_ns,
        filled=filled,
        cost=decimal_or(wire.filled_value),
        fee=decimal_or(wire.total_fees),
        fills_count=int(wire.number_of_fills or 0),
        reason=wire.reject_reason or wire.cancel_reason,
        expires_ns=_end(wire.end_time),
        trigger_price=None if is_bracket else stop,
        stop_loss_price=stop if is_bracket else None,
        is_triggered=wire.trigger_status == STOP_TRIGGERED,
    )


def _end(text: str | msgspec.UnsetType) -> Nanos | None:
    """When an order ends; an end in the year 1 is Coinbase's for none."""
    return None if text is msgspec.UNSET or not text or text.startswith("0001-") else parse_time(text)


def to_rest_order(order: Order, config: dict[str, Any] | None = None) -> dict[str, Any]:
    """The `order` object of GET /orders/historical.

    Args:
        order: as it stands.
        config: what it was asked for with, where that says more than the order does: of a market buy by cost the cost.
    """
    wanted = NewOrder(
        symbol=order.symbol,
        type=order.type,
        side=order.side,
        amount=order.amount,
        price=order.price,
        time_in_force=order.time_in_force if order.type is OrderType.LIMIT else TimeInForce.IOC,
        post_only=order.post_only,
        expires_ns=order.expires_ns,
        trigger_price=order.trigger_price,
        stop_direction=order.stop_direction,
        stop_loss_price=order.stop_loss_price,
    )
    return {
        "order_id": order.id,
        "product_id": product_id(order.symbol),
        "user_id": "",
        "order_configuration": configuration(wanted) if config is None else config,
        "side": format_side(order.side),
        "client_order_id": order.client_order_id,
        "status": STATUS_TO_WIRE[order.status],
        "time_in_force": time_in_force(order),
        "created_time": format_time(order.created_ns),
        "completion_percentage": _completion(order),
        "filled_size": plain(order.filled),
        "average_filled_price": plain(order.average or Decimal(0)),
        "fee": "",
        "number_of_fills": str(order.fills_count),
        "filled_value": plain(order.cost),
        "pending_cancel": False,
        "size_in_quote": config is not None,
        "total_fees": plain(order.fee),
        "size_inclusive_of_fees": config is not None,
        "total_value_after_fees": _value_after_fees(order),
        "trigger_status": trigger_status(order),
        "order_type": order_type(order),
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": order.status is OrderStatus.CLOSED,
        "product_type": "SPOT",
        "reject_message": order.reason if order.status is OrderStatus.REJECTED else "",
        "cancel_message": order.reason if order.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED) else "",
        "order_placement_source": "RETAIL_ADVANCED",
        "outstanding_hold_amount": _hold(order),
        "is_liquidation": False,
        "last_fill_time": format_time(order.updated_ns) if order.fills_count else None,
        "edit_history": [],
        "leverage": "",
        "margin_type": "UNKNOWN_MARGIN_TYPE",
        "retail_portfolio_id": "",
        "originating_order_id": "",
        "attached_order_id": "",
        "attached_order_configuration": None,
        "current_pending_replace": None,
        "cursor": order_cursor(order),
    }


def order_type(order: Order) -> str:
    """What kind of order it is, in the words of a list's filter."""
    if order.type is OrderType.MARKET:
        return "MARKET"
    return "STOP_LIMIT" if order.trigger_price is not None else "LIMIT" if order.stop_loss_price is None else "BRACKET"


def trigger_status(order: Order) -> str:
    """Whether a stop was set off; of an order without one, that it has none."""
    if order.trigger_price is None and order.stop_loss_price is None:
        return "INVALID_ORDER_TYPE"
    return STOP_TRIGGERED if order.is_triggered else "STOP_PENDING"


def time_in_force(order: Order) -> str:
    """How long an order stays, in Coinbase's words, for whom every market order is immediate-or-cancel."""
    return TIME_IN_FORCE[TimeInForce.IOC if order.type is OrderType.MARKET else order.time_in_force]


def _time_in_force(text: str, kind: OrderType, otherwise: TimeInForce) -> TimeInForce:
    if kind is OrderType.MARKET:
        return TimeInForce.GTC  # what a market order has here that was asked for without one
    return TIME_IN_FORCE_FROM_WIRE.get(text, otherwise)


def order_cursor(order: Order) -> str:
    """Where a list of orders, newest first, goes on after this one."""
    return f"{order.created_ns}.{order.id}"


def fill_cursor(fill: Fill) -> str:
    """Where a list of fills, newest first, goes on after this one."""
    return f"{fill.venue_ns}.{fill.trade_id}"


def from_rest_order(wire: dict[str, Any]) -> Order:
    """REST does not say when an order was cancelled: `updated_ns` is its last fill, or its creation."""
    symbol = symbol_of(wire["product_id"])
    wanted = from_configuration(symbol, wire["side"], wire["order_configuration"])
    if wanted is None:  # a kind placed by other means, such as a stop: show what can be shown
        kind = OrderType.MARKET if wire.get("order_type") == "MARKET" else OrderType.LIMIT
        wanted = NewOrder(symbol=symbol, type=kind, side=parse_side(wire["side"]))
    status = STATUS_FROM_WIRE.get(wire["status"], OrderStatus.OPEN)
    filled = decimal_or(wire.get("filled_size"))
    amount = wanted.amount if wanted.amount is not None else filled if status.is_final else Decimal(0)
    created_ns = parse_time(wire["created_time"])
    last_fill = wire.get("last_fill_time")
    return Order(
        id=wire["order_id"],
        client_order_id=wire.get("client_order_id", ""),
        symbol=symbol,
        type=wanted.type,
        side=wanted.side,
        amount=amount,
        price=wanted.price,
        time_in_force=_time_in_force(wire.get("time_in_force", ""), wanted.type, wanted.time_in_force),
        post_only=wanted.post_only,
        status=status,
        created_ns=created_ns,
        updated_ns=parse_time(last_fill) if last_fill else created_ns,
        filled=filled,
        cost=decimal_or(wire.get("filled_value")),
        fee=decimal_or(wire.get("total_fees")),
        fills_count=int(wire.get("number_of_fills") or 0),
        reason=wire.get("reject_message") or wire.get("cancel_message") or "",
        expires_ns=wanted.expires_ns,
        trigger_price=wanted.trigger_price,
        stop_direction=wanted.stop_direction,
        stop_loss_price=wanted.stop_loss_price,
        is_triggered=wire.get("trigger_status") == STOP_TRIGGERED,
    )


def to_rest_fill(fill: Fill) -> dict[str, Any]:
    """A row of GET /orders/historical/fills."""
    return {
        "entry_id": fill.trade_id,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "trade_time": format_time(fill.venue_ns),
        "trade_type": "FILL",
        "price": plain(fill.price),
        "size": plain(fill.amount),
        "commission": plain(fill.fee),
        "product_id": product_id(fill.symbol),
        "sequence_timestamp": format_time(fill.venue_ns),
        "liquidity_indicator": fill.liquidity.value.upper(),
        "size_in_quote": False,
        "user_id": "",
        "side": format_side(fill.side),
        "retail_portfolio_id": "",
        "fillSource": "FILL_SOURCE_CLOB",
        "commission_detail_total": {"total_commission": plain(fill.fee)} | dict.fromkeys(OTHER_COMMISSIONS, "0"),
        "cursor": fill_cursor(fill),
    }


def from_rest_fill(wire: dict[str, Any]) -> Fill:
    """Coinbase does not name the client's own id on a fill; `client_order_id` is empty."""
    price, size = Decimal(wire["price"]), Decimal(wire["size"])
    symbol = symbol_of(wire["product_id"])
    return Fill(
        trade_id=wire["trade_id"],
        order_id=wire["order_id"],
        client_order_id="",
        symbol=symbol,
        side=parse_side(wire["side"]),
        price=price,
        amount=size,
        cost=EXACT.multiply(price, size),
        fee=decimal_or(wire.get("commission")),
        fee_currency=symbol.split("/")[1],
        liquidity=Liquidity.MAKER if wire.get("liquidity_indicator") == "MAKER" else Liquidity.TAKER,
        venue_ns=parse_time(wire["trade_time"]),
    )


def _value_after_fees(order: Order) -> str:
    """What a buy cost in all, and what a sell brought."""
    return plain(EXACT.add(order.cost, order.fee) if order.side is Side.BUY else EXACT.subtract(order.cost, order.fee))


def _completion(order: Order) -> str:
    if order.status is OrderStatus.CLOSED:
        return "100.00"
    return format(round(order.filled * 100 / order.amount, 2), "f") if order.amount else "0.00"


def _hold(order: Order) -> str:
    if order.status.is_final or order.price is None:
        return "0"
    return plain(EXACT.multiply(order.remaining, order.price) if order.side is Side.BUY else order.remaining)
