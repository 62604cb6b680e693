"""Run time that keeps step with the machine's clock: the timeline of a venue that real clients talk to.

What is due at one nanosecond happens by rank (`runtime.rank`), then in the order of scheduling, as on a virtual loop; only when it happens
is decided by a `Pace`. Everything here runs on the thread of the clock's loop.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from fractions import Fraction
from heapq import heappop, heappush
from typing import Any, Final

from papertape.model.units import MILLISECOND, Nanos
from papertape.runtime.clock import Clock, Timer
from papertape.runtime.loop import FOREVER_NS, Feed
from papertape.runtime.rank import END

STEP_NS: Final = 100 * MILLISECOND
"""How much run time is lived through before the machine's clock is looked at again."""

SLICE_NS: Final = 10 * MILLISECOND
"""How long the machine may be kept busy at a time: sockets must have their turn while a market rushes by."""

NORMAL: Final = Fraction(1)


class Pace:
    """Which run nanosecond it is by a clock; pure.

    Attributes:
        speed: run nanoseconds for each of the clock's, above zero.

    >>> pace = Pace(Fraction(10))
    >>> pace.run_ns(7), pace.clock_ns(65)
    (70, 7)
    >>> pace.change(Fraction(1, 2), at_ns=10, run_ns=100)
    >>> pace.run_ns(13), pace.clock_ns(102)
    (101, 14)
    """

    def __init__(self, speed: Fraction = NORMAL) -> None:
        self.speed = speed
        self._from_ns: Nanos = 0
        self._from_run_ns: Nanos = 0

    def change(self, speed: Fraction, *, at_ns: Nanos, run_ns: Nanos) -> None:
        """Another speed from `at_ns` of the clock on, when it is `run_ns`."""
        self.speed, self._from_ns, self._from_run_ns = speed, at_ns, run_ns

    def run_ns(self, clock_ns: Nanos) -> Nanos:
        """What run time it is when the clock shows `clock_ns`."""
        return self._from_run_ns + (clock_ns - self._from_ns) * self.speed.numerator // self.speed.denominator

    def clock_ns(self, run_ns: Nanos) -> Nanos:
        """The first nanosecond of the clock at which it is `run_ns`."""
        return self._from_ns - (self._from_run_ns - run_ns) * self.speed.denominator // self.speed.numerator


class PacedTimer:
    """What `PacedTime.schedule_ns` hands out."""

    __slots__ = ("args", "callback", "is_cancelled")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.callback = callback
        self.args = args
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True
        self.args = ()


Entry = tuple[Nanos, int, int, PacedTimer]


