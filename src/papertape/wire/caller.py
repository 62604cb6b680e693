"""Who asked: the other end of one exchange over HTTP, as far as the line to it can tell.

On a real line nobody knows when an answer has arrived, so that what is sent counts as heard. A simulated network knows, and knows when a
client has closed its end although nothing that says so gets through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from papertape.runtime.network.transport import MemoryTransport


class Caller:
    """One client, for one exchange.

    Attributes:
        asked_at: the line of the program that asked, such as "bot.py:31"; empty where nobody knows.
        can_tell: whether it will be known when the client has got its answer.
        on_heard: what is called, once, when the client has got all of it.
    """

    def __init__(self, transport: asyncio.BaseTransport | None = None) -> None:
        line = None if transport is None else transport.get_extra_info("asked_at")
        self.asked_at = line if isinstance(line, str) else ""
        self.on_heard: list[Callable[[], None]] = []
        self._transport = transport if isinstance(transport, MemoryTransport) else None
        self._whole = 0  # how many bytes have arrived there once it has all

    @property
    def can_tell(self) -> bool:
        return self._transport is not None

    def has_left(self) -> bool:
        """Whether the client has closed its end."""
        end = None if self._transport is None else self._transport.out.end
        return isinstance(end, MemoryTransport) and end.is_closing()

    def written(self) -> None:
        """All of the answer has been written to the line."""
        if self._transport is not None:
            out = self._transport.out
            self._whole = out.arrived + out.waiting
            self._transport.on_arrival = self._look

    def _look(self) -> None:
        transport = self._transport
        assert transport is not None
        if self.has_left():
            transport.on_arrival = None
        elif transport.out.arrived >= self._whole:
            transport.on_arrival = None
            for tell in self.on_heard:
                tell()
