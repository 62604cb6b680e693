"""A run leaves nothing behind."""

# ruff: noqa: TID251 - what is banned elsewhere is what is tested here.

import asyncio
import gc
import sys
import weakref
from functools import partial
from typing import Any

import pytest

from papertape.model.units import SECOND
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.world import apart, run_virtual


def test_a_run_returns_what_main_returned() -> None:
    """And begins at the given date."""

    async def main(loop: VirtualLoop) -> int:
        return loop.wall_ns()

    assert run_virtual(main, epoch_ns=7 * SECOND) == 7 * SECOND


def test_a_run_raises_what_main_raised() -> None:
    """Whatever it is, and the process is as before."""

    async def main(loop: VirtualLoop) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run_virtual(main)
    assert gc.isenabled()
    assert asyncio._get_running_loop() is None


def test_tasks_that_outlive_main_are_cancelled_in_the_order_of_their_making() -> None:
    """Their finally blocks run, in one fixed order, and may still wait a little."""
    ended: list[Any] = []

    async def outliving(number: int) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0.5)
            ended.append(number)

    async def main(loop: VirtualLoop) -> None:
        for number in range(20):
            loop.create_task(outliving(number))
        await asyncio.sleep(1)

    run_virtual(main)
    assert ended == list(range(20))


def test_a_task_that_will_not_end_is_reported_and_left() -> None:
    """Clearing away is bounded; what swallows its cancellation is named."""
    loops: list[VirtualLoop] = []

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                continue

    async def main(loop: VirtualLoop) -> str:
        loops.append(loop)
        loop.create_task(stubborn())
        await asyncio.sleep(1)
        return "done"

    assert run_virtual(main) == "done"
    assert "would not end when cancelled: task Task-2 at" in loops[0].unhandled[0]["message"]


def test_async_generators_are_closed() -> None:
    """Also one that main had not finished with, and a task that outlives the run while stuck in it."""
    closed: list[str] = []

    async def ticks(name: str) -> Any:
        try:
            while True:
                yield 1
        finally:
            closed.append(name)

    keep: list[Any] = []

    async def main(loop: VirtualLoop) -> None:
        for name in ("first", "second"):
            keep.append(ticks(name))
            await anext(keep[-1])

    run_virtual(main)
    assert closed == ["first", "second"]


class Cycle:
    """Refers to itself, so that only a collection lets go of it; it tells when one has."""

    def __init__(self, events: list[str]) -> None:
        self.me = self
        self._events = events

    def __del__(self) -> None:
        self._events.append("finalized")


def test_garbage_is_collected_at_the_end_only() -> None:
    """No finalizer of a cycle runs in the middle of a run, at an instant that depends on the process; all run at its end."""
    events: list[str] = []

    async def main(loop: VirtualLoop) -> None:
        for _ in range(5):
            Cycle(events)
        [[] for _ in range(100_000)]
        events.append("main ended")

    run_virtual(main)
    assert events == ["main ended"] + ["finalized"] * 5
    assert gc.get_freeze_count() == 0


def test_what_grew_old_in_a_run_is_let_go_at_its_end_too() -> None:
    """A program that collects by itself makes what survives old; a cycle of that is finalized before the run is over all the same."""
    events: list[str] = []

    async def main(loop: VirtualLoop) -> None:
        kept = [Cycle(events) for _ in range(3)]
        gc.collect()
        kept.clear()
        events.append("main ended")

    gc.disable()
    try:
        run_virtual(main)
        assert events == ["main ended"] + ["finalized"] * 3
    finally:
        gc.enable()


