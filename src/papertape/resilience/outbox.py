"""Orders that wait for the line: which may go, which have waited too long, and which the market has left behind."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Final

import msgspec

from papertape.model.errors import IllegalMove
from papertape.model.units import EXACT, Nanos

_BPS: Final = Decimal(10_000)


class Verdict(Enum):
    """What becomes of a waiting order now."""

    SEND = "the line is up; spend the budget and send it"
    WAIT = "the line is down, an order of that symbol is unresolved, or its market is not to be seen"
    BEHIND = "an older order of that symbol goes first"
    EXPIRED = "it waited too long; it was never sent and never will be"
    STALE = "the market moved away while it waited; it was never sent and never will be"


class Seen(msgspec.Struct, frozen=True):
    """What the bot can see of a market.

    Attributes:
        price: the last that was delivered to it; None where it has subscribed to nothing of that symbol, or nothing has come.
        is_current: nothing that it has subscribed to of that symbol is broken off.
    """

    price: Decimal | None = None
    is_current: bool = True


UNSEEN: Final = Seen()


class Waiting(msgspec.Struct, frozen=True):
    """An order in the outbox.

    Attributes:
        until_ns: when it expires, run time.
        number: its place in the order of wishes.
        wanted_at: the price that the bot saw when it wanted it; None if it saw none.
        has_waited: it could not go at once.
    """

    client_order_id: str
    symbol: str
    until_ns: Nanos
    number: int = 0
    wanted_at: Decimal | None = None
    has_waited: bool = False


class Outbox:
    """Orders that nobody has sent yet, in the order in which they were wanted; those of one symbol go in that order.

    An order stays until it is really sent (`sent`) or given up; asking never removes it, except by EXPIRED and STALE.

    One that had to wait was meant for the market of a while ago. It is let go only while everything that the bot has subscribed to of that
    symbol comes again, and if the price is at most `stale_bps` from where it stood. Whoever has subscribed to nothing of a symbol has said
    that the price is no matter: such orders are kept from being late by `ttl_ns` alone.
    """

    def __init__(self, *, ttl_ns: Nanos, limit: int, stale_bps: int | None = None) -> None:
        self.ttl_ns = ttl_ns
        self.limit = limit
        self.stale_bps = stale_bps
        self._waiting: dict[str, Waiting] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, client_order_id: str) -> bool:
        return client_order_id in self._waiting

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= self.limit

    def put(self, client_order_id: str, symbol: str, now_ns: Nanos, seen: Seen = UNSEEN) -> Waiting:
        """Take an order in; a place beyond `limit` is a bug of the caller, who asks `is_full` first."""
        if self.is_full or client_order_id in self._waiting:
            raise IllegalMove(f"outbox: {client_order_id} cannot wait; {len(self._waiting)} of {self.limit} places taken")
        self._count += 1
        waiting = Waiting(client_order_id, symbol, now_ns + self.ttl_ns, self._count, seen.price)
        self._waiting[client_order_id] = waiting
        return waiting

    def ask(self, client_order_id: str, now_ns: Nanos, *, may_go: bool, seen: Seen = UNSEEN) -> Verdict:
        """Whether that order may be sent now. At its deadline an order expires even if the line is up."""
        waiting = self._waiting[client_order_id]
        if now_ns >= waiting.until_ns:
            del self._waiting[client_order_id]
            return Verdict.EXPIRED
        if not may_go or (waiting.has_waited and not seen.is_current):
            self._waiting[client_order_id] = msgspec.structs.replace(waiting, has_waited=True)
            return Verdict.WAIT
        if not self.is_first(client_order_id):
            return Verdict.BEHIND
        if waiting.has_waited and self.is_stale(waiting, seen):
            del self._waiting[client_order_id]
            return Verdict.STALE
        return Verdict.SEND

    def is_first(self, client_order_id: str) -> bool:
        """Whether no older order of its symbol waits."""
        own = self._waiting[client_order_id]
        return all(each.symbol != own.symbol or each.number >= own.number for each in self._waiting.values())

    def is_stale(self, waiting: Waiting, seen: Seen) -> bool:
        """Whether the market has moved too far since that order was wanted."""
        if self.stale_bps is None or waiting.wanted_at is None or seen.price is None:
            return False
        moved = EXACT.subtract(seen.price, waiting.wanted_at).copy_abs()
        return EXACT.multiply(moved, _BPS) > EXACT.multiply(waiting.wanted_at, Decimal(self.stale_bps))

    def held_up(self, client_order_id: str) -> None:
        """It could not go at once, though the line was up: the budget was spent."""
        self._waiting[client_order_id] = msgspec.structs.replace(self._waiting[client_order_id], has_waited=True)

    def deadline_ns(self, client_order_id: str) -> Nanos:
        """Run time at which it expires."""
        return self._waiting[client_order_id].until_ns

    def wanted_at(self, client_order_id: str) -> Decimal | None:
        """The price that the bot saw when it wanted that order."""
        return self._waiting[client_order_id].wanted_at

    def sent(self, client_order_id: str) -> Waiting:
        """The order is leaving; whatever happens now, it can no longer expire."""
        return self._waiting.pop(client_order_id)

    def back(self, waiting: Waiting) -> None:
        """It left and certainly had no effect: it waits again in its old place for as long as it had left, whether or not there is room."""
        self._waiting[waiting.client_order_id] = msgspec.structs.replace(waiting, has_waited=True)

    def withdraw(self, client_order_id: str) -> None:
        """Nobody waits for it here any more, if it was here."""
        self._waiting.pop(client_order_id, None)

    def empty(self) -> tuple[str, ...]:
        """Give up everything that waits; returns the ids, oldest first."""
        ids = tuple(each.client_order_id for each in sorted(self._waiting.values(), key=lambda each: each.number))
        self._waiting.clear()
        return ids
