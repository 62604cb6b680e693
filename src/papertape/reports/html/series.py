"""Curves of a run: what was held and what was believed, what it was worth, how much waited; and which of many things to draw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final, TypeVar

from papertape.model.units import Nanos
from papertape.reports.html.lives import Life
from papertape.session.chronicle import Bar, Filled, VenueChronicle

T = TypeVar("T")

POINTS_MAX: Final = 3000
"""How many marks of one kind are drawn; more cannot be told apart, and a browser would feel them."""

Curve = list[tuple[Nanos, float]]


def thinned(items: Sequence[T], most: int = POINTS_MAX, matters: Callable[[T], bool] = lambda item: False) -> list[T]:
    """At most about `most` of them, in their order: all that matter, as far as there is room, and of the others every so manieth.

    >>> thinned(range(10), 5)
    [0, 2, 4, 6, 8]
    >>> thinned(range(10), 5, lambda item: item > 7)
    [0, 3, 6, 8, 9]
    """
    if len(items) <= most:
        return list(items)
    important = [place for place, item in enumerate(items) if matters(item)][:most]
    room = most - len(important)
    chosen = dict.fromkeys(important)
    others = [place for place in range(len(items)) if place not in chosen]
    if room > 0:
        chosen |= dict.fromkeys(others[:: -(-len(others) // room)])
    return [items[place] for place in sorted(chosen)]


def position(fills: Iterable[Filled], symbol: str) -> Curve:
    """What our fills moved of the base, from 0."""
    held, curve = Decimal(0), [(0, 0.0)]
    for fill in fills:
        if fill.symbol == symbol:
            held += Decimal(fill.amount) if fill.side == "buy" else -Decimal(fill.amount)
            curve.append((fill.at_ns, float(held)))
    return curve


def belief(lives: Iterable[Life], symbol: str) -> Curve:
    """The same as the client's own books have it: what each order was told to have filled, when that was told."""
    steps: list[tuple[Nanos, Decimal]] = []
    for life in lives:
        if life.symbol != symbol:
            continue
        known = Decimal(0)
        for news in life.news:
            filled = Decimal(news.filled)
            if filled != known:
                steps.append((news.at_ns, (filled - known) * (1 if life.side == "buy" else -1)))
                known = filled
    held, curve = Decimal(0), [(0, 0.0)]
    for at_ns, moved in sorted(steps, key=lambda step: step[0]):
        held += moved
        curve.append((at_ns, float(held)))
    return curve


def gain(chronicle: VenueChronicle, symbols: Sequence[str]) -> Curve:
    """Gain after fees in the quote currency that these symbols share, what is held taken at the last price."""
    events: list[tuple[Nanos, int, str, Bar | Filled]] = []
    for symbol in symbols:
        events += [(bar.at_ns, 0, symbol, bar) for bar in chronicle.prices.get(symbol, [])]
    events += [(fill.at_ns, 1, fill.symbol, fill) for fill in chronicle.fills if fill.symbol in symbols]
    cash, held, price = 0.0, dict.fromkeys(symbols, 0.0), dict.fromkeys(symbols, 0.0)
    curve: Curve = []
    for at_ns, _, symbol, event in sorted(events, key=lambda each: each[:3]):
        if isinstance(event, Bar):
            price[symbol] = event.last
        else:
            moved = float(event.amount) if event.side == "buy" else -float(event.amount)
            held[symbol] += moved
            cash -= moved * float(event.price) + float(event.fee)
            price[symbol] = price[symbol] or float(event.price)
        curve.append((at_ns, cash + sum(held[each] * price[each] for each in symbols)))
    return curve


def depth(stays: Iterable[tuple[Nanos, Nanos]]) -> Curve:
    """How many there were at a time, of things that each stayed from one instant to another.

    >>> depth([(0, 5), (2, 5), (7, 7)])
    [(0, 1.0), (2, 2.0), (5, 0.0)]
    """
    moves: dict[Nanos, int] = {}
    for begin_ns, end_ns in stays:
        if end_ns > begin_ns:
            moves[begin_ns] = moves.get(begin_ns, 0) + 1
            moves[end_ns] = moves.get(end_ns, 0) - 1
    count, curve = 0, []
    for at_ns in sorted(moves):
        if moves[at_ns]:
            count += moves[at_ns]
            curve.append((at_ns, float(count)))
    return curve


def highest(curve: Curve, most: int = POINTS_MAX) -> Curve:
    """A curve of steps with fewer of them: of each stretch its highest and its last."""
    if len(curve) <= most:
        return curve
    size = -(-len(curve) * 2 // most)
    kept: Curve = []
    for begin in range(0, len(curve), size):
        part = curve[begin : begin + size]
        top = max(part, key=lambda point: point[1])
        kept += [top] if top is part[-1] else [top, part[-1]]
    return kept
