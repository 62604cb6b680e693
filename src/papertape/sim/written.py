"""What a journal says of requests and of news of own orders, whoever writes it: the Door, or a live bot's gate."""

from __future__ import annotations

from papertape.model.order import NewOrder, Order, OrderType, OrderUpdate
from papertape.model.request import Request
from papertape.model.units import plain


def command_facts(number: int, request: Request) -> dict[str, object]:
    """A request, by its number."""
    facts: dict[str, object] = {"request": number, "op": request.op, "attempt": request.attempt}
    for key in ("client_order_id", "order_id", "symbol"):
        if value := getattr(request, key):
            facts[key] = value
    if request.order is not None:
        facts["order"] = in_words(request.order)
    return facts


def outcome_facts(order: Order) -> dict[str, object]:
    """Where an order stands that an answer shows."""
    return {"id": order.id, "status": order.status, "filled": plain(order.filled)}


def order_facts(update: OrderUpdate) -> dict[str, object]:
    """News of an own order."""
    order, fill = update.order, update.fill
    facts: dict[str, object] = {
        "id": order.id, "client_order_id": order.client_order_id, "status": order.status, "filled": plain(order.filled),
    }  # fmt: skip
    if order.is_triggered:
        facts["is_triggered"] = True
    if fill is not None:
        facts |= {"trade_id": fill.trade_id, "price": plain(fill.price), "amount": plain(fill.amount)}
        facts |= {"fee": plain(fill.fee), "liquidity": fill.liquidity}
    return facts


def in_words(order: NewOrder) -> dict[str, object]:
    """What was asked for, in the journal's form: numbers as canonical text, nothing that was left out."""
    table: dict[str, object] = {"symbol": order.symbol, "type": order.type, "side": order.side}
    for key in ("amount", "price", "cost"):
        value = getattr(order, key)
        if value is not None:
            table[key] = plain(value)
    if order.type is OrderType.LIMIT:
        table["time_in_force"] = order.time_in_force
    if order.post_only:
        table["post_only"] = True
    for key in ("trigger_price", "stop_loss_price"):
        value = getattr(order, key)
        if value is not None:
            table[key] = plain(value)
    if order.stop_direction is not None:
        table["stop_direction"] = order.stop_direction
    if order.expires_ns is not None:
        table["expires_ns"] = order.expires_ns
    return table
