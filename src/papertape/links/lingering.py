"""TLS connections that a session has closed and whose other end does not answer: ended a little later; nobody looks where none are."""

from __future__ import annotations

import asyncio
from typing import Any


class Lingering(list[Any]):
    """Transports that were closed; each is aborted within `after_s`, which does nothing to one that is gone by then.

    aiohttp keeps such a list until Python 3.12.7, and looks through it every two seconds for as long as a session is there: of all that
    happens in a quiet hour of a bot's a tenth.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, after_s: float) -> None:
        super().__init__()
        self._loop = loop
        self._after_s = after_s
        self._next: asyncio.TimerHandle | None = None

    def append(self, transport: Any) -> None:
        super().append(transport)
        if self._next is None:
            self._next = self._loop.call_later(self._after_s, self.end)

    def end(self) -> None:
        """Abort all."""
        self._next = None
        for transport in self:
            if transport is not None:
                transport.abort()
        self.clear()

    def cancel(self) -> None:
        """Look no more: the session is closed, and aborts what is here by itself."""
        if self._next is not None:
            self._next.cancel()
            self._next = None


def look_when_needed(connector: Any) -> None:
    """Let a connector of aiohttp's look for connections that linger only while there are any."""
    handle = getattr(connector, "_cleanup_closed_handle", None)
    if handle is None or getattr(connector, "_cleanup_closed_disabled", True):
        return  # it looks for none, or does so in a way that was not known when this was written
    handle.cancel()
    connector._cleanup_closed_transports = connector._cleanup_closed_handle = Lingering(connector._loop, connector._cleanup_closed_period)
