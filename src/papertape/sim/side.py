"""One side of one instrument's book: what the tape shows, what of it is gone, and our own orders that rest there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sortedcontainers import SortedDict

from papertape.model.event import Level, Side, Trade
from papertape.model.ladder import LATE_MAX, Ladder
from papertape.model.units import Nanos
from papertape.sim.fills.base import Told
from papertape.sim.order import LiveOrder
from papertape.sim.prints import RECENT_MAX, Recent

FAR = 1 << 62
"""A price beyond all prices."""


class BookSide:
    """Bids (BUY) or asks (SELL).

    Attributes:
        ladder: the recorded book's own; shared with the `Book` that everybody sees.
        taken: lots by price that our orders took of `levels`, until the tape changes that level.
        own: our resting orders by price, oldest first.
        recent: what the tape told last of this side.
        snapshot_ns: stamp of the last snapshot, which holds whatever happened before it.
        changes: counts what changes `own` or `taken`.
        low, high: a level of this side at or below `low`, or at or above `high`, meets an order of ours on the other side.
    """

    __slots__ = ("changes", "high", "is_asks", "ladder", "low", "own", "recent", "side", "snapshot_mark", "snapshot_ns", "taken")

    def __init__(self, side: Side, ladder: Ladder) -> None:
        self.side = side
        self.is_asks = side is Side.SELL
        self.ladder = ladder
        ladder.heap = None  # what changes here comes in other ways too
        self.taken: dict[int, int] = {}
        self.own: SortedDict[int, dict[str, LiveOrder]] = SortedDict()
        self.recent = Recent()
        self.snapshot_ns = -FAR
        self.snapshot_mark = -1
        self.changes = 0
        self.low = -FAR
        self.high = FAR

    # What the tape says

    @property
    def levels(self) -> SortedDict[int, int]:
        """What the tape shows, in order, ticks to lots."""
        return self.ladder.look()

    def change(self, changes: tuple[Level, ...], at_ns: Nanos) -> bool:
        """Take over changed levels; returns whether one of them meets an order of ours on the other side.

        The hottest lines of the venue.
        """
        ladder = self.ladder
        late, settled, is_asks = ladder.late, ladder.settled, self.is_asks
        facts, low, high, own, taken = self.recent.facts, self.low, self.high, self.own, self.taken
        meets = False
        for ticks, lots in changes:
            old = late.get(ticks)
            if old is None:
                old = settled.get(ticks, 0)
            late[ticks] = lots
            if lots and not low < ticks < high:
                meets = True
            top = ladder.top
            if top is None:
                if ladder.below is not None:
                    ladder.rise(ticks, lots)
            elif ticks <= top if is_asks else ticks >= top:
                ladder.move(ticks, lots)
            facts.append((ticks, old - lots, at_ns, False))
            if ticks in own or ticks in taken:
                self._changed(ticks, old, lots, at_ns)
        if len(late) > LATE_MAX:
            ladder.settle()
        if len(facts) > 2 * RECENT_MAX:
            self.recent.trim()
        return meets

    def follow(self, ticks: int, lots: int, at_ns: Nanos) -> None:
        """Take over one changed level that meets no order of ours."""
        ladder, facts = self.ladder, self.recent.facts
        late, top = ladder.late, ladder.top
        old = late.get(ticks)
        if old is None:
            old = ladder.settled.get(ticks, 0)
        late[ticks] = lots
        if top is None:
            if ladder.below is not None:
                ladder.rise(ticks, lots)
        elif ticks <= top if self.is_asks else ticks >= top:
            ladder.move(ticks, lots)
        facts.append((ticks, old - lots, at_ns, False))
        if ticks in self.own or ticks in self.taken:
            self._changed(ticks, old, lots, at_ns)
        if len(late) > LATE_MAX:
            ladder.settle()
        if len(facts) > 2 * RECENT_MAX:
            self.recent.trim()

    def replace(self, levels: tuple[Level, ...], at_ns: Nanos) -> None:
        """Take over a snapshot. What we took stays taken where the level did not change."""
        before = dict(self.levels)
        self.ladder.replace(levels)
        self.snapshot_mark = self.recent.mark
        self.recent.clear()
        self.recent.facts.append((0, 0, at_ns, False))  # the snapshot itself, so that it has a mark
        self.snapshot_ns = at_ns
        for ticks in list(self.taken):
            if self.ladder.lots(ticks) != before.get(ticks, 0):
                del self.taken[ticks]
                self.changes += 1
        for ticks, orders in self.own.items():
            for order in orders.values():
                self._tell_place(order, self.ladder.lots(ticks), at_ns)

    def _changed(self, ticks: int, old: int, lots: int, at_ns: Nanos) -> None:
        if old != lots and self.taken.pop(ticks, None) is not None:
            self.changes += 1
        for order in self.own.get(ticks, {}).values():
            self._tell_place(order, lots, at_ns)

    def _tell_place(self, order: LiveOrder, lots: int, at_ns: Nanos) -> None:
        if order.place is not None:
            order.place.on_level(lots, self.recent.mark, is_past=at_ns <= order.arrived_ns)

    def printed(self, trade: Trade) -> None:
        """Note a trade whose taker hit this side."""
        self.print(trade.price_ticks, trade.qty_lots, trade.venue_ns)

    def print(self, ticks: int, lots: int, at_ns: Nanos) -> None:
        """The same by its figures."""
        if at_ns > self.snapshot_ns:
            facts = self.recent.facts
            facts.append((ticks, lots, at_ns, True))
            if len(facts) > 2 * RECENT_MAX:
                self.recent.trim()

    def told(self, trade: Trade) -> list[Told]:
        """What of a trade, not yet noted, the book has told already."""
        if trade.venue_ns <= self.snapshot_ns:
            return [(trade.qty_lots, self.snapshot_mark)]
        return self.recent.told(trade)

    # What may be had

    def open_levels(self, limit: int | None, book_ns: Nanos) -> Iterator[Level]:
        """(ticks, lots) that an order of the other side with this limit may take now, best first: the tape's levels, less what we took
        and less what trades have taken that the book has yet to tell."""
        gone: dict[int, int] | None = None
        for ticks, shown in self.ladder.within(limit):
            if gone is None:
                gone = self.recent.unreported(book_ns)
            lots = shown - self.taken.get(ticks, 0) - gone.get(ticks, 0)
            if lots > 0:
                yield ticks, lots

    def open_lots(self, ticks: int, book_ns: Nanos) -> int:
        """What stands at one price that is not gone for sure."""
        lots = self.ladder.lots(ticks) - self.taken.get(ticks, 0)
        return max(lots - self.recent.surely_gone(ticks, book_ns), 0) if lots > 0 else 0

    def take(self, ticks: int, lots: int) -> None:
        self.taken[ticks] = self.taken.get(ticks, 0) + lots
        self.changes += 1

    # Our own orders

    @property
    def own_best(self) -> int | None:
        """The price of ours that is first in line."""
        if not self.own:
            return None
        ticks, _ = self.own.peekitem(0 if self.is_asks else -1)
        return ticks

    def own_reaching(self, ticks: int) -> Iterable[LiveOrder]:
        """Our orders that an order of the other side with limit `ticks` would meet, by price, then time."""
        for price in list(self.own) if self.is_asks else list(reversed(self.own)):
            if price > ticks if self.is_asks else price < ticks:
                return
            yield from list(self.own[price].values())

    def own_beyond(self, ticks: int) -> Iterable[LiveOrder]:
        """Our orders that such an order would not meet."""
        for price, orders in self.own.items():
            if price > ticks if self.is_asks else price < ticks:
                yield from orders.values()

    def add(self, order: LiveOrder, ticks: int) -> None:
        self.own.setdefault(ticks, {})[order.id] = order
        self.changes += 1

    def remove(self, order: LiveOrder, ticks: int) -> None:
        self.changes += 1
        orders = self.own.get(ticks)
        if orders is not None and orders.pop(order.id, None) is not None and not orders:
            del self.own[ticks]
