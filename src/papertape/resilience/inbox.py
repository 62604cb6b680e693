"""What waits for a callback that is still busy with something else. Bounded, always."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Any


class Manner(Enum):
    """What becomes of events that come faster than the bot."""

    QUEUE = "each waits its turn; the oldest is dropped when there is no room"
    CONFLATE = "only the newest waits"


class Inbox:
    """Events for one subscription, oldest first.

    Attributes:
        items: what waits; the hot path looks here whether anything does.

    >>> inbox = Inbox(Manner.QUEUE, limit=2)
    >>> [inbox.put(n) for n in (1, 2, 3)], inbox.take(), inbox.lost
    ([None, None, 1], 2, 1)
    """

    __slots__ = ("_manner", "items", "limit", "lost")

    def __init__(self, manner: Manner, *, limit: int) -> None:
        self.limit = 1 if manner is Manner.CONFLATE else limit
        self.lost = 0  # dropped for want of room; what conflates is not lost
        self._manner = manner
        self.items: deque[Any] = deque(maxlen=self.limit)

    def put(self, item: Any) -> Any | None:
        """Keep an event; returns the one that had to go for it and is lost to the bot, or None."""
        lost = None
        if len(self.items) == self.limit and self._manner is Manner.QUEUE:
            self.lost += 1
            lost = self.items[0]
        self.items.append(item)
        return lost

    def take(self) -> Any:
        """The oldest; raises IndexError when empty."""
        return self.items.popleft()

    def clear(self) -> None:
        self.items.clear()

    def __len__(self) -> int:
        return len(self.items)
