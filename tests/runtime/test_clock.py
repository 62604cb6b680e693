"""Clocks tell the time of the run, or of the machine, and nothing else."""

import asyncio

from papertape.model.units import MILLISECOND, SECOND
from papertape.runtime.clock import LoopClock, VirtualClock, wall_seconds
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.rank import DELIVERY, TIMER
from papertape.runtime.world import run_virtual

EPOCH_NS = 1_700_000_000 * SECOND


def test_a_virtual_clock_moves_by_what_is_slept() -> None:
    """Sleeping takes exactly its time, and the wall clock is the epoch later."""

    async def main(loop: VirtualLoop) -> list[int]:
        clock = VirtualClock(loop)
        seen = [clock.now_ns()]
        await clock.sleep_ns(3 * SECOND + 1)
        seen.append(clock.now_ns())
        await clock.sleep_ns(0)
        await clock.sleep_ns(-5)
        return [*seen, clock.now_ns(), clock.wall_ns()]

    after = 3 * SECOND + 1
    assert run_virtual(main, epoch_ns=EPOCH_NS) == [0, after, after, EPOCH_NS + after]


def test_a_virtual_timer_can_be_cancelled() -> None:
    """Of two timers the cancelled one does not ring, and both have the rank of timers."""

    async def main(loop: VirtualLoop) -> list[str]:
        clock, heard = VirtualClock(loop), []
        clock.call_at_ns(5, heard.append, "cancelled").cancel()
        clock.call_at_ns(5, heard.append, "timer")
        loop.schedule_ns(5, DELIVERY, heard.append, "delivery")
        loop.schedule_ns(5, TIMER, heard.append, "last")
        await clock.sleep_ns(6)
        return heard

    assert run_virtual(main) == ["delivery", "timer", "last"]


def test_a_cancelled_sleep_leaves_nothing_behind() -> None:
    """Cancelling a sleeper cancels its timer too, so the run does not go on because of it."""

    async def main(loop: VirtualLoop) -> int:
        sleeper = asyncio.create_task(VirtualClock(loop).sleep_ns(1000 * SECOND))
        await asyncio.sleep(1)
        sleeper.cancel()
        await asyncio.wait([sleeper])
        return sum(not entry[3].cancelled() for entry in loop.agenda)

    assert run_virtual(main) == 1  # the end of the run


def test_the_machines_clock_runs_on_any_loop() -> None:
    """On a real loop time goes forward from about 0, timers ring and the wall clock is in this century."""

    async def main() -> tuple[int, int, int]:
        clock = LoopClock()
        rung = asyncio.get_running_loop().create_future()
        timer = clock.call_at_ns(clock.now_ns() + MILLISECOND, rung.set_result, None)
        await rung
        timer.cancel()
        before = clock.now_ns()
        await clock.sleep_ns(MILLISECOND)
        return before, clock.now_ns(), clock.wall_ns()

    before, after, wall_ns = asyncio.run(main())
    assert 0 < before < after
    assert wall_ns > EPOCH_NS


def test_the_stopwatch_is_real_inside_a_run() -> None:
    """What papertape measures itself with does not jump with virtual time."""

    async def main(loop: VirtualLoop) -> float:
        before = wall_seconds()
        await asyncio.sleep(1_000_000)
        return wall_seconds() - before

    assert 0 < run_virtual(main) < 1_000
