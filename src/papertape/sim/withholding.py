"""Money of cancelled orders that a fault keeps from being free."""

from __future__ import annotations

from collections.abc import Callable

from papertape.model.order import OrderStatus
from papertape.model.request import Answer, Op, Request
from papertape.runtime.rank import COMMAND
from papertape.sim.armed import Armed, longest
from papertape.sim.fault_plan import FaultPlan
from papertape.sim.timeline import Timeline
from papertape.sim.venue import SimVenue


class Withholding:
    """What is held on to, by the venue's id of its order, and by whose doing."""

    def __init__(self, venue: SimVenue, plan: FaultPlan, timeline: Timeline) -> None:
        self._venue = venue
        self._plan = plan
        self._timeline = timeline
        self._kept: dict[str, tuple[Armed, Callable[[], None]]] = {}
        plan.on_healed = self._lift

    def note(self, hit: list[Armed], request: Request, answer: Answer) -> None:
        """A request was carried out; if it was a cancel, its order's money may have to wait."""
        order = answer.order
        if not hit or request.op is not Op.ORDER_CANCEL or order is None or order.status is not OrderStatus.CANCELED:
            return
        found = longest(hit, request, "withholds_ns")
        let_go = None if found is None else self._venue.withhold(order.client_order_id)
        if found is not None and let_go is not None:
            due_ns, armed = self._timeline.now_ns + found[0], found[1]
            self._kept[order.id] = armed, let_go
            self._plan.withheld(armed, request, due_ns)
            self._timeline.schedule_ns(due_ns, COMMAND, self._release, order.id)

    def _release(self, order_id: str) -> None:
        """It is free, if it was not before."""
        _, let_go = self._kept.pop(order_id, (None, None))
        if let_go is not None:
            self._venue.advance(self._timeline.now_ns)
            let_go()

    def _lift(self, healed: Armed) -> None:
        for order_id in [order_id for order_id, (armed, _) in self._kept.items() if armed is healed]:
            self._release(order_id)
