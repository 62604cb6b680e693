"""Which trades the book has told already, and which it has yet to tell.

A trade reaches us twice: printed on the trades channel, and as a level that shrank. Either may come first, and the two channels' clocks
disagree: in a real Coinbase Exchange capture every one of 256 trades comes after the level change that reports it, stamped 5 ms after to
87 ms before it; on Advanced Trade either order occurs; on Binance the trade comes up to 100 ms before. So the two are matched by amount at
their price: a shrinking reports trades printed before it, and what is left of it is a credit for trades printed after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from papertape.model.event import Trade
from papertape.model.units import MILLISECOND, Nanos
from papertape.sim.fills.base import Told

CLOCKS_AGREE_NS: Final = 10 * MILLISECOND
"""A level change stamped longer than this before a trade does not report it; twice what real captures show."""

BOOK_LAGS_NS: Final = 100 * MILLISECOND
"""A book stamped longer than this after a trade has told it, or never will: Binance tells its book every 100 ms, and Coinbase Exchange
stamps level changes up to 87 ms after the trades that they report."""

RECENT_MAX: Final = 8192
"""Facts kept for each side of a book; more than a venue tells of it while a trade is on its way."""

Fact = tuple[int, int, Nanos, bool]
"""(ticks, lots, stamp, is_trade): of a trade, its volume; of a level change, by how much the level shrank, below zero where it grew."""


class Recent:
    """The recent past of one side of a book. Each fact has a mark, counted from 0.

    Attributes:
        facts: the newest, oldest first; plain tuples in a plain list, for speed: whoever adds many adds them here.
    """

    __slots__ = ("_forgotten", "_recall", "facts")

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self._forgotten = 0
        self._recall: Callable[[int], list[Fact]] | None = None

    @property
    def mark(self) -> int:
        """The mark of the next fact."""
        return self._forgotten + len(self.facts)

    def trim(self) -> None:
        """Forget what is too old to matter."""
        if len(self.facts) > 2 * RECENT_MAX:
            del self.facts[:RECENT_MAX]
            self._forgotten += RECENT_MAX

    def clear(self) -> None:
        self._forgotten += len(self.facts)
        self.facts.clear()
        self._recall = None

    def skip(self, count: int, recall: Callable[[int], list[Fact]]) -> None:
        """So many facts have come that nobody is likely to ask for; `recall` tells those before the one with a mark that it is given, as
        they are kept by then."""
        self._forgotten += len(self.facts) + count
        self.facts.clear()
        self._recall = recall

    def _recalled(self) -> int:
        """How many facts were put before those that are here, now that somebody asks for them."""
        if self._recall is None:
            return 0
        before = len(self.facts)
        older, self._recall = self._recall(self._forgotten), None
        self.facts[:0] = older
        self._forgotten -= len(older)
        while len(self.facts) > 2 * RECENT_MAX:
            self.trim()  # as would have been done meanwhile
        return max(len(self.facts) - before, 0)

    def told(self, trade: Trade) -> list[Told]:
        """How much of a trade that is not among the facts yet level changes have reported, oldest first."""
        price = trade.price_ticks
        waiting = 0  # printed, and no level change since
        credit: deque[tuple[int, Nanos, int]] = deque()
        for mark, (ticks, lots, at_ns, is_trade) in self._since(trade.venue_ns):
            if ticks != price:
                continue
            if is_trade:
                waiting += lots - sum(used for used, _ in _spend(credit, lots, at_ns))
            else:
                if lots > waiting:
                    credit.append((lots - waiting, at_ns, mark))
                waiting = 0
        return _spend(credit, trade.qty_lots, trade.venue_ns)

    def unreported(self, book_ns: Nanos) -> dict[int, int]:
        """Lots by price that were traded away but still stand in the book, whose newest level change is stamped `book_ns`."""
        return _unreported(self._since(book_ns - BOOK_LAGS_NS), book_ns)

    def surely_gone(self, ticks: int, book_ns: Nanos) -> int:
        """The same at one price, but only of trades that are stamped after all that the book has told of it.

        A level that is stamped no sooner than a trade holds it, also where it did not shrink by it because others came at the same time.
        Whoever counts who stands ahead must not take the trade away once more.
        """
        here = [each for each in self._since(book_ns - BOOK_LAGS_NS) if each[1][0] == ticks]  # one price has nothing to do with another
        gone = _unreported(here, book_ns).get(ticks, 0)
        if not gone:
            return 0
        told_ns = max((at_ns for _, (_, _, at_ns, is_trade) in here if not is_trade), default=-1)
        return min(gone, sum(lots for _, (_, lots, at_ns, is_trade) in here if is_trade and at_ns > told_ns))

    def _since(self, from_ns: Nanos) -> list[tuple[int, Fact]]:
        """The newest facts with their marks, oldest first, back to the last level change that matters to anything stamped since `from_ns`.

        A trade that is printed late brings the level changes with it that may have reported it: without them it would look untold, and
        claim the next level change for itself.
        """
        start = len(self.facts)
        while start or (start := self._recalled()):
            _, _, at_ns, is_trade = self.facts[start - 1]
            if is_trade:
                from_ns = min(from_ns, at_ns)
            elif at_ns + CLOCKS_AGREE_NS < from_ns:
                break
            start -= 1
        return list(enumerate(self.facts[start:], self._forgotten + start))


def _unreported(facts: list[tuple[int, Fact]], book_ns: Nanos) -> dict[int, int]:
    printed: dict[int, int] = {}
    credit: dict[int, deque[tuple[int, Nanos, int]]] = {}
    for mark, (ticks, lots, at_ns, is_trade) in facts:
        if is_trade:
            left = lots - sum(used for used, _ in _spend(credit.get(ticks, deque()), lots, at_ns))
            if left and at_ns + BOOK_LAGS_NS >= book_ns:
                printed[ticks] = printed.get(ticks, 0) + left
        elif lots > 0:
            waiting = printed.pop(ticks, 0)
            if waiting > lots:
                printed[ticks] = waiting - lots
            elif lots > waiting:
                credit.setdefault(ticks, deque()).append((lots - waiting, at_ns, mark))
        else:
            printed.pop(ticks, None)  # others have come, so the level was counted anew
    return printed


def _spend(credit: deque[tuple[int, Nanos, int]], lots: int, at_ns: Nanos) -> list[Told]:
    """Use up credit for a trade of `lots` stamped `at_ns`; what is too old for it is too old for any later one."""
    spent: list[Told] = []
    while credit and lots:
        have, stamp, mark = credit.popleft()
        if stamp + CLOCKS_AGREE_NS < at_ns:
            continue
        used = min(have, lots)
        spent.append((used, mark))
        lots -= used
        if used < have:
            credit.appendleft((have - used, stamp, mark))
    return spent
