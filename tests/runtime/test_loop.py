"""The virtual loop: when things happen, and in which order."""

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.model.errors import StuckSimulation
from papertape.model.units import SECOND
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.rank import COMMAND, DELIVERY, MARKET, TIMER
from papertape.runtime.world import run_virtual


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    loop = VirtualLoop(**options)
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.close()


def test_time_starts_at_0_and_jumps() -> None:
    """A year of sleep takes exactly a year of virtual time."""

    async def main(loop: VirtualLoop) -> list[float]:
        before = loop.time()
        await asyncio.sleep(365 * 86_400)
        return [before, loop.time(), loop.now_ns]

    assert run(main) == [0.0, 31_536_000.0, 31_536_000 * SECOND]


def test_timers_due_together_ring_in_the_order_of_setting() -> None:
    """A heap of deadlines alone would ring them in any order."""

    async def main(loop: VirtualLoop) -> list[int]:
        rung: list[int] = []
        for number in range(40):
            loop.call_at(5.0, rung.append, number)
        await asyncio.sleep(6)
        return rung

    assert run(main) == list(range(40))


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([MARKET, COMMAND, DELIVERY, TIMER])), max_size=40), st.data())
def test_what_is_due_together_happens_by_rank_then_by_sequence(items: list[tuple[int, int]], data: st.DataObject) -> None:
    """However things were scheduled and cancelled, they happen by (nanosecond, rank, sequence)."""
    cancelled = data.draw(st.lists(st.booleans(), min_size=len(items), max_size=len(items)))

    async def main(loop: VirtualLoop) -> list[tuple[int, int, int]]:
        happened: list[tuple[int, int, int]] = []
        timers = [loop.schedule_ns(ns, rank, happened.append, (ns, rank, index)) for index, (ns, rank) in enumerate(items)]
        for timer, is_cancelled in zip(timers, cancelled, strict=True):
            if is_cancelled:
                timer.cancel()
        await asyncio.sleep(1)
        return happened

    expected = sorted((ns, rank, index) for index, (ns, rank) in enumerate(items) if not cancelled[index])
    assert run(main) == expected


def test_what_a_thing_causes_at_once_is_done_before_the_next_thing() -> None:
    """An answer due at t wakes its reader, and the reader acts, before a timeout due at t."""

    async def main(loop: VirtualLoop) -> list[str]:
        happened: list[str] = []
        answer = loop.create_future()

        async def reader() -> None:
            happened.append(await answer)

        loop.schedule_ns(7, TIMER, happened.append, "timeout")
        loop.schedule_ns(7, DELIVERY, answer.set_result, "read")
        await asyncio.gather(reader(), asyncio.sleep(1))
        return happened

    assert run(main) == ["read", "timeout"]


def test_a_timeout_beats_a_sleep_of_the_same_length() -> None:
    """As on a real loop, also where adding floats would make the timeout a hair later."""

    async def main(loop: VirtualLoop) -> list[str]:
        results = []
        for start in (0.0, 0.1, 0.7, 1234.567):
            await asyncio.sleep(start)
            try:
                async with asyncio.timeout(0.2):
                    await asyncio.sleep(0.2)
                results.append("slept")
            except TimeoutError:
                results.append("timed out")
        return results

    assert run(main) == ["timed out"] * 4


@given(st.floats(0, 1e6), st.floats(0, 1e4))
def test_waiting_until_a_deadline_ends(start: float, length: float) -> None:
    """Code that asks again until its deadline has passed makes progress, whatever floats do."""

    async def main(loop: VirtualLoop) -> int:
        await asyncio.sleep(start)
        deadline, asked = loop.time() + length, 0
        while loop.time() < deadline:
            asked += 1
            future = loop.create_future()
            loop.call_at(deadline, future.set_result, None)
            await future
        return asked

    assert run(main) <= 3


def test_the_shortest_wait_takes_a_nanosecond() -> None:
    """A delay too short to count still moves time on, so that nothing can wait for ever at one instant."""

    async def main(loop: VirtualLoop) -> int:
        await asyncio.sleep(1e-15)
        return loop.now_ns

    assert run(main) == 1


def test_many_cancelled_timers_are_forgotten() -> None:
    """A timeout per request that never fires does not fill the agenda, and what is left still rings in order."""

    async def main(loop: VirtualLoop) -> tuple[int, list[int]]:
        rung: list[int] = []
        agenda = loop.agenda
        for number in range(10_000):
            timer = loop.call_later(60 + number, rung.append, number)
            if number % 1000:
                timer.cancel()
        size = len(agenda)
        assert loop.agenda is agenda
        await asyncio.sleep(20_000)
        return size, rung

    size, rung = run(main)
    assert size < 200
    assert rung == list(range(0, 10_000, 1000))


