"""Tasks, cancelling, timeouts and groups: the same answers on our loop as on asyncio's own, and on ours in no time."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from runtime.manners import both, run_on, settle


async def cancelled_at(started: asyncio.Event) -> None:
    started.set()
    await asyncio.get_running_loop().create_future()


@both
def test_a_cancelled_task_may_clean_up_and_may_refuse(kind: str) -> None:
    """cancelling counts, uncancel takes one back, and the message arrives."""

    async def stubborn(log: list[Any]) -> str:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            assert task is not None
            log += [error.args, task.cancelling(), task.uncancel()]
        await asyncio.sleep(0)
        return "still here"

    async def main() -> Any:
        log: list[Any] = []
        task = asyncio.create_task(stubborn(log))
        await settle()
        task.cancel("enough")
        result = await task
        return result, log, task.cancelled(), task.cancel()

    assert run_on(kind, main) == (("still here", [("enough",), 1, 0], False, False), [])


@both
def test_a_shield_keeps_what_is_inside(kind: str) -> None:
    """The waiter is cancelled, the work goes on; an error nobody is left to hear of is told."""

    async def main() -> Any:
        inner = asyncio.get_running_loop().create_future()

        async def wait() -> Any:
            return await asyncio.shield(inner)

        task = asyncio.create_task(wait())
        await settle()
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        inner.set_result("done")
        return type(outcome), await inner

    assert run_on(kind, main)[0] == (asyncio.CancelledError, "done")


@both
def test_a_group_cancels_the_others_when_one_fails(kind: str) -> None:
    """In the order they were made; it raises all errors together, and its own body is cancelled too."""
    log: list[Any] = []

    async def waits(name: str) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            log.append(name)
            if name == "second":
                raise KeyError(name) from None
            raise

    async def fails() -> None:
        raise ValueError("first")

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for name in ("first", "second", "third"):
                group.create_task(waits(name))
            await settle()
            group.create_task(fails())
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                log.append("body")
                raise

    with pytest.raises(BaseExceptionGroup) as caught:
        run_on(kind, main)
    assert [repr(error) for error in caught.value.exceptions] == ["ValueError('first')", "KeyError('second')"]
    assert sorted(log) == ["body", "first", "second", "third"]
    if kind == "virtual":
        assert log == ["first", "second", "third", "body"]  # on asyncio's own in the order of addresses in memory


@both
@pytest.mark.parametrize("how", [asyncio.ALL_COMPLETED, asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION])
def test_wait_comes_back_when_asked_to(kind: str, how: str) -> None:
    """With what is done and what is not."""

    async def main() -> Any:
        futures = [asyncio.get_running_loop().create_future() for _ in range(3)]
        waiting = asyncio.ensure_future(asyncio.wait(futures, return_when=how))
        await settle()
        steps = []
        futures[0].set_result(0)
        await settle()
        steps.append(waiting.done())
        futures[1].set_exception(ValueError("1"))
        await settle()
        steps.append(waiting.done())
        futures[2].set_result(2)
        done, pending = await waiting
        futures[1].exception()
        return steps, len(done), len(pending)

    expected = {"ALL_COMPLETED": ([False, False], 3, 0), "FIRST_COMPLETED": ([True, True], 1, 2), "FIRST_EXCEPTION": ([False, True], 2, 1)}
    assert run_on(kind, main)[0] == expected[how]


@both
def test_gather_keeps_the_order_and_hands_on_cancelling(kind: str) -> None:
    """Results in the order of asking; cancelling it cancels all; with return_exceptions an error is a result."""

    async def main() -> Any:
        futures = [asyncio.get_running_loop().create_future() for _ in range(3)]
        both_ways = asyncio.gather(*futures, return_exceptions=True)
        futures[2].set_result("c")
        futures[0].set_result("a")
        futures[1].set_exception(ValueError("b"))
        results = [repr(each) for each in await both_ways]
        more = [asyncio.get_running_loop().create_future() for _ in range(2)]
        gathered = asyncio.gather(*more)
        gathered.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gathered
        return results, [each.cancelled() for each in more]

    assert run_on(kind, main)[0] == (["'a'", "ValueError('b')", "'c'"], [True, True])


@both
def test_as_completed_yields_in_the_order_of_completion(kind: str) -> None:
    """Whatever the order of asking."""

    async def main() -> Any:
        futures = [asyncio.get_running_loop().create_future() for _ in range(3)]
        waiting = iter(asyncio.as_completed(futures))
        first = next(waiting)
        for future in (futures[1], futures[2], futures[0]):
            future.set_result(futures.index(future))
            await settle()
        return [await first, *[await each for each in waiting]]

    assert run_on(kind, main)[0] == [1, 2, 0]


def clocked(body: Callable[[], Awaitable[Any]]) -> tuple[Any, float]:
    """What it returned, and when."""

    async def main() -> Any:
        start = asyncio.get_running_loop().time()
        result = await body()
        return result, asyncio.get_running_loop().time() - start

    result: tuple[Any, float] = run_on("virtual", main)[0]
    return result


def test_of_two_timeouts_the_nearer_one_expires() -> None:
    """Inner or outer; only that one says so, and the other's block goes on."""

    async def body() -> Any:
        said = []
        for inner, outer in ((1, 2), (2, 1)):
            try:
                async with asyncio.timeout(outer) as out:
                    try:
                        async with asyncio.timeout(inner) as within:
                            await asyncio.sleep(10)
                    except TimeoutError:
                        said.append("inner")
            except TimeoutError:
                said.append("outer")
            said += [within.expired(), out.expired()]
        return said

    assert clocked(body) == (["inner", True, False, "outer", False, True], 2)