class PacedTime:
    """The timeline of one served venue; see `sim.timeline.Timeline`.

    It lives from `start` to `stop`. Whoever comes from outside, such as a request, calls `catch_up` first, so that nothing meets the past.
    An error in what happens ends it: `on_failure` is told, and time stands still from then on.

    Attributes:
        now_ns: run time as far as it has been lived; never goes back.
        epoch_ns: the run's nanosecond 0, since 1970-01-01 UTC.
        feed: the tapes; None when they are over.
        agenda: heap of what is due, with the end of the present step in it; not to be changed.
        ready: always empty, as nothing here waits for a turn.
        on_failure: told of an error of ours, or of a damaged tape.
        on_feed_over: told once when the feed has no more.
    """

    def __init__(self, clock: Clock, pace: Pace, *, epoch_ns: Nanos = 0) -> None:
        self.now_ns: Nanos = 0
        self.epoch_ns = epoch_ns
        self.feed: Feed | None = None
        self.agenda: list[Entry] = []
        self.ready: tuple[()] = ()
        self.on_failure: Callable[[Exception], object] = lambda error: None
        self.on_feed_over: Callable[[], object] = lambda: None
        self.pace = pace
        self._clock = clock
        self._sequence = itertools.count(1)
        self._alarm: Timer | None = None
        self._is_walking = False
        self._is_on = False

    # Time, as a venue sees it

    def wall_ns(self) -> Nanos:
        """The venue's own date and time: nanoseconds since 1970-01-01 UTC."""
        return self.epoch_ns + self.now_ns

    def create_future(self) -> asyncio.Future[Any]:
        """For whoever waits on the loop that runs."""
        return asyncio.get_running_loop().create_future()

    def schedule_ns(self, when_ns: Nanos, rank: int, callback: Callable[..., object], *args: Any) -> PacedTimer:
        """Call back at `when_ns` or, where that has passed, at the next opportunity; ties by rank, then first come, first served."""
        timer = PacedTimer(callback, args)
        heappush(self.agenda, (when_ns, rank, next(self._sequence), timer))
        if self._is_on and not self._is_walking and self.agenda[0][3] is timer:
            self._set_alarm()
        return timer

    # Keeping step

    def start(self) -> None:
        """From now on time passes."""
        self._is_on = True
        self.set_speed(self.pace.speed)

    def stop(self) -> None:
        """Time stands still, for good."""
        self._is_on = False
        self.agenda.clear()
        self.feed = None
        self._cancel_alarm()

    def set_speed(self, speed: Fraction) -> None:
        """Go on at another speed, from where the venue is."""
        self.pace.change(speed, at_ns=self._clock.now_ns(), run_ns=self.now_ns)
        if self._is_on and not self._is_walking:
            self._set_alarm()

    def behind_ns(self) -> Nanos:
        """How far the venue is behind where it ought to be, run time: more than a little means that the machine is too slow."""
        return max(0, self.pace.run_ns(self._clock.now_ns()) - self.now_ns) if self._is_on else 0

    def catch_up(self) -> None:
        """Let happen what is due by now, or as much of it as fits into a slice of the machine's time; the rest follows by itself."""
        if self._is_walking or not self._is_on:
            return
        self._is_walking = True
        try:
            self._walk(self._clock.now_ns())
        except Exception as error:
            self.stop()
            self.on_failure(error)
        finally:
            self._is_walking = False
            if self._is_on:
                self._set_alarm()

    def _walk(self, began_ns: Nanos) -> None:
        target_ns = self.pace.run_ns(began_ns)
        while self._is_on:
            due_ns = self._due_ns()
            if due_ns > target_ns:
                self.now_ns = max(self.now_ns, target_ns)
                return
            self._walk_to(min(target_ns, max(due_ns, self.now_ns) + STEP_NS))
            if self._clock.now_ns() - began_ns > SLICE_NS:
                return

    def _walk_to(self, end_ns: Nanos) -> None:
        """Let happen all that is due up to and at `end_ns`, and be there."""
        agenda = self.agenda
        end: Entry = (end_ns, END + 1, 0, PacedTimer(_nothing, ()))
        heappush(agenda, end)
        while True:
            head = agenda[0]
            feed = self.feed
            if feed is not None and not head[3].is_cancelled:
                key = feed.next_key()
                if key is None:
                    self.feed = None
                    self.on_feed_over()
                    continue
                if key <= head:
                    feed.step()
                    continue
            heappop(agenda)
            timer = head[3]
            if not timer.is_cancelled:
                self.now_ns = max(self.now_ns, head[0])
                timer.callback(*timer.args)
            if head is end or not self._is_on:
                return

    def _due_ns(self) -> Nanos:
        """When the next thing is due; `FOREVER_NS` if nothing is."""
        agenda = self.agenda
        while agenda and agenda[0][3].is_cancelled:
            heappop(agenda)
        due_ns = agenda[0][0] if agenda else FOREVER_NS
        key = None if self.feed is None else self.feed.next_key()
        if key is not None:
            return min(due_ns, key[0])
        return self.now_ns if self.feed is not None else due_ns  # that the feed is over is news too

    def _set_alarm(self) -> None:
        self._cancel_alarm()
        due_ns = self._due_ns()
        if due_ns < FOREVER_NS:
            self._alarm = self._clock.call_at_ns(self.pace.clock_ns(due_ns), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.catch_up()

    def _cancel_alarm(self) -> None:
        alarm, self._alarm = self._alarm, None
        if alarm is not None:
            alarm.cancel()


def _nothing() -> None:
    """What happens at the end of a step."""
