"""hftbacktest's fills by its documentation, order by order, with a switch for each rule in which papertape's differ.

Written from what its documentation and docstrings say of `PartialFillExchange` and `RiskAdverseQueueModel` 2.4, for one order at a time, in
whole lots. With all rules on it must give what hftbacktest gives; with rules off, what papertape gives where only those rules made the
difference. Rules: https://hftbacktest.readthedocs.io/en/latest/order_fill.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from papertape.model.event import BookSnapshot, BookUpdate, MarketEvent, Side, Trade
from papertape.model.units import Nanos
from papertape.sim.prints import Recent

THROUGH: Final = "through"
CROSSED: Final = "crossed"
TAKING: Final = "taking"
TWICE: Final = "twice"
STANDING: Final = "standing"
LATE: Final = "late"

RULES: Final = {
    THROUGH: "a trade beyond its price fills an order whole; here up to what was traded",
    CROSSED: "a best price that moves to or through its price fills an order whole; here up to what stands there as the message ends",
    TAKING: "an order that takes is filled whole, at its limit what the book does not hold; here what stands there, and the rest rests",
    TWICE: "a trade shortens the queue although a level change told it before; here it counts once",
    STANDING: "what trades took since the level was told stands ahead of a new order; here it does not, nor can it be taken",
    LATE: "a trade fills by when it was printed; here one that happened before the order came does not",
}
"""hftbacktest's rule; papertape's."""

Outcome = tuple[int, Nanos]
"""(lots filled, when the last of them; 0 if none)."""


class _Order:
    """One order at the venue."""

    def __init__(self, wanted: dict[str, Any], latency_ns: Nanos) -> None:
        self.number: int = wanted["number"]
        self.is_buy = wanted["side"] == "buy"
        self.ticks: int = wanted["ticks"]
        self.left: int = wanted["lots"]
        self.lots: int = wanted["lots"]
        self.arrives_ns: Nanos = wanted["sent_ns"] + latency_ns
        self.leaves_ns: Nanos = wanted["withdrawn_ns"] + latency_ns
        self.bounds: list[tuple[int, int]] = []  # (mark, lots): what was ahead by what was told before the mark
        self.filled_ns: Nanos = 0
        self.is_done = False

    def fill(self, lots: int, at_ns: Nanos) -> None:
        lots = min(lots, self.left)
        if lots > 0:
            self.left -= lots
            self.filled_ns = at_ns
            self.is_done = not self.left

    def hit(self, lots: int, told: Sequence[tuple[int, int]]) -> int:
        """How much of a trade at this price gets past who is ahead. `told` is what level changes, by their marks, told of it."""
        self.bounds = [(mark, bound - lots + sum(some for some, told_mark in told if told_mark < mark)) for mark, bound in self.bounds]
        return max(-min(bound for _, bound in self.bounds), 0)

    def meets(self, ticks: int) -> bool:
        """Whether a price of the other side is at or through this order's."""
        return ticks <= self.ticks if self.is_buy else ticks >= self.ticks


