"""Limits that must hold at each instant, judged event by event on the venue's truth alone."""

from __future__ import annotations

from decimal import Decimal

from papertape.model.order import Order, OrderStatus
from papertape.model.units import EXACT, Nanos, format_duration, plain
from papertape.model.view import Truth
from papertape.session.spec import ExpectVenue


def beyond_limits(expect: ExpectVenue, venue: str, truth: Truth, epoch_ns: Nanos) -> list[tuple[str, str]]:
    """(key, sentence) for each limit that did not hold, with the run time of the first instant at which it did not."""
    found = [_position(expect, truth, epoch_ns), _open_orders(expect, truth, epoch_ns), _notional(expect, truth, epoch_ns)]
    return [(key, f"{venue}: {sentence}") for key, sentence in found if sentence]


def _position(expect: ExpectVenue, truth: Truth, epoch_ns: Nanos) -> tuple[str, str]:
    limit, held = expect.max_position, Decimal(0)
    for fill in truth.fills if limit is not None else ():
        assert limit is not None
        if fill.symbol.split("/")[0] != limit.currency or fill.client_order_id in truth.foreign:
            continue
        held = EXACT.add(held, fill.moved)
        if held.copy_abs() > limit.amount:
            at = format_duration(fill.venue_ns - epoch_ns)
            return "max_position", (
                f"the position reached {plain(held)} {limit.currency} at {at}, with trade {fill.trade_id} of order {fill.client_order_id}; "
                f"{plain(limit.amount)} is the most"
            )
    return "max_position", ""


def _open_orders(expect: ExpectVenue, truth: Truth, epoch_ns: Nanos) -> tuple[str, str]:
    limit = expect.max_open_orders
    changes = []
    for order in truth.orders if limit is not None else ():
        if order.status is OrderStatus.REJECTED or order.client_order_id in truth.foreign:
            continue
        changes.append((order.created_ns, 1, order.client_order_id))
        if order.status.is_final:
            changes.append((order.updated_ns, -1, ""))
    count = 0
    for at_ns, change, who in sorted(changes, key=lambda each: each[:2]):  # at one instant, what closes makes room for what opens
        count += change
        if limit is not None and count > limit:
            return "max_open_orders", f"{count} orders were open at {format_duration(at_ns - epoch_ns)}, with {who}; {limit} are the most"
    return "max_open_orders", ""


def _notional(expect: ExpectVenue, truth: Truth, epoch_ns: Nanos) -> tuple[str, str]:
    limit = expect.max_order_notional
    for order in truth.orders if limit is not None else ():
        assert limit is not None
        value = _value(order)
        quote = order.symbol.split("/")[1].split(":")[0]
        if (
            order.client_order_id not in truth.foreign
            and quote == limit.currency
            and order.status is not OrderStatus.REJECTED
            and value > limit.amount
        ):
            at = format_duration(order.created_ns - epoch_ns)
            return "max_order_notional", (
                f"order {order.client_order_id}, placed at {at}, is worth {plain(value)} {quote}; {plain(limit.amount)} is the most"
            )
    return "max_order_notional", ""


def _value(order: Order) -> Decimal:
    """What it may cost at its own price, or did cost at the market's, whichever is more."""
    asked = Decimal(0) if order.price is None else EXACT.multiply(order.price, order.amount)
    return max(asked, order.cost)
