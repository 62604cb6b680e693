"""A program's own event loop inside a simulated world.

An unmodified script makes its loop itself: `asyncio.run(main())`. The world around it (venues, servers, the network's timers) lives on a
loop of its own, the host, so that `all_tasks()` and the end of `asyncio.run` see and cancel the program's tasks alone. Both share one
timeline, one agenda and one queue of what is ready; each handle runs on the loop that it was made for. What belongs to a loop that is not
being run, because the program is between two `run_until_complete` or sleeps with `time.sleep`, waits for its loop; the world goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any, Final, NoReturn

from papertape.model.errors import StuckSimulation
from papertape.model.units import SECOND, Nanos
from papertape.runtime.blame import with_line
from papertape.runtime.loop import VirtualLoop, VirtualTimer, never
from papertape.runtime.manners import Manners
from papertape.runtime.place import call_site, who_waits
from papertape.runtime.rank import TIMER
from papertape.runtime.signals import Signals

PATIENCE: Final = 3
"""How often a program may carry on after it was told that nothing more can happen."""


PATIENCE_AT_ALL: Final = 1_000
"""How often it may, although what is raised is no mere error: it catches everything, and will never end."""


class Killed(SystemExit):
    """The program is over, whatever it catches: as SIGKILL ends a real one."""


class HostLoop(VirtualLoop):
    """The world's loop in a run that has a program; see the module.

    Attributes:
        guests: every loop that the program made, oldest first.
        has_program: whether the program runs now; before and after, nobody gets a loop.
        signals: what the program wants done at a signal.
        at_exit: what it has registered with `atexit`, first to last.
        on_guest_closed: told as the program closes a loop of its own.
        ended: why nothing more can happen, once that is so. A program may catch it and carry on; that changes nothing.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.guests: list[GuestLoop] = []
        self.ended: StuckSimulation | None = None
        self.has_program = False
        self.on_guest_closed: Callable[[GuestLoop], None] = _nothing
        self.signals = Signals(self.turning)
        self.at_exit: list[tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]] = []
        self._told = 0

    def new_event_loop(self) -> GuestLoop:
        if not self.has_program:
            return super().new_event_loop()  # type: ignore[return-value] # it refuses
        guest = GuestLoop(self)
        self.guests.append(guest)
        return guest

    def turning(self) -> GuestLoop | None:
        """The loop that the program is inside of, if any."""
        return next((guest for guest in reversed(self.guests) if guest.is_turning), None)

    def who_waits(self) -> str:
        waiting = [text for guest in self.guests if not guest.is_closed() and (text := who_waits(guest)) != "no task at all"]
        return "; ".join(waiting) or super().who_waits()

    def turn_for(self, guest: GuestLoop | None, stopping: bool) -> None:
        """One turn of the world; a guest that is being run takes part in it."""
        asyncio._set_running_loop(self)
        self._stopping = stopping
        try:
            self._run_once((None,))
        except StuckSimulation as stuck:
            self.ended = self.ended or stuck
            self._told += 1
            if self._told > PATIENCE_AT_ALL:
                self._leave(stuck)
            if self._told > PATIENCE:
                raise Killed(str(stuck)) from None
            raise
        finally:
            self._stopping = False
            asyncio._set_running_loop(guest)

    def _leave(self, stuck: StuckSimulation) -> NoReturn:
        """Give the person their terminal back: nothing less ends a program that catches its own end and begins anew."""
        from papertape.runtime.patch.leaving import leave_at_once

        leave_at_once(f"{call_site()}: catches even what ends it, {PATIENCE_AT_ALL} times by now, so there is no verdict; {stuck}")

    def stall_ns(self, ns: Nanos, line: str) -> None:
        """The program sleeps at `line`: its own tasks stand still, unless it sleeps in an executor; the world goes on."""
        running = asyncio._get_running_loop()
        if running is self or not self.has_program:
            super().stall_ns(ns, line)
            return
        self.stalls[line] = self.stalls.get(line, 0) + ns
        guests = [guest for guest in self.guests if guest.is_turning]
        sleeper = next((guest for guest in reversed(guests) if guest.is_in_executor), None)
        if sleeper is not None and running is None:
            guests.remove(sleeper)  # a thread's sleep leaves the others be
            sleeper.is_in_executor = False
        for guest in guests:
            guest.is_turning = False
        woken: list[bool] = []
        self.schedule_ns(self.now_ns + ns, TIMER, woken.append, True)
        try:
            while not woken:
                self.turn_for(None, stopping=False)
        finally:
            asyncio._set_running_loop(running)
            if sleeper is not None:
                sleeper.is_in_executor = True
            for guest in guests:
                guest.is_turning = True
                guest.take_up()


