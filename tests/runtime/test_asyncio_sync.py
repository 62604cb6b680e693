"""Queues, locks and their kin are fair in the order of coming, on our loop as on asyncio's own."""

import asyncio
import sys
from typing import Any

import pytest

from runtime.manners import both, run_on, settle


@both
@pytest.mark.parametrize(
    ("make", "expected"), [(asyncio.Queue, [2, 3, 1]), (asyncio.LifoQueue, [1, 3, 2]), (asyncio.PriorityQueue, [1, 2, 3])]
)
def test_queues_hand_out_in_their_order(kind: str, make: Any, expected: list[int]) -> None:
    """First, last or least first; full and empty are errors of their own; join waits for the last task_done."""

    async def main() -> Any:
        queue = make(3)
        for item in (2, 3, 1):
            queue.put_nowait(item)
        with pytest.raises(asyncio.QueueFull):
            queue.put_nowait(4)
        joined = asyncio.ensure_future(queue.join())
        got = []
        for _ in range(3):
            got.append(await queue.get())
            assert not joined.done()
            queue.task_done()
        await joined
        with pytest.raises(asyncio.QueueEmpty):
            queue.get_nowait()
        with pytest.raises(ValueError, match="too many times"):
            queue.task_done()
        return got

    assert run_on(kind, main) == (expected, [])


@both
def test_a_full_queue_makes_writers_wait_and_serves_them_in_turn(kind: str) -> None:
    """One that is cancelled gives its turn on."""

    async def main() -> Any:
        queue: asyncio.Queue[str] = asyncio.Queue(1)
        queue.put_nowait("first")
        writers = [asyncio.ensure_future(queue.put(item)) for item in ("a", "b", "c")]
        await settle()
        writers[1].cancel()
        got = [await queue.get() for _ in range(3)]
        await asyncio.gather(*writers, return_exceptions=True)
        readers = [asyncio.ensure_future(queue.get()) for _ in range(3)]
        await settle()
        readers[0].cancel()
        await queue.put("x")
        await queue.put("y")
        await settle()
        return got, [reader.result() for reader in readers[1:]]

    assert run_on(kind, main)[0] == (["first", "a", "c"], ["x", "y"])


@both
@pytest.mark.skipif(sys.version_info < (3, 13), reason="Queue.shutdown came with Python 3.13")
@pytest.mark.parametrize("immediate", [False, True])
def test_a_queue_that_is_shut_down(kind: str, immediate: bool) -> None:
    """Takes no more, gives what it has unless at once, then says so to whoever waits."""

    async def main() -> Any:
        queue: Any = asyncio.Queue(1)
        queue.put_nowait("left")
        writer = asyncio.ensure_future(queue.put("late"))
        await settle()
        queue.shutdown(immediate=immediate)
        shut_down = asyncio.QueueShutDown  # type: ignore[attr-defined]  # since Python 3.13
        with pytest.raises(shut_down):
            await queue.put("more")
        got = [] if immediate else [await queue.get()]
        with pytest.raises(shut_down):
            await queue.get()
        (outcome,) = await asyncio.gather(writer, return_exceptions=True)
        return got, isinstance(outcome, shut_down)

    assert run_on(kind, main)[0] == ([] if immediate else ["left"], True)


@both
@pytest.mark.parametrize("make", [asyncio.Lock, lambda: asyncio.Semaphore(1), asyncio.Condition], ids=["lock", "semaphore", "condition"])
def test_locks_are_given_in_the_order_of_asking(kind: str, make: Any) -> None:
    """Also past somebody who was cancelled while waiting; who releases does not get it again first."""

    async def main() -> Any:
        lock = make()
        order: list[str] = []

        async def take(name: str) -> None:
            for turn in "12":
                async with lock:
                    order.append(name + turn)
                    await asyncio.sleep(0)

        async with lock:
            tasks = [asyncio.ensure_future(take(name)) for name in "abc"]
            await settle()
            tasks[1].cancel()
            assert lock.locked()
        await asyncio.gather(*tasks, return_exceptions=True)
        return order, lock.locked()

    assert run_on(kind, main)[0] == (["a1", "c1", "a2", "c2"], False)


@both
def test_a_semaphore_counts_and_a_bounded_one_checks(kind: str) -> None:
    """As many as its value may enter; too many releases are an error."""

    async def main() -> Any:
        semaphore = asyncio.BoundedSemaphore(2)
        inside, most = 0, 0

        async def enter() -> None:
            nonlocal inside, most
            async with semaphore:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*(enter() for _ in range(5)))
        with pytest.raises(ValueError, match="released too many times"):
            semaphore.release()
        return most

    assert run_on(kind, main)[0] == 2


@both
def test_a_condition_wakes_as_many_as_it_is_told(kind: str) -> None:
    """In the order of waiting; wait_for looks again each time."""

    async def main() -> Any:
        condition = asyncio.Condition()
        woken: list[int] = []

        async def wait(number: int) -> None:
            async with condition:
                await condition.wait_for(lambda: number < 3 or len(woken) >= 3)
                if number < 3:
                    await condition.wait()
                woken.append(number)
                condition.notify_all()

        tasks = [asyncio.ensure_future(wait(number)) for number in range(4)]
        await settle()
        async with condition:
            condition.notify(2)
        await asyncio.gather(*tasks)
        with pytest.raises(RuntimeError, match="un-acquired"):
            condition.notify()
        return sorted(woken[:2]), woken[-1]

    assert run_on(kind, main)[0] == ([0, 1], 3)


@both
def test_an_event_wakes_everybody_in_turn(kind: str) -> None:
    """And nobody after it was cleared."""

    async def main() -> Any:
        event = asyncio.Event()
        order: list[int] = []

        async def wait(number: int) -> None:
            await event.wait()
            order.append(number)

        tasks = [asyncio.ensure_future(wait(number)) for number in range(3)]
        await settle()
        event.set()
        event.clear()
        late = asyncio.ensure_future(wait(9))
        await asyncio.gather(*tasks)
        await settle()
        was_waiting = not late.done()
        late.cancel()
        return order, was_waiting

    assert run_on(kind, main)[0] == ([0, 1, 2], True)


@both
def test_a_barrier_lets_all_through_together_or_none(kind: str) -> None:
    """Everybody gets a place; abort breaks it for who waits."""

    async def main() -> Any:
        barrier = asyncio.Barrier(3)
        places = await asyncio.gather(*(barrier.wait() for _ in range(3)))
        waiting = [asyncio.ensure_future(barrier.wait()) for _ in range(2)]
        await settle()
        await barrier.abort()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        await barrier.reset()
        return sorted(places), [type(each) for each in outcomes], barrier.broken

    assert run_on(kind, main)[0] == ([0, 1, 2], [asyncio.BrokenBarrierError] * 2, False)
