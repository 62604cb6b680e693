"""Never two effective orders for one intent."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from papertape.invariants.base import Case, NotJudged, view_of
from papertape.model.order import NewOrder, Order, OrderStatus
from papertape.model.units import plain


class NoDuplicateExposure:
    """The venue never accepted more orders than the bot asked for and may believe in.

    Needs: the venue's orders, and what the bot asked for call by call (noted outside the client's own books, so that a client that sends
    one intent twice under two ids is caught although its books look tidy). A call that told the bot "no" (refused, never sent) does not
    count: an order that the venue has all the same is exposure behind the bot's back.

    Judged at quiescence over everything that was ever accepted: orders are grouped by symbol, side, type, amount and price; a group with
    more accepted orders than calls is a duplicate. An accepted order whose client order id no intent of the client has is one as well.
    """

    name = "no_duplicate_exposure"
    watch = None

    def judge(self, case: Case) -> list[str]:
        view = view_of(case)
        ours = [order for order in case.truth.orders if order.client_order_id not in case.truth.foreign]
        accepted = [order for order in ours if order.status is not OrderStatus.REJECTED]
        if not view.asked and not accepted:
            raise NotJudged("no order was asked for")
        asked = Counter(_asked_for(new) for new in view.asked)
        known = {intent.client_order_id: intent.wanted for intent in view.intents}
        problems = []
        sent: Counter[tuple[str, ...]] = Counter()
        for order in accepted:
            wanted = known.get(order.client_order_id)
            if wanted is None:
                problems.append(
                    f"{case.venue}: order {order.id} ({_words(order)}) has the client order id {order.client_order_id}, which no intent has"
                )
            else:
                sent[_asked_for(wanted)] += 1
        for group, count in sent.items():
            if count > asked[group]:
                wanted_text = f"{asked[group]}, calls that were told no apart"
                problems.append(f"{case.venue}: {count} orders for {' '.join(group)} were accepted; the bot asked for {wanted_text}")
        return problems


def _asked_for(new: NewOrder) -> tuple[str, ...]:
    amount = f"for {plain(new.cost or Decimal(0))}" if new.amount is None else plain(new.amount)
    return (str(new.side), amount, new.symbol, str(new.type), "at market" if new.price is None else f"at {plain(new.price)}")


def _words(order: Order) -> str:
    return f"{order.side} {plain(order.amount)} {order.symbol}, {order.status}, filled {plain(order.filled)}"
