"""Waiting until something is so, without polling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from papertape.model.units import Nanos
from papertape.runtime.clock import Clock

Claim = Callable[[], bool]
"""What somebody waits for; looking at it changes nothing."""


class Bell:
    """Wakes everyone for whom a change has made true what he waits for, in the order in which they came; the others sleep on.

    Whoever rings may go on changing things before he is done, so claims that did not hold are looked at once more in the loop's next turn.

    Args:
        beyond: a bell that rings after this one: what changes for those who wait here may matter to those who wait there, and not the other
            way about.
    """

    def __init__(self, clock: Clock, beyond: Bell | None = None) -> None:
        self._clock = clock
        self._beyond = beyond
        self._waiting: list[tuple[Claim, asyncio.Future[None]]] = []
        self._looks_again = False

    def ring(self) -> None:
        """Something changed."""
        if self._waiting:
            self._look()
            if self._waiting and not self._looks_again:
                self._looks_again = True
                self._waiting[0][1].get_loop().call_soon(self._look_again)
        if self._beyond is not None:
            self._beyond.ring()

    def _look(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            claim, future = each
            if not future.done():
                if _may_hold(claim):
                    future.set_result(None)
                else:
                    self._waiting.append(each)

    def _look_again(self) -> None:
        self._looks_again = False
        self._look()

    async def until(self, claim: Claim, deadline_ns: Nanos | None = None) -> bool:
        """Wait until `claim()` holds, at most until run time `deadline_ns`; returns whether it holds."""
        while not claim():
            if deadline_ns is not None and self._clock.now_ns() >= deadline_ns:
                return False
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((claim, future))
            timer = None if deadline_ns is None else self._clock.call_at_ns(deadline_ns, _wake, future)
            try:
                await future
            finally:
                if timer is not None:
                    timer.cancel()
                self._forget(future)
        return True

    def _forget(self, future: asyncio.Future[None]) -> None:
        """Nobody waits there any more: woken by the hour, or cancelled."""
        for place, (_, waiting) in enumerate(self._waiting):
            if waiting is future:
                del self._waiting[place]
                return


def _may_hold(claim: Claim) -> bool:
    """Whether a claim holds; one that cannot be told is for who waits to deal with."""
    try:
        return claim()
    except Exception:
        return True


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
