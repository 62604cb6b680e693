"""A program's own loop inside a simulated world."""

# ruff: noqa: TID251, ASYNC251 - what programs use

from __future__ import annotations

import asyncio
import atexit
import gc
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from papertape.model.errors import EscapedSimulation, StuckSimulation
from papertape.model.units import SECOND
from papertape.runtime.guest import GuestLoop, HostLoop, Killed
from papertape.runtime.loop import TimeIsUp
from papertape.runtime.network import Network
from papertape.runtime.rank import END
from papertape.runtime.world import virtual_world

HOST = "echo.example"


@contextmanager
def world(limit_s: int | None = None) -> Iterator[HostLoop]:
    """A world with an echo server that answers half a second later, and a clock that ticks each second."""
    host = HostLoop(limit_ns=None if limit_s is None else limit_s * SECOND)
    with virtual_world(host):
        host.network = Network(host)
        host.run_until_complete(host.create_task(_serve(host)))
        host.beats = []  # type: ignore[attr-defined]  # noted on the host for this test
        beat = host.create_task(_beat(host))
        host.has_program = True
        try:
            yield host
        finally:
            host.has_program = False
            beat.cancel()


async def _serve(host: HostLoop) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert asyncio.get_running_loop() is host
        try:
            while data := await reader.read(100):
                await asyncio.sleep(0.5)
                writer.write(data)
        finally:
            writer.close()

    await asyncio.start_server(echo, HOST, 80)


async def _beat(host: Any) -> None:
    while True:
        await asyncio.sleep(1)
        host.beats.append(host.now_ns // SECOND)


async def ask(text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, 80)
    writer.write(text)
    answer = await reader.read(100)
    writer.close()
    return answer


def test_a_program_runs_its_own_loop_against_the_worlds_servers() -> None:
    """`asyncio.run` works as in a process of its own, again and again, and time goes on over all of them."""
    with world() as host:
        assert asyncio.run(ask(b"one")) == b"one"
        assert asyncio.run(ask(b"two")) == b"two"
        assert host.now_ns == pytest.approx(1_000_800_000, abs=1_000_000)
        assert [guest.is_closed() for guest in host.guests] == [True, True]


def test_the_end_of_asyncio_run_cancels_the_programs_tasks_alone() -> None:
    """The world's tasks are not seen, not cancelled, and go on."""
    seen: list[int] = []

    async def main() -> None:
        lonely = asyncio.create_task(asyncio.sleep(1000))
        lonely.add_done_callback(lambda task: seen.append(task.cancelled()))
        await asyncio.sleep(0)
        seen.append(len(asyncio.all_tasks()))

    with world() as host:
        asyncio.run(main())
        time.sleep(3.5)
        assert seen == [2, True]
        assert host.beats == [1, 2, 3]  # type: ignore[attr-defined]  # noted on the host for this test


def test_everything_of_a_program_runs_on_its_own_loop() -> None:
    """Callbacks, timers, tasks and what the network calls all find the program's loop running."""
    loops: list[Any] = []

    class Client(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            loops.append(asyncio.get_running_loop())

        def connection_lost(self, error: Exception | None) -> None:
            loops.append(asyncio.get_running_loop())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: loops.append(asyncio.get_running_loop()))
        loop.call_later(0.1, lambda: loops.append(asyncio.get_running_loop()))
        transport, _ = await loop.create_connection(Client, HOST, 80)
        transport.write(b"x")
        await asyncio.sleep(1)
        transport.close()
        await asyncio.sleep(1)

    with world() as host:
        asyncio.run(main())
        assert len(loops) == 4
        assert set(loops) == set(host.guests)


def test_time_sleep_stops_the_program_and_not_the_world() -> None:
    """While it sleeps none of its tasks and timers has a turn; the world's do, at their own times."""
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.4)
            ticks.append(time.monotonic())

    async def main() -> None:
        task = asyncio.create_task(tick())
        await asyncio.sleep(1)
        time.sleep(3)
        assert ticks == [0.4, 0.8]
        await asyncio.sleep(0.1)
        task.cancel()

    with world() as host:
        asyncio.run(main())
        assert host.beats == [1, 2, 3, 4]  # type: ignore[attr-defined]  # noted on the host for this test
        assert ticks == [0.4, 0.8, 4.0]  # at once, when it wakes
        assert list(host.stalls.values()) == [3 * SECOND]


def test_a_sleep_in_an_executor_lets_the_programs_tasks_go_on() -> None:
    """It would be on another thread."""
    ticks: list[float] = []

    async def tick() -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            ticks.append(time.monotonic())

    async def main() -> None:
        task = asyncio.create_task(tick())
        await asyncio.to_thread(time.sleep, 2.5)
        assert time.monotonic() == 2.5
        assert ticks == [1.0, 2.0]
        await task

    with world():
        asyncio.run(main())
        assert ticks == [1.0, 2.0, 3.0]


def test_what_a_program_leaves_between_two_runs_of_its_loop_waits_for_the_second() -> None:
    """As with a real loop that is not running."""
    done: list[float] = []
    with world():
        loop = asyncio.new_event_loop()
        loop.call_later(1, lambda: done.append(time.monotonic()))
        loop.run_until_complete(asyncio.sleep(0.5))
        time.sleep(5)
        assert done == []
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
        assert done == [5.5]
        loop.close()


