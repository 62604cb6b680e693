"""Ends a stream that has nothing to say: after 60 to 90 s without news, as Coinbase does, which is what heartbeats are for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

LOOK_EVERY_S: Final = 15.0
LOOKS: Final = 5
"""So many in a row that find nothing new; a connection lives 60 to 75 s after its last news."""


class Idle:
    """Looks now and then whether a connection has told anything.

    Args:
        told: how much it has told so far.
        end: called once it has been quiet for too long.
    """

    def __init__(self, told: Callable[[], int], end: Callable[[], None]) -> None:
        self._told = told
        self._end = end
        self._before = told()
        self._quiet = 0  # looks in a row
        self._next = self._wait()

    def stop(self) -> None:
        """Look no more."""
        self._next.cancel()

    def _wait(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        now = self._told()
        self._quiet, self._before = self._quiet + 1 if now == self._before else 0, now
        if self._quiet >= LOOKS:
            self._end()
            return
        self._next = self._wait()
