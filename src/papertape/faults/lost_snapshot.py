"""A book that never begins."""

from __future__ import annotations

from typing import ClassVar

from papertape.faults.on_stream import OnSnapshot
from papertape.model.event import BookSnapshot, Event
from papertape.model.order import OrderUpdate
from papertape.model.request import Lane


class LostSnapshot(OnSnapshot, frozen=True, kw_only=True, tag="lost_snapshot"):
    """The next `count` snapshots of a book, asked for from the start on, never come; changes follow as if nothing were wrong.

    As when it is larger than what the client takes and its library throws it away without a word. No number is spent. A snapshot follows
    only if the book is subscribed to once more, on the same connection or on a new one.

    interface: a BookUpdate is the first that comes.
    wire: a Coinbase's `l2_data` frames of type update, after the `subscriptions` frame.

    Attributes:
        count: how many snapshots never come.
    """

    spends_number: ClassVar[bool] = False

    def drops(self, lane: Lane, message: Event | OrderUpdate, dropped: int) -> bool:
        return isinstance(message, BookSnapshot) and dropped < self.count