class Replay:
    """One tape, orders one after another, some rules on."""

    def __init__(self, rules: frozenset[str], latency_ns: Nanos) -> None:
        self._rules = rules
        self._latency_ns = latency_ns
        self._books: dict[bool, dict[int, int]] = {True: {}, False: {}}  # by is_bid
        self._recent = {True: Recent(), False: Recent()}
        self._taken: dict[tuple[bool, int], int] = {}
        self._order: _Order | None = None
        self._book_ns: Nanos = 0
        self._is_met = True  # whether a level of the other side may stand at or through the order's price

    def run(self, messages: Iterable[tuple[int, Nanos, Nanos, MarketEvent]], wanted: Sequence[dict[str, Any]]) -> dict[int, Outcome]:
        found: dict[int, Outcome] = {}
        waiting = [_Order(each, self._latency_ns) for each in wanted][::-1]

        def leave() -> None:
            order = self._order
            if order is not None:
                found[order.number] = (order.lots - order.left, order.filled_ns)
                self._order = None

        for _, reach_ns, _, event in messages:
            while True:
                if self._order is not None and self._order.leaves_ns < reach_ns:
                    leave()
                elif self._order is None and waiting and waiting[-1].arrives_ns < reach_ns:
                    self._arrive(waiting.pop())
                else:
                    break
            if isinstance(event, Trade):
                self._trade(event, reach_ns)
            elif isinstance(event, BookUpdate | BookSnapshot):
                self._change(event, reach_ns)
        leave()
        for order in waiting:
            found[order.number] = (0, 0)
        return found

    def _best(self, is_bid: bool) -> int | None:
        book = self._books[is_bid]
        return (max if is_bid else min)(book) if book else None

    def _open(self, is_bid: bool, ticks: int) -> int:
        """What may be taken of a level, or stands at it."""
        lots = self._books[is_bid].get(ticks, 0) - self._taken.get((is_bid, ticks), 0)
        if STANDING not in self._rules:
            lots -= self._recent[is_bid].unreported(self._book_ns).get(ticks, 0)
        return max(lots, 0)

    def _arrive(self, order: _Order) -> None:
        self._order, self._is_met = order, True
        other = not order.is_buy
        best = self._best(other)
        if best is not None and order.meets(best):
            for ticks in sorted((each for each in self._books[other] if order.meets(each)), reverse=other):
                lots = min(self._open(other, ticks), order.left)
                order.fill(lots, order.arrives_ns)
                self._take(other, ticks, lots)
            if TAKING in self._rules:
                order.fill(order.left, order.arrives_ns)
        recent, lots = self._recent[order.is_buy], self._books[order.is_buy].get(order.ticks, 0)
        lots -= self._taken.get((order.is_buy, order.ticks), 0)
        if STANDING not in self._rules:
            lots -= recent.surely_gone(order.ticks, self._book_ns)
        order.bounds = [(recent.mark, max(lots, 0))]

    def _take(self, is_bid: bool, ticks: int, lots: int) -> None:
        if TAKING not in self._rules:
            self._taken[is_bid, ticks] = self._taken.get((is_bid, ticks), 0) + lots

    def _trade(self, trade: Trade, at_ns: Nanos) -> None:
        is_bid = trade.taker is Side.SELL  # whose queue it met
        recent = self._recent[is_bid]
        order = self._order
        if order is not None and not order.is_done and order.is_buy == is_bid:
            is_late = trade.venue_ns <= order.arrives_ns and LATE not in self._rules
            told = [] if TWICE in self._rules else recent.told(trade)
            if is_late:
                pass
            elif trade.price_ticks == order.ticks:
                order.fill(min(order.hit(trade.qty_lots, told), trade.qty_lots), at_ns)
            elif (trade.price_ticks < order.ticks) == is_bid:
                past = sum(lots for lots, mark in told if mark < order.bounds[0][0])
                order.fill(order.left if THROUGH in self._rules else trade.qty_lots - past, at_ns)
                order.bounds = [(recent.mark, 0)]
        recent.facts.append((trade.price_ticks, trade.qty_lots, trade.venue_ns, True))
        recent.trim()

    def _change(self, event: BookUpdate | BookSnapshot, at_ns: Nanos) -> None:
        self._book_ns = event.venue_ns
        if isinstance(event, BookSnapshot):
            self._books = {True: {}, False: {}}
            self._taken.clear()
            for recent in self._recent.values():
                recent.clear()
        for is_bid, levels in ((True, event.bids), (False, event.asks)):
            for ticks, lots in levels:
                self._level(is_bid, ticks, lots, event.venue_ns, at_ns)
        order = self._order
        if order is None or order.is_done or CROSSED in self._rules:
            return
        if not self._is_met:
            return
        bid, ask = self._best(True), self._best(False)
        if bid is not None and ask is not None and bid < ask:
            self._is_met = False
            other = not order.is_buy
            for ticks in sorted((each for each in self._books[other] if order.meets(each)), reverse=other):
                lots = min(self._open(other, ticks), order.left)
                order.fill(lots, at_ns)
                if lots:
                    self._taken[other, ticks] = self._taken.get((other, ticks), 0) + lots

    def _level(self, is_bid: bool, ticks: int, lots: int, stamp_ns: Nanos, at_ns: Nanos) -> None:
        book = self._books[is_bid]
        before = book.get(ticks, 0)
        order = self._order
        meets = order is not None and order.is_buy != is_bid and lots > 0 and order.meets(ticks)
        best = self._best(is_bid) if meets and CROSSED in self._rules else None  # a search, so only where it matters
        self._is_met = self._is_met or meets
        if lots:
            book[ticks] = lots
        else:
            book.pop(ticks, None)
        self._taken.pop((is_bid, ticks), None)
        self._recent[is_bid].facts.append((ticks, before - lots, stamp_ns, False))
        self._recent[is_bid].trim()
        if order is None or order.is_done:
            return
        if order.is_buy == is_bid and order.ticks == ticks:
            order.bounds.append((self._recent[is_bid].mark, lots))
        if meets and CROSSED in self._rules and (best is None or (ticks > best if is_bid else ticks < best)):
            order.fill(order.left, at_ns)
