"""Nothing that happened once is told or counted twice."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from papertape.invariants.base import Case, NotJudged, Watch, told, view_of
from papertape.model.event import Trade
from papertape.model.order import Order
from papertape.model.units import EXACT, Nanos, plain

DIGITS_MAX: Final = 30
"""Of an id that is a number; longer ones are but texts."""


class Ids:
    """Which trade ids have been shown: those that count up by one, as most venues' do, as the ranges that they fill.

    Attributes:
        next: the id that a range is waiting for; whoever is shown it calls `go_on`, which costs less than `add`.

    >>> ids = Ids()
    >>> [ids.add(each) for each in ("7", "8", "8", "12", "13", "7", "007", "x", "x", "9", "9")]
    [True, True, False, True, True, False, True, True, False, True, False]
    """

    __slots__ = ("_begins", "_ends", "_others", "next")

    def __init__(self) -> None:
        self.next = ""
        self._begins: list[int] = []
        self._ends: list[int] = []
        self._others: dict[str, None] = {}

    def go_on(self) -> None:
        """The id that was waited for."""
        self._ends[-1] += 1
        self.next = str(self._ends[-1])

    def add(self, trade_id: str) -> bool:
        """Whether it is new; from now on it is not."""
        if trade_id == self.next:
            self.go_on()
            return True
        is_number = trade_id.isascii() and trade_id.isdecimal() and trade_id[0] != "0" and len(trade_id) < DIGITS_MAX
        number = int(trade_id) if is_number else None
        if number is not None and (not self._ends or number > self._ends[-1]):
            self._begins.append(number)
            self._ends.append(number + 1)
            self.next = str(number + 1)
            return True
        place = -1 if number is None else bisect_right(self._begins, number) - 1
        if trade_id in self._others or (place >= 0 and number is not None and number < self._ends[place]):
            return False
        self._others[trade_id] = None
        return True


class TwiceWatch(Watch):
    """Follow each callback: orders only go forward, and no trade comes twice or before an earlier one."""

    def __init__(self) -> None:
        super().__init__()
        self._orders: dict[tuple[int, str], Order] = {}
        self._trades: dict[tuple[int, str], tuple[Nanos, Ids]] = {}  # newest instant, and the ids of all

    def order_shown(self, at_ns: Nanos, subscription: int, order: Order) -> None:
        self.looks += 1
        key = (subscription, order.id or order.client_order_id)
        before, self._orders[key] = self._orders.get(key), order
        if before is None:
            return
        if order.filled < before.filled or (before.status.is_final and not order.status.is_final):
            self.found(at_ns, f"`subscribe_orders` was shown order {_stands(order)} after it had been shown {_stands(before)}")
        elif order == before:
            self.found(at_ns, f"`subscribe_orders` was shown the same twice: order {_stands(order)}")

    def trade_shown(self, at_ns: Nanos, subscription: int, trade: Trade) -> None:
        self.looks += 1
        key = (subscription, trade.symbol)
        known = self._trades.get(key)
        if known is None:
            known = self._trades[key] = (trade.venue_ns, Ids())
        newest_ns, ids = known
        if trade.trade_id and not ids.add(trade.trade_id):
            self.found(at_ns, f"`subscribe_trades` was shown trade {trade.trade_id} of {trade.symbol} twice")
        elif trade.venue_ns < newest_ns:
            self.found(
                at_ns, f"`subscribe_trades` was shown trade {trade.trade_id} of {trade.symbol} {newest_ns - trade.venue_ns} ns too late"
            )
        elif trade.venue_ns > newest_ns:
            self._trades[key] = (trade.venue_ns, ids)

    def trades_shown(self, shown: Sequence[tuple[Nanos, int, Trade]]) -> None:
        """As one by one; what is new and not older than the last, as nearly all are, is known for it without a call each."""
        its, newest_ns, ids = (-1, ""), 0, Ids()
        for at_ns, subscription, trade in shown:
            symbol, trade_id, venue_ns = trade.symbol, trade.trade_id, trade.venue_ns
            if not trade_id or trade_id != ids.next or venue_ns < newest_ns or symbol != its[1] or subscription != its[0]:
                if its in self._trades:
                    self._trades[its] = (newest_ns, ids)
                self.trade_shown(at_ns, subscription, trade)
                its = (subscription, symbol)
                newest_ns, ids = self._trades[its]
                continue
            self.looks += 1
            newest_ns = venue_ns
            ids.go_on()
        if its in self._trades:
            self._trades[its] = (newest_ns, ids)


class NothingCountedTwice:
    """What the venue did once, the client tells and counts once.

    Needs: the callbacks of bots on our interface, and the venue's fills. Judged at each call: `subscribe_orders` never shows an order with
    less filled than before, nor open after it was closed, nor the very same twice; `subscribe_trades` never shows a trade id twice, nor a
    trade older than the one before it. Judged at quiescence: no order is believed to have filled more than the venue's fills of it sum to,
    each trade id once, nor at another number of fills.
    """

    name = "nothing_counted_twice"
    watch = TwiceWatch

    def judge(self, case: Case) -> list[str]:
        view = view_of(case)
        watch = case.watches.get(self.name)
        if not case.truth.fills and not (watch is not None and watch.looks) and not any(intent.order for intent in view.intents):
            raise NotJudged("there was nothing to tell and nothing to count")
        problems = [] if watch is None else told(case, watch)
        filled: dict[str, Decimal] = {}
        for fill in case.truth.fills:
            filled[fill.client_order_id] = EXACT.add(filled.get(fill.client_order_id, Decimal(0)), fill.amount)
        problems += [f"{case.venue}: the venue gave the trade id {each} {times} times" for each, times in _repeated(case) if times > 1]
        for intent in view.intents:
            done = filled.get(intent.client_order_id, Decimal(0))
            if intent.order is not None and intent.order.filled > done:
                problems.append(
                    f"{case.venue}: order {intent.client_order_id}: the client counts {plain(intent.order.filled)} filled; "
                    f"its fills at the venue sum to {plain(done)}"
                )
        return problems


def _repeated(case: Case) -> list[tuple[str, int]]:
    return list(Counter(fill.trade_id for fill in case.truth.fills).items())


def _stands(order: Order) -> str:
    return f"{order.client_order_id or order.id} as {order.status}, filled {plain(order.filled)}"