class GuestLoop(Manners):
    """What `asyncio.new_event_loop()` gives to a program.

    Attributes:
        host: the world's loop.
        is_turning: whether what is this loop's may happen now.
        is_in_executor: whether the code that runs now is a function handed to an executor: in life it would be on another thread.
    """

    def __init__(self, host: HostLoop) -> None:
        super().__init__()
        self.host = host
        self.is_turning = False
        self.is_in_executor = False
        self.next_number = host.next_number
        self._ready = host.ready
        self._kept: list[asyncio.Handle] = []  # of ours, due while we did not turn

    # The network and the way out are the world's.

    @property
    def network(self) -> Any:
        return self.host.network

    @network.setter
    def network(self, value: Any) -> None:
        """The base class would have none."""

    @property
    def escapes(self) -> Any:
        return self.host.escapes

    @escapes.setter
    def escapes(self, value: Any) -> None:
        """The base class would have none."""

    @property
    def epoch_ns(self) -> Nanos:
        return self.host.epoch_ns

    @property
    def now_ns(self) -> Nanos:
        return self.host.now_ns

    def wall_ns(self) -> Nanos:
        return self.host.wall_ns()

    def time(self) -> float:
        return self.host.now_ns / SECOND

    def new_event_loop(self) -> GuestLoop:
        return self.host.new_event_loop()

    # Timers

    def schedule_ns(
        self, when_ns: Nanos, rank: int, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> VirtualTimer:
        # A closed loop is no error here: the network goes on pushing bytes at a connection that nobody reads any more.
        timer = GuestTimer(when_ns, callback, args, self, context)  # type: ignore[arg-type]  # a timer asks no more of a loop than these have
        self.host.add(when_ns, rank, timer)
        return timer

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> VirtualTimer:  # type: ignore[override]  # typeshed ties the arguments to the callback's
        self._check_closed()
        try:
            when_ns = self.host.due_ns(when)
        except OverflowError:
            return never(callback, args, self, context)
        return self.schedule_ns(when_ns, TIMER, callback, *args, context=context)

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> VirtualTimer:  # type: ignore[override]  # typeshed ties the arguments to the callback's
        self._check_closed()
        try:
            delay_ns = round(delay * SECOND)
        except OverflowError:
            return never(callback, args, self, context)
        if delay_ns <= 0 < delay:
            delay_ns = 1
        return self.schedule_ns(self.host.now_ns + delay_ns, TIMER, callback, *args, context=context)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None, **options: Any) -> asyncio.Task[Any]:  # type: ignore[override]  # typeshed's options differ from one Python to the next
        return super().create_task(coro, name=name, context=with_line(context), **options)

    def timer_cancelled(self) -> None:
        self.host.timer_cancelled()

    # Turning

    def run_forever(self) -> None:
        outer = self.is_turning
        self.is_turning = True
        self.take_up()
        try:
            super().run_forever()
        finally:
            self.is_turning = outer

    def moved_on(self) -> None:
        self.host.moved_on()

    def _run_once(self) -> None:
        self.host.turn_for(self, self._stopping)

    def _call_soon(self, callback: Callable[..., object], args: Any, context: Context | None) -> asyncio.Handle:
        handle = GuestHandle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def keep(self, handle: asyncio.Handle) -> None:
        """Ours, and due while we do not turn: later, in order."""
        if not self._closed:
            self._kept.append(handle)

    def take_up(self) -> None:
        """What was kept comes first."""
        kept, self._kept = self._kept, []
        self._ready.extendleft(reversed(kept))

    def _run_inline(self, future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        outer, self.is_in_executor = self.is_in_executor, True
        try:
            super()._run_inline(future, func, args)
        finally:
            self.is_in_executor = outer

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep it for the verdict, and let the program log it as it would in life."""
        self.unhandled.append(context)
        asyncio.BaseEventLoop.call_exception_handler(self, context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        asyncio.BaseEventLoop.default_exception_handler(self, context)

    # Signals: nobody sends any but the end of the run.

    def add_signal_handler(self, sig: Any, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]  # typeshed ties the arguments to the callback's
        self.host.signals.set_on_loop(int(sig), self, callback, args)

    def remove_signal_handler(self, sig: Any) -> bool:
        return self.host.signals.remove_from_loop(int(sig))

    # Async generators are the business of the loop that walks them.

    def _asyncgen_firstiter_hook(self, agen: Any) -> None:
        loop: Any = self if asyncio._get_running_loop() is self else self.host
        asyncio.BaseEventLoop._asyncgen_firstiter_hook(loop, agen)  # type: ignore[attr-defined]  # asyncio's own, and needed

    def _asyncgen_finalizer_hook(self, agen: Any) -> None:
        loop: Any = self if agen in self._asyncgens else self.host
        asyncio.BaseEventLoop._asyncgen_finalizer_hook(loop, agen)  # type: ignore[attr-defined]  # asyncio's own, and needed

    def bury(self) -> None:
        """The program is over: what it has left undone is never done, and nobody is told, as when a process has gone."""
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own, and needed
        self.close()

    def close(self) -> None:
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        self._ready = type(self._ready)()  # the base class empties it, and the queue is the world's
        is_news = not self._closed
        super().close()
        self._kept.clear()
        if is_news:
            self.host.on_guest_closed(self)


class GuestHandle(asyncio.Handle):
    """A callback on a program's loop."""

    __slots__ = ()
    _loop: GuestLoop

    def _run(self) -> None:
        guest = self._loop
        if not guest.is_turning:
            guest.keep(self)
            return
        asyncio._set_running_loop(guest)
        try:
            super()._run()
        finally:
            asyncio._set_running_loop(guest.host)


class GuestTimer(GuestHandle, VirtualTimer):
    """A timer on a program's loop."""

    __slots__ = ()
    _loop: GuestLoop  # type: ignore[assignment]  # the loop that its own timers are for, which is no VirtualLoop


def _nothing(guest: GuestLoop) -> None:
    """Nobody wants to know."""
