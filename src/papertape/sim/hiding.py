"""Orders that the venue has and that its questions do not show yet."""

from __future__ import annotations

from typing import Final

import msgspec

from papertape.model.order import Order
from papertape.model.request import Answer, Op, Refusal, RefusalCode, Request
from papertape.model.units import Nanos
from papertape.sim.armed import Armed

READS: Final = (Op.ORDER_FETCH, Op.ORDERS_OPEN, Op.ORDERS_FETCH, Op.FILLS_FETCH)


class Hiding:
    """Which orders are hidden until when, by the venue's id, and whose doing that is."""

    def __init__(self) -> None:
        self._hidden: dict[str, tuple[Nanos, Armed]] = {}

    def hide(self, order: Order, until_ns: Nanos, armed: Armed) -> None:
        """From now until run time `until_ns` no question shows this order."""
        self._hidden[order.id] = (until_ns, armed)

    def as_seen(self, request: Request, answer: Answer, now_ns: Nanos) -> tuple[Answer, list[Armed]]:
        """What a question is answered with, and which faults have taken something out of it."""
        if not self._hidden or request.op not in READS:
            return answer, []
        guilty: dict[int, Armed] = {}

        def is_shown(order_id: str) -> bool:
            until_ns, armed = self._hidden.get(order_id, (0, None))
            if armed is None or armed.is_healed or now_ns >= until_ns:
                return True
            guilty[id(armed)] = armed
            return False

        if answer.order is not None and not is_shown(answer.order.id):
            text = f"no order {request.order_id or request.client_order_id}"
            return Answer(refusal=Refusal(code=RefusalCode.ORDER_NOT_FOUND, message=text)), list(guilty.values())
        orders = tuple(order for order in answer.orders if is_shown(order.id))
        fills = tuple(fill for fill in answer.fills if is_shown(fill.order_id))
        if not guilty:
            return answer, []
        return msgspec.structs.replace(answer, orders=orders, fills=fills), list(guilty.values())
