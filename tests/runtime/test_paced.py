"""Run time in step with a clock: never early, in order, and as far behind as the machine is slow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.units import MILLISECOND, SECOND
from papertape.runtime.clock import VirtualClock
from papertape.runtime.loop import FOREVER_NS, VirtualLoop
from papertape.runtime.paced import SLICE_NS, STEP_NS, Pace, PacedTime
from papertape.runtime.rank import COMMAND, DELIVERY, TIMER
from papertape.runtime.world import run_virtual

SPEEDS = st.fractions(min_value=Fraction(1, 1000), max_value=10_000, max_denominator=1_000)
MOMENTS = st.integers(min_value=0, max_value=10**15)


@given(SPEEDS, MOMENTS, MOMENTS, MOMENTS)
def test_a_pace_names_the_first_instant_of_its_clock(speed: Fraction, at_ns: int, run_ns: int, ahead_ns: int) -> None:
    """`clock_ns` is when it is that late for the first time: at that nanosecond it is, and one earlier it was not."""
    pace = Pace()
    pace.change(speed, at_ns=at_ns, run_ns=run_ns)
    found = pace.clock_ns(run_ns + ahead_ns)
    assert pace.run_ns(found) >= run_ns + ahead_ns
    assert pace.run_ns(found - 1) < run_ns + ahead_ns


@given(SPEEDS, SPEEDS, MOMENTS)
def test_another_pace_goes_on_from_where_it_is(before: Fraction, after: Fraction, at_ns: int) -> None:
    """A change of speed moves nothing: neither back nor on."""
    pace = Pace(before)
    run_ns = pace.run_ns(at_ns)
    pace.change(after, at_ns=at_ns, run_ns=run_ns)
    assert pace.run_ns(at_ns) == run_ns


def in_step(story: Callable[[PacedTime, VirtualLoop], Any], pace: Pace | None = None) -> Any:
    """Tell a story to a paced time whose clock is a virtual loop's."""

    async def main(loop: VirtualLoop) -> Any:
        time = PacedTime(VirtualClock(loop), pace or Pace())
        return await story(time, loop)

    return run_virtual(main, patch=False)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from([COMMAND, DELIVERY, TIMER]), st.booleans()), max_size=30), SPEEDS)
def test_what_is_due_happens_in_the_order_of_a_virtual_loop(plan: list[tuple[int, int, bool]], speed: Fraction) -> None:
    """By time, then rank, then who came first; what happens may make appointments, also for now, and may call others off."""

    def told(schedule: Callable[..., Any], now: Callable[[], int]) -> list[tuple[int, int]]:
        lines: list[tuple[int, int]] = []
        timers = []

        def act(number: int, again: bool) -> None:
            lines.append((now(), number))
            if again:
                schedule(now(), COMMAND, act, number + 100, False)
                schedule(now() + 3, TIMER, act, number + 200, False)
                timers[number * 7 % len(timers)].cancel()

        for number, (when, rank, again) in enumerate(plan):
            timers.append(schedule(when, rank, act, number, again))
        return lines

    async def on_loop(loop: VirtualLoop) -> list[tuple[int, int]]:
        lines = told(loop.schedule_ns, lambda: loop.now_ns)
        await asyncio.sleep(1)
        return lines

    async def paced(time: PacedTime, loop: VirtualLoop) -> list[tuple[int, int]]:
        lines = told(time.schedule_ns, lambda: time.now_ns)
        time.start()
        await asyncio.sleep(1)
        return lines

    assert in_step(paced, Pace(speed)) == run_virtual(on_loop, patch=False)


def test_nothing_happens_early() -> None:
    """At half the speed what is due after 10 ms happens after 20."""

    async def story(time: PacedTime, loop: VirtualLoop) -> list[tuple[int, int]]:
        seen: list[tuple[int, int]] = []
        for ms in (10, 11):
            time.schedule_ns(ms * MILLISECOND, TIMER, lambda: seen.append((time.now_ns, loop.now_ns)))
        time.start()
        await asyncio.sleep(1)
        return seen

    assert in_step(story, Pace(Fraction(1, 2))) == [(10 * MILLISECOND, 20 * MILLISECOND), (11 * MILLISECOND, 22 * MILLISECOND)]


