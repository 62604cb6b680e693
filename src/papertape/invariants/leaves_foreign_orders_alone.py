"""What somebody else placed is somebody else's."""

from __future__ import annotations

from papertape.invariants.base import Case, NotJudged
from papertape.model.request import Op
from papertape.model.units import format_duration

CHANGES = (Op.ORDER_CANCEL, Op.ORDER_EDIT)


class LeavesForeignOrdersAlone:
    """The client asks to cancel or change no order that it did not place.

    Needs: the requests as the Door saw them; so it judges any program. An order is the client's own if a request of its for a new order
    came to the Door under that client order id, in this run; any other order at the venue is foreign, such as one that a person placed on
    the website. Violated by each request to cancel or to edit a foreign order, also where the venue refused it. Not judged where there was
    neither a foreign order nor any request to cancel or to edit.
    """

    name = "leaves_foreign_orders_alone"
    watch = None

    def judge(self, case: Case) -> list[str]:
        truth = case.truth
        own = {seen.client_order_id: None for seen in truth.requests if seen.op is Op.ORDER_CREATE and seen.client_order_id}
        changes = [seen for seen in truth.requests if seen.op in CHANGES]
        has_ids = all(seen.client_order_id for seen in truth.requests if seen.op is Op.ORDER_CREATE)
        foreign = [order for order in truth.orders if order.client_order_id not in own] if has_ids else []
        if not has_ids:
            raise NotJudged("orders were placed without client order ids, so nobody can tell whose they are")
        if not changes and not foreign:
            raise NotJudged("there was no foreign order, and nothing was cancelled or edited")
        ids = {each: order for order in foreign for each in (order.id, order.client_order_id) if each}
        problems = []
        for seen in changes:
            order = ids.get(seen.order_id) or ids.get(seen.client_order_id)
            if order is not None:
                done = "was done" if seen.is_executed else "was refused"
                problems.append(
                    f"{case.venue}: at {format_duration(seen.sent_ns)} the client sent {seen.op} for order {order.id}, "
                    f"which it never placed; that {done}"
                )
        return problems
