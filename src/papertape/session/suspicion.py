"""What a program did with an outcome it did not know: sentences for people, from what it was told and from the venue's truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from papertape.model.event import Side
from papertape.model.order import NewOrder, Order, OrderStatus
from papertape.model.request import Op
from papertape.model.units import EXACT, MILLISECOND, Nanos, format_duration, plain
from papertape.model.view import Truth
from papertape.sim.disclosure import Create, Disclosure


def suspicions(disclosure: Disclosure, venue: str, truth: Truth) -> list[str]:
    """One sentence for each order that was sent again, however often."""
    chains: dict[int, tuple[Create, Op | None, list[Create]]] = {}
    for repeat in disclosure.repeats:
        chains.setdefault(id(repeat.first), (repeat.first, repeat.change, []))[2].append(repeat.again)
    return [f"{venue}: {_sentence(first, change, again, truth)}" for first, change, again in chains.values()]


def untold(disclosure: Disclosure, venue: str, truth: Truth) -> list[str]:
    """Orders at the venue that the program was never told of: worth a note, since it may have meant never to look."""
    notes = []
    for create in disclosure.undisclosed:
        order = order_of(create, truth)
        if order is not None:
            sent = f"{in_words(create.wanted)}, sent at {moment(create.sent_ns)}{_by(create)}"
            stands = f"{order.status}, filled {plain(order.filled)}"
            notes.append(f"{venue}: the program was never told of order {order.id}, {sent}; it is {stands}")
    return notes


def order_of(create: Create, truth: Truth) -> Order | None:
    """What the venue has of it."""
    if not create.at_venue:
        return None
    return next((order for order in truth.orders if order.client_order_id in create.ids and order.status is not OrderStatus.REJECTED), None)


def in_words(wanted: NewOrder) -> str:
    """An order in a few words.

    >>> from papertape.model.order import OrderType
    >>> in_words(NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal("0.010"), price=Decimal(64000)))
    'buy 0.01 BTC/USD at 64000'
    """
    price = "" if wanted.price is None else f" at {plain(wanted.price)}"
    return f"{wanted.side} {_size(wanted)}{price}"


def moment(ns: Nanos) -> str:
    """Run time as people read it, down to the millisecond.

    >>> moment(12_003_456_789), moment(90_000_000_000)
    ('12.003s', '1m30s')
    """
    return format_duration(ns // MILLISECOND * MILLISECOND)


def _sentence(first: Create, change: Op | None, again: Sequence[Create], truth: Truth) -> str:
    wanted = again[0].wanted
    did = "bought" if wanted.side is Side.BUY else "sold"
    if not any(order_of(each, truth) for each in again):
        did = f"tried to {wanted.side}"
    times = "again" if len(again) == 1 else f"{len(again)} times more,"
    when = f"{times} at {_listed([moment(each.sent_ns) for each in again])}"
    whose = "the order it sent" if first.line == again[0].line else "the order sent"
    outcome = f"the outcome of {whose}" if change is None else f"what became of its {change.value.split('.')[1]} of {whose}"
    return (
        f"{again[0].line or 'the program'} {did} {_size(wanted)} {when}, while {outcome} at {moment(first.sent_ns)}"
        f"{_by(first)} was undisclosed; {_came_of([first, *again], truth)}"
    )


def _came_of(creates: Sequence[Create], truth: Truth) -> str:
    orders = [order_of(create, truth) for create in creates]
    there = [order for order in orders if order is not None]
    filled = _sum(order.filled for order in there)
    base = creates[0].wanted.symbol.split("/")[0]
    if not there:
        return "the venue has " + ("neither" if len(creates) == 2 else "none of them")
    if len(there) == len(creates):
        every = "both" if len(creates) == 2 else f"all {len(creates)}"
        if all(order.status is OrderStatus.CLOSED for order in there):
            return f"the venue filled {every}: {plain(filled)} {base}"
        return f"the venue accepted {every}, and filled {plain(filled)} {base}"
    if len(there) == 1:
        which = "the first" if orders[0] is not None else "the second" if len(creates) == 2 else "one of the later ones"
        return f"the venue has only {which}, filled {plain(filled)} {base}"
    return f"the venue has {len(there)} of {len(creates)}, filled {plain(filled)} {base}"


def _size(wanted: NewOrder) -> str:
    if wanted.amount is None:
        symbol, quote = wanted.symbol, wanted.symbol.split("/")[1].split(":")[0]
        return f"{symbol} for {plain(wanted.cost or Decimal(0))} {quote}"
    return f"{plain(wanted.amount)} {wanted.symbol}"


def _by(create: Create) -> str:
    return f" ({create.line})" if create.line else ""


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
