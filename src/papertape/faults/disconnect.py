"""The line drops."""

from __future__ import annotations

from typing import Any, ClassVar

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.interference import Cut
from papertape.model.request import Lane


class Disconnect(Fault, frozen=True, kw_only=True, tag="disconnect"):
    """Every connection of a lane ends, and none can be opened until the window is over.

    The user lane is whatever tells of the account's own orders: on Coinbase also a connection to the market's host that asked for them,
    which ends with it, and asking for them there again before the window is over ends that connection too.

    A request that has reached the venue by then is carried out, but its answer is lost; one still on its way never arrives.

    interface: streams close (a goodbye if `clean`, else a reset); open REST calls raise NetworkError; dialling raises ExchangeNotAvailable.
    wire: WebSocket close frame 1001 or TCP reset; connects are refused.

    Attributes:
        connection: the lane that goes down.
        clean: whether the venue says goodbye first; the REST lane has no goodbye and is always reset.
    """

    connection: Lane = Lane.MARKET
    clean: bool = False

    needs_start: ClassVar[bool] = True
    needs_length: ClassVar[bool] = False

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        return {**draw.moment(), "connection": str(draw.one_of(*Lane)), "clean": draw.one_of(False, True)}

    def lanes(self) -> tuple[Lane, ...]:
        return (self.connection,)

    def cuts(self) -> tuple[Cut, ...]:
        return (Cut(lane=self.connection, clean=self.clean),)
