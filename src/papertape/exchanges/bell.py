"""Waiting until something is so, without polling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from papertape.model.units import Nanos
from papertape.runtime.clock import Clock


class Bell:
    """Wakes everyone who waits for a change; each then looks for himself, in the order in which they came."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: list[asyncio.Future[None]] = []

    def ring(self) -> None:
        """Something changed."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                _wake(future)

    async def until(self, claim: Callable[[], bool], deadline_ns: Nanos | None = None) -> bool:
        """Wait until `claim()` holds, at most until run time `deadline_ns`; returns whether it holds."""
        while not claim():
            if deadline_ns is not None and self._clock.now_ns() >= deadline_ns:
                return False
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            timer = None if deadline_ns is None else self._clock.call_at_ns(deadline_ns, _wake, future)
            try:
                await future
            finally:
                if timer is not None:
                    timer.cancel()
        return True


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
