"""Stepping a coroutine is like awaiting it in a task, only that no task is made for it."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.model.units import SECOND
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.place import IDLE_TASK
from papertape.runtime.rank import MARKET
from papertape.runtime.stepper import Stepper
from papertape.runtime.world import run_virtual

Main = Callable[[VirtualLoop, Stepper, list[Any]], Awaitable[Any]]


def run(main: Main) -> tuple[Any, list[Any]]:
    """Run main with a stepper and a log."""
    log: list[Any] = []

    async def outer(loop: VirtualLoop) -> Any:
        return await main(loop, Stepper(loop), log)

    return run_virtual(outer, patch=False), log


def test_a_coroutine_that_does_not_wait_ends_at_once() -> None:
    """It has run when `step` returns; no task was made, nothing is called back."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        async def callback(number: int) -> None:
            log.append(number)

        ended = [stepper.step(callback(number), log.append) for number in range(3)]
        return ended, len(asyncio.all_tasks())

    (ended, tasks), log = run(main)
    assert ended == [True] * 3
    assert log == [0, 1, 2]
    assert tasks == 2  # main and the one carrier


def test_a_coroutine_that_waits_goes_on_as_a_task() -> None:
    """step returns False; the rest runs when it can, and its end is reported once."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        async def callback() -> str:
            log.append("begun")
            await asyncio.sleep(5)
            log.append(loop.now_ns)
            return "ignored"

        ended = stepper.step(callback(), lambda error: log.append(("done", error)))
        log.append("the world goes on")
        await asyncio.sleep(9)
        return ended

    assert run(main) == (False, ["begun", "the world goes on", 5 * SECOND, ("done", None)])


def test_a_failure_is_reported_at_once_or_at_the_end() -> None:
    """An exception before the first wait is reported inside `step`, one after it when it happens."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        async def callback(wait: bool) -> None:
            if wait:
                await asyncio.sleep(1)
            raise ValueError(wait)

        at_once = stepper.step(callback(False), lambda error: log.append(str(error)))
        later = stepper.step(callback(True), lambda error: log.append(str(error)))
        log.append("between")
        await asyncio.sleep(2)
        return at_once, later

    assert run(main) == ((True, False), ["False", "between", "True"])


def test_the_whole_coroutine_runs_in_one_task() -> None:
    """current_task() is the same real task before and after a wait, and not the caller's."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        async def callback() -> None:
            log.append(asyncio.current_task())
            await asyncio.sleep(0)
            log.append(asyncio.current_task())
            await asyncio.sleep(1)
            log.append(asyncio.current_task())

        stepper.step(callback(), lambda error: None)
        mine = asyncio.current_task()
        await asyncio.sleep(2)
        return mine

    mine, log = run(main)
    assert log[0] is log[1] is log[2]
    assert isinstance(log[0], asyncio.Task)
    assert log[0] is not mine


def test_stepping_works_from_a_callback_of_the_loop() -> None:
    """Where no task is current, as in a timer, a stepped coroutine still has one."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        async def callback() -> None:
            log.append(asyncio.current_task() is not None)
            async with asyncio.timeout(1):
                await asyncio.sleep(0.5)
            log.append("slept")

        def ring() -> None:
            stepper.step(callback(), log.append)
            log.append(asyncio.current_task())

        loop.call_later(1, ring)
        await asyncio.sleep(3)

    assert run(main) == (None, [True, None, "slept", None])


@pytest.mark.parametrize("limit", [0, 1])
def test_a_timeout_inside_works(limit: int) -> None:
    """asyncio.timeout cancels what is stepped and turns that into TimeoutError, even a timeout of nothing."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        async def callback() -> None:
            try:
                async with asyncio.timeout(limit):
                    await asyncio.sleep(9)
            except TimeoutError:
                log.append(loop.now_ns)
            await asyncio.sleep(1)
            log.append(asyncio.current_task().cancelling())  # type: ignore[union-attr]  # there is one

        stepper.step(callback(), log.append)
        await asyncio.sleep(20)

    assert run(main) == (None, [limit * SECOND, 0, None])


def test_wait_for_and_task_groups_work_inside() -> None:
    """So do the other things that lean on the current task."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        async def fail_in_a_group() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(99))
                await asyncio.sleep(1)
                raise ValueError

        async def callback() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.sleep(9), 1)
            with pytest.raises(ExceptionGroup):
                await fail_in_a_group()
            log.append(loop.now_ns)

        stepper.step(callback(), log.append)
        await asyncio.sleep(20)

    assert run(main) == (None, [2 * SECOND, None])