def test_cancelling_a_timer_that_rang_changes_nothing() -> None:
    """Only timers still on the agenda are counted as cancelled."""

    async def main(loop: VirtualLoop) -> int:
        for _ in range(500):
            timer = loop.call_later(0.001, lambda: None)
            await asyncio.sleep(0.002)
            timer.cancel()
        return loop._cancelled

    assert run(main) == 0


class Rows:
    """A feed of rows at given (ns, rank)."""

    def __init__(self, loop: VirtualLoop, keys: list[tuple[int, int]], log: list[Any]) -> None:
        self.loop, self.keys, self.log, self.at = loop, keys, log, 0

    def next_key(self) -> tuple[int, int] | None:
        return self.keys[self.at] if self.at < len(self.keys) else None

    def step(self) -> None:
        while (key := self.next_key()) is not None and key <= self.loop.limit_key() and self.loop.is_idle():
            self.loop.advance_ns(key[0])
            self.at += 1
            self.log.append(("row", *key, self.loop.now_ns))


@given(
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from([MARKET, DELIVERY])), max_size=20),
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from([MARKET, COMMAND, DELIVERY, TIMER])), max_size=20),
)
def test_a_feed_and_the_agenda_make_one_timeline(rows: list[tuple[int, int]], timers: list[tuple[int, int]]) -> None:
    """The smaller key goes first, the feed on a tie, and time never goes back."""
    log: list[Any] = []

    async def main(loop: VirtualLoop) -> None:
        for ns, rank in timers:
            loop.schedule_ns(ns, rank, lambda ns=ns, rank=rank: log.append(("timer", ns, rank, loop.now_ns)))
        loop.feed = Rows(loop, sorted(rows), log)
        await asyncio.sleep(1)

    run(main)
    merged = sorted([(*key, 0) for key in rows] + [(*key, 1) for key in timers])
    assert [(ns, rank, 0 if kind == "row" else 1) for kind, ns, rank, _ in log] == merged
    assert all(now == ns for _, ns, _, now in log)


def test_a_feed_stops_for_what_its_row_causes() -> None:
    """A row that wakes a task is followed by that task, not by the next row."""
    log: list[Any] = []

    async def main(loop: VirtualLoop) -> None:
        woken = asyncio.Event()

        class Waking(Rows):
            def next_key(self) -> tuple[int, int] | None:
                if self.at == 1:
                    woken.set()
                return super().next_key()

        async def waiter() -> None:
            await woken.wait()
            log.append("woken")

        loop.feed = Waking(loop, [(1, MARKET), (1, MARKET)], log)
        await asyncio.gather(waiter(), asyncio.sleep(1))

    run(main)
    assert [entry if entry == "woken" else "row" for entry in log] == ["row", "woken", "row"]


def test_a_feed_that_has_ended_leaves_the_loop_to_itself() -> None:
    """After the last row the run goes on with its timers."""

    async def main(loop: VirtualLoop) -> Any:
        loop.feed = Rows(loop, [(5, MARKET)], [])
        await asyncio.sleep(2)
        return loop.feed, loop.now_ns

    assert run(main) == (None, 2 * SECOND)


def test_an_executor_runs_inline_one_turn_later() -> None:
    """to_thread runs here, on this thread, takes no virtual time, and code in it sees no running loop."""

    async def main(loop: VirtualLoop) -> list[Any]:
        order: list[Any] = []

        def work(number: int) -> int:
            order.append("work")
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()
            return number + threading.get_ident()

        future = loop.run_in_executor(None, work, 1)
        order.append("asked")
        order.append(await future - threading.get_ident())
        order.append(await asyncio.to_thread(work, 2) - threading.get_ident())
        return [*order, loop.now_ns]

    assert run(main) == ["asked", "work", 1, "work", 2, 0]


def test_an_executors_exception_reaches_its_waiter() -> None:
    """What the function raises is raised where it is awaited; a cancelled call does not run."""

    async def main(loop: VirtualLoop) -> list[str]:
        ran: list[str] = []
        loop.run_in_executor(None, ran.append, "cancelled").cancel()
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, divmod, 1, 0)
        return ran

    assert run(main) == []


def test_what_nobody_catches_is_kept() -> None:
    """An exception in a callback ends up in `unhandled`, not on stderr."""

    async def main(loop: VirtualLoop) -> list[Any]:
        loop.call_soon(divmod, 1, 0)
        await asyncio.sleep(0)
        return [type(context["exception"]) for context in loop.unhandled]

    assert run(main) == [ZeroDivisionError]