def test_what_was_made_for_a_run_is_let_go_without_a_look_at_all_of_memory() -> None:
    """Also what was made before the world and is tied up with it: a sweep makes run after run, and what is old are its libraries."""

    class World:
        def __init__(self, scenario: Any) -> None:
            self.scenario = scenario
            scenario.world = self

    class Scenario:
        world: World

    async def world_of(scenario: Any, loop: VirtualLoop) -> World:
        world = World(scenario)
        gc.collect()  # what survives is old, as after a crash
        return world

    looked_at: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        looked_at.extend([len(gc.get_objects())] * (phase == "start"))

    gc.disable()
    try:
        with apart():
            is_there = weakref.ref(run_virtual(partial(world_of, Scenario()), is_apart=True))
            gc.callbacks.append(note)
        assert is_there() is None
        assert len(looked_at) == 1
        assert looked_at[0] * 10 < len(gc.get_objects())
        assert gc.get_freeze_count() == 0
    finally:
        gc.callbacks.remove(note)
        gc.enable()


def test_a_failure_nobody_asked_for_is_kept() -> None:
    """A task that failed and was never awaited is found when the run is collected."""
    loops: list[VirtualLoop] = []

    async def fails() -> None:
        raise ValueError("nobody asks")

    async def main(loop: VirtualLoop) -> None:
        loops.append(loop)
        task = loop.create_task(fails())
        await asyncio.sleep(1)
        cycle: list[Any] = [task]
        cycle.append(cycle)

    run_virtual(main)
    assert [str(context["exception"]) for context in loops[0].unhandled] == ["nobody asks"]


def test_a_run_works_inside_another_loop() -> None:
    """simulate() may be called from async code, which waits for it in real time; runs nest, too."""

    async def inner(loop: VirtualLoop) -> float:
        await asyncio.sleep(9)
        return loop.time()

    async def middle(loop: VirtualLoop) -> list[float]:
        await asyncio.sleep(1)
        result = run_virtual(inner, epoch_ns=5)
        await asyncio.sleep(1)
        assert asyncio.get_running_loop() is loop
        return [result, loop.time()]

    async def outer() -> Any:
        task = asyncio.current_task()
        result = run_virtual(middle)
        assert asyncio.current_task() is task
        await asyncio.sleep(0)
        return result

    assert asyncio.run(outer()) == [9.0, 2.0]


def test_a_run_is_forgotten() -> None:
    """Nothing keeps a finished run's loop alive."""

    async def main(loop: VirtualLoop) -> Any:
        loop.call_later(1000, print)
        loop.create_task(asyncio.sleep(1000))
        return weakref.ref(loop)

    reference = run_virtual(main)
    gc.collect()
    assert reference() is None


def test_a_second_run_is_the_same() -> None:
    """What a run draws, names and counts does not depend on an earlier one."""
    import random
    import uuid

    async def main(loop: VirtualLoop) -> list[Any]:
        task = loop.create_task(asyncio.sleep(1))
        await task
        return [task.get_name(), hash(task), random.random(), str(uuid.uuid4()), str(uuid.uuid1()), loop.time()]

    first = run_virtual(main, seed=5)
    random.seed(sys.maxsize)
    assert run_virtual(main, seed=5) == first
    assert run_virtual(main, seed=6) != first


def test_the_tasks_of_a_run_that_is_over_are_passed_by_no_later_look() -> None:
    """`all_tasks` walks every task there is: what is left of earlier runs, and not collected yet, must not stand in the way."""
    kept: list[Any] = []

    async def main(loop: VirtualLoop) -> set[Any]:
        kept.extend(loop.create_task(asyncio.sleep(0)) for _ in range(3))
        await asyncio.sleep(1)
        return asyncio.all_tasks()

    (own,) = run_virtual(main)
    assert own not in registered()
    assert not any(task in registered() for task in kept)


def test_a_loop_that_is_none_of_ours_keeps_its_tasks() -> None:
    """Although it may be closed, and a run end meanwhile."""

    async def main(loop: VirtualLoop) -> None:
        await asyncio.sleep(1)

    loop = asyncio.new_event_loop()
    task = loop.create_task(asyncio.sleep(0))
    loop.run_until_complete(task)
    loop.close()
    run_virtual(main)
    assert task in registered()


def registered() -> list[Any]:
    """asyncio's own register."""
    return list(getattr(asyncio.tasks, "_all_tasks", None) or getattr(asyncio.tasks, "_scheduled_tasks", ()))
