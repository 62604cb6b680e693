"""What else programs ask of a loop: callbacks, executors, contexts, generators, debug mode; and what it refuses, naming the line."""

import asyncio
import contextvars
import gc
import logging
import signal
import socket
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest

from papertape.model.errors import EscapedSimulation
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.world import run_virtual
from runtime.manners import both, run_on, settle

who = contextvars.ContextVar("who", default="nobody")


@both
def test_callbacks_run_in_order_and_in_their_context(kind: str) -> None:
    """Each sees the variables of its own instant, or those it was given; a cancelled one does not run."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        seen: list[str] = []
        who.set("first")
        loop.call_soon(lambda: seen.append(who.get()))
        who.set("second")
        loop.call_soon_threadsafe(lambda: seen.append(who.get()))
        loop.call_soon(lambda: seen.append(who.get()), context=contextvars.Context())
        loop.call_soon(seen.append, "never").cancel()
        who.set("third")
        await asyncio.create_task(settle(1))
        return seen

    assert run_on(kind, main)[0] == ["first", "second", "nobody"]


@both
def test_a_task_has_its_own_context(kind: str) -> None:
    """What it sets stays in it, unless it was given one to share."""

    async def become(name: str) -> str:
        before = who.get()
        who.set(name)
        return before

    async def main() -> Any:
        who.set("main")
        own = await asyncio.create_task(become("child"))
        shared = contextvars.copy_context()
        await asyncio.create_task(become("guest"), context=shared)
        return own, who.get(), shared[who]

    assert run_on(kind, main)[0] == ("main", "main", "guest")


@both
def test_an_error_in_a_callback_is_told_and_the_loop_goes_on(kind: str) -> None:
    """Whoever set the handler hears which callback it was."""

    def bad() -> None:
        raise ValueError("in a callback")

    async def main() -> Any:
        asyncio.get_running_loop().call_soon(bad)
        await settle()
        return "went on"

    result, told = run_on(kind, main)
    assert result == "went on"
    assert len(told) == 1
    assert told[0].startswith("Exception in callback ")
    assert told[0].endswith("ValueError('in a callback')")


@both
def test_an_error_that_nobody_fetched_is_told(kind: str) -> None:
    """Once its task is gone."""

    async def fails() -> None:
        raise ValueError("lost")

    async def main() -> None:
        task = asyncio.create_task(fails())
        await settle()
        del task
        gc.collect()

    assert run_on(kind, main)[1] == ["Task exception was never retrieved ValueError('lost')"]


@both
def test_work_in_an_executor_has_its_result_error_and_context(kind: str) -> None:
    """to_thread takes the context along; run_in_executor does not; an error is the waiter's."""

    def fails() -> None:
        raise KeyError("inside")

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        who.set("main")
        with pytest.raises(KeyError):
            await asyncio.to_thread(fails)
        with pytest.raises(KeyError):
            await loop.run_in_executor(None, fails)
        return await asyncio.to_thread(who.get), await asyncio.to_thread(divmod, 7, 2), await loop.run_in_executor(None, sum, (1, 2))

    assert run_on(kind, main)[0] == ("main", (3, 1), 3)


def test_work_in_an_executor_cannot_see_its_callers_variables() -> None:
    """As in a thread, which begins with none; and what it sets is gone."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        who.set("main")
        inside = await loop.run_in_executor(None, lambda: (who.get(), who.set("thread"))[0])
        return inside, who.get()

    assert run_on("virtual", main)[0][1] == "main"


def test_work_that_runs_out_of_items_does_not_end_the_waiter_unheard() -> None:
    """StopIteration cannot pass through a future: a RuntimeError in newer Pythons; in others the waiter waits on and the loop tells why."""

    async def converts() -> bool:
        future = asyncio.get_running_loop().create_future()
        try:
            future.set_exception(StopIteration())
        except TypeError:
            return False
        return isinstance(future.exception(), RuntimeError)

    async def main() -> Any:
        (outcome,) = await asyncio.gather(asyncio.wait_for(asyncio.to_thread(next, iter(())), 5), return_exceptions=True)
        return type(outcome)

    outcome, told = run_on("virtual", main)
    if run_on("real", converts)[0]:
        assert (outcome, told) == (RuntimeError, [])
    else:
        assert outcome is TimeoutError
        assert "StopIteration interacts badly with generators" in told[0]


def test_work_cancelled_before_it_began_never_runs() -> None:
    """And its waiter is cancelled."""

    async def main() -> Any:
        ran: list[int] = []
        task = asyncio.ensure_future(asyncio.to_thread(ran.append, 1))
        await asyncio.sleep(0)
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        await settle()
        return ran, type(outcome)

    assert run_on("virtual", main)[0] == ([], asyncio.CancelledError)


@both
def test_async_generators_are_closed_at_the_end(kind: str) -> None:
    """shutdown_asyncgens runs what they clean up with."""
    log: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            log.append("closed")

    kept: list[Any] = []

    async def main() -> Any:
        generator = numbers()
        kept.append(generator)
        first = await anext(generator)
        await asyncio.get_running_loop().shutdown_asyncgens()
        return first, list(log)

    assert run_on(kind, main)[0] == (1, ["closed"])


@both
def test_a_coroutine_that_was_never_awaited_warns(kind: str) -> None:
    """In debug mode with the line that made it."""

    async def forgotten() -> None:
        pass

    async def main() -> Any:
        await settle()  # debug mode begins a turn after it was set
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            forgotten()
            gc.collect()
        return [str(each.message) for each in caught]

    (plain,) = run_on(kind, main)[0]
    (debug,) = run_on(kind, main, debug=True)[0]
    assert "was never awaited" in plain
    assert "Coroutine created at" in debug
    assert __file__.rpartition("/")[2] in debug


def test_debug_mode_takes_no_time_and_sees_none_pass(caplog: pytest.LogCaptureFixture) -> None:
    """A callback is slow only where virtual time passes in it; the machine's own clock is never asked."""

    async def main(loop: VirtualLoop) -> Any:
        loop.set_debug(True)
        loop.slow_callback_duration = 1e-9
        with caplog.at_level(logging.DEBUG, "asyncio"):
            sum(range(100_000))
            await settle()
        return loop.get_debug()

    assert run_virtual(main)
    assert [text for text in caplog.messages if "took" in text] == []


