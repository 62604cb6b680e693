"""An order that is there and that nobody can see."""

from __future__ import annotations

from typing import Any, ClassVar

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.request import Op, Request
from papertape.model.units import Nanos, parse_duration


class LateVisibility(Fault, frozen=True, kw_only=True, tag="late_visibility"):
    """A new order lives and may fill at once, but for `hides_for` no question shows it: the venue's lists and look-ups lag behind.

    Not the open orders, not the order by its id ("no such order"), not the recent orders and fills. The answer to the create itself, a
    repeated create where the venue answers that with the order, cancels, edits and the user lane are as always. By request: the nth
    matching create; by window: every order that is made in it. It has hit something when a question was answered without the order.

    interface: lists come without it; asking for it by its id raises OrderNotFound.
    wire: the same in the venue's own bodies: of a Coinbase, lists without it, and HTTP 404 NOT_FOUND for its id.

    Attributes:
        hides_for: how long, from when it was made; heal ends it.
    """

    hides_for: str = "5s"

    default_on: ClassVar[Op | None] = Op.ORDER_CREATE

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        which = draw.one_of("request", "request", "window")
        when = draw.window() if which == "window" else {**draw.request(), "on": str(Op.ORDER_CREATE)}
        return {**when, "hides_for": draw.one_of("500ms", "5s", "30s")}

    def durations(self) -> list[tuple[str, str | None]]:
        return [("hides_for", self.hides_for)]

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if self.on not in (None, Op.ORDER_CREATE):
            found.append(("on", f'holds "{self.on}"; only "{Op.ORDER_CREATE}" makes an order'))
        return found

    def hides_ns(self, request: Request) -> Nanos:
        return parse_duration(self.hides_for) if request.op is Op.ORDER_CREATE else 0
