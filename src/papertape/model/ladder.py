"""One side of a book, which is put in order only when somebody looks beyond its best price."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence
from heapq import heappop, merge
from typing import Final

from sortedcontainers import SortedDict

from papertape.model.event import Level, Side

LATE_MAX: Final = 4_096
"""Changed levels that may wait before they are put in their places unasked; bounds memory and the cost of the next look."""


SCANNED_MAX: Final = 1_024
"""So many late levels are looked through for the best price; more are put in their places first."""

NEAR: Final = 64
"""So many ticks beyond the price that was best, each is asked for what it holds before all are looked through."""


class Ladder:
    """One side of a book, ticks to lots.

    Attributes:
        late: levels that changed since the last look, newest amount each (0: gone). Whoever changes many writes here, and minds `LATE_MAX`.
        settled: all levels in order, but for what is in `late`.
        top: the best price; None where only a look can tell. Whoever writes to `late` sees to it too.
        heap: prices in `late` alone that were not gone as they were written, bids below zero, so that the best comes first; None where
            those who write to `late` do not keep it, or somebody wrote past it (`heaped` makes it good).
        below: while `top` is not known, the price that was it last, and that none is better than; None where that is not known either.

    >>> ladder = Ladder(Side.SELL)
    >>> ladder.late.update({101: 5, 99: 7, 100: 0})
    >>> ladder.best, ladder.look()
    ((99, 7), SortedDict({99: 7, 101: 5}))
    """

    __slots__ = ("_changed", "_first", "_levels", "below", "heap", "late", "settled", "top")

    def __init__(self, side: Side) -> None:
        self._levels: dict[int, Level] = {}  # as they were handed out last, by price
        self._changed: dict[int, int] = {}  # settled since then
        self.late: dict[int, int] = {}
        self.settled: SortedDict[int, int] = SortedDict()
        self.top: int | None = None
        self.heap: list[int] | None = None
        self.below: int | None = None
        self._first = -1 if side is Side.BUY else 0

    @property
    def best(self) -> Level | None:
        """(ticks, lots) of the best level; as a rule without putting anything in order."""
        top = self.top
        if top is None:
            top = self.top = self._find()
            if top is None:
                return None
        late = self.late.get(top)
        return top, self.settled[top] if late is None else late

    def _find(self) -> int | None:
        """The best price, looked for; None where there is none."""
        late, is_bids = self.late, self._first < 0
        heap, below = self.heap, self.below
        if below is not None:  # as a rule the next is not far
            self.below, settled = None, self.settled
            for ticks in range(below - 1, below - NEAR, -1) if is_bids else range(below + 1, below + NEAR):
                lots = late.get(ticks)
                if lots or (lots is None and ticks in settled):
                    return ticks
        if heap is None and len(late) > SCANNED_MAX:
            self.settle()
        found = None
        for ticks in reversed(self.settled) if is_bids else self.settled:
            if late.get(ticks, 1):  # else it is gone
                found = ticks
                break
        if heap is None:
            fresh = [ticks for ticks, lots in late.items() if lots]
            if fresh:
                first = max(fresh) if is_bids else min(fresh)
                return first if found is None or (first > found if is_bids else first < found) else found
            return found
        while heap and not late.get(-heap[0] if is_bids else heap[0]):
            heappop(heap)
        if heap:
            ticks = -heap[0] if is_bids else heap[0]
            if found is None or (ticks > found if is_bids else ticks < found):
                return ticks
        return found

    def rise(self, ticks: int, lots: int) -> None:
        """A level has been written to `late` while the best is not known, but what none is better than: it may be that."""
        below = self.below
        if below is not None and lots and (ticks >= below if self._first < 0 else ticks <= below):
            self.top, self.below = ticks, None

    def move(self, ticks: int, lots: int) -> None:
        """A level that is the best, or would be, has been written to `late`."""
        if lots:
            self.top = ticks
        elif ticks == self.top:
            self.top, self.below = None, ticks

    def update(self, levels: Iterable[Level]) -> None:
        """Take over many levels at once, the last of a price; the best price, if it is known, stays so where it can."""
        late, top = self.late, self.top
        if top is None:
            self.below = None
            late.update(levels)
            return
        changed = dict(levels)
        late.update(changed)
        there = [ticks for ticks, lots in changed.items() if lots]
        if there:
            first = max(there) if self._first < 0 else min(there)
            if first > top if self._first < 0 else first < top:
                self.top = top = first
        if not changed.get(top, 1):
            self.top, self.below = None, top

    def heaped(self) -> list[int]:
        """The heap, for who writes to `late` and keeps it."""
        if self.heap is None:
            self.settle()
            self.heap = []
        return self.heap

    def amounts(self) -> Mapping[int, int]:
        """What each price holds, in no order; not to be changed."""
        if not self.late:
            return self.settled
        levels = merged((self.settled, self.late))
        for ticks, lots in self.late.items():
            if not lots:
                del levels[ticks]
        return levels

    def lots(self, ticks: int) -> int:
        """What stands at a price; nothing is put in order for it."""
        late = self.late.get(ticks)
        return self.settled.get(ticks, 0) if late is None else late

    def within(self, limit: int | None) -> Iterator[Level]:
        """(ticks, lots) from the best price outwards, up to and with a limit; nothing is put in order for it, nor may change meanwhile.

        >>> ladder = Ladder(Side.BUY)
        >>> ladder.replace([(98, 1), (99, 2), (97, 3)])
        >>> ladder.late.update({100: 4, 98: 0})
        >>> ladder.top = None
        >>> list(ladder.within(99)), list(ladder.within(None))
        ([(100, 4), (99, 2)], [(100, 4), (99, 2), (97, 3)])
        """
        best, is_bids = self.best, self._first < 0
        if best is None or (limit is not None and (best[0] < limit if is_bids else best[0] > limit)):
            return
        late, settled = self.late, self.settled
        fresh = [ticks for ticks, lots in late.items() if lots and (limit is None or (ticks >= limit if is_bids else ticks <= limit))]
        fresh.sort(reverse=is_bids)
        still = (ticks for ticks in (reversed(settled) if is_bids else settled) if ticks not in late)
        for ticks in merge(fresh, still, reverse=is_bids):
            if limit is not None and (ticks < limit if is_bids else ticks > limit):
                return
            yield ticks, late[ticks] if ticks in late else settled[ticks]

    def look(self) -> SortedDict[int, int]:
        """All levels in order; always the same object, which is right until the next change."""
        if self.late:
            self.settle()
        return self.settled

    def held(self) -> list[int]:
        """Prices that may hold something, in no order; nothing is put in its place for it."""
        return [*self.settled, *self.late]

    def page(self) -> tuple[Level, ...]:
        """All levels, best first. Those that have not changed are the very objects of the page before: a long book costs half as much."""
        prices, levels = list(self.look()), self._levels
        if self._first < 0:
            prices.reverse()
        if not levels:
            levels.update(zip(prices, zip(prices, map(self.settled.__getitem__, prices), strict=True), strict=True))
        for ticks, lots in self._changed.items():
            if lots:
                levels[ticks] = (ticks, lots)
            else:
                levels.pop(ticks, None)
        self._changed.clear()
        return tuple(map(levels.__getitem__, prices))

    def settle(self) -> None:
        """Put the late levels in their places."""
        late, settled = self.late, self.settled
        if 3 * len(late) > len(settled):  # then to sort anew is cheaper than to find each one's place
            top, below = self.top, self.below
            self.replace([(ticks, lots) for ticks, lots in merged((settled, late)).items() if lots])
            self.top, self.below = top, below  # no level is another for that
            return
        if self._levels:
            self._changed.update(late)
        for ticks, lots in late.items():
            if lots:
                settled[ticks] = lots
            else:
                settled.pop(ticks, None)
        late.clear()
        if self.heap:
            self.heap.clear()

    def replace(self, levels: Iterable[Level]) -> None:
        """Forget everything for these levels."""
        self.late.clear()
        if self.heap:
            self.heap.clear()
        self._levels.clear()
        self._changed.clear()
        self.settled.clear()
        self.settled.update(levels)
        self.top = self.below = None


def items_of(levels: Mapping[int, int]) -> ItemsView[int, int]:
    """What they hold, as a plain dict tells it, in C; a `SortedDict` by itself is asked price by price."""
    return dict.items(levels)  # type: ignore[arg-type]  # it is a dict too, its stubs are not


def merged(held: Sequence[Mapping[int, int]]) -> dict[int, int]:
    """Levels in one, where what the later say of a price counts."""
    levels: dict[int, int] = {}
    for each in held:
        levels.update(items_of(each))
    return levels