def test_who_comes_from_outside_finds_the_present() -> None:
    """`catch_up` lets all happen that is due, and only then is it now; an appointment that is made then is kept."""

    async def story(time: PacedTime, loop: VirtualLoop) -> None:
        seen: list[str] = []
        time.schedule_ns(5, TIMER, seen.append, "due")
        time.start()
        loop.advance_ns(SECOND)  # the machine was busy elsewhere
        time.catch_up()
        assert (seen, time.now_ns) == (["due"], SECOND)
        time.schedule_ns(SECOND + 5, TIMER, seen.append, "made now")
        await asyncio.sleep(1e-8)
        assert seen == ["due", "made now"]

    in_step(story)


def test_what_happens_cannot_hurry_time() -> None:
    """A callback that calls `catch_up`, as a server's may, sees its own instant."""

    async def story(time: PacedTime, loop: VirtualLoop) -> None:
        seen: list[int] = []

        def act() -> None:
            time.catch_up()
            seen.append(time.now_ns)

        time.schedule_ns(5, TIMER, act)
        time.schedule_ns(6, TIMER, act)
        time.start()
        loop.advance_ns(SECOND)
        time.catch_up()
        assert seen == [5, 6]

    in_step(story)


def test_a_long_past_is_lived_through_in_slices() -> None:
    """Where each step takes the machine long, the loop gets its turns in between, and time is behind meanwhile."""

    async def story(time: PacedTime, loop: VirtualLoop) -> None:
        for number in range(1, 11):
            time.schedule_ns(number * STEP_NS, TIMER, lambda: loop.advance_ns(loop.now_ns + SLICE_NS))
        time.start()
        loop.advance_ns(SECOND + 10 * SLICE_NS)
        time.catch_up()
        assert time.now_ns < SECOND
        assert time.behind_ns() > 0
        assert time.agenda
        await asyncio.sleep(1)
        assert not time.agenda
        assert time.now_ns == SECOND

    in_step(story)


def test_another_speed_applies_from_now_on() -> None:
    """What was waited for slowly comes sooner."""

    async def story(time: PacedTime, loop: VirtualLoop) -> None:
        seen: list[int] = []
        time.schedule_ns(10 * SECOND, TIMER, lambda: seen.append(loop.now_ns))
        time.start()
        await asyncio.sleep(2)
        time.catch_up()
        time.set_speed(Fraction(8))
        await asyncio.sleep(5)
        assert seen == [3 * SECOND]

    in_step(story)


def test_an_error_ends_it() -> None:
    """Whoever serves is told, and nothing happens any more: a venue that went wrong must not go on as if nothing were."""

    async def story(time: PacedTime, loop: VirtualLoop) -> None:
        seen: list[object] = []
        time.on_failure = seen.append

        def fail() -> None:
            raise ValueError("broken")

        time.schedule_ns(1, TIMER, fail)
        time.schedule_ns(2, TIMER, seen.append, "never")
        time.start()
        await asyncio.sleep(1)
        assert [str(each) for each in seen] == ["broken"]

    in_step(story)


def test_stopped_it_stands_still() -> None:
    """No alarm is left, and what comes later does nothing."""

    async def story(time: PacedTime, loop: VirtualLoop) -> None:
        time.schedule_ns(1, TIMER, pytest.fail, "it happened")
        time.start()
        time.stop()
        time.catch_up()
        time.schedule_ns(2, TIMER, pytest.fail, "it happened")
        await asyncio.sleep(1)
        assert time.now_ns == 0

    in_step(story)


def test_nothing_due_is_no_alarm() -> None:
    """A time with an empty agenda costs nothing, and still tells what time it is."""

    async def story(time: PacedTime, loop: VirtualLoop) -> None:
        time.start()
        await asyncio.sleep(1)
        assert not loop.agenda[0][0] < FOREVER_NS
        time.catch_up()
        assert time.now_ns == SECOND

    in_step(story)
