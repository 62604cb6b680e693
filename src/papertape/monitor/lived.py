"""Orders as they lived at the venue, from the chronicle behind a journal: each as a line whenever something about it changed.

A journal's own lines leave out what answers to requests told, an order that was filled as it came above all.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from operator import itemgetter
from typing import Any

from papertape.collector.lines import Line
from papertape.model.units import Nanos
from papertape.session.chronicle import Chronicle, Filled, Placed


def states_of(chronicle: Chronicle, begin_ns: Nanos) -> Iterator[Line]:
    """Of every order of every venue; `begin_ns` is the date of run time 0."""
    for venue in chronicle.venues:
        fills: dict[str, list[Filled]] = {}
        for fill in venue.fills:
            fills.setdefault(fill.order_id, []).append(fill)
        for order in venue.orders:
            yield from _states(order, fills.get(order.id, []), begin_ns)


def _states(order: Placed, fills: list[Filled], begin_ns: Nanos) -> Iterator[Line]:
    filled, cost = Decimal(0), Decimal(0)
    price = f"{order.limits[0][1]:.10g}" if order.limits else None

    def line(at_ns: Nanos, status: str, reason: str = "") -> Line:
        return {
            "kind": "state", "symbol": order.symbol, "ns": begin_ns + at_ns, "id": order.id, "client_order_id": order.client_order_id,
            "type": order.type, "side": order.side, "price": price, "amount": order.amount, "filled": str(filled), "cost": str(cost),
            "status": status, "reason": reason,
        }  # fmt: skip

    steps: list[tuple[Nanos, int, Any]] = [(order.created_ns, 0, None)]
    steps += [(at_ns, 1, limit) for at_ns, limit in order.limits[1:]]
    steps += [(fill.at_ns, 2, fill) for fill in fills]
    for at_ns, what, given in sorted(steps, key=itemgetter(0, 1)):
        if what == 1:
            price = f"{given:.10g}"
        elif what == 2:
            filled += Decimal(given.amount)
            cost += Decimal(given.amount) * Decimal(given.price)
        yield line(at_ns, "open")
    if order.ended_ns is not None:
        yield line(order.ended_ns, order.status, order.reason)
