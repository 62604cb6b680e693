"""A life ends between two steps, and nothing of it happens afterwards."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from papertape.runtime.life import Life
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.stepper import Stepper
from papertape.runtime.world import run_virtual

Story = Callable[[VirtualLoop, Life, list[str]], Coroutine[Any, Any, None]]


def play(story: Story) -> list[str]:
    """Run a story in a world with one life; what was written by whomever, in order, burial included."""
    lines: list[str] = []

    async def main(loop: VirtualLoop) -> None:
        life = Life(loop)
        life.begin()
        try:
            await story(loop, life, lines)
        finally:
            life.bury()
            gc.collect()

    run_virtual(main)
    return lines


async def writes(lines: list[str], name: str, every_s: float = 1) -> None:
    try:
        for number in range(100):
            lines.append(f"{name} {number}")
            await asyncio.sleep(every_s)
    finally:
        lines.append(f"{name} ends")
        await asyncio.sleep(0)
        lines.append(f"{name} has awaited")


def test_nothing_runs_after_death() -> None:
    """No task, no timer, no callback, however they waited; a `finally` begins at the burial and gets no further than its first await."""

    async def story(loop: VirtualLoop, life: Life, lines: list[str]) -> None:
        life.create_task(writes(lines, "task"))
        life.call_later(5, lines.append, "timer")
        future = life.create_future()
        future.add_done_callback(lambda _: lines.append("callback"))
        await asyncio.sleep(2.5)
        life.die()
        future.set_result(None)
        life.call_soon(lines.append, "soon")
        await asyncio.sleep(10)
        lines.append("world")

    assert play(story) == ["task 0", "task 1", "task 2", "world", "task ends"]


def test_the_world_and_another_life_go_on() -> None:
    async def story(loop: VirtualLoop, life: Life, lines: list[str]) -> None:
        other = Life(loop)
        life.create_task(writes(lines, "first"))
        task = other.create_task(writes(lines, "second"))
        await asyncio.sleep(0.5)
        life.die()
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(1)
        other.bury()

    assert play(story) == ["first 0", "second 0", "second 1", "second ends", "second has awaited", "first ends"]


def test_the_dead_make_nothing_new() -> None:
    """A `finally` that starts a task or opens a timer starts nothing, and nobody warns of it."""

    async def stubborn(lines: list[str]) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            task = asyncio.get_running_loop().create_task(writes(lines, "heir"))
            asyncio.get_running_loop().call_later(1, lines.append, "timer")
            await task

    async def story(loop: VirtualLoop, life: Life, lines: list[str]) -> None:
        life.create_task(stubborn(lines))
        await asyncio.sleep(1)
        life.die()
        await asyncio.sleep(1)

    assert play(story) == []


def test_steps_are_counted_and_may_be_the_end() -> None:
    """Each callback is one; so is each thing that is done in it from outside."""

    async def story(loop: VirtualLoop, life: Life, lines: list[str]) -> None:
        life.on_step = lambda steps: life.die() if steps == 3 else None
        life.create_task(writes(lines, "task", every_s=0))
        await asyncio.sleep(0)
        life.inside(lines.append, "from outside")
        await asyncio.sleep(5)
        assert life.steps == 3
        life.inside(lines.append, "too late to count")
        assert life.steps == 3

    assert play(story)[:3] == ["task 0", "from outside", "task 1"]


def test_what_runs_inside_finds_its_own_loop() -> None:
    """Tasks, futures and stepped coroutines are the life's, not the world's."""

    async def where(lines: list[str], life: Life) -> None:
        lines.append(str(asyncio.get_running_loop() is life))
        await asyncio.sleep(0)
        lines.append(str(asyncio.get_running_loop() is life and life.is_running()))

    async def story(loop: VirtualLoop, life: Life, lines: list[str]) -> None:
        life.inside(life.create_task, where(lines, life))
        stepper = life.inside(Stepper)
        life.inside(stepper.step, where(lines, life), lambda error: None)
        await asyncio.sleep(1)
        assert asyncio.get_running_loop() is loop
        assert all(task.get_loop() is loop for task in asyncio.all_tasks())

    assert play(story) == ["True"] * 4


def test_an_async_generator_of_the_dead_is_not_walked_on() -> None:
    async def numbers(lines: list[str]) -> AsyncIterator[int]:
        try:
            for number in range(10):
                yield number
                await asyncio.sleep(1)
        finally:
            lines.append("generator ends")
            await asyncio.sleep(0)
            lines.append("generator has awaited")

    async def walks(lines: list[str]) -> None:
        async for number in numbers(lines):
            lines += [str(number)]

    async def story(loop: VirtualLoop, life: Life, lines: list[str]) -> None:
        life.create_task(walks(lines))
        await asyncio.sleep(1.5)
        life.die()
        await asyncio.sleep(5)
        lines.append("world")

    assert play(story)[:3] == ["0", "1", "world"]
    assert "generator has awaited" not in play(story)


def test_errors_of_the_dead_are_nobodys() -> None:
    async def story(loop: VirtualLoop, life: Life, lines: list[str]) -> None:
        life.call_exception_handler({"message": "while it lived"})
        life.die()
        life.call_exception_handler({"message": "afterwards"})
        lines += [context["message"] for context in life.unhandled]

    assert play(story) == ["while it lived"]