def test_timeouts_that_expire_at_one_instant_make_one_error() -> None:
    """The outer one was set first and rings first; the task is left uncancelled."""

    async def body() -> Any:
        try:
            async with asyncio.timeout(1) as out, asyncio.timeout(1):
                await asyncio.sleep(10)
        except TimeoutError:
            pass
        else:
            pytest.fail("it did not expire")
        task = asyncio.current_task()
        assert task is not None
        return out.expired(), task.cancelling()

    assert clocked(body) == ((True, 0), 1)


def test_a_timeout_can_be_moved_and_lifted() -> None:
    """reschedule counts in loop time; None is never; the past is now."""

    async def body() -> Any:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(1) as scope:
            await asyncio.sleep(0.5)
            scope.reschedule(loop.time() + 5)
            await asyncio.sleep(4)
            scope.reschedule(None)
            await asyncio.sleep(100)
            assert scope.when() is None
        try:
            async with asyncio.timeout(None) as scope:
                scope.reschedule(loop.time() - 1)
                await asyncio.sleep(1)
        except TimeoutError:
            return "at once"

    assert clocked(body) == ("at once", 104.5)


def test_wait_for_cancels_and_waits_for_what_it_gave_up() -> None:
    """The time out comes after the clean-up; a result that is there in time is returned; 0 does not wait."""

    async def slow() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(3)

    async def body() -> Any:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slow(), 2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(1), 0)
        return await asyncio.wait_for(asyncio.sleep(1, "x"), 2)

    assert clocked(body) == ("x", 6)


def test_timers_can_be_cancelled_and_say_when() -> None:
    """call_later and call_at, in order; a cancelled one does not ring."""

    async def body() -> Any:
        loop = asyncio.get_running_loop()
        rung: list[Any] = []
        start = loop.time()
        loop.call_later(2, rung.append, "two")
        handle = loop.call_at(start + 1, rung.append, "one")
        gone = loop.call_later(1.5, rung.append, "never")
        gone.cancel()
        when = handle.when() - start, gone.cancelled(), handle.cancelled()
        await asyncio.sleep(3)
        return rung, when

    assert clocked(body) == ((["one", "two"], (1, True, False)), 3)


@both
@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks_begin_at_once(kind: str) -> None:
    """What does not wait is done when create_task returns; the rest goes on like any task, also in a group."""

    async def quick() -> str:
        return "quick"

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        done = loop.create_task(quick(), name="named")
        before = done.done(), done.get_name()
        started = asyncio.Event()
        waits = loop.create_task(cancelled_at(started))
        begun = started.is_set(), waits in asyncio.all_tasks()
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        async with asyncio.TaskGroup() as group:
            in_group = group.create_task(quick())
        return before, begun, await done, in_group.result()

    assert run_on(kind, main) == (((True, "named"), (True, True), "quick", "quick"), [])


@both
def test_a_task_factory_is_asked(kind: str) -> None:
    """For every task, and can be taken away."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        made: list[str] = []

        def factory(loop: Any, coro: Any, **options: Any) -> Any:
            made.append(coro.__name__)
            return asyncio.Task(coro, loop=loop, **options)

        loop.set_task_factory(factory)
        assert loop.get_task_factory() is factory
        await asyncio.create_task(settle(), name="x")
        loop.set_task_factory(None)
        await asyncio.create_task(settle())
        return made

    assert run_on(kind, main)[0] == ["settle"]
