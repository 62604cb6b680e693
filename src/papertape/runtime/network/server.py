"""A listening socket of the simulated network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from papertape.runtime.network.address import Address, SocketStub

if TYPE_CHECKING:
    from papertape.runtime.loop import VirtualLoop
    from papertape.runtime.network.network import Network


class MemoryServer(asyncio.AbstractServer):
    """What `loop.create_server` returns; listens on one or several addresses.

    Attributes:
        factory: makes the protocol of an accepted connection.
        loop: the loop that it was made on, and that accepted connections live on.
        context: the variables that it was made with, and that accepted connections begin with.
        sockets: one for each address while it listens, else none.
    """

    def __init__(self, network: Network, addresses: list[Address], factory: Callable[[], asyncio.BaseProtocol], loop: VirtualLoop) -> None:
        self.factory = factory
        self.loop = loop
        self.context = copy_context()
        self.sockets: tuple[SocketStub, ...] = ()
        self._network = network
        self._addresses = addresses
        self._forever: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] = loop.create_future()

    def get_loop(self) -> VirtualLoop:
        return self.loop

    def is_serving(self) -> bool:
        return bool(self.sockets)

    async def start_serving(self) -> None:
        self.listen()

    def listen(self) -> None:
        """Begin to accept; raises OSError where another server does already."""
        if not self.sockets:
            self._network.add_listener(self, self._addresses)
            self.sockets = tuple(SocketStub((self._network.names.ip(host), port), ()) for host, port in self._addresses)

    async def serve_forever(self) -> None:
        self.listen()
        self._forever = self.loop.create_future()
        try:
            await self._forever
        finally:
            self._forever = None
            self.close()

    def close(self) -> None:
        """Accept no more; what was accepted goes on."""
        if self.sockets:
            self._network.remove_listener(self._addresses)
            self.sockets = ()
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        if not self._closed.done():
            self._closed.set_result(None)

    def close_clients(self) -> None:
        for connection in self._network.accepted_by(self):
            connection.server.close()

    def abort_clients(self) -> None:
        for connection in self._network.accepted_by(self):
            connection.server.abort()

    async def wait_closed(self) -> None:
        await asyncio.shield(self._closed)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a simulated server has no {name!r}")
