"""What the client believes beside what the venue knows, row by row, for people who must see where the two part."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from papertape.invariants import Case
from papertape.model.order import Order
from papertape.model.units import EXACT, plain
from papertape.model.view import IntentView
from papertape.session.result import Row

ROWS_MAX: Final = 12

AROUND: Final = 1
"""Orders to show before and after each that differs."""

NOTHING: Final = "-"


def sides(case: Case, failures: Sequence[str]) -> tuple[Row, ...]:
    """Positions that differ, and orders that differ or that a failure names, with the few around; nothing for a program.

    Balances only where a failure is about them.
    """
    if case.view is None:
        return ()
    rows = [row for row in _positions(case) if row.differs]
    if any("balance" in failure or "ledger" in failure for failure in failures):  # else it is only old: it is as the client fetched it last
        rows += [row for row in _balances(case) if row.differs]
    orders = _orders(case)
    named = named_in(failures, [row.what for row in orders])
    places = [place for place, row in enumerate(orders) if row.differs or row.what in named]
    shown = dict.fromkeys(near for place in places for near in range(place - AROUND, place + AROUND + 1) if 0 <= near < len(orders))
    rows += [orders[place] for place in sorted(shown)]
    return tuple(rows[:ROWS_MAX])


def named_in(failures: Iterable[str], ids: Sequence[str]) -> dict[str, None]:
    """Those of `ids` that occur in a sentence."""
    words = dict.fromkeys(word for failure in failures for word in re.findall(r"[\w./-]+", failure))
    return {each: None for each in ids if each in words}


def _positions(case: Case) -> list[Row]:
    assert case.view is not None
    own = {intent.client_order_id: None for intent in case.view.intents}
    filled: dict[str, Decimal] = {}
    for fill in case.truth.fills:
        if fill.client_order_id in own:
            filled[fill.symbol] = EXACT.add(filled.get(fill.symbol, Decimal(0)), fill.moved)
    symbols = dict.fromkeys([*filled, *case.view.positions])
    return [_amounts(case, f"position {each}", case.view.positions.get(each, Decimal(0)), filled.get(each, Decimal(0))) for each in symbols]


def _balances(case: Case) -> list[Row]:
    assert case.view is not None
    believed = case.view.balances
    if believed is None:
        return []
    currencies = dict.fromkeys([*believed.currencies, *case.truth.balances.currencies])
    return [_amounts(case, f"balance {each}", believed[each].total, case.truth.balances[each].total) for each in currencies]


def _amounts(case: Case, what: str, client: Decimal, venue: Decimal) -> Row:
    return Row(venue=case.venue, what=what, client=plain(client), truth=plain(venue), differs=client != venue)


def _orders(case: Case) -> list[Row]:
    """Every order of either side, as the client wanted them, then those it knows nothing of."""
    assert case.view is not None
    ours = [order for order in case.truth.orders if order.client_order_id not in case.truth.foreign]
    at_venue = {order.client_order_id or order.id: order for order in ours}
    rows = []
    for intent in case.view.intents:
        order = at_venue.pop(intent.client_order_id, None)
        believed, true = _believed(intent), NOTHING if order is None else _stands(order)
        agrees = believed == true or (intent.order is None and not intent.is_unknown and (order is None or order.status == "rejected"))
        rows.append(Row(venue=case.venue, what=intent.client_order_id, client=believed, truth=true, differs=not agrees))
    rows += [
        Row(venue=case.venue, what=each, client=NOTHING, truth=_stands(order), differs=order.status != "rejected")
        for each, order in at_venue.items()
    ]
    return rows


def _believed(intent: IntentView) -> str:
    if intent.order is not None and not intent.is_unknown:
        return _stands(intent.order)
    wanted = intent.wanted
    amount = f"for {plain(wanted.cost or Decimal(0))}" if wanted.amount is None else plain(wanted.amount)
    return f"{wanted.side} {amount}: {intent.state.replace('_', ' ')}"


def _stands(order: Order) -> str:
    price = "" if order.price is None else f" at {plain(order.price)}"
    return f"{order.side} {plain(order.amount)}{price}: {order.status}, filled {plain(order.filled)} in {order.fills_count}"
