"""At the end it is known of every order what became of it."""

from __future__ import annotations

from papertape.invariants.base import Case, NotJudged, view_of
from papertape.model.order import OrderStatus
from papertape.model.units import plain


class EveryOrderKnown:
    """Once things are quiet, what the client believes of each of its orders is what the venue knows.

    Orders of somebody else on the account are none of its own.

    Needs: the venue's orders, and the client's intents. Judged at quiescence: no intent's outcome is unknown, every order at the venue
    belongs to an intent, status and filled amount agree, and no intent is believed to stand at the venue that the venue does not have.
    """

    name = "every_order_known"
    watch = None

    def judge(self, case: Case) -> list[str]:
        view = view_of(case)
        if not view.intents and not case.truth.orders:
            raise NotJudged("no order was placed")
        at_venue = {order.client_order_id: order for order in case.truth.orders if order.client_order_id not in case.truth.foreign}
        problems = []
        for intent in view.intents:
            order = at_venue.pop(intent.client_order_id, None)
            who = f"{case.venue}: order {intent.client_order_id}"
            if intent.is_unknown:
                truth = "does not have it" if order is None else f"has it as {order.status}, filled {plain(order.filled)}"
                pending = case.pending.get(intent.client_order_id, "")
                reason = f" ({pending})" if pending else ""
                problems.append(f"{who}: the client still does not know its outcome{reason}; the venue {truth}")
            elif order is None:
                if intent.order is not None and intent.order.status is not OrderStatus.REJECTED:
                    problems.append(f"{who}: the client believes it {intent.order.status}; the venue never had it")
            elif intent.order is None:
                if order.status is not OrderStatus.REJECTED:
                    problems.append(f"{who}: the client believes nothing came of it; the venue has it as {order.status}")
            elif (intent.order.status, intent.order.filled) != (order.status, order.filled):
                problems.append(
                    f"{who}: the client believes {intent.order.status}, filled {plain(intent.order.filled)}; "
                    f"the venue has {order.status}, filled {plain(order.filled)}"
                )
        problems += [
            f"{case.venue}: order {order.id} ({order.side} {plain(order.amount)} {order.symbol}) is unknown to the client"
            for order in at_venue.values()
            if order.status is not OrderStatus.REJECTED
        ]
        return problems
