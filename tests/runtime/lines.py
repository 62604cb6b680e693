"""A simulated line to try faults on: an echo server, a plain client, and what both saw."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from papertape.model.units import MILLISECOND
from papertape.runtime.chance import Chance
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.network.network import Connection
from papertape.runtime.world import run_virtual

HOST = "venue.test"
PORT = 443
ONE_WAY_NS = 10 * MILLISECOND


class End(asyncio.Protocol):
    """One end of a connection; writes down what happens to it, and when, in milliseconds."""

    def __init__(self, *, keeps_half_open: bool = False) -> None:
        self.loop = asyncio.get_running_loop()
        self.keeps_half_open = keeps_half_open
        self.received = b""
        self.arrivals: list[tuple[int, bytes]] = []
        self.events: list[tuple[int, str]] = []
        self.transport: Any = None
        self.lost: asyncio.Future[Exception | None] = self.loop.create_future()

    def _note(self, what: str) -> None:
        self.events.append((ms(self.loop), what))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.arrivals.append((ms(self.loop), data))

    def eof_received(self) -> bool:
        self._note("eof")
        return self.keeps_half_open

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self._note("lost" if exc is None else type(exc).__name__)
        self.lost.set_result(exc)


def ms(loop: Any) -> int:
    """Run time in whole milliseconds."""
    return int(loop.now_ns // MILLISECOND)


def constant(connection: Connection, direction: str, piece: int) -> int:
    return ONE_WAY_NS


def on_a_network(main: Callable[[VirtualLoop, Network], Awaitable[Any]], *faults: Any, **options: Any) -> Any:
    """Run main on a network with these faults, 10 ms one way."""
    options.setdefault("latency", constant)

    async def outer(loop: VirtualLoop) -> Any:
        loop.network = network = Network(loop, faults=faults, chance=Chance(5), **options)
        return await main(loop, network)

    return run_virtual(outer)


async def listening(loop: VirtualLoop, host: str = HOST, **options: Any) -> list[End]:
    """A server; the ends that it accepts, as they come."""
    accepted: list[End] = []

    def accept() -> End:
        accepted.append(End(**options))
        return accepted[-1]

    await loop.create_server(accept, host, PORT)
    return accepted


async def dialled(loop: VirtualLoop, accepted: list[End], host: str = HOST, **options: Any) -> tuple[End, End]:
    """A client and a server end, connected; 30 ms pass."""
    _, client = await loop.create_connection(lambda: End(**options), host, PORT)
    await asyncio.sleep(0.01)
    return client, accepted[-1]


async def pair(loop: VirtualLoop, **options: Any) -> tuple[End, End]:
    return await dialled(loop, await listening(loop, **options), **options)
