"""What faults of single stream messages have in common: which messages, and how many."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, Event, Ticker, Trade
from papertape.model.interference import Window
from papertape.model.order import OrderUpdate
from papertape.model.request import Lane

_CARRIED = {"book": (BookSnapshot, BookUpdate), "trades": (Trade,), "ticker": (Ticker,), "orders": (OrderUpdate,)}
NEWS = (BookSnapshot, BookUpdate, Trade, Ticker, CandleEvent, OrderUpdate)
"""What says something: not a heartbeat, nor an acknowledgement."""


class Counted(Fault, frozen=True, kw_only=True):
    """Happens `count` times from the start on, and is over with the last.

    Attributes:
        count: how often.
    """

    count: int = 1

    needs_start: ClassVar[bool] = True
    needs_length: ClassVar[bool] = False

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any] | None:
        return cls.counted(draw)

    @staticmethod
    def counted(draw: Draw) -> dict[str, Any]:
        """When it starts, and how often it happens."""
        return {key: value for key, value in draw.moment().items() if key != "lasts"} | {"count": draw.one_of(1, 1, 2, 5, 20)}

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if self.count < 1:
            found.append(("count", f"holds {self.count}; expected 1 or more"))
        return found

    def window(self) -> Window | None:
        """Open-ended unless `lasts` or `until` says otherwise: it is over when it has happened `count` times."""
        window = super().window()
        if window is None or self.lasts is not None or self.until is not None:
            return window
        return Window(start_ns=window.start_ns, lasts_ns=None)


class OnStream(Counted, frozen=True, kw_only=True):
    """Happens to messages of one lane.

    Attributes:
        connection: "market" or "user".
        channel: which messages count; by default whichever come.
    """

    connection: Lane = Lane.MARKET
    channel: Literal["book", "trades", "ticker", "orders"] | None = None

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if self.connection is Lane.REST:
            found.append(("connection", f'holds "rest"; a {self.kind} is in a stream: "market" or "user"'))
        elif self.channel is not None and (self.channel == "orders") is not (self.connection is Lane.USER):
            found.append(("channel", f'holds "{self.channel}", which never comes on the {self.connection} lane'))
        return found

    def lanes(self) -> tuple[Lane, ...]:
        return (self.connection,)

    def is_about(self, lane: Lane, message: Event | OrderUpdate, done: int) -> bool:
        """Whether this message is one of them, when `done` were before."""
        if lane is not self.connection or done >= self.count:
            return False
        return self.channel is None or isinstance(message, _CARRIED[self.channel])


class OnSnapshot(Counted, frozen=True, kw_only=True):
    """Happens to the snapshot that a book's subscription begins with."""

    def lanes(self) -> tuple[Lane, ...]:
        return (Lane.MARKET,)
