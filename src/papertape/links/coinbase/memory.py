"""What Coinbase says once and leaves out later: an order's own amount, and whose order a fill or an id belongs to."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from papertape.model.order import Fill, NewOrder, OpenOrders, Order, OrderStatus, OrderUpdate

ORDERS_MAX: Final = 10_000
"""The oldest are forgotten first: Coinbase no longer speaks of them."""


class Memory:
    """The last that was heard of each order, by the venue's id, and what was asked for, by ours."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._wanted: dict[str, NewOrder] = {}

    def wanted(self, client_order_id: str, order: NewOrder) -> None:
        """We are about to ask for this."""
        self._wanted[client_order_id] = order
        if len(self._wanted) > ORDERS_MAX:
            del self._wanted[next(iter(self._wanted))]

    def order(self, order_id: str) -> Order | None:
        return self._orders.get(order_id)

    def id_of(self, client_order_id: str) -> str:
        """The venue's id of an order that we know by ours; "" if it never told."""
        return next((order.id for order in reversed(self._orders.values()) if order.client_order_id == client_order_id), "")

    def complete(self, order: Order) -> Order:
        """The order with the amount that a final update of the user channel leaves out."""
        known = self._orders.get(order.id)
        wanted = self._wanted.get(order.client_order_id)
        asked = known.amount if known is not None else Decimal(0)
        if not asked and wanted is not None and wanted.amount is not None:
            asked = wanted.amount
        if order.status.is_final and order.status is not OrderStatus.CLOSED and order.amount < asked:
            order = msgspec.structs.replace(order, amount=asked)
        if known is None or order.filled >= known.filled:
            self._orders.pop(order.id, None)
            self._orders[order.id] = order
            if len(self._orders) > ORDERS_MAX:
                del self._orders[next(iter(self._orders))]
        return order

    def _by_its_name(self, order: Order) -> Order:
        """What a stream tells of an order, in the market in which it is known to be: of one that shares its book, streams may tell of that.

        So at least ccxt reads Coinbase's user channel, which tries both names for each order.
        """
        known = self._orders.get(order.id) or self._wanted.get(order.client_order_id)
        return order if known is None or known.symbol == order.symbol else msgspec.structs.replace(order, symbol=known.symbol)

    def complete_update(self, update: OrderUpdate) -> OrderUpdate:
        order = self.complete(self._by_its_name(update.order))
        return update if order is update.order else msgspec.structs.replace(update, order=order)

    def complete_list(self, listed: OpenOrders) -> OpenOrders:
        return msgspec.structs.replace(listed, orders=tuple(self.complete(self._by_its_name(order)) for order in listed.orders))

    def complete_fill(self, fill: Fill) -> Fill:
        """The fill with the client's own id, where we know whose it is."""
        order = self._orders.get(fill.order_id)
        return fill if order is None else msgspec.structs.replace(fill, client_order_id=order.client_order_id)
