"""An order that had to wait meets the market that it was meant for."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Final

from papertape.invariants.base import Case, Freshness, Watch, told, view_of, watch_of
from papertape.model.order import NewOrder
from papertape.model.request import Request
from papertape.model.units import EXACT, SECOND, Nanos, format_duration, plain

WAITED_NS: Final = 1 * SECOND
"""What leaves sooner after it was asked for has not waited."""

LEAVES_WITHIN_NS: Final = 31 * SECOND
"""How old an order may be: as long as the shell lets it wait by default, and a second for the way."""

SEEN_WITHIN_NS: Final = 10 * SECOND
"""How long what the client has of the market may have been wanting: a dead line is found within five of the venue's heartbeats."""

MOVED_BPS_MAX: Final = 100
"""How far the middle price may be from where it stood: twice what the shell allows by default, since it goes by what it was told last."""

REPEATS_WITHIN_NS: Final = LEAVES_WITHIN_NS + 40 * SECOND
"""The same for a request that repeats one without an answer: ten seconds until that is given up for lost, and thirty for the hunt."""

Asked = tuple[NewOrder, Nanos, Decimal | None]


class Leaving:
    """An order that has left at least once.

    Attributes:
        asked_ns: when it was asked for, run time.
        mid: where the market stood then.
        unanswered: how many of its requests the client has not heard to be refused.
    """

    def __init__(self, asked_ns: Nanos, mid: Decimal | None) -> None:
        self.asked_ns = asked_ns
        self.mid = mid
        self.unanswered = 0


class LateWatch(Watch):
    """Hold each order's leaving against its asking."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[tuple[object, ...], deque[Asked]] = {}
        self._left: dict[str, Leaving | None] = {}  # None where nobody heard it being asked for

    def order_asked(self, at_ns: Nanos, wanted: NewOrder, fresh: Freshness | None) -> None:
        self._asked.setdefault(_gist(wanted), deque()).append((wanted, at_ns, None if fresh is None else fresh.mid))

    def asking_undone(self, wanted: NewOrder) -> None:
        alike = self._asked.get(_gist(wanted), deque())
        self._asked[_gist(wanted)] = deque(each for each in alike if each[0] is not wanted)

    def order_refused(self, at_ns: Nanos, request: Request) -> None:
        leaving = self._left.get(request.client_order_id)
        if leaving is not None and leaving.unanswered:
            leaving.unanswered -= 1

    def order_left(self, at_ns: Nanos, request: Request, fresh: Freshness | None) -> None:
        key, order = request.client_order_id, request.order
        if order is None:
            return
        if key not in self._left:
            self._left[key] = self._first_leaving(order)
        leaving = self._left[key]
        if leaving is None:
            return
        within_ns = REPEATS_WITHIN_NS if leaving.unanswered else LEAVES_WITHIN_NS
        leaving.unanswered += 1
        waited_ns = at_ns - leaving.asked_ns
        if fresh is None or waited_ns < WAITED_NS:
            return
        self.looks += 1
        again = "" if request.attempt == 1 else f", attempt {request.attempt},"
        order_text = f"order {key} ({order.side} {order.symbol}){again} left {format_duration(waited_ns)} after it was asked for"
        if waited_ns > within_ns:
            self.found(at_ns, f"{order_text}; whatever it was meant for is over")
        elif fresh.age_ns(at_ns) > SEEN_WITHIN_NS:
            self.found(at_ns, f"{order_text}, into a market that could not be seen for {format_duration(fresh.age_ns(at_ns))}: {fresh.why}")
        elif leaving.mid is not None and fresh.mid is not None:
            moved_bps = EXACT.multiply(EXACT.divide(EXACT.subtract(fresh.mid, leaving.mid).copy_abs(), leaving.mid), Decimal(10_000))
            if moved_bps > MOVED_BPS_MAX:
                self.found(at_ns, f"{order_text}, when the market had gone from {plain(leaving.mid)} to {plain(fresh.mid)}")

    def _first_leaving(self, order: NewOrder) -> Leaving | None:
        alike = self._asked.get(_gist(order))
        if not alike:
            return None
        _, asked_ns, mid = alike.pop()  # the newest: of those like it before, one may have died unsent with its bot
        return Leaving(asked_ns, mid)


class LateOrdersFit:
    """An order that could not leave at once leaves only into the market that it was meant for, or never.

    Needs: a bot on our interface, and what the Door delivered; for the instruments that the bot follows. Judged as each request leaves that
    can make an order which was asked for more than a second before: the first, one that is sent again after a refusal, and one that repeats
    another to learn what became of it, unless the venue has the order by then. Violated where it was asked for more than 31 s before (71 s,
    where an earlier request has had no answer), where what the client has of that market has been wanting for more than 10 s by then (see
    `orders_from_fresh_data`), and where the venue's middle price is more than 100 bps from where it stood when the order was asked for.
    """

    name = "late_orders_fit"
    watch = LateWatch

    def judge(self, case: Case) -> list[str]:
        view_of(case)
        return told(case, watch_of(case, self.name, LateWatch, "no order had to wait"))


def _gist(order: NewOrder) -> tuple[object, ...]:
    return (order.symbol, order.side, order.type, order.amount, order.price, order.cost)
