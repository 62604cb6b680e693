"""The client's own durable log of what it wanted: written before a request is sent, read after a crash.

It holds what the client needs to be honest after a restart and nothing that only an observer could know. Times are nanoseconds since
1970-01-01 UTC, because a later life counts its own run time from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Protocol

import msgspec

from papertape.model.order import NewOrder, Order
from papertape.model.units import Nanos


class Began(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="record", tag="began"):
    """A life of the client is about to ask the venue for the first time."""

    at_ns: Nanos


class Wanted(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="record", tag="wanted"):
    """The bot wants an order; nobody has been asked yet.

    Attributes:
        number: the counter behind the id, 0 where the bot chose the id itself.
    """

    client_order_id: str
    number: int
    order: NewOrder
    at_ns: Nanos


class Sending(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="record", tag="sending"):
    """The request leaves right after this is safe."""

    client_order_id: str
    attempt: int
    at_ns: Nanos


class Ending(StrEnum):
    """How an intent ended that is no longer our concern."""

    NEVER_SENT = "never_sent"
    REFUSED = "refused"
    NOT_FOUND = "not_found"


class Ended(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="record", tag="ended"):
    """The intent came to nothing."""

    client_order_id: str
    how: Ending
    at_ns: Nanos


class Told(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="record", tag="told"):
    """The venue told us where the order stands."""

    client_order_id: str
    order: Order
    at_ns: Nanos


Record = Began | Wanted | Sending | Ended | Told


class IntentStore(Protocol):
    """Where records go. `append` returns only once the record would survive a crash, if `durable`."""

    def append(self, record: Record, *, durable: bool) -> None: ...

    def load(self) -> Iterable[Record]:
        """Every record that survived, oldest first."""
        ...


class MemoryIntents:
    """A virtual disk: what was not synced is lost in a crash.

    >>> disk = MemoryIntents()
    >>> disk.append(Sending(client_order_id="a-1", attempt=1, at_ns=0), durable=True)
    >>> disk.append(Ended(client_order_id="a-1", how=Ending.REFUSED, at_ns=5), durable=False)
    >>> disk.crash()
    >>> [type(record).__name__ for record in disk.load()]
    ['Sending']
    """

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._synced = 0

    def append(self, record: Record, *, durable: bool) -> None:
        self._records.append(record)
        if durable:
            self._synced = len(self._records)

    def load(self) -> Iterable[Record]:
        return tuple(self._records)

    @property
    def unsynced(self) -> int:
        """How many records a crash may lose."""
        return len(self._records) - self._synced

    def crash(self, keeps: int = 0) -> None:
        """Lose what nobody synced, but for the first `keeps` records of it; what is left is on the disk for good."""
        del self._records[self._synced + keeps :]
        self._synced = len(self._records)


class Opened:
    """A log as one process has it open: once that is dead, what it still writes goes nowhere."""

    def __init__(self, disk: IntentStore, is_dead: Callable[[], bool]) -> None:
        self._disk = disk
        self._is_dead = is_dead

    def append(self, record: Record, *, durable: bool) -> None:
        if not self._is_dead():
            self._disk.append(record, durable=durable)

    def load(self) -> Iterable[Record]:
        return self._disk.load()
