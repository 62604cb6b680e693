"""A run of a library that never heard of papertape, done twice: results, bytes on the wire and the end's instant must be equal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from papertape.model.units import SECOND
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.world import run_virtual

HOST: Final = "api.venue.test"
EPOCH_NS: Final = 1_700_000_000 * SECOND


@asynccontextmanager
async def listening(server: asyncio.AbstractServer) -> AsyncIterator[None]:
    """Listen meanwhile. Leaving a server's own `async with` waits for its clients too from Python 3.12 on."""
    try:
        yield
    finally:
        server.close()


Main = Callable[[VirtualLoop, Network], Awaitable[Any]]


def run_twice(main: Main) -> Any:
    """What `main` returns; also asserts that nothing was left behind and nothing tried to get out."""
    first, second = run_once(main), run_once(main)
    assert first == second
    return first[0]


def run_once(main: Main) -> tuple[Any, str, int]:
    loops: list[VirtualLoop] = []

    async def outer(loop: VirtualLoop) -> Any:
        loops.append(loop)
        network = loop.network
        assert isinstance(network, Network)
        told = await main(loop, network)
        network.reset_all()  # so that servers end by themselves; Python 3.11's streams make a noise when they are cancelled
        await asyncio.sleep(200)
        return told, network.digest(), loop.now_ns

    result = run_virtual(outer, seed=3, epoch_ns=EPOCH_NS, network=Network)
    assert loops[0].unhandled == []
    assert loops[0].escapes == []
    return result
