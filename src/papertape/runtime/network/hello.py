"""TLS that a library wraps around a connection by itself, over memory: its handshake, and whose connection that is for.

Such a library has an object for TLS that knows no connection, and carries its bytes itself. So the object writes a hello as TLS does; the
end of a connection on which that is written knows it, keeps it to itself, and says when the handshake is over.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from papertape.model.units import SECOND
from papertape.runtime.network.way import GIVEN_UP_NS

if TYPE_CHECKING:
    import asyncio

    from papertape.runtime.network.connection import Connection
    from papertape.runtime.network.dial import Dialler
    from papertape.runtime.network.network import Network

PATIENCE_S: Final = GIVEN_UP_NS / SECOND
"""Who wraps a connection waits as they like; it is the connection that ends when nothing gets through."""


class Handshake:
    """One handshake of a client.

    Attributes:
        hello: what the client writes to begin it.
        answer: what it reads when it is over, one way or the other.
        error: what was wrong with the certificate, if anything.
    """

    def __init__(self, number: int, context: Any, hostname: Any) -> None:
        self.context = context
        self.hostname = hostname
        self.hello = b"\x16\x03\x01 client hello %d\n" % number
        self.answer = b"\x16\x03\x03 server hello %d\n" % number
        self.error: OSError | None = None


class Hellos:
    """The handshakes that were begun on a network."""

    def __init__(self, network: Network, dialler: Dialler) -> None:
        self._network = network
        self._dialler = dialler
        self._count = 0
        self._begun: WeakValueDictionary[bytes, Handshake] = WeakValueDictionary()  # that nobody has written yet
        self._tasks: dict[asyncio.Task[None], None] = {}

    def begin(self, context: Any, hostname: Any) -> Handshake | None:
        """A handshake on whichever connection its hello is written to; None where there is none at all."""
        connections = [each for each in self._network.connections() if not each.client.is_closing()]
        if not connections:
            return None
        self._count += 1
        handshake = Handshake(self._count, context, hostname)
        self._begun[handshake.hello] = handshake
        for each in connections:
            self._look_at(each)
        return handshake

    def _look_at(self, connection: Connection) -> None:
        connection.client.look_at_next(lambda data: self._is_hello(data, connection))

    def _is_hello(self, data: bytes, connection: Connection) -> bool:
        """Whether that is no business of the server's."""
        handshake = self._begun.pop(data, None)
        if handshake is None:
            return False  # and nobody looks any more: whoever begins a handshake writes its hello at once
        connection.is_tls = True
        task = self._network.loop.create_task(self._shake(handshake, connection))
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return True

    async def _shake(self, handshake: Handshake, connection: Connection) -> None:
        client = connection.client
        try:
            await self._dialler.handshake(connection, handshake.context, handshake.hostname or "", PATIENCE_S)
        except ConnectionAbortedError:
            client.break_off(TimeoutError(errno.ETIMEDOUT, "Connection timed out"))
            return
        except OSError as error:
            handshake.error = error
        if not client.is_closing() and not client.loop.is_closed():
            client.loop.call_soon(client.hear, handshake.answer, context=client.inward.context)