def test_a_cancelled_rest_ends_and_reports() -> None:
    """Cancelling the task raises CancelledError in the coroutine; its carrier is not used again."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        tasks = []

        async def callback() -> None:
            tasks.append(asyncio.current_task())
            try:
                await asyncio.sleep(99)
            finally:
                log.append("cleaned up")

        stepper.step(callback(), lambda error: log.append(type(error)))
        await asyncio.sleep(1)
        tasks[0].cancel()
        await asyncio.sleep(1)
        stepper.step(callback(), log.append)
        return tasks[0] is not tasks[1], tasks[0].done()

    result, log = run(main)
    assert result == (True, True)
    assert log[:2] == ["cleaned up", asyncio.CancelledError]


def test_a_cancelled_wait_is_cancelled_too() -> None:
    """What a coroutine waits for when it is cancelled in the very turn of its suspension does not go on without it."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        waited_for = loop.create_task(asyncio.sleep(99))

        async def callback() -> None:
            async with asyncio.timeout(0):
                await waited_for

        stepper.step(asyncio.sleep(0), lambda error: None)
        await asyncio.sleep(1)  # now there is an idle carrier, which will wake up after the timeout
        stepper.step(callback(), lambda error: log.append(type(error)))
        await asyncio.sleep(1)
        return waited_for.cancelled()

    assert run(main) == (True, [TimeoutError])


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_a_coroutine_may_cancel_itself(turns: int) -> None:
    """A callback that cancels its own task is cancelled at its next wait, like any task."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        async def quiet() -> None: ...

        async def callback() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            asyncio.current_task().cancel()  # type: ignore[union-attr]  # there is one
            log.append("still here")
            await asyncio.sleep(5)
            log.append("never")

        stepper.step(quiet(), log.append)
        await asyncio.sleep(1)
        stepper.step(callback(), lambda error: log.append(type(error)))
        await asyncio.sleep(9)
        assert stepper.step(quiet(), log.append)

    assert run(main) == (None, ["still here", asyncio.CancelledError])


def test_cancelling_every_task_does_not_break_the_stepper() -> None:
    """A bot that cancels all tasks it finds also cancels idle carriers; new ones take their place."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        async def callback(name: str) -> None:
            await asyncio.sleep(1)
            log.append(name)

        for pause in (0, 1):
            stepper.step(callback(f"before {pause}"), lambda error: None)
            await asyncio.sleep(2)
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()
            await asyncio.sleep(pause)
            stepper.step(callback(f"after {pause}"), lambda error: None)
            await asyncio.sleep(2)

    assert run(main) == (None, ["before 0", "after 0", "before 1", "after 1"])


def test_stepping_nests() -> None:
    """A stepped coroutine may step another, and go on, and each has its own task."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        async def inner(depth: int) -> None:
            mine = asyncio.current_task()
            if depth:
                stepper.step(inner(depth - 1), log.append)
            log.append((depth, asyncio.current_task() is mine))
            await asyncio.sleep(depth)
            log.append((depth, asyncio.current_task() is mine))

        stepper.step(inner(2), log.append)
        await asyncio.sleep(9)

    first = [(0, True), (1, True), (2, True)]
    assert run(main) == (None, [*first, (0, True), None, (1, True), None, (2, True), None])


def test_the_next_may_be_stepped_from_the_end_of_the_last() -> None:
    """A queue of callbacks is worked off by on_done stepping the next one."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        pending = list(range(5))

        async def callback(number: int) -> None:
            await asyncio.sleep(number % 2)
            log.append(number)

        def next_one(error: BaseException | None) -> None:
            while pending:
                if not stepper.step(callback(pending.pop(0)), next_one):
                    return

        next_one(None)
        await asyncio.sleep(9)
        return len(asyncio.all_tasks())

    tasks, log = run(main)
    assert log == [0, 1, 2, 3, 4]
    assert tasks <= 3


