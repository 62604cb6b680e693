"""The least that joins a library's client to its server: asyncio's own loop, and two transports that hand bytes to each other's protocol.

No latency, no order of events to keep, no faults, no flow control, no record: what is left is what the library itself costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class BareTransport(asyncio.Transport):
    """Hands what is written to the other's protocol, at the loop's next turn."""

    peer: BareTransport

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: Any) -> None:
        super().__init__({"peername": ("10.0.0.1", 1), "sockname": ("10.0.0.2", 2)})
        self.loop = loop
        self.protocol = protocol
        self.is_closed = False

    def write(self, data: Any) -> None:
        if not self.is_closed:
            self.loop.call_soon(self.peer.arrive, bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def arrive(self, data: bytes) -> None:
        if not self.is_closed:
            self.protocol.data_received(data)

    def close(self) -> None:
        for end in (self, self.peer):
            if not end.is_closed:
                end.is_closed = True
                self.loop.call_soon(end.protocol.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        return self.is_closed

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def pause_reading(self) -> None:
        """Nothing here is so much that anyone would wait."""

    def resume_reading(self) -> None:
        """See `pause_reading`."""

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no buffer."""

    def can_write_eof(self) -> bool:
        return False


class BareServer(asyncio.AbstractServer):
    """Knows how to make a protocol for who connects."""

    sockets = ()

    def __init__(self, loop: BareLoop, factory: Callable[[], Any]) -> None:
        self.loop, self.factory = loop, factory

    def get_loop(self) -> BareLoop:
        return self.loop

    def is_serving(self) -> bool:
        return self.loop.server is self

    def close(self) -> None:
        self.loop.server = None

    async def start_serving(self) -> None:
        """It does."""

    async def wait_closed(self) -> None:
        """It is."""


class BareLoop(asyncio.SelectorEventLoop):
    """asyncio's own, where whoever connects reaches the one server there is; a path of Unix will do for a name."""

    server: BareServer | None = None

    async def create_server(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        self.server = BareServer(self, protocol_factory)
        return self.server

    async def create_connection(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        assert self.server is not None
        client, server = BareTransport(self, protocol_factory()), BareTransport(self, self.server.factory())
        client.peer, server.peer = server, client
        for end in (server, client):
            end.protocol.connection_made(end)
        return client, client.protocol

    create_unix_connection = create_connection


def run_bare(main: Callable[[], Any]) -> Any:
    """Run a coroutine on a loop of this kind."""
    with asyncio.Runner(loop_factory=BareLoop) as runner:
        return runner.run(main())
