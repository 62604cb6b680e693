"""One life of a bot: a loop of its own inside a simulated world, which can end between two steps.

A process that dies takes its event loop with it: no task of it runs again, no timer fires, no `finally` does anything. The world around it
goes on. So a bot that may die gets a loop like that of a program (`runtime.guest`): it shares the world's timeline and queue, and each
handle knows whose it is. A bot that cannot die lives on the world's own loop, and nothing of this costs it anything.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Any, Final, TypeVar

from papertape.model.units import Nanos
from papertape.runtime.guest import GuestHandle, GuestLoop
from papertape.runtime.loop import VirtualLoop, VirtualTimer
from papertape.runtime.manners import Manners

T = TypeVar("T")

CLOSED_MAX: Final = 5
"""How often a coroutine of the dead is told to end; one that awaits in its `finally` does not at once."""


class Life(GuestLoop):
    """The loop of one life.

    Attributes:
        is_over: dead; nothing of it runs any more.
        steps: how many steps it has taken.
        on_step: called after each with their number.
    """

    def __init__(self, world: VirtualLoop) -> None:
        super().__init__(world)  # type: ignore[arg-type]  # of a program's host it needs what any world has
        self.is_turning = True
        self.is_over = False
        self.steps = 0
        self.on_step: Callable[[int], None] = _nothing
        self._thread_id = threading.get_ident()  # running, for as long as it lives
        self._dead: tuple[asyncio.Task[Any], ...] = ()

    def begin(self) -> None:
        """Async generators that are begun from here on are this life's; call it on the world's loop."""
        sys.set_asyncgen_hooks(firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook)

    def inside(self, work: Callable[..., T], *args: Any) -> T:
        """Do something in this life, from outside of it: one step."""
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            return work(*args)
        finally:
            asyncio._set_running_loop(outer)
            self.stepped()

    def stepped(self) -> None:
        """A step is done; it may have been the last."""
        if not self.is_over:
            self.steps += 1
            self.on_step(self.steps)

    def die(self) -> None:
        """From now on nothing of it happens; what it was doing is kept as it is, for nothing may end it."""
        self.is_over = True
        self.is_turning = False
        self._dead = tuple(sorted(asyncio.all_tasks(self), key=hash))

    def bury(self, *last: Callable[[], object]) -> None:
        """When the run is over: end what is left, with no effect on anything and without a word.

        `last`: called then, for what libraries would complain about.
        """
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tasks = dict.fromkeys(self._dead)
                for _ in range(CLOSED_MAX):  # what ends may make more
                    tasks |= dict.fromkeys(sorted(asyncio.all_tasks(self), key=hash))
                    for task in tasks:
                        task._log_destroy_pending = False  # type: ignore[attr-defined]  # private to asyncio, in all versions we run on
                        _close(task.get_coro())
                self._dead = ()
                for each in last:
                    each()
        finally:
            asyncio._set_running_loop(outer)
        self.close()

    def close(self) -> None:
        self._thread_id = None
        self._ready = type(self._ready)()  # the base class empties it, and the queue is the world's
        Manners.close(self)

    # What the loop of a program does otherwise

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None, **options: Any) -> asyncio.Task[Any]:  # type: ignore[override]  # typeshed's options differ from one Python to the next
        return Manners.create_task(self, coro, name=name, context=context, **options)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.is_over:
            Manners.call_exception_handler(self, context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        return None

    def keep(self, handle: asyncio.Handle) -> None:
        """Due, and there is nobody any more."""

    def _call_soon(self, callback: Callable[..., object], args: Any, context: Context | None) -> asyncio.Handle:
        handle = LifeHandle(callback, args, self, context)
        if not self.is_over:
            self._ready.append(handle)
        return handle

    def schedule_ns(
        self, when_ns: Nanos, rank: int, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> VirtualTimer:
        timer = LifeTimer(when_ns, callback, args, self, context)  # type: ignore[arg-type]  # a timer asks no more of a loop than these have
        if self.is_over:
            timer._scheduled = False
        else:
            self.host.add(when_ns, rank, timer)
        return timer

    def _asyncgen_finalizer_hook(self, agen: Any) -> None:
        if not self.is_over:
            super()._asyncgen_finalizer_hook(agen)


class LifeHandle(GuestHandle):
    """A callback in a life: one step of it."""

    __slots__ = ()
    _loop: Life

    def _run(self) -> None:
        super()._run()
        self._loop.stepped()


class LifeTimer(LifeHandle, VirtualTimer):
    """A timer in a life."""

    __slots__ = ()
    _loop: Life  # type: ignore[assignment]  # the loop that its own timers are for, which is no VirtualLoop


def _close(coroutine: Any) -> None:
    for _ in range(CLOSED_MAX):
        with suppress(BaseException):  # whatever the dead say, nobody hears it
            coroutine.close()
            return


def _nothing(steps: int) -> None:
    """Nobody counts."""