def test_a_user_keeps_their_exception_handler() -> None:
    """set_exception_handler works as everywhere; and whoever runs the loop learns of it all the same."""

    async def main(loop: VirtualLoop) -> list[Any]:
        heard: list[Any] = []
        loop.set_exception_handler(lambda loop, context: heard.append(context["exception"]))
        loop.call_soon(divmod, 1, 0)
        await asyncio.sleep(0)
        return [type(error) for error in heard] + [type(context["exception"]) for context in loop.unhandled]

    assert run(main) == [ZeroDivisionError, ZeroDivisionError]


def test_call_soon_threadsafe_works_on_its_own_thread() -> None:
    """Libraries call it from the loop's thread too."""

    async def main(loop: VirtualLoop) -> str:
        future = loop.create_future()
        loop.call_soon_threadsafe(future.set_result, "here")
        return await future  # type: ignore[no-any-return]  # whatever the future was given

    assert run(main) == "here"


def test_tasks_are_named_from_1_in_each_run() -> None:
    """A task's default name says nothing of earlier runs in the process."""

    async def main(loop: VirtualLoop) -> list[str]:
        tasks = [asyncio.create_task(asyncio.sleep(0)), loop.create_task(asyncio.sleep(0), name="mine")]
        await asyncio.gather(*tasks)
        return [task.get_name() for task in tasks]

    assert run(main) == run(main) == ["Task-2", "mine"]


def test_a_set_of_tasks_or_futures_is_walked_in_order() -> None:
    """They hash by number, so a small set of them keeps the order of creation."""

    async def main(loop: VirtualLoop) -> bool:
        tasks = [asyncio.create_task(asyncio.sleep(0)) for _ in range(5)]
        futures = [loop.create_future() for _ in range(5)]
        in_order = sorted(tasks, key=hash) == tasks and [hash(future) for future in futures] == sorted(map(hash, futures))
        await asyncio.gather(*tasks)
        return in_order

    assert run(main)


def test_async_generators_are_closed_in_the_order_of_their_first_use() -> None:
    """shutdown_asyncgens walks them oldest first."""
    closed: list[int] = []

    async def numbers(name: int) -> Any:
        try:
            yield name
        finally:
            closed.append(name)

    async def main(loop: VirtualLoop) -> None:
        generators = [numbers(name) for name in range(12)]
        for generator in generators:
            await anext(generator)
        await loop.shutdown_asyncgens()

    run(main)
    assert closed == list(range(12))


def test_asyncios_runner_takes_the_loop() -> None:
    """asyncio.Runner with this loop runs, cancels leftovers and closes."""

    async def main() -> float:
        asyncio.get_running_loop().call_later(1, lambda: None)
        await asyncio.sleep(5)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == 5.0


def test_debug_mode_works() -> None:
    """asyncio's debug mode changes nothing that happens."""

    async def main(loop: VirtualLoop) -> int:
        loop.set_debug(True)
        await asyncio.gather(*(asyncio.sleep(number) for number in range(3)))
        return loop.now_ns

    assert run(main) == 2 * SECOND


def test_a_stopped_loop_stops_and_goes_on() -> None:
    """stop() ends run_forever after the turn; running again continues at the same instant."""
    loop = VirtualLoop()
    rung: list[int] = []
    loop.call_later(1, loop.stop)
    loop.call_later(2, rung.append, 2)
    loop.call_later(2, loop.stop)
    loop.run_forever()
    assert (rung, loop.now_ns) == ([], SECOND)
    loop.run_forever()
    assert (rung, loop.now_ns) == ([2], 2 * SECOND)
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_later(1, print)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks_are_numbered_too() -> None:
    """Tasks that start at once, made by factory or by hand, are walked in order, and end before the loop turns."""

    async def main(loop: VirtualLoop) -> list[Any]:
        log: list[int] = []

        async def work(number: int) -> int:
            log.append(number)
            if number % 2:
                await asyncio.sleep(1)
            return number

        loop.set_task_factory(asyncio.eager_task_factory)
        made = [loop.create_task(work(number)) for number in range(6)]
        made += [asyncio.Task(work(number), loop=loop, eager_start=True) for number in range(6, 12)]
        assert log == list(range(12))
        done, _ = await asyncio.wait(made)
        return [task.result() for task in done]

    assert run_virtual(main) == list(range(12))


@pytest.mark.parametrize("set_timer", ["call_later", "call_at"])
def test_a_timer_for_the_infinite_future_never_rings_and_is_nothing_to_wait_for(set_timer: str) -> None:
    """anyio sleeps for ever so; with nothing else to come that is a deadlock, and cancelling the timer counts for nothing."""

    async def main(loop: VirtualLoop) -> None:
        getattr(loop, set_timer)(float("inf"), print).cancel()
        getattr(loop, set_timer)(float("inf"), print)
        await asyncio.sleep(86_400)
        await loop.create_future()

    with pytest.raises(StuckSimulation, match="nothing can ever happen again"):
        run(main)
