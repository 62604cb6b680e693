"""A listening socket of the simulated network."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

from papertape.runtime.network.address import Address, SocketStub

if TYPE_CHECKING:
    from papertape.runtime.loop import VirtualLoop
    from papertape.runtime.network.network import Network
    from papertape.runtime.network.transport import MemoryTransport

_WAITS_FOR_CLIENTS: Final = sys.version_info >= (3, 12)
"""Before, asyncio's `wait_closed` came back at once from a server that was closed already."""


class MemoryServer(asyncio.AbstractServer):
    """What `loop.create_server` returns; listens on one or several addresses.

    Attributes:
        loop: the loop that it was made on, and that accepted connections live on.
        context: the variables that it was made with, and that accepted connections begin with.
        sockets: one for each address until it is closed.
    """

    def __init__(self, network: Network, addresses: list[Address], factory: Callable[[], asyncio.BaseProtocol], loop: VirtualLoop) -> None:
        self.loop = loop
        self.context = copy_context()
        self.sockets = tuple(SocketStub((network.names.ip(host), port), ()) for host, port in addresses)
        self._factory = factory
        self._network = network
        self._addresses = addresses
        self._clients: dict[MemoryTransport, None] = {}
        self._is_serving = False
        self._is_closed = False
        self._forever: asyncio.Future[None] | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(f'{host}:{port}' for host, port in self._addresses)}>"

    def get_loop(self) -> VirtualLoop:
        return self.loop

    def is_serving(self) -> bool:
        return self._is_serving

    # Accepting

    def listen(self) -> None:
        """Begin to accept; raises OSError where another server does already."""
        if self._is_closed:
            raise RuntimeError(f"server {self!r} is closed")
        if not self._is_serving:
            self._network.add_listener(self, self._addresses)
            self._is_serving = True

    def factory(self) -> asyncio.BaseProtocol:
        """A protocol for an accepted connection; where the program's factory fails, one that hangs up."""
        try:
            return self.context.copy().run(self._factory)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            if self.loop.get_debug():  # asyncio keeps silent otherwise
                message = "Error on transport creation for incoming connection"
                self.loop.call_exception_handler({"message": message, "exception": error})
            return _Nobody()

    def attach(self, transport: MemoryTransport) -> None:
        """A connection was accepted."""
        transport.server = self
        self._clients[transport] = None

    def detach(self, transport: MemoryTransport) -> None:
        """It is lost."""
        self._clients.pop(transport, None)
        self._wake()

    # What programs ask

    async def start_serving(self) -> None:
        self.listen()

    async def serve_forever(self) -> None:
        if self._forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        self.listen()
        self._forever = self.loop.create_future()
        try:
            await self._forever
        except asyncio.CancelledError:
            self.close()
            await self.wait_closed()
            raise
        finally:
            self._forever = None

    def close(self) -> None:
        """Accept no more; what was accepted goes on."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._is_serving:
            self._is_serving = False
            self._network.remove_listener(self._addresses)
        self.sockets = ()
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        self._wake()

    def close_clients(self) -> None:
        for transport in list(self._clients):
            transport.close()

    def abort_clients(self) -> None:
        for transport in list(self._clients):
            transport.abort()

    async def wait_closed(self) -> None:
        """Until it is closed and every connection that it accepted is lost."""
        if self._is_closed and (not _WAITS_FOR_CLIENTS or not self._clients):
            return
        waiter = self.loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        if self._is_closed and not self._clients:
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self._waiters.clear()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a simulated server has no {name!r}")


class _Nobody(asyncio.Protocol):
    """Hangs up at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
