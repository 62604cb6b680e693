"""No new order before the client knows what became of its old ones."""

from __future__ import annotations

from typing import Final

from papertape.invariants.base import Case, NotJudged, that_could_make, view_of
from papertape.model.request import Op
from papertape.model.units import SECOND, Nanos, format_duration

PROBLEMS_MAX: Final = 3
"""The first say most."""

NOTICED_WITHIN_NS: Final[Nanos] = 10 * SECOND
"""How long a client may not know that its own-order lane is gone: a dead line is found within five of the venue's heartbeats, and as long
again is nobody's fault."""


class OrdersAfterReconciling:
    """A new order leaves only when the client can know its position.

    Needs: the connections of the own-order lane and the requests as the Door saw them; a bot on our interface. Whenever such a connection
    has ended, what happened to the client's orders may have been missed. So no new order leaves once the next connection is open, or 10 s
    after the last one ended, before the client has heard the answer to a list of its open orders that it asked for after the end. A client
    that polls that list while the lane is away satisfies this. Each request that can make an order counts: the first, one that is sent
    again after a refusal, and one that is repeated to learn what became of the last, unless the venue had that order by then.
    """

    name = "orders_after_reconciling"
    watch = None

    def judge(self, case: Case) -> list[str]:
        view_of(case)
        lines = case.truth.own_lines
        if not lines:
            raise NotJudged("the client never listened for news of its own orders")
        new = that_could_make(case.truth.requests)
        lists = [(seen.sent_ns, seen.told_ns) for seen in case.truth.requests if seen.op is Op.ORDERS_OPEN and seen.told_ns is not None]
        if not new:
            raise NotJudged("no order left")
        problems = []
        for place, line in enumerate(lines):
            after = lines[place + 1].opened_ns if place + 1 < len(lines) else None
            lost_ns = min((each for each in (line.ended_ns, after) if each is not None), default=None)
            if lost_ns is None:
                continue  # it stood to the end
            from_ns = lost_ns + NOTICED_WITHIN_NS if after is None else min(after, lost_ns + NOTICED_WITHIN_NS)
            heard_ns = min((told_ns for sent_ns, told_ns in lists if sent_ns >= lost_ns), default=None)
            early = [seen for seen in new if from_ns < seen.sent_ns and (heard_ns is None or seen.sent_ns < heard_ns)]
            if early:
                left = f"{case.venue}: order {early[0].client_order_id} left at {format_duration(early[0].sent_ns)}"
                back = "had not come back" if after is None or after > early[0].sent_ns else f"was back at {format_duration(after)}"
                heard = "and never was" if heard_ns is None else f"until {format_duration(heard_ns)}"
                problems.append(
                    f"{left}; the own-order lane had been lost at {format_duration(lost_ns)} and {back}, "
                    f"and the client had not been told of its open orders since, {heard}"
                )
        return problems[:PROBLEMS_MAX]
