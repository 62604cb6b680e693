"""The second message comes first."""

from __future__ import annotations

from typing import Any, Literal

from papertape.faults.drawing import Draw
from papertape.faults.on_stream import Counted
from papertape.model.event import Event
from papertape.model.interference import Swap
from papertape.model.order import OrderUpdate
from papertape.model.request import Lane
from papertape.model.units import parse_duration


class Reorder(Counted, frozen=True, kw_only=True, tag="reorder"):
    """Two neighbouring messages about own orders change places, `count` times from the start on: a fill comes before its order is open.

    interface and wire alike: the Door keeps a message back until the next about own orders has gone out on that connection. If none comes
    `within`, it goes out alone, and that was no hit. News by REST is not touched, and may be ahead of both.

    Attributes:
        count: how many pairs change places.
        within: how long the first waits for the second.
        number: "fresh": numbered as they go out, so that nothing but their content tells. "kept": each has the number that it had, so that
            a client that counts sees a gap, and then an old number.
    """

    within: str = "1s"
    number: Literal["fresh", "kept"] = "fresh"

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        return {**cls.counted(draw), "within": draw.one_of("100ms", "1s", "5s"), "number": draw.one_of("fresh", "kept")}

    def durations(self) -> list[tuple[str, str | None]]:
        return [("within", self.within)]

    def lanes(self) -> tuple[Lane, ...]:
        return (Lane.USER,)

    def swaps(self, lane: Lane, message: Event | OrderUpdate, done: int) -> Swap | None:
        if not isinstance(message, OrderUpdate) or done >= self.count:
            return None
        return Swap(within_ns=parse_duration(self.within), is_renumbered=self.number == "fresh")
