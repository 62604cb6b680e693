"""Open, but silent."""

from __future__ import annotations

from typing import Any, ClassVar

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.request import Lane


class Stall(Fault, frozen=True, kw_only=True, tag="stall"):
    """The lane's connections stay open, and nothing comes out of them until the window is over; then all of it at once.

    The user lane is whatever tells of the account's own orders: where they are told on a connection to the market's host, as Coinbase
    allows, what waits behind such news on that connection waits with it.

    What a client sends still arrives and is carried out. A connection that the client gives up meanwhile takes what was held with it;
    a new one opened in the window is as silent.

    interface: messages and answers are held by the Door; calls run into the client's own timeout.
    wire: the same, so that no byte is written: neither heartbeat nor answer.

    Attributes:
        connection: the lane that goes silent.
    """

    connection: Lane = Lane.MARKET

    needs_start: ClassVar[bool] = True

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        return {**draw.moment(), "connection": str(draw.one_of(*Lane))}

    def lanes(self) -> tuple[Lane, ...]:
        return (self.connection,)

    def holds(self, lane: Lane) -> bool:
        return lane is self.connection
