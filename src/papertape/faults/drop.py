"""A message that nobody can miss."""

from __future__ import annotations

from typing import ClassVar

from papertape.faults.on_stream import Counted
from papertape.model.event import Event
from papertape.model.order import OrderUpdate
from papertape.model.request import Lane


class Drop(Counted, frozen=True, kw_only=True, tag="drop"):
    """The next `count` messages about own orders vanish from the start on, and no sequence number is spent: the venue forgot to tell.

    So it is where a venue does not number its user stream, as Binance, and where its own parts lose a message before it is numbered. A
    client learns of it only by asking. `gap` is the same with a number that is spent.

    interface and wire alike: the Door neither numbers nor sends the message; what follows has the next number.

    Attributes:
        count: how many vanish.
    """

    spends_number: ClassVar[bool] = False

    def lanes(self) -> tuple[Lane, ...]:
        return (Lane.USER,)

    def drops(self, lane: Lane, message: Event | OrderUpdate, dropped: int) -> bool:
        return isinstance(message, OrderUpdate) and dropped < self.count