def test_a_loop_runs_until_it_is_stopped_and_runs_again() -> None:
    """run_forever, stop from a callback, run_until_complete after that; a closed loop refuses."""
    loop = VirtualLoop()
    log: list[Any] = []
    loop.call_later(5, log.append, "five")
    loop.call_later(5, loop.stop)
    loop.call_later(9, log.append, "nine")
    loop.run_forever()
    log.append(loop.time())
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.run_until_complete(asyncio.sleep(5))
    log.append(loop.time())
    loop.close()
    assert log == ["five", 5, "nine", 10]
    assert loop.is_closed()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.call_soon(print)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.call_later(1, print)


def test_a_coroutine_can_be_handed_over_from_the_same_thread() -> None:
    """run_coroutine_threadsafe gives a future that is done once the loop has turned."""

    async def main(loop: VirtualLoop) -> Any:
        future = asyncio.run_coroutine_threadsafe(asyncio.sleep(3, "x"), loop)
        before = future.done()
        result = await asyncio.wrap_future(future)
        return before, result, loop.time()

    assert run_virtual(main) == (False, "x", 3)


REFUSED: dict[str, Any] = {
    "datagrams": lambda loop: loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)),
    "unix client": lambda loop: loop.create_unix_connection(asyncio.Protocol, "/tmp/x"),
    "unix server": lambda loop: loop.create_unix_server(asyncio.Protocol, "/tmp/x"),
    "exec": lambda loop: asyncio.create_subprocess_exec("true"),
    "shell": lambda loop: asyncio.create_subprocess_shell("true"),
    "read pipe": lambda loop: loop.connect_read_pipe(asyncio.Protocol, None),
    "write pipe": lambda loop: loop.connect_write_pipe(asyncio.Protocol, None),
    "accepted": lambda loop: loop.connect_accepted_socket(asyncio.Protocol, None),
    "sock_connect": lambda loop: loop.sock_connect(None, ("x", 1)),
    "sock_accept": lambda loop: loop.sock_accept(None),
    "sock_recv": lambda loop: loop.sock_recv(None, 1),
    "sock_recv_into": lambda loop: loop.sock_recv_into(None, bytearray(1)),
    "sock_recvfrom": lambda loop: loop.sock_recvfrom(None, 1),
    "sock_sendall": lambda loop: loop.sock_sendall(None, b""),
    "sock_sendto": lambda loop: loop.sock_sendto(None, b"", ("x", 1)),
    "sock_sendfile": lambda loop: loop.sock_sendfile(None, None),
    "add_reader": lambda loop: loop.add_reader(0, print),
    "add_writer": lambda loop: loop.add_writer(0, print),
    "signal": lambda loop: loop.add_signal_handler(signal.SIGTERM, print),
    "socket": lambda loop: socket.socket(),
}


@pytest.mark.parametrize("way", REFUSED)
def test_a_way_out_is_refused_and_names_the_line(way: str) -> None:
    """The message begins with this file, says what was tried and what to use instead; the run remembers."""

    async def main(loop: VirtualLoop) -> Any:
        with pytest.raises(EscapedSimulation) as caught:  # noqa: PT012 # some refuse at once, some when awaited
            result = REFUSED[way](loop)
            await result
        assert loop.escapes == [caught.value]
        return str(caught.value)

    text = run_virtual(main)
    assert text.startswith(__file__)
    assert " inside a simulation; " in text
