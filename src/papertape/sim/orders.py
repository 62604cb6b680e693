"""Every order that a venue has accepted, and how a request names one."""

from __future__ import annotations

from collections.abc import Iterator

from papertape.model.order import Order, OrderStatus
from papertape.model.request import RefusalCode, Request
from papertape.model.venue import Reconcile, VenueRules
from papertape.sim.checks import Refused
from papertape.sim.order import LiveOrder


class Orders:
    """Orders of one account, oldest first; of those that share a client id, the newest goes by it."""

    def __init__(self, rules: VenueRules) -> None:
        self._rules = rules
        self._by_id: dict[str, LiveOrder] = {}
        self._by_client_id: dict[str, LiveOrder] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[LiveOrder]:
        return iter(self._by_id.values())

    def add(self, order: LiveOrder) -> None:
        self._by_id[order.id] = self._by_client_id[order.client_order_id] = order

    def of(self, client_order_id: str) -> LiveOrder | None:
        """The order of this client id; None if none was ever made."""
        return self._by_client_id.get(client_order_id)

    def known(self, client_order_id: str) -> LiveOrder | None:
        """The order that a repeated client id stands for, where the venue answers with it; elsewhere the repetition is refused."""
        order = self.of(client_order_id)
        if self._rules.reconcile is Reconcile.IDENTICAL_REPOST:
            if not client_order_id:
                raise Refused(RefusalCode.INVALID, "client_order_id is required")
            return order
        if order is not None and (order.status is OrderStatus.OPEN or not self._rules.reuses_client_ids):
            raise Refused(RefusalCode.DUPLICATE_ID, f"client_order_id {client_order_id} is that of order {order.id}")
        return None

    def listed(self, request: Request) -> tuple[Order, ...]:
        """Every order ever accepted, or since `since_ns`, oldest first; where `limit` is given the last."""
        found = [order.snapshot() for order in self if request.symbol in ("", order.instrument.symbol)]
        found = [order for order in found if request.since_ns is None or order.created_ns >= request.since_ns]
        limit = len(found) if request.limit is None else min(max(request.limit, 0), len(found))
        return tuple(found[len(found) - limit :])

    def named(self, request: Request) -> LiveOrder:
        """The order that a request is about, or a refusal."""
        order = self._by_id.get(request.order_id) if request.order_id else self.of(request.client_order_id)
        if order is None or request.symbol not in ("", order.instrument.symbol):
            raise Refused(RefusalCode.ORDER_NOT_FOUND, f"no order {request.order_id or request.client_order_id}")
        return order

    def named_open(self, request: Request) -> LiveOrder:
        """Likewise, if it is open; else a refusal."""
        order = self.named(request)
        if order.status is not OrderStatus.OPEN:
            raise Refused(RefusalCode.ORDER_NOT_OPEN, f"order {order.id} is {order.status}")
        return order
