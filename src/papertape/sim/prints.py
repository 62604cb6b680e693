"""Which trades the book has told already, and which it has yet to tell.

A trade reaches us twice: printed on the trades channel, and as a level that shrank. Either may come first, and the two channels' clocks
disagree: in a real Coinbase Exchange capture every one of 256 trades comes after the level change that reports it, stamped 5 ms after to
87 ms before it; on Advanced Trade either order occurs; on Binance the trade comes up to 100 ms before. So the two are matched by amount at
their price: a shrinking reports trades printed before it, and what is left of it is a credit for trades printed after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from papertape.model.event import Trade
from papertape.model.units import MILLISECOND, Nanos

CLOCKS_AGREE_NS: Final = 10 * MILLISECOND
"""A level change stamped longer than this before a trade does not report it; twice what real captures show."""

RECENT_MAX: Final = 8192
"""Facts kept for each side of a book; more than a venue tells of it while a trade is on its way."""


class Fact(NamedTuple):
    """One line of the recent past of one side of a book.

    Attributes:
        lots: of a trade, its volume; of a level change, by how much the level shrank (below zero where it grew).
        at_ns: the venue's own stamp on it.
    """

    ticks: int
    lots: int
    at_ns: Nanos
    is_trade: bool


def since(recent: deque[tuple[int, int, Nanos, bool]], from_ns: Nanos) -> list[tuple[int, int, Nanos, bool]]:
    """The newest facts, oldest first, back to the last level change stamped before `from_ns`."""
    found = []
    for fact in reversed(recent):
        if not fact[3] and fact[2] < from_ns:
            break
        found.append(fact)
    found.reverse()
    return found


def credit(facts: Iterable[tuple[int, int, Nanos, bool]], trade: Trade) -> list[tuple[int, Nanos]]:
    """How much of `trade` the level changes among `facts`, all told before it, have reported: (lots, stamp), oldest first."""
    price = trade.price_ticks
    waiting = 0  # printed, and no level change since
    chunks: deque[tuple[int, Nanos]] = deque()
    for ticks, lots, at_ns, is_trade in facts:
        if ticks != price:
            continue
        if is_trade:
            waiting += lots - sum(used for used, _ in _spend(chunks, lots, at_ns))
        else:
            if lots > waiting:
                chunks.append((lots - waiting, at_ns))
            waiting = 0
    return _spend(chunks, trade.qty_lots, trade.venue_ns)


def unreported(facts: Iterable[tuple[int, int, Nanos, bool]], book_ns: Nanos) -> dict[int, int]:
    """Lots by price that were traded away but still stand in the book, whose newest level change is stamped `book_ns`.

    A print that the book has overtaken by more than the clocks' disagreement is told, or never will be.
    """
    printed: dict[int, deque[tuple[int, Nanos]]] = {}
    chunks: dict[int, deque[tuple[int, Nanos]]] = {}
    for ticks, lots, at_ns, is_trade in facts:
        if is_trade:
            left = lots - sum(used for used, _ in _spend(chunks.get(ticks, deque()), lots, at_ns))
            if left and at_ns + CLOCKS_AGREE_NS >= book_ns:
                printed.setdefault(ticks, deque()).append((left, at_ns))
        elif lots > 0:
            waiting = printed.get(ticks)
            while waiting and lots:
                have, stamp = waiting[0]
                used = min(have, lots)
                lots -= used
                if used == have:
                    waiting.popleft()
                else:
                    waiting[0] = (have - used, stamp)
            if lots:
                chunks.setdefault(ticks, deque()).append((lots, at_ns))
        else:
            printed.pop(ticks, None)  # told anew, others having come
    return {ticks: sum(lots for lots, _ in waiting) for ticks, waiting in printed.items() if waiting}


def _spend(chunks: deque[tuple[int, Nanos]], lots: int, at_ns: Nanos) -> list[tuple[int, Nanos]]:
    spent = []
    while chunks and lots:
        have, stamp = chunks[0]
        if stamp + CLOCKS_AGREE_NS < at_ns:
            chunks.popleft()
            continue
        used = min(have, lots)
        spent.append((used, stamp))
        lots -= used
        if used == have:
            chunks.popleft()
        else:
            chunks[0] = (have - used, stamp)
    return spent
