"""What a run keeps of connections that are over."""

from __future__ import annotations

import asyncio
import gc

from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.network.connection import Connection
from papertape.runtime.network.live import COLLECT_EVERY
from papertape.runtime.world import run_virtual


def test_connections_that_are_over_do_not_pile_up() -> None:
    """Their protocols, streams and pipes refer to each other, and the collector rests during a run."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(10))
        writer.close()

    async def main(loop: VirtualLoop) -> int:
        loop.network = network = Network(loop)
        await asyncio.start_server(echo, "echo.example", 7)
        most = 0
        for number in range(2 * COLLECT_EVERY + 100):
            reader, writer = await asyncio.open_connection("echo.example", 7)
            writer.write(b"ping")
            assert await reader.read() == b"ping"
            writer.close()
            await writer.wait_closed()
            if number % (COLLECT_EVERY // 2) == 0:
                most = max(most, sum(isinstance(each, Connection) for each in gc.get_objects()))
        assert network.opened == 2 * COLLECT_EVERY + 100
        return most

    assert run_virtual(main) <= COLLECT_EVERY + 10
