"""A run that cannot go on says who waits, and where."""

# ruff: noqa: TID251, ASYNC251 - what is banned elsewhere is what is tested here.

import asyncio
import threading
import time

import pytest

from papertape.model.errors import EscapedSimulation, StuckSimulation
from papertape.model.units import MILLISECOND, SECOND
from papertape.runtime.loop import TURNS_MAX, TimeIsUp, VirtualLoop
from papertape.runtime.world import run_virtual


def test_a_deadlock_names_the_waiting_lines() -> None:
    """When nothing can ever happen again, every waiting task is named with its line of the user's code."""

    async def waits_for_nobody(event: asyncio.Event) -> None:
        await event.wait()

    async def main(loop: VirtualLoop) -> None:
        task = asyncio.create_task(waits_for_nobody(asyncio.Event()), name="consumer")
        await asyncio.sleep(3)
        await task

    with pytest.raises(StuckSimulation) as caught:
        run_virtual(main)
    message = str(caught.value)
    assert "nothing can ever happen again after 3s" in message
    assert f"task consumer at {__file__}:{waits_for_nobody.__code__.co_firstlineno + 1} in" in message
    assert f"{__file__}:{main.__code__.co_firstlineno + 3} in" in message


def test_turning_without_time_is_stopped() -> None:
    """A loop that spins at one instant ends with the names of those who spin."""

    async def spinner() -> None:
        while True:
            await asyncio.sleep(0)

    async def main(loop: VirtualLoop) -> None:
        await asyncio.sleep(2)
        await spinner()

    with pytest.raises(StuckSimulation, match=r"stands still at 2s.*spinner"):
        run_virtual(main)


def test_a_timer_that_is_always_due_is_stopped() -> None:
    """Setting a timer for the past again and again is spinning too."""

    async def main(loop: VirtualLoop) -> None:
        def again() -> None:
            loop.call_at(0, again)

        again()
        await asyncio.sleep(1)

    with pytest.raises(StuckSimulation, match="timers that are always due"):
        run_virtual(main)


def test_waiting_by_time_sleep_for_something_that_cannot_happen_is_stopped() -> None:
    """A program that sleeps in a loop until a callback has run never lets it run."""

    async def main(loop: VirtualLoop) -> None:
        arrived: list[int] = []
        loop.call_later(1, arrived.append, 1)
        while not arrived:
            time.sleep(0.01)

    with pytest.raises(StuckSimulation, match=rf"{__file__}:\d+ in .*time\.sleep was called 100000 times"):
        run_virtual(main)


def test_time_sleep_in_every_callback_of_a_feed_is_allowed() -> None:
    """However many rows a feed hands over in one turn, a callback that blocks for each of them gets on."""

    class Rows:
        def __init__(self, loop: VirtualLoop) -> None:
            self.loop, self.left = loop, TURNS_MAX + 10

        def next_key(self) -> tuple[int, int] | None:
            return (TURNS_MAX - self.left + 10, 0) if self.left else None

        def step(self) -> None:
            while self.left:
                self.left -= 1
                time.sleep(0.001)

    async def main(loop: VirtualLoop) -> int:
        loop.feed = Rows(loop)
        await asyncio.sleep(1)
        return loop.now_ns

    assert run_virtual(main) == (TURNS_MAX + 10) * MILLISECOND


def test_much_work_at_one_instant_is_allowed() -> None:
    """50,000 turns at one instant are no spinning, if time then moves on, as often as you like."""

    async def main(loop: VirtualLoop) -> int:
        for _ in range(3):
            for _ in range(50_000):
                await asyncio.sleep(0)
            await asyncio.sleep(1)
        return loop.now_ns

    assert run_virtual(main) == 3 * SECOND


def test_the_limit_of_virtual_time_is_kept() -> None:
    """What is due at the limit still happens; then the run ends with who waits."""
    happened = []

    async def main(loop: VirtualLoop) -> None:
        loop.call_later(10, happened.append, "at the limit")
        loop.call_later(10.000000001, happened.append, "after it")
        await asyncio.sleep(60)

    with pytest.raises(TimeIsUp, match=r"limit of 10s .* still waiting: task Task-1"):
        run_virtual(main, limit_ns=10 * SECOND)
    assert happened == ["at the limit"]


def test_the_limit_can_be_moved() -> None:
    """set_limit_ns replaces the limit, also with none."""

    async def main(loop: VirtualLoop) -> int:
        loop.set_limit_ns(5 * SECOND)
        loop.set_limit_ns(None)
        await asyncio.sleep(60)
        loop.set_limit_ns(61 * SECOND)
        await asyncio.sleep(60)
        return 0

    with pytest.raises(TimeIsUp, match="1m1s"):
        run_virtual(main, limit_ns=SECOND)


def test_a_call_from_another_thread_fails_the_run() -> None:
    """A thread from outside that calls in gets EscapedSimulation, and so does the run, with the line that called."""
    seen: list[BaseException] = []

    def call(loop: VirtualLoop) -> None:
        try:
            loop.call_soon_threadsafe(print)
        except EscapedSimulation as error:
            seen.append(error)

    async def main(loop: VirtualLoop) -> None:
        thread = threading.Thread(target=call, args=(loop,))
        thread.start()
        thread.join()
        await asyncio.sleep(1)

    with pytest.raises(EscapedSimulation, match=rf"{__file__}:\d+ in .*call: call_soon_threadsafe from another thread"):
        run_virtual(main, patch=False)
    assert len(seen) == 1


@pytest.mark.parametrize(
    "attempt",
    [
        lambda loop: loop.add_signal_handler(2, print),
        lambda loop: loop.create_datagram_endpoint(asyncio.DatagramProtocol),
        lambda loop: loop.subprocess_exec(asyncio.SubprocessProtocol, "ls"),
        lambda loop: loop.subprocess_shell(asyncio.SubprocessProtocol, "ls"),
        lambda loop: loop.sock_connect(None, None),
        lambda loop: loop.add_reader(0, print),
        lambda loop: loop.create_unix_connection(asyncio.Protocol, "x"),
        lambda loop: loop.connect_read_pipe(asyncio.Protocol, None),
        lambda loop: loop.create_connection(asyncio.Protocol, "example.com", 80),
        lambda loop: loop.getaddrinfo("example.com", 80),
    ],
)
def test_a_way_out_is_refused_with_its_line(attempt) -> None:  # type: ignore[no-untyped-def]  # parametrized by functions of many shapes
    """Signals, UDP, processes, pipes and real sockets are refused, naming the line of the user's code and what to do instead."""

    async def main(loop: VirtualLoop) -> str:
        async def try_it() -> None:
            await attempt(loop)

        with pytest.raises(EscapedSimulation) as caught:
            await try_it()
        assert loop.escapes == [caught.value]
        return str(caught.value)

    message = run_virtual(main)
    assert message.startswith(f"{__file__}:")
    assert "inside a simulation; " in message