def test_context_variables_are_the_steppers_own() -> None:
    """What a coroutine sets is there after its wait and for the next coroutine, and unknown to the caller."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        async def callback(value: str) -> None:
            log.append(variable.get())
            variable.set(value)
            await asyncio.sleep(0)
            log.append(variable.get())

        for value in "ab":
            stepper.step(callback(value), lambda error: None)
            await asyncio.sleep(1)
        return variable.get()

    assert run(main) == ("unset", ["unset", "a", "a", "b"])


def test_an_idle_carrier_is_no_news() -> None:
    """Carriers are marked idle unless they carry something, whose name they then have."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        async def on_trade() -> None:
            log.append(repr(asyncio.current_task()))
            await asyncio.sleep(1)

        def names() -> list[str]:
            return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]

        stepper.step(on_trade(), lambda error: None)
        during = names()
        await asyncio.sleep(2)
        return during, names()

    (during, after), _ = run(main)
    assert "on_trade" in during[0]
    assert after == [IDLE_TASK]


def test_closing_lets_idle_carriers_end() -> None:
    """After close no idle task is left, and what is under way still finishes."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        async def callback(seconds: int) -> None:
            await asyncio.sleep(seconds)
            log.append(seconds)

        for seconds in (1, 5):
            stepper.step(callback(seconds), lambda error: None)
        await asyncio.sleep(2)
        stepper.close()
        await asyncio.sleep(9)
        return len(asyncio.all_tasks())

    tasks, log = run(main)
    assert log == [1, 5]
    assert tasks <= 2


def test_it_works_on_a_real_loop() -> None:
    """Live trading steps callbacks too."""

    async def main() -> list[Any]:
        log: list[Any] = []
        stepper = Stepper()

        async def callback(number: int) -> None:
            async with asyncio.timeout(5):
                await asyncio.sleep(0.001 * number)
            log.append(number)

        ended = asyncio.Event()
        stepper.step(callback(0), log.append)
        stepper.step(callback(1), lambda error: ended.set())
        await ended.wait()
        stepper.close()
        return log

    assert asyncio.run(main()) == [0, None, 1]


Action = tuple[str, int]

ACTIONS = st.lists(
    st.tuples(st.sampled_from(["sleep", "yield", "timeout", "fail", "cancel", "future", "done future", "set"]), st.integers(0, 3)),
    max_size=5,
)


async def act(actions: list[Action], log: list[Any], variable: contextvars.ContextVar[int]) -> None:
    """A small program made of actions."""
    loop = asyncio.get_running_loop()
    for action, number in actions:
        log.append((action, number, loop.time(), variable.get()))
        match action:
            case "sleep":
                await asyncio.sleep(number)
            case "yield":
                for _ in range(number):
                    await asyncio.sleep(0)
            case "timeout":
                try:
                    async with asyncio.timeout(number):
                        await asyncio.sleep(2)
                except TimeoutError:
                    log.append("timed out")
            case "fail":
                if number == 3:
                    raise ValueError
            case "cancel":
                asyncio.current_task().cancel()  # type: ignore[union-attr]  # there is one
                await asyncio.sleep(number)
            case "future":
                future = loop.create_future()
                loop.call_later(number, future.set_result, number)
                log.append(await future)
            case "done future":
                future = loop.create_future()
                future.set_result(number)
                log.append(await future)
            case "set":
                variable.set(number)


@given(st.lists(ACTIONS, min_size=1, max_size=4))
def test_stepping_is_like_awaiting_in_a_task(programs: list[list[Action]]) -> None:
    """Whatever coroutines do, each sees the same, at the same times, as in a task of its own; stepped by main or by a feed."""
    assert observe(programs, start_as_tasks) == observe(programs, start_by_main) == observe(programs, start_by_feed)


Start = Callable[[VirtualLoop, list[Coroutine[Any, Any, None]], list[list[Any]]], Awaitable[None]]


def observe(programs: list[list[Action]], start: Start) -> list[list[Any]]:
    """What each program logs when they are started one after another, two at an instant."""
    logs: list[list[Any]] = [[] for _ in programs]

    async def main(loop: VirtualLoop) -> None:
        variables = [contextvars.ContextVar("variable", default=9) for _ in programs]
        await start(loop, [act(*each) for each in zip(programs, logs, variables, strict=True)], logs)
        await asyncio.sleep(50)

    run_virtual(main, patch=False)
    return logs


async def start_as_tasks(loop: VirtualLoop, coroutines: list[Coroutine[Any, Any, None]], logs: list[list[Any]]) -> None:
    def watch(coroutine: Coroutine[Any, Any, None], log: list[Any]) -> None:
        def done(task: asyncio.Task[None]) -> None:
            log.append("CancelledError" if task.cancelled() else type(task.exception()).__name__)

        loop.create_task(coroutine).add_done_callback(done)

    for index, coroutine in enumerate(coroutines):
        if index % 2 == 0:
            await asyncio.sleep(1)
        watch(coroutine, logs[index])


def step_one(stepper: Stepper, coroutine: Coroutine[Any, Any, None], log: list[Any]) -> None:
    before = len(log)
    if stepper.step(coroutine, lambda error: log.append(type(error).__name__)) and (len(log) == before or log[-1] != "ValueError"):
        log.append("NoneType")


async def start_by_main(loop: VirtualLoop, coroutines: list[Coroutine[Any, Any, None]], logs: list[list[Any]]) -> None:
    stepper = Stepper(loop)
    for index, coroutine in enumerate(coroutines):
        if index % 2 == 0:
            await asyncio.sleep(1)
        step_one(stepper, coroutine, logs[index])


async def start_by_feed(loop: VirtualLoop, coroutines: list[Coroutine[Any, Any, None]], logs: list[list[Any]]) -> None:
    def row(index: int) -> None:
        for each in range(index, min(index + 2, len(coroutines))):
            step_one(stepper, coroutines[each], logs[each])

    stepper = Stepper(loop)
    loop.feed = Rows(loop, len(coroutines), row)


class Rows:
    """A feed with a row every second for two coroutines each; it takes all rows in one step if it may."""

    def __init__(self, loop: VirtualLoop, count: int, row: Callable[[int], None]) -> None:
        self.loop, self.count, self.row, self.at = loop, count, row, 0
        self.steps = 0

    def next_key(self) -> tuple[int, int] | None:
        return (SECOND * (1 + self.at // 2), MARKET) if self.at < self.count else None

    def step(self) -> None:
        self.steps += 1
        while (key := self.next_key()) is not None and key <= self.loop.limit_key() and self.loop.is_idle():
            self.loop.advance_ns(key[0])
            self.at += 2
            self.row(self.at - 2)


def test_a_feed_may_step_a_thousand_coroutines_at_one_go() -> None:
    """They share one carrier and one change of tasks; each sees a current task that is neither main nor another's."""
    seen: list[Any] = []

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        async def callback(row: int) -> None:
            seen.append(asyncio.current_task())
            if row == 500:
                await asyncio.sleep(1)
                seen.append(asyncio.current_task())

        loop.feed = feed = Rows(loop, 2000, lambda row: stepper.step(callback(row), log.append) and None)
        await asyncio.sleep(5000)
        return asyncio.current_task(), feed.steps

    (main_task, steps), log = run(main)
    assert log == [None]
    assert steps < 10
    assert main_task not in seen
    assert len(dict.fromkeys(seen)) == 2  # the one that waited kept the first carrier
    assert seen[0] is seen[250] is not seen[251]


