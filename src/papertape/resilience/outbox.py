"""Orders that wait for the line: which may go, which have waited too long."""

from __future__ import annotations

from enum import Enum

import msgspec

from papertape.model.errors import IllegalMove
from papertape.model.units import Nanos


class Verdict(Enum):
    """What becomes of a waiting order now."""

    SEND = "the line is up; spend the budget and send it"
    WAIT = "the line is down, or an order of that symbol is unresolved"
    EXPIRED = "it waited too long; it was never sent and never will be"


class Waiting(msgspec.Struct, frozen=True):
    """An order in the outbox; it expires at `until_ns`, run time."""

    client_order_id: str
    symbol: str
    until_ns: Nanos


class Outbox:
    """Orders that nobody has sent yet, in the order in which they were wanted.

    An order stays until it is really sent (`sent`) or given up; asking never removes it, except by EXPIRED.
    """

    def __init__(self, *, ttl_ns: Nanos, limit: int) -> None:
        self.ttl_ns = ttl_ns
        self.limit = limit
        self._waiting: dict[str, Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, client_order_id: str) -> bool:
        return client_order_id in self._waiting

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= self.limit

    def put(self, client_order_id: str, symbol: str, now_ns: Nanos) -> Waiting:
        """Take an order in; a place beyond `limit` is a bug of the caller, who asks `is_full` first."""
        if self.is_full or client_order_id in self._waiting:
            raise IllegalMove(f"outbox: {client_order_id} cannot wait; {len(self._waiting)} of {self.limit} places taken")
        waiting = Waiting(client_order_id, symbol, now_ns + self.ttl_ns)
        self._waiting[client_order_id] = waiting
        return waiting

    def ask(self, client_order_id: str, now_ns: Nanos, *, may_go: bool) -> Verdict:
        """Whether that order may be sent now. At its deadline an order expires even if the line is up."""
        waiting = self._waiting[client_order_id]
        if now_ns >= waiting.until_ns:
            del self._waiting[client_order_id]
            return Verdict.EXPIRED
        return Verdict.SEND if may_go else Verdict.WAIT

    def deadline_ns(self, client_order_id: str) -> Nanos:
        """Run time at which it expires."""
        return self._waiting[client_order_id].until_ns

    def sent(self, client_order_id: str) -> Waiting:
        """The order is leaving; whatever happens now, it can no longer expire."""
        return self._waiting.pop(client_order_id)

    def back(self, waiting: Waiting) -> None:
        """It left and certainly had no effect: it waits again, for as long as it had left, whether or not there is room."""
        self._waiting[waiting.client_order_id] = waiting

    def withdraw(self, client_order_id: str) -> None:
        """Nobody waits for it here any more, if it was here."""
        self._waiting.pop(client_order_id, None)

    def empty(self) -> tuple[str, ...]:
        """Give up everything that waits; returns the ids, oldest first."""
        ids = tuple(self._waiting)
        self._waiting.clear()
        return ids
