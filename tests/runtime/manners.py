"""One test body for two loops: ours, and asyncio's own on loopback sockets, which is the judge of what good manners are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from papertape.runtime.network import Network
from papertape.runtime.world import run_virtual

HOST = "127.0.0.1"

both = pytest.mark.parametrize("kind", ["virtual", "real"])
"""Runs a test on our loop and on asyncio's own; nothing in it may depend on time."""


class Recording(asyncio.BaseProtocol):
    """Writes down what happens to it, whatever kind of protocol it is."""

    def __init__(self, *, keeps_half_open: bool = False) -> None:
        self.log: list[str] = []
        self.received = bytearray()
        self.keeps_half_open = keeps_half_open
        self.lost_with: BaseException | None = None
        self.transport: Any = None
        self._waiting: list[asyncio.Future[None]] = []

    def note(self, what: str) -> None:
        self.log.append(what)
        self._wake()

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Until something has happened after which `is_so`."""
        while not is_so():
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    async def seen(self, what: str) -> None:
        await self.until(lambda: what in self.log)

    async def got(self, count: int) -> bytes:
        await self.until(lambda: len(self.received) >= count)
        return bytes(self.received)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.note("made")

    def take(self, data: bytes) -> None:
        self.received += data
        self._wake()

    def eof_received(self) -> bool:
        self.note("eof")
        return self.keeps_half_open

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost_with = exc
        self.note("lost")

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")


class Recorder(Recording, asyncio.Protocol):
    """The plain kind."""

    def data_received(self, data: bytes) -> None:
        self.take(data)


class BufferedRecorder(Recording, asyncio.BufferedProtocol):
    """The kind that brings its own space, `room` bytes of it."""

    def __init__(self, room: int = 4, **options: Any) -> None:
        super().__init__(**options)
        self.space = bytearray(room)
        self.hints: list[int] = []

    def get_buffer(self, sizehint: int) -> bytearray:
        self.hints.append(sizehint)
        return self.space

    def buffer_updated(self, nbytes: int) -> None:
        self.take(self.space[:nbytes])


class Ends:
    """A client and a server protocol, connected."""

    def __init__(self, client: Any, server: Any, listener: Any) -> None:
        self.client, self.server, self.listener = client, server, listener


@asynccontextmanager
async def connected(make_client: Callable[[], Any] = Recorder, make_server: Callable[[], Any] = Recorder) -> AsyncIterator[Ends]:
    """Two protocols, connected; afterwards both are gone."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[Any] = loop.create_future()

    def accept() -> Any:
        server = make_server()
        accepted.set_result(server)
        return server

    listener = await loop.create_server(accept, HOST, 0)
    port = listener.sockets[0].getsockname()[1]
    _, client = await loop.create_connection(make_client, HOST, port)
    server = await accepted
    await server.seen("made")
    try:
        yield Ends(client, server, listener)
    finally:
        listener.close()
        for end in (client, server):
            if "lost" not in end.log:  # asyncio's own stumbles over an abort after that
                end.transport.abort()
        await settle()


async def settle(turns: int = 10) -> None:
    """Let what is ready happen."""
    for _ in range(turns):
        await asyncio.sleep(0)


def run_on(kind: str, main: Callable[[], Awaitable[Any]], *, debug: bool = False) -> tuple[Any, list[str]]:
    """What `main()` returned, and what the loop's exception handler was told meanwhile."""
    told: list[str] = []

    async def outer() -> Any:
        loop = asyncio.get_running_loop()
        loop.set_debug(debug)
        loop.set_exception_handler(lambda loop, context: told.append(f"{context['message']} {context.get('exception')!r}"))
        return await main()

    if kind == "real":
        with asyncio.Runner() as runner:
            return runner.run(outer()), told

    async def inside(loop: Any) -> Any:
        loop.network = Network(loop)
        return await outer()

    return run_virtual(inside), told
