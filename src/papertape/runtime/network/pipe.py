"""One direction of a connection: bytes in order, each written piece as late as the law of latency says but never before an earlier one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from papertape.model.units import Nanos
from papertape.runtime.rank import DELIVERY

if TYPE_CHECKING:
    from papertape.runtime.loop import VirtualLoop, VirtualTimer

IN_FLIGHT_MAX: Final = 1 << 20
"""Bytes that the two kernels take between them; what is beyond waits in the writer's transport."""


class Mark(Enum):
    """What travels in a pipe besides bytes."""

    OPEN = "open"
    FIN = "fin"
    RST = "rst"


Piece = bytes | Mark


class End(Protocol):
    """Who a pipe delivers to."""

    is_paused: bool

    def on_piece(self, piece: Piece) -> None: ...


class Writer(Protocol):
    """Who writes into a pipe."""

    def on_drain(self) -> None: ...


class Pipe:
    """First in, first out; one timer, for the head, so that nothing can overtake.

    Attributes:
        name: "3>" for what the client of connection 3 sends, "3<" for what it gets.
        waiting: bytes written and not yet delivered.
        arrived: bytes that were delivered.
        pieces: how many were written.
        end, writer: who is at either end, once they are there.
        on_push: told of each piece as it is written, if anybody wants to know.
        context: what deliveries run in: the reader's, as anywhere; None for whoever's comes.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        name: str,
        latency: Callable[[int], Nanos],
        trace: Callable[[str, Piece], None],
    ) -> None:
        self.name = name
        self.waiting = 0
        self.arrived = 0
        self.pieces = 0
        self.on_push: Callable[[str, Piece], None] | None = None
        self.end: End | None = None
        self.writer: Writer | None = None
        self.context: Context | None = None
        self._loop = loop
        self._latency = latency
        self._trace = trace
        self._queue: deque[tuple[Nanos, Piece]] = deque()
        self._held_until_ns: Nanos | None = 0  # None: until released
        self._timer: VirtualTimer | None = None

    def push(self, piece: Piece) -> None:
        """Send something off."""
        self.pieces += 1
        due_ns = self._loop.now_ns + self._latency(self.pieces)
        if isinstance(piece, bytes):
            self.waiting += len(piece)
        if self.on_push is not None:
            self.on_push(self.name, piece)
        self._queue.append((due_ns, piece))
        if self._timer is not None:
            return  # it is set, for the head
        if len(self._queue) == 1 and self._held_until_ns == 0 and self.end is not None and not self.end.is_paused:
            self._timer = self._loop.schedule_ns(due_ns, DELIVERY, self._deliver, context=self.context)  # as `_arm` would, asking less
        else:
            self._arm()

    def hold(self, until_ns: Nanos | None) -> None:
        """Deliver nothing until then, or with None until `release`; what is sent meanwhile arrives afterwards, in order."""
        self._held_until_ns = until_ns
        self._arm()

    def release(self) -> None:
        """Deliver again, first what was held."""
        self.hold(0)

    def resume(self) -> None:
        """The reader takes bytes again."""
        self._arm()

    def keep(self, count: int) -> None:
        """The reader stopped half-way: so much of what was delivered waits all the same, until it is `taken`."""
        self.waiting += count

    def taken(self, count: int) -> None:
        self.waiting -= count
        self._drained()

    def _drained(self) -> None:
        if self.writer is not None:
            self.writer.on_drain()

    def opens_ns(self) -> Nanos | None:
        """When the other end will hear that there is a connection; None once it has."""
        return self._queue[0][0] if self._queue and self._queue[0][1] is Mark.OPEN else None

    def has_arrived(self) -> bool:
        """Whether something waits for its reader to take bytes again."""
        return bool(self._queue) and self._queue[0][0] <= self._loop.now_ns and self._is_open()

    def discard(self) -> None:
        """Forget what is on its way, but not that there is a connection."""
        is_opening = bool(self._queue) and self._queue[0][1] is Mark.OPEN
        while len(self._queue) > is_opening:
            self._queue.pop()
        self.waiting = 0
        if is_opening:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def drop_unsent(self) -> None:
        """Forget what the kernels have not taken yet."""
        room, kept = IN_FLIGHT_MAX, list[tuple[Nanos, Piece]]()
        for due_ns, piece in self._queue:
            taken = piece[:room] if isinstance(piece, bytes) else piece
            room -= len(taken) if isinstance(taken, bytes) else 0
            if taken:
                kept.append((due_ns, taken))
        self._queue.clear()
        self._queue.extend(kept)
        self.waiting = IN_FLIGHT_MAX - room

    def has_unread(self) -> bool:
        """Whether bytes have arrived that a paused reader has not taken."""
        return bool(self._queue) and self._queue[0][0] <= self._loop.now_ns and isinstance(self._queue[0][1], bytes)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queue and self._held_until_ns is not None and self._may_deliver():
            due_ns = max(self._queue[0][0], self._held_until_ns, self._loop.now_ns)
            self._timer = self._loop.schedule_ns(due_ns, DELIVERY, self._deliver, context=self.context)

    def _may_deliver(self) -> bool:
        """Whether the reader takes what comes next; a paused one hears of a reset all the same."""
        if self.end is None:
            return False
        return not self.end.is_paused or self._queue[-1][1] is Mark.RST

    def _deliver(self) -> None:
        self._timer = None
        end = self.end
        assert end is not None
        queue, now_ns = self._queue, self._loop.now_ns
        if end.is_paused:
            if queue[-1][1] is not Mark.RST:
                return  # it was paused only now
            reset = queue[-1]
            self.discard()  # what a paused reader has not read before the reset it never will
            queue.append(reset)
        # Who is handed bytes may block; what comes due meanwhile, here or elsewhere, has its turn then, in its order.
        while queue and queue[0][0] <= now_ns and (not end.is_paused or self._may_deliver()) and self._is_open():
            piece = queue.popleft()[1]
            if isinstance(piece, bytes):
                self.waiting -= len(piece)
                self.arrived += len(piece)
            self._trace(self.name, piece)
            end.on_piece(piece)
            if self.writer is not None:
                self.writer.on_drain()
            if queue and isinstance(piece, bytes) and isinstance(queue[0][1], Mark):
                break  # an end is heard a turn later: who has just been handed bytes may begin with them
        if queue and self._timer is None:
            self._arm()

    def _is_open(self) -> bool:
        return self._held_until_ns is not None and self._held_until_ns <= self._loop.now_ns
