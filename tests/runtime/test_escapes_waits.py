"""Waiting for threads, files and people inside a run: refused where it would never end, virtual time where it would."""

# ruff: noqa: TID251 - what is banned elsewhere is what is tested here.

import asyncio
import builtins
import getpass
import queue
import select
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from typing import Any

import pytest

from papertape.model.errors import EscapedSimulation
from papertape.model.units import SECOND
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.world import run_virtual

pair = socket.socketpair()
alive = threading.Event()


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    yield
    for end in pair:
        end.close()


def inside(function: Any) -> Any:
    async def main(loop: VirtualLoop) -> Any:
        return function(), loop.now_ns, loop.stalls

    return run_virtual(main)


def refuse_event() -> Any:
    threading.Event().wait()


def refuse_condition() -> Any:
    condition = threading.Condition()
    with condition:
        condition.wait()


def refuse_queue() -> Any:
    queue.Queue().get()


def refuse_full_queue() -> Any:
    full: Any = queue.Queue(1)
    full.put(1)
    full.put(2)


def refuse_simple_queue() -> Any:
    queue.SimpleQueue().get()


def refuse_result() -> Any:
    Future().result()


def refuse_futures() -> Any:
    wait([Future()])


def refuse_semaphore() -> Any:
    threading.Semaphore(0).acquire()


def refuse_barrier() -> Any:
    threading.Barrier(2).wait()


def refuse_select() -> Any:
    select.select([pair[0]], [], [], 1)


def refuse_select_for_ever() -> Any:
    select.select([], [], [])


def refuse_poll() -> Any:
    poll = select.poll()
    poll.register(pair[0])
    poll.poll(1000)


def refuse_epoll() -> Any:
    with select.epoll() as epoll:
        epoll.poll(1)


def refuse_selector() -> Any:
    with selectors.DefaultSelector() as selector:
        selector.register(pair[0], selectors.EVENT_READ)
        selector.select(1)


def refuse_input() -> Any:
    builtins.input()


def refuse_password() -> Any:
    getpass.getpass()


def refuse_coroutine_from_a_thread() -> Any:
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), asyncio.get_running_loop()).result()


@pytest.mark.parametrize("attempt", [value for name, value in sorted(globals().items()) if name.startswith("refuse_")])
def test_what_would_wait_for_ever_is_refused(attempt: Any) -> None:
    """It raises at once, at the line of the user's code; afterwards the machine has its own again."""

    def caught() -> str:
        with pytest.raises(EscapedSimulation) as error:
            attempt()
        return str(error.value)

    message, now_ns, _ = inside(caught)
    first = attempt.__code__.co_firstlineno
    assert any(message.startswith(f"{__file__}:{line} in {attempt.__name__}: ") for line in range(first, first + 5)), message
    assert now_ns == 0


def times_out(function: Any, *kinds: type[BaseException]) -> Any:
    try:
        return function()
    except kinds as error:
        return type(error)


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (lambda: threading.Event().wait(2), False),
        (lambda: times_out(lambda: queue.Queue().get(timeout=2), queue.Empty), queue.Empty),
        (lambda: times_out(lambda: queue.Queue().get(timeout=1.7) or 0, queue.Empty) and threading.Event().wait(0.3), False),
        (lambda: times_out(lambda: queue.SimpleQueue().get(timeout=2), queue.Empty), queue.Empty),
        (lambda: times_out(lambda: Future().result(2), TimeoutError), TimeoutError),
        (lambda: threading.Semaphore(0).acquire(timeout=2), False),
        (lambda: times_out(lambda: threading.Barrier(2, timeout=2).wait(), threading.BrokenBarrierError), threading.BrokenBarrierError),
        (lambda: select.select([], [], [], 2), ([], [], [])),
        (lambda: selectors.DefaultSelector().select(2), []),
    ],
)
def test_a_wait_with_a_time_out_is_virtual_time(attempt: Any, expected: Any) -> None:
    """It times out, after exactly its time, none of which is the machine's; the lines that waited are on record."""
    result, now_ns, stalls = inside(attempt)
    assert result == expected
    assert now_ns == pytest.approx(2 * SECOND, abs=1000)
    assert sum(stalls.values()) == now_ns
    assert all(line.startswith(f"{__file__}:") for line in stalls)


def test_what_does_not_wait_works() -> None:
    """Queues that hold something, events that are set, looks at files that do not wait."""

    def use() -> Any:
        plain: Any = queue.Queue()
        plain.put(1)
        simple: Any = queue.SimpleQueue()
        simple.put(2)
        event = threading.Event()
        event.set()
        poll = select.poll()
        poll.register(pair[0], select.POLLIN)
        with pytest.raises(queue.Empty):
            queue.SimpleQueue().get(block=False)
        return plain.get(), simple.get(), event.wait(), poll.poll(0), threading.Event().wait(0), threading.Lock().acquire()

    assert inside(use) == ((1, 2, True, [], False, True), 0, {})


def test_a_thread_from_before_is_not_waited_for() -> None:
    """join() on one that still runs is refused, or takes its time-out; on one that has ended it returns."""
    ended = threading.Thread(target=int)
    ended.start()
    ended.join()
    running = threading.Thread(target=alive.wait, args=(30,))
    running.start()

    def use() -> Any:
        ended.join()
        running.join(3)
        with pytest.raises(EscapedSimulation, match="waiting for a thread to end without a time-out"):
            running.join()

    try:
        assert inside(use)[1] == 3 * SECOND
    finally:
        alive.set()
        running.join()


def test_waiting_wakes_what_is_due_meanwhile_only_afterwards() -> None:
    """As during time.sleep, nothing else of a bot happens while it blocks."""

    async def main(loop: VirtualLoop) -> list[Any]:
        order: list[Any] = []
        loop.call_later(1, order.append, "timer")
        threading.Event().wait(5)
        order.append(time.monotonic())
        await asyncio.sleep(0.1)
        return order

    assert run_virtual(main) == [5.0, "timer"]


def test_other_threads_wait_as_ever() -> None:
    """While a run lasts, a thread outside waits for another and for files in real time."""
    from papertape.runtime.patch.active import aside

    ask, answer, seen = threading.Event(), threading.Event(), []

    def bystander() -> None:
        ask.wait()
        simple: Any = queue.SimpleQueue()
        worker = threading.Thread(target=simple.put, args=(1,))
        worker.start()
        seen.append((simple.get(), select.select([], [pair[0]], [], 9)[1] == [pair[0]], worker.join(9)))
        answer.set()

    thread = threading.Thread(target=bystander)
    thread.start()

    def use() -> None:
        with aside():
            ask.set()
            assert answer.wait(30)

    inside(use)
    thread.join()
    assert seen == [(1, True, None)]
