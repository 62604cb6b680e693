"""No money appears, none is lost."""

from __future__ import annotations

from decimal import Decimal

from papertape.invariants.base import Case, NotJudged, Watch, view_of
from papertape.model.account import Balances
from papertape.model.order import OrderStatus
from papertape.model.units import EXACT, Nanos, format_duration, plain

ZERO = Decimal(0)


class MoneyWatch(Watch):
    """Remember what the client was told last of its balances."""

    def __init__(self) -> None:
        super().__init__()
        self.last: Balances | None = None
        self.last_ns: Nanos = 0

    def balances_told(self, at_ns: Nanos, balances: Balances) -> None:
        self.looks += 1
        self.last, self.last_ns = balances, at_ns


class MoneyConserved:
    """What the client counts of money is what the venue's ledger says.

    Needs: the client's orders, positions' costs and balances, and the venue's. Judged at quiescence: of each of the client's orders that
    the venue has, what it cost and its fees are the venue's figures; the cost of each position is what its fills cost; the opening account,
    with what the client's own orders and those of others moved, gives the ledger's totals; and the client's balances are those of the last
    answer that it got (what has moved since it cannot know).
    """

    name = "money_conserved"
    watch = MoneyWatch

    def judge(self, case: Case) -> list[str]:
        view, truth = view_of(case), case.truth
        if not truth.fills and not any(intent.order for intent in view.intents) and view.balances is None:
            raise NotJudged("no money moved, and the client asked for none")
        return _orders(case) + _costs(case) + _totals(case) + self._balances(case)

    def _balances(self, case: Case) -> list[str]:
        watch, believed = case.watches.get(self.name), view_of(case).balances
        if not isinstance(watch, MoneyWatch) or watch.last is None or believed is None or believed == watch.last:
            return []
        currencies = dict.fromkeys([*believed.currencies, *watch.last.currencies])
        return [
            f"{case.venue}: the client holds its balance of {each} for {plain(believed[each].total)}; the last answer, "
            f"heard at {format_duration(watch.last_ns)}, said {plain(watch.last[each].total)}"
            for each in currencies
            if believed[each] != watch.last[each]
        ]


def _orders(case: Case) -> list[str]:
    at_venue = {order.client_order_id: order for order in case.truth.orders if order.status is not OrderStatus.REJECTED}
    problems = []
    for intent in view_of(case).intents:
        order = at_venue.get(intent.client_order_id)
        if order is None or intent.order is None:
            continue
        for what, believed, true in (("cost", intent.order.cost, order.cost), ("paid in fees", intent.order.fee, order.fee)):
            if believed != true:
                problems.append(
                    f"{case.venue}: order {intent.client_order_id}: the client believes that it {what} {plain(believed)}; "
                    f"the venue's figure is {plain(true)}"
                )
    return problems


def _costs(case: Case) -> list[str]:
    view = view_of(case)
    own = {intent.client_order_id: None for intent in view.intents}
    spent: dict[str, Decimal] = {}
    for fill in case.truth.fills:
        if fill.client_order_id in own:
            spent[fill.symbol] = EXACT.add(spent.get(fill.symbol, ZERO), EXACT.multiply(fill.price, fill.moved))
    return [
        f"{case.venue} {symbol}: the client counts {plain(view.costs[symbol])} spent; its fills at the venue sum to {plain(amount)}"
        for symbol, amount in spent.items()
        if symbol in view.costs and view.costs[symbol] != amount
    ]


def _totals(case: Case) -> list[str]:
    """The ledger from the fills alone."""
    truth = case.truth
    moved: dict[str, Decimal] = {}
    for fill in truth.fills:
        base, quote = fill.symbol.split("/")[0], fill.symbol.split("/")[1].split(":")[0]
        paid = EXACT.add(EXACT.multiply(fill.price, fill.moved), fill.fee if fill.fee_currency == quote else ZERO)
        moved[base] = EXACT.add(moved.get(base, ZERO), fill.moved)
        moved[quote] = EXACT.subtract(moved.get(quote, ZERO), paid)
    return [
        f"{case.venue}: the ledger ends with {plain(truth.balances[each].total)} {each}; opening, fills and fees leave "
        f"{plain(EXACT.add(truth.opening[each].total, amount))}"
        for each, amount in moved.items()
        if truth.balances[each].total != EXACT.add(truth.opening[each].total, amount)
    ]
