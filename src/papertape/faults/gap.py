"""A message that was sent and never came."""

from __future__ import annotations

from typing import Any

from papertape.faults.drawing import Draw
from papertape.faults.on_stream import OnStream
from papertape.model.event import Event
from papertape.model.order import OrderUpdate
from papertape.model.request import Lane


class Gap(OnStream, frozen=True, kw_only=True, tag="gap"):
    """The next `count` messages of a stream are lost from the start on; their sequence numbers are spent.

    interface and wire alike: the Door numbers the message and then does not send it, so that the client can tell only by the number: that
    of the connection or, on the market lane of a venue that counts so (Binance), that of the message's instrument.

    Attributes:
        connection: "market" or "user".
        channel: which messages count; by default whichever come.
        count: how many are lost.
    """

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        begin = {key: value for key, value in draw.moment().items() if key != "lasts"}
        return {**begin, "connection": str(draw.one_of(Lane.MARKET, Lane.USER)), "count": draw.one_of(1, 1, 2, 5, 20)}

    def drops(self, lane: Lane, message: Event | OrderUpdate, dropped: int) -> bool:
        return self.is_about(lane, message, dropped)