def test_coroutines_stepped_by_a_feed_may_step_others() -> None:
    """Also when outer and inner both wait, they have a task each, and the loop is left without a current one."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        tasks: dict[str, Any] = {}

        async def inner(name: str) -> None:
            tasks[name] = asyncio.current_task()
            await asyncio.sleep(1)
            assert tasks[name] is asyncio.current_task()

        async def outer(name: str) -> None:
            mine = asyncio.current_task()
            stepper.step(inner(f"inner of {name}"), log.append)
            assert asyncio.current_task() is mine
            tasks[name] = mine
            await asyncio.sleep(1)
            assert asyncio.current_task() is mine

        def row(number: int) -> None:
            stepper.step(outer("first"), log.append)
            stepper.step(outer("second"), log.append)
            log.append(asyncio.current_task())

        loop.feed = Rows(loop, 1, row)
        await asyncio.sleep(9)
        return len(dict.fromkeys(tasks.values()))

    assert run(main) == (4, [None] * 5)


def test_a_callback_of_a_feed_that_asks_for_its_own_end_harms_nobody_else() -> None:
    """It ended without waiting, so there was nothing to cancel; the next one waits undisturbed."""

    async def main(loop: VirtualLoop, stepper: Stepper, log: list[Any]) -> Any:
        async def cancels_itself() -> None:
            asyncio.current_task().cancel()  # type: ignore[union-attr]  # there is one

        async def waits() -> None:
            await asyncio.sleep(1)
            log.append("waited")

        def row(number: int) -> None:
            stepper.step(waits() if number % 4 else cancels_itself(), log.append)
            stepper.step(waits(), log.append)

        loop.feed = Rows(loop, 8, row)
        await asyncio.sleep(99)

    assert run(main) == (None, ["waited", None] * 6)
