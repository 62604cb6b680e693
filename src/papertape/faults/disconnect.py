"""The line drops."""

from __future__ import annotations

from typing import Any, ClassVar

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.interference import GOODBYES, Cut
from papertape.model.request import Lane


class Disconnect(Fault, frozen=True, kw_only=True, tag="disconnect"):
    """Every connection of a lane ends, and none can be opened until the window is over.

    The user lane is whatever tells of the account's own orders: on Coinbase also a connection to the market's host that asked for them,
    which ends with it, and asking for them there again before the window is over ends that connection too.

    A request that has reached the venue by then is carried out, but its answer is lost; one still on its way never arrives.

    interface: streams close (a goodbye if `clean`, else a reset); open REST calls raise NetworkError; dialling raises ExchangeNotAvailable.
    wire: a WebSocket close frame with `code`, or a TCP reset, which WebSocket libraries call 1006; connects are refused.

    Attributes:
        connection: the lane that goes down.
        clean: whether the venue says goodbye first; the REST lane has no goodbye and is always reset.
        code: with which word: 1000 normal closure, 1001 going away, 1008 policy violation, 1009 message too big, 1011 internal error,
            1012 service restart, 1013 try again later.
    """

    connection: Lane = Lane.MARKET
    clean: bool = False
    code: int = 1001

    needs_start: ClassVar[bool] = True
    needs_length: ClassVar[bool] = False

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        return {**draw.moment(), "connection": str(draw.one_of(*Lane)), "clean": draw.one_of(False, True)}

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if self.code not in GOODBYES:
            found.append(("code", f"holds {self.code}, which no venue says; expected one of {', '.join(map(str, GOODBYES))}"))
        elif self.code != 1001 and not self.clean:
            found.append(("code", f"holds {self.code}, but nothing is said without `clean = true`: a reset has no code"))
        return found

    def lanes(self) -> tuple[Lane, ...]:
        return (self.connection,)

    def cuts(self) -> tuple[Cut, ...]:
        return (Cut(lane=self.connection, goodbye=self.code if self.clean else 0),)
