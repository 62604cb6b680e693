"""Time as the rest of papertape sees it: integer nanoseconds, from a clock that is handed in.

This is the one module that reads the machine's time. Inside a simulation nothing else may: the run has a `VirtualClock`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

from papertape.model.units import SECOND, Nanos
from papertape.runtime.rank import TIMER
from papertape.runtime.rounds import SchedulesRounds

_real_perf_counter = time.perf_counter  # taken before a run replaces it


def wall_seconds() -> float:
    """Seconds on the machine's own clock, also inside a run: for measuring papertape itself, never for deciding."""
    return _real_perf_counter()


def wall_ns() -> Nanos:
    """The machine's date, in nanoseconds since 1970-01-01 UTC: for people's command lines, where no run is."""
    return time.time_ns()  # noqa: TID251 - the one place that may


class Timer(Protocol):
    """Something that will happen unless it is cancelled."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Where time comes from."""

    def now_ns(self) -> Nanos:
        """Nanoseconds since the run began; never goes back."""
        ...

    def wall_ns(self) -> Nanos:
        """Nanoseconds since 1970-01-01 UTC, as this machine believes."""
        ...

    def call_at_ns(self, when_ns: Nanos, callback: Callable[..., object], *args: Any) -> Timer:
        """Call back when `now_ns` has reached `when_ns`; at the earliest in the loop's next turn."""
        ...

    async def sleep_ns(self, ns: Nanos) -> None:
        """Wait that long; 0 or less gives way once."""
        ...


class RanksTimers(Protocol):
    """What a `VirtualClock` needs of its loop; `runtime.loop.VirtualLoop` is one."""

    @property
    def now_ns(self) -> Nanos: ...

    @property
    def epoch_ns(self) -> Nanos: ...

    def schedule_ns(self, when_ns: Nanos, rank: int, callback: Callable[..., object], *args: Any) -> Timer: ...

    def create_future(self) -> asyncio.Future[Any]: ...


class VirtualClock:
    """The clock of a simulated run: stands still while code runs, jumps when nothing is left to do.

    Attributes:
        rounds: the loop, if it may pass rounds over.
    """

    def __init__(self, loop: RanksTimers) -> None:
        self._loop = loop
        self.rounds: SchedulesRounds | None = loop if hasattr(loop, "schedule_round") else None  # type: ignore[assignment]  # just asked

    def now_ns(self) -> Nanos:
        return self._loop.now_ns

    def wall_ns(self) -> Nanos:
        return self._loop.epoch_ns + self._loop.now_ns

    def call_at_ns(self, when_ns: Nanos, callback: Callable[..., object], *args: Any) -> Timer:
        return self._loop.schedule_ns(when_ns, TIMER, callback, *args)

    async def sleep_ns(self, ns: Nanos) -> None:
        if ns <= 0:
            await asyncio.sleep(0)
            return
        future = self._loop.create_future()
        timer = self._loop.schedule_ns(self._loop.now_ns + ns, TIMER, _wake, future)
        try:
            await future
        except BaseException:
            timer.cancel()
            raise


class OffClock:
    """Another clock, its date off by `off_ns()`; time that passes is as it is."""

    def __init__(self, clock: Clock, off_ns: Callable[[], Nanos]) -> None:
        self._clock = clock
        self._off_ns = off_ns
        self.now_ns = clock.now_ns  # as they are: some clocks are off by this and by that, and are asked for every message
        self.call_at_ns = clock.call_at_ns
        self.sleep_ns = clock.sleep_ns
        self.rounds: SchedulesRounds | None = getattr(clock, "rounds", None)

    def wall_ns(self) -> Nanos:
        return self._clock.wall_ns() + self._off_ns()


class Bracket:
    """How far this machine's date is from another's, by questions: its answer was made between our asking and our hearing it.

    Attributes:
        ns: what to add; 0 until there is reason for more.
    """

    def __init__(self) -> None:
        self.ns: Nanos = 0

    def on_answer(self, venue_ns: Nanos, asked_ns: Nanos, heard_ns: Nanos, *, within_ns: Nanos) -> bool:
        """The venue said that it is `venue_ns`, to `within_ns`, in between `asked_ns` and `heard_ns` of our own clock, uncorrected.

        Returns whether what was believed cannot be true; then the middle of what can is believed from now on.
        """
        least, most = venue_ns - heard_ns - within_ns, venue_ns - asked_ns + within_ns
        if least <= self.ns <= most:
            return False
        self.ns = 0 if least <= 0 <= most else (least + most) // 2
        return True


class LoopClock:
    """The machine's time, on any asyncio loop: for live trading, for papertape's servers on real sockets, and for tests."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._start_ns = time.monotonic_ns()  # noqa: TID251 - the one place that may

    def now_ns(self) -> Nanos:
        return time.monotonic_ns() - self._start_ns  # noqa: TID251 - the one place that may

    def wall_ns(self) -> Nanos:
        return time.time_ns()  # noqa: TID251 - the one place that may

    def call_at_ns(self, when_ns: Nanos, callback: Callable[..., object], *args: Any) -> Timer:
        return self._loop.call_later(max(0, when_ns - self.now_ns()) / SECOND, callback, *args)

    async def sleep_ns(self, ns: Nanos) -> None:
        await asyncio.sleep(max(0, ns) / SECOND)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
