"""Everything takes longer."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.request import Lane
from papertape.model.units import Nanos, parse_duration


class Latency(Fault, frozen=True, kw_only=True, tag="latency"):
    """Messages of a lane take longer while the window lasts; nothing is lost and nothing overtakes.

    "spike": `add` more, all the time. "drift": from nothing at the window's start, growing evenly, to `add` at its end.
    On the streams it delays what the venue sends; on REST it delays requests on their way to the venue.

    interface and wire alike: the Door holds each message that much longer.

    Attributes:
        connection: the lane that slows down.
        shape: "spike" or "drift".
        add: how much is added, at most.
    """

    connection: Lane = Lane.MARKET
    shape: Literal["spike", "drift"] = "spike"
    add: str = "400ms"

    needs_start: ClassVar[bool] = True

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        how = {"shape": draw.one_of("spike", "drift"), "add": draw.one_of("50ms", "400ms", "2s", "8s")}
        return {**draw.moment(), "connection": str(draw.one_of(*Lane)), **how}

    def durations(self) -> list[tuple[str, str | None]]:
        return [("add", self.add)]

    def lanes(self) -> tuple[Lane, ...]:
        return (self.connection,)

    def delay_ns(self, lane: Lane, since_start_ns: Nanos) -> Nanos:
        if lane is not self.connection:
            return 0
        add_ns = parse_duration(self.add)
        window = self.window()
        if self.shape == "spike" or window is None or not window.lasts_ns:
            return add_ns
        return add_ns * since_start_ns // window.lasts_ns
