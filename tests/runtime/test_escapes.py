"""Ways out of a run raise at the line that tries; executors run inline."""

import asyncio
import contextlib
import os
import socket
import subprocess
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from papertape.model.errors import EscapedSimulation
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.world import run_virtual


def attempt_thread() -> Any:
    threading.Thread(target=print).start()


def attempt_timer() -> Any:
    threading.Timer(1, print).start()


def attempt_socket() -> Any:
    socket.socket()


def attempt_connection() -> Any:
    socket.create_connection(("example.com", 80))


def attempt_lookup() -> Any:
    socket.gethostbyname("example.com")


def attempt_urlopen() -> Any:
    urllib.request.urlopen("http://example.com/")


def attempt_process() -> Any:
    subprocess.run(["true"], check=False)


def attempt_system() -> Any:
    os.system("true")


def attempt_fork() -> Any:
    os.fork()


def attempt_new_loop() -> Any:
    asyncio.new_event_loop()


@pytest.mark.parametrize("attempt", [value for name, value in sorted(globals().items()) if name.startswith("attempt_")])
def test_a_way_out_raises_at_its_line(attempt: Any) -> None:
    """The message names the line of the user's code, what it tried, and what to use instead; the run remembers it."""

    async def main(loop: VirtualLoop) -> Any:
        with pytest.raises(EscapedSimulation) as caught:
            attempt()
        return str(caught.value), [str(error) for error in loop.escapes]

    message, remembered = run_virtual(main)
    assert message.startswith(f"{__file__}:{attempt.__code__.co_firstlineno + 1} in {attempt.__name__}: ")
    assert " inside a simulation; " in message
    assert remembered == [message]


def test_a_swallowed_escape_is_remembered() -> None:
    """A program that catches everything does not hide that it tried to leave."""

    async def main(loop: VirtualLoop) -> int:
        with contextlib.suppress(Exception):
            socket.socket()
        return len(loop.escapes)

    assert run_virtual(main) == 1


def test_requests_is_refused() -> None:
    """requests goes through urllib3 and its own retries; the refusal still names the caller."""
    import requests

    async def main(loop: VirtualLoop) -> str:
        with pytest.raises(EscapedSimulation) as caught:
            requests.get("http://example.com/", timeout=1)  # noqa: ASYNC210 - what a bot must be told not to do
        return str(caught.value)

    assert __file__ in run_virtual(main)


def test_a_thread_pool_runs_inline() -> None:
    """submit and map do their work at once, on this thread; exceptions wait in the future."""

    async def main(loop: VirtualLoop) -> Any:
        with ThreadPoolExecutor() as pool:
            future = pool.submit(divmod, 7, 2)
            failed = pool.submit(divmod, 7, 0)
            same = list(pool.map(lambda number: threading.get_ident() == loop._thread_id, range(2)))
            awaited = await asyncio.wrap_future(future)
            return future.done(), awaited, type(failed.exception()), same, await loop.run_in_executor(pool, divmod, 9, 2)

    assert run_virtual(main) == (True, (3, 1), ZeroDivisionError, [True, True], (4, 1))


def test_nothing_is_refused_afterwards() -> None:
    """After the run threads start and sockets open."""
    run_virtual(lambda loop: asyncio.sleep(0))
    thread = threading.Thread(target=socket.socket().close)
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(threading.get_ident).result() != threading.get_ident()
