"""A message that was sent and never came."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.event import BookSnapshot, BookUpdate, Event, Ticker, Trade
from papertape.model.interference import Window
from papertape.model.order import OrderUpdate
from papertape.model.request import Lane

_CARRIED = {"book": (BookSnapshot, BookUpdate), "trades": (Trade,), "ticker": (Ticker,), "orders": (OrderUpdate,)}


class Gap(Fault, frozen=True, kw_only=True, tag="gap"):
    """The next `count` messages of a stream are lost from the start on; their sequence numbers are spent.

    interface and wire alike: the Door numbers the message and then does not send it, so that the client can tell only by the number.

    Attributes:
        connection: "market" or "user".
        channel: which messages count; by default whichever come.
        count: how many are lost.
    """

    connection: Lane = Lane.MARKET
    channel: Literal["book", "trades", "ticker", "orders"] | None = None
    count: int = 1

    needs_start: ClassVar[bool] = True
    needs_length: ClassVar[bool] = False

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if self.connection is Lane.REST:
            found.append(("connection", 'holds "rest"; a gap is in a stream: "market" or "user"'))
        if self.count < 1:
            found.append(("count", f"holds {self.count}; expected 1 or more"))
        return found

    def window(self) -> Window | None:
        """Open-ended unless `lasts` or `until` says otherwise: it is over when `count` messages are gone."""
        window = super().window()
        if window is None or self.lasts is not None or self.until is not None:
            return window
        return Window(start_ns=window.start_ns, lasts_ns=None)

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        begin = {key: value for key, value in draw.moment().items() if key != "lasts"}
        return {**begin, "connection": str(draw.one_of(Lane.MARKET, Lane.USER)), "count": draw.one_of(1, 1, 2, 5, 20)}

    def lanes(self) -> tuple[Lane, ...]:
        return (self.connection,)

    def drops(self, lane: Lane, message: Event | OrderUpdate, dropped: int) -> bool:
        if lane is not self.connection or dropped >= self.count:
            return False
        return self.channel is None or isinstance(message, _CARRIED[self.channel])
