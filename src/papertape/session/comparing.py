"""Two books of one instrument, level by level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, Level, Side
from papertape.model.ladder import items_of
from papertape.model.units import SECOND, Nanos, format_duration, plain

LEVELS_MAX: Final = 3
"""Levels that a sentence names."""

TOLD_WITHIN_NS: Final = 10 * SECOND
"""How old an answer of REST may be whose book a client still holds valid."""


def book_problem(client: Book, true: Book, moving: Sequence[BookUpdate]) -> str:
    """In which levels a client's book is not the venue's, in words, but for those that are `moving` towards it; empty if in none."""
    problems = []
    for side in Side:
        believed, at_venue = client.amounts(side), true.amounts(side)
        if believed == at_venue:
            continue
        apart = dict.fromkeys(ticks for event in moving for ticks, _ in (event.bids if side is Side.BUY else event.asks))
        # In C: a real book has tens of thousands of levels.
        changed: set[Level] = items_of(believed) ^ items_of(at_venue)
        differ = sorted({ticks for ticks, _ in changed if ticks not in apart}, reverse=side is Side.BUY)
        if not differ:
            continue
        instrument = true.instrument
        told = [
            f"{plain(instrument.price(ticks))} × {plain(instrument.amount(believed.get(ticks, 0)))} "
            f"(venue: {plain(instrument.amount(at_venue.get(ticks, 0)))})"
            for ticks in differ[:LEVELS_MAX]
        ]
        name = "bid" if side is Side.BUY else "ask"
        problems.append(f"{len(differ)} {name} levels differ, the best {', '.join(told)}")
    return "; ".join(problems)


def told_problem(client: Book, told: Sequence[BookSnapshot], now_ns: Nanos) -> str:
    """Why a client's book is none of those that REST has `told` it of late, newest first, in words; empty if it is.

    `now_ns` is the venue's clock: an answer can know no more than the venue did as it gave it.
    """
    fresh = [each for each in told if now_ns - each.venue_ns <= TOLD_WITHIN_NS]
    problems = []
    for each in fresh:
        true = Book(client.instrument)
        true.apply(each)
        problem = book_problem(client, true, ())
        if not problem:
            return ""
        problems.append(problem)
    if not problems:
        return f"it is as REST told it, and REST has told none of the last {format_duration(TOLD_WITHIN_NS)}"
    return f"it is as REST told it, and not as REST told it last: {problems[0]}"
