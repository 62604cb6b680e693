"""What is due again and again, and may be passed over: a heartbeat that arrives as it should, a look that finds nothing.

Between two things that matter nothing else is due in a quiet run, thousands of times. Each `Passing` says until when its rounds are such
that nobody can tell whether they happened, but for what it counts; then all of them up to the first thing that matters are worked out in
one step, and the agenda stands as if they had happened one by one. Who does not know, says so, and its rounds happen in their time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec

from papertape.model.units import Nanos
from papertape.runtime.rank import TIMER


class Passing(Protocol):
    """Whoever has rounds that may be passed over.

    Attributes:
        is_ordered: whether it matters in which order its rounds and others' come; else `passed` is called once for all of them.
    """

    is_ordered: bool

    def quiet_until_ns(self, due_ns: Nanos) -> Nanos:
        """Before which run time its rounds can be passed over, from the one at `due_ns` on, if nothing but such rounds happens until then.

        `due_ns` itself where that one must happen in its time.
        """
        ...

    def passed(self, count: int, last_ns: Nanos) -> None:
        """So many of its rounds, the last of them at `last_ns`, are taken for having happened."""
        ...


class Round(msgspec.Struct, frozen=True):
    """What is due at `when_ns`, and every `every_ns` from then on; ties by rank, then by `sequence`."""

    when_ns: Nanos
    rank: int
    sequence: int
    every_ns: Nanos

    def before(self, bound_ns: Nanos) -> int:
        """How often it is due before a time.

        >>> each = Round(when_ns=3, rank=0, sequence=1, every_ns=5)
        >>> each.before(3), each.before(4), each.before(8), each.before(9)
        (0, 1, 1, 2)
        """
        return max(0, (bound_ns - self.when_ns + self.every_ns - 1) // self.every_ns)

    def from_on(self, until_ns: Nanos) -> Nanos:
        """When it is first due at that time or later."""
        return self.when_ns + self.before(until_ns) * self.every_ns

    def place(self, number: int) -> tuple[Nanos, int, bool, Nanos, int, int]:
        """Where its occurrence with that number, from 0, stands among those of others; each is put on the agenda by the one before.

        At one nanosecond and rank the one that was put there first comes first: what stood there already, then by when it was. What was put
        there at one time as well has the same period, so that the one with fewer before it goes back to what stood there.
        """
        at_ns = self.when_ns + number * self.every_ns
        return at_ns, self.rank, number > 0, at_ns - self.every_ns if number else 0, number, self.sequence


Told = tuple[int, int, Nanos]
"""(which round, how many of its occurrences, the time of the last of them)"""

APART: Final = 2
"""So many of the last occurrences of each are told apart, in their order: what a look finds depends on what came since the last one."""


def told_in_order(rounds: Sequence[Round], ordered: Sequence[bool], bound_ns: Nanos) -> tuple[list[Told], list[int]]:
    """What happens before a time: whom to tell of how much, in which order, and in which order they are on the agenda after that.

    Of those that are not `ordered` all is told at once; of the others all but the last ones, whose order is kept.

    >>> look, beat = Round(when_ns=5, rank=3, sequence=1, every_ns=10), Round(when_ns=0, rank=3, sequence=2, every_ns=10)
    >>> told_in_order([look, beat], [True, True], 31)
    ([(0, 1, 5), (1, 2, 10), (0, 1, 15), (1, 1, 20), (0, 1, 25), (1, 1, 30)], [0, 1])
    """
    counts = [each.before(bound_ns) for each in rounds]
    told: list[Told] = []
    apart: list[tuple[Any, Told]] = []
    lasts: list[tuple[Any, int]] = []
    for which, (each, count) in enumerate(zip(rounds, counts, strict=True)):
        if not count:
            continue
        first = max(0, count - APART) if ordered[which] else count
        if first:
            told.append((which, first, each.when_ns + (first - 1) * each.every_ns))
        for number in range(first, count):
            place = each.place(number)
            apart.append((place, (which, 1, place[0])))
        lasts.append((each.place(count - 1), which))
    told += [each for _, each in sorted(apart)]
    return told, [which for _, which in sorted(lasts)]


class SchedulesRounds(Protocol):
    """A loop that may pass rounds over."""

    @property
    def now_ns(self) -> Nanos: ...

    def create_future(self) -> asyncio.Future[Any]: ...

    def schedule_round(
        self, when_ns: Nanos, rank: int, every_ns: Nanos, passing: Passing, callback: Callable[..., object], *args: Any
    ) -> Any: ...


class Waits(Protocol):
    """What is asked of a clock; one of a virtual loop has that as its `rounds`, or a clock that has."""

    def now_ns(self) -> Nanos: ...

    def call_at_ns(self, when_ns: Nanos, callback: Callable[..., object], *args: Any) -> Any: ...

    async def sleep_ns(self, ns: Nanos) -> None: ...


def call_after_ns(clock: Waits, every_ns: Nanos, passing: Passing, callback: Callable[..., object]) -> Any:
    """Call back in `every_ns` from now, as the clock's `call_at_ns` does; or as much later again as `passing` lets it be passed over."""
    loop: SchedulesRounds | None = getattr(clock, "rounds", None)
    if loop is None:
        return clock.call_at_ns(clock.now_ns() + every_ns, callback)
    return loop.schedule_round(loop.now_ns + every_ns, TIMER, every_ns, passing, callback)


async def sleep_ns(clock: Waits, every_ns: Nanos, passing: Passing) -> None:
    """Wait for `every_ns`, as the clock's `sleep_ns` does; or as much longer as `passing` lets what follows be passed over."""
    loop: SchedulesRounds | None = getattr(clock, "rounds", None)
    if loop is None:
        await clock.sleep_ns(every_ns)
        return
    future = loop.create_future()

    def wake() -> None:
        if not future.done():
            future.set_result(None)

    timer = loop.schedule_round(loop.now_ns + every_ns, TIMER, every_ns, passing, wake)
    try:
        await future
    finally:
        timer.cancel()
