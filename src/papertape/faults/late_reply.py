"""An answer that comes when nobody waits for it any more."""

from __future__ import annotations

from typing import Any, ClassVar

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.request import Op, Request
from papertape.model.units import Nanos, parse_duration


class LateReply(Fault, frozen=True, kw_only=True, tag="late_reply"):
    """The venue does what was asked at once; its answer sets out `delay` later.

    A client that is more patient than `delay` gets it late; one that is not has given up by then, and nobody hears it. News of the order
    comes over the user lane as always.

    interface: the call times out with RequestTimeout after the client's own timeout, 10 s; the Door keeps the answer until it is due.
    wire: no byte of the answer is written for `delay`; the client closes the connection when its own timeout is up.

    Attributes:
        delay: how much later than usual the answer leaves the venue.
    """

    delay: str = "30s"

    default_on: ClassVar[Op | None] = Op.ORDER_CREATE

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        return {**draw.request(), "times": draw.one_of(1, 1, 2, 5), "delay": draw.one_of("1s", "12s", "30s")}

    def durations(self) -> list[tuple[str, str | None]]:
        return [("delay", self.delay)]

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if not found and not parse_duration(self.delay):
            found.append(("delay", f'holds "{self.delay}"; an answer that is late takes longer than that'))
        return found

    def answer_delay_ns(self, request: Request) -> Nanos:
        return parse_duration(self.delay)
