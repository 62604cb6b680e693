"""A book that begins after its own changes."""

from __future__ import annotations

from typing import Any, Literal

from papertape.faults.drawing import Draw
from papertape.faults.on_stream import OnSnapshot
from papertape.model.event import BookSnapshot
from papertape.model.interference import Postponed
from papertape.model.units import parse_duration


class LateSnapshot(OnSnapshot, frozen=True, kw_only=True, tag="late_snapshot"):
    """The next `count` snapshots of a book, asked for from the start on, come `delay` late, and changes come before them.

    A client that asks again meanwhile gets the snapshot that it asks for then, and not the late one.

    interface: BookUpdates come first, then the BookSnapshot; its `venue_ns` says when the book looked so.
    wire: a Coinbase's `l2_data` frames of type update come before the one of type snapshot.

    Attributes:
        count: how many snapshots are late.
        delay: how late.
        shows: "asked": the book as it was when it was asked for, so that the changes which came before must be applied to it still.
            "sent": the book as it is when it comes, so that they must not.
    """

    delay: str = "2s"
    shows: Literal["asked", "sent"] = "asked"

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        return {**cls.counted(draw), "delay": draw.one_of("100ms", "2s", "10s"), "shows": draw.one_of("asked", "sent")}

    def durations(self) -> list[tuple[str, str | None]]:
        return [("delay", self.delay)]

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if not found and not parse_duration(self.delay):
            found.append(("delay", f'holds "{self.delay}"; a snapshot that is late takes longer than that'))
        return found

    def postpones(self, snapshot: BookSnapshot, done: int) -> Postponed | None:
        return Postponed(after_ns=parse_duration(self.delay), is_old=self.shows == "asked") if done < self.count else None
