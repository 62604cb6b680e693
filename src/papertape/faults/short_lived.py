"""Connections that do not grow old."""

from __future__ import annotations

from typing import Any, ClassVar

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.interference import Lifetime
from papertape.model.request import Lane
from papertape.model.units import parse_duration


class ShortLived(Fault, frozen=True, kw_only=True, tag="short_lived"):
    """While the window lasts, each connection of a lane ends when it is `lives` old, and a new one can be opened at once.

    With a second or two the line flaps; with a minute it is the load balancer that ends whatever lived a minute; with hours it is a venue
    that lets no connection live longer than a day. What is open when the window begins counts its age from then on.

    interface: the stream closes, with a goodbye if `clean`, else as a reset; what waited to go out is lost.
    wire: a WebSocket close frame with code 1001, or a TCP reset.

    Attributes:
        connection: "market" or "user".
        lives: how old a connection gets.
        clean: whether the venue says goodbye first.
    """

    connection: Lane = Lane.MARKET
    lives: str = "60s"
    clean: bool = False

    needs_start: ClassVar[bool] = True

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        which = {"connection": str(draw.one_of(Lane.MARKET, Lane.USER)), "lives": draw.one_of("500ms", "3s", "10s")}
        return {**draw.moment(), **which, "clean": draw.one_of(False, True)}

    def durations(self) -> list[tuple[str, str | None]]:
        return [("lives", self.lives)]

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if found:
            return found
        if self.connection is Lane.REST:
            found.append(("connection", 'holds "rest"; each request may have a connection of its own there: expected "market" or "user"'))
        elif not parse_duration(self.lives):
            found.append(("lives", f'holds "{self.lives}"; a connection that cannot be opened at all is a "disconnect"'))
        return found

    def lanes(self) -> tuple[Lane, ...]:
        return (self.connection,)

    def lifetime(self, lane: Lane) -> Lifetime | None:
        if lane is not self.connection:
            return None
        return Lifetime(after_ns=parse_duration(self.lives), goodbye=1001 if self.clean else 0)
