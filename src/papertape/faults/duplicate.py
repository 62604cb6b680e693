"""A message that comes twice."""

from __future__ import annotations

from typing import Any, Literal

from papertape.faults.drawing import Draw
from papertape.faults.on_stream import NEWS, OnStream
from papertape.model.event import Event
from papertape.model.interference import Again
from papertape.model.order import OrderUpdate
from papertape.model.request import Lane
from papertape.model.units import parse_duration


class Duplicate(OnStream, frozen=True, kw_only=True, tag="duplicate"):
    """The next `count` messages of a stream come twice from the start on, the copy `after` the first.

    interface and wire alike: the Door sends the message, and `after` later the same again, with the same stamps and ids; other messages may
    be between. A connection that ends meanwhile takes the copy with it.

    Attributes:
        connection: "user" or "market".
        channel: which messages count; by default all but heartbeats.
        count: how many come twice.
        after: how much later the copy comes.
        number: "fresh": the copy has the next sequence number, so that nothing but its content tells. "kept": it has the first one's.
    """

    connection: Lane = Lane.USER
    channel: Literal["book", "trades", "ticker", "orders"] | None = None
    after: str = "0s"
    number: Literal["fresh", "kept"] = "fresh"

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        how = {"after": draw.one_of("0s", "200ms", "3s"), "number": draw.one_of("fresh", "kept")}
        return {**cls.counted(draw), "connection": str(draw.one_of(Lane.USER, Lane.MARKET)), **how}

    def durations(self) -> list[tuple[str, str | None]]:
        return [("after", self.after)]

    def repeats(self, lane: Lane, message: Event | OrderUpdate, done: int) -> Again | None:
        if not isinstance(message, NEWS) or not self.is_about(lane, message, done):
            return None
        return Again(after_ns=parse_duration(self.after), is_renumbered=self.number == "fresh")