def test_what_was_due_while_a_loop_did_not_run_comes_first_and_in_order() -> None:
    """Before anything that was asked of the loop later."""
    done: list[str] = []
    with world():
        loop = asyncio.new_event_loop()
        loop.call_later(1, done.append, "due first")
        loop.call_later(2, done.append, "due second")
        time.sleep(5)
        loop.call_soon(done.append, "asked later")
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    assert done == ["due first", "due second", "asked later"]


def test_nobody_is_told_of_what_a_program_that_is_over_left_undone(caplog: pytest.LogCaptureFixture) -> None:
    """A process that has gone says nothing of its pending tasks, nor does the verdict; a task that is dropped before that is told of."""
    tasks: list[asyncio.Task[Any]] = []

    async def leave_one() -> None:
        tasks.append(asyncio.create_task(asyncio.Event().wait()))  # type: ignore[arg-type]  # what it waits for is the same to all
        await asyncio.sleep(0)

    def drop(loop: asyncio.AbstractEventLoop) -> tuple[int, int]:
        tasks.clear()
        gc.collect()
        return len(loop.unhandled), caplog.text.count("Task was destroyed but it is pending!")  # type: ignore[attr-defined]  # a loop of ours

    with world() as host:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(leave_one())
        assert drop(loop) == (1, 1)
        loop.run_until_complete(leave_one())
        host.guests[0].bury()
        assert drop(loop) == (1, 1)


def test_a_closed_loop_hangs_up() -> None:
    """Whoever hears of it can close the program's connections, and bytes for them fall on deaf ears."""
    closed: list[GuestLoop] = []

    async def main() -> None:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, HOST, 80)
        transport.write(b"never read")

    with world() as host:
        host.on_guest_closed = closed.append
        asyncio.run(main())
        time.sleep(2)
        assert closed == host.guests


def test_nothing_that_can_happen_any_more_is_said_with_the_programs_line() -> None:
    """A deadlock names the program's task, not the world's."""

    async def waits_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    host = HostLoop()
    with virtual_world(host):
        host.has_program = True
        with pytest.raises(StuckSimulation, match="waits_for_ever"):
            asyncio.run(waits_for_ever())
        assert host.ended is not None


def test_a_program_that_catches_the_end_is_ended_all_the_same() -> None:
    """After a few more attempts comes what cannot be mistaken for an error."""

    def stubborn() -> None:
        while True:
            try:
                asyncio.run(asyncio.sleep(1000))
            except Exception:
                continue

    with world(limit_s=10) as host:
        with pytest.raises(Killed):
            stubborn()
        assert isinstance(host.ended, TimeIsUp)


def _ends_by(react: Callable[[list[str]], None]) -> list[str]:
    log: list[str] = []
    with world() as host:
        host.schedule_ns(2 * SECOND, END, host.signals.deliver, int(signal.SIGINT))
        react(log)
    return log


def test_ctrl_c_ends_a_program_as_in_life() -> None:
    """asyncio.run cancels main, lets it clean up, and raises KeyboardInterrupt."""

    async def main(log: list[str]) -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            log.append(f"cleaning up at {time.monotonic()}")
            raise

    def program(log: list[str]) -> None:
        try:
            asyncio.run(main(log))
        except KeyboardInterrupt:
            log.append("bye")

    assert _ends_by(program) == ["cleaning up at 2.0", "bye"]


def test_ctrl_c_reaches_a_program_that_sleeps() -> None:
    """Outside of any loop it is raised where the program is."""

    def program(log: list[str]) -> None:
        try:
            time.sleep(1000)
        except KeyboardInterrupt:
            log.append(f"{time.monotonic()}")

    assert _ends_by(program) == ["2.0"]


def test_a_program_may_handle_signals_itself() -> None:
    """On its loop, or with `signal.signal`; the process's own handlers are untouched."""

    async def main(log: list[str]) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
        await stop.wait()
        log.append(f"stopped at {time.monotonic()}")
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGTERM, lambda number, frame: log.append(f"signal {number}"))
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    assert _ends_by(lambda log: asyncio.run(main(log))) == ["stopped at 2.0", "signal 15"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_exit_handlers_and_sudden_exits_stay_inside() -> None:
    """`atexit` is the run's, and `os._exit` ends the program alone."""
    with world() as host:
        atexit.register(print, "never in this process")
        assert [entry[1] for entry in host.at_exit] == [("never in this process",)]
        atexit.unregister(print)
        assert host.at_exit == []
        with pytest.raises(SystemExit) as left:
            os._exit(3)
        assert left.value.code == 3


def test_nobody_gets_a_loop_before_or_after_the_program() -> None:
    """Only a program makes loops; code of the world has its own."""
    host = HostLoop()
    with virtual_world(host), pytest.raises(EscapedSimulation, match="another event loop"):
        asyncio.new_event_loop()


def test_async_generators_are_closed_by_the_loop_that_walks_them() -> None:
    """The end of the program's loop closes its own; the world's walk on."""
    closed: list[str] = []

    async def numbers(who: str) -> Any:
        try:
            for number in range(100):
                yield number
                await asyncio.sleep(1)
        finally:
            closed.append(who)

    async def walk(who: str) -> None:
        async for number in numbers(who):
            if number == 3:
                break
            if who == "program" and number == 1:
                return

    async def main() -> None:
        async for _ in numbers("program"):
            break

    with world() as host:
        theirs = host.create_task(walk("world"))
        time.sleep(0.5)
        asyncio.run(main())
        assert closed == ["program"]
        time.sleep(5)
        assert theirs.done()
