"""Who asked: the other end of one exchange over HTTP, or of a stream, as far as the line to it can tell.

On a real line nobody knows when something has arrived, so that what is sent counts as heard. A simulated network knows, and knows when a
client wrote what comes late, and when it closed its end although nothing that says so gets through. Bytes that arrive with a bit turned
over count as heard: what a program makes of them is its own affair.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable

from papertape.model.units import Nanos
from papertape.runtime.network.transport import MemoryTransport


def reset(transport: asyncio.BaseTransport | None) -> None:
    """End a connection by a reset: what was written and not sent is lost, and the client does not take it for a goodbye."""
    if not isinstance(transport, asyncio.WriteTransport):
        return  # it is gone already
    line = transport.get_extra_info("socket")
    if line is not None and not isinstance(transport, MemoryTransport):
        with contextlib.suppress(OSError):
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # else closing is a FIN, as if all were well
    transport.abort()


class Line:
    """Our end of a line to a client.

    Attributes:
        can_tell: whether it will be known what has arrived at the client.
    """

    def __init__(self, transport: asyncio.BaseTransport | None = None) -> None:
        self._transport = transport if isinstance(transport, MemoryTransport) else None
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()  # (how many bytes must have arrived, whom to tell then)

    @property
    def can_tell(self) -> bool:
        return self._transport is not None

    def asked_ns(self) -> Nanos | None:
        """When the client wrote the last that has come, run time; None where nobody knows."""
        ns = None if self._transport is None else self._transport.get_extra_info("asked_ns")
        return ns if isinstance(ns, int) else None

    def left_ns(self) -> Nanos | None:
        """When the client closed its end, run time; None while it has not, and where nobody knows."""
        end = None if self._transport is None else self._transport.out.end
        return end.left_ns if isinstance(end, MemoryTransport) else None

    def on_arrival(self, tell: Callable[[], None]) -> None:
        """Call `tell` when all that has been written so far has arrived; never if the client has left by then."""
        if self._transport is not None:
            out = self._transport.out
            self._waiting.append((out.arrived + out.waiting, tell))
            self._transport.on_arrival = self._look

    def _look(self) -> None:
        transport, waiting = self._transport, self._waiting
        assert transport is not None
        if self.left_ns() is not None:
            waiting.clear()
        while waiting and transport.out.arrived >= waiting[0][0]:
            waiting.popleft()[1]()
        if not waiting:
            transport.on_arrival = None


class Caller:
    """One client, for one exchange; see `sim.client.Client`.

    Attributes:
        asked_at, asked_ns: the line of the program that asked, and when it did.
        on_heard: what is called, once, when the client has got all of the answer.
        shown: client order ids of those that the answer shows; None for all that are in it.
    """

    def __init__(self, transport: asyncio.BaseTransport | None = None) -> None:
        line, ns = (None, None) if transport is None else (transport.get_extra_info("asked_at"), transport.get_extra_info("asked_ns"))
        self.asked_at = line if isinstance(line, str) else ""
        self.asked_ns: Nanos | None = ns if isinstance(ns, int) else None
        self.on_heard: list[Callable[[], None]] = []
        self.shown: tuple[str, ...] | None = None
        self._line = Line(transport)

    @property
    def can_tell(self) -> bool:
        return self._line.can_tell

    def left_ns(self) -> Nanos | None:
        return self._line.left_ns()

    def written(self) -> None:
        """All of the answer has been written to the line."""
        self._line.on_arrival(self._heard)

    def _heard(self) -> None:
        for tell in self.on_heard:
            tell()
