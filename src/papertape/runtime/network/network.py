"""Who can reach whom, and what happens to connections on the way."""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections.abc import Callable, Mapping
from contextvars import copy_context
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, cast

from papertape.model.units import MICROSECOND, SECOND, Nanos
from papertape.runtime.network.accept import AcceptAll
from papertape.runtime.network.address import Address, Names, SocketStub, port_number
from papertape.runtime.network.pipe import Mark, Piece, Pipe
from papertape.runtime.network.server import MemoryServer
from papertape.runtime.network.transport import MemoryTransport
from papertape.runtime.rank import DELIVERY

if TYPE_CHECKING:
    from papertape.runtime.loop import VirtualLoop

CLIENT_IP: Final = "10.255.0.1"
ONE_WAY_NS: Final = 100 * MICROSECOND
CONNECT_PATIENCE_NS: Final = 127 * SECOND
"""How long Linux goes on sending SYN to a host that does not answer."""

_FIRST_PORT: Final = 40_000
_FREE_PORT: Final = 49_152
_FIRST_DESCRIPTOR: Final = 1 << 40

Law = Callable[["Connection", str, int], Nanos]
"""(connection, ">" to the server or "<" to the client, number of the piece from 1, 0 for the handshake) → nanoseconds on the way."""


class Policy(StrEnum):
    """What becomes of a connection to a host where nobody of ours listens."""

    REFUSE = "refuse"
    ACCEPT = "accept"
    BLACKHOLE = "blackhole"


class Connection:
    """One TCP connection.

    Attributes:
        number: from 1, in the order of dialling.
        host, port: where the client dialled to.
        is_tls: by fiat: the client asked for TLS, and has it.
    """

    client: MemoryTransport
    server: MemoryTransport

    def __init__(self, number: int, host: str, port: int, is_tls: bool) -> None:
        self.number = number
        self.host = host
        self.port = port
        self.is_tls = is_tls
        self.listener: MemoryServer | None = None
        self.ends = 2  # that have not lost it yet


class Network:
    """The network of one run. Its loop's `create_connection`, `create_server`, `getaddrinfo` and `start_tls` end here.

    Attributes:
        hosts: the policy for each host that is not listening; what it does not name is refused.
        gates: asked at each connection to a host, with the port: False refuses it.
        refusals: (run nanosecond, host, port) of each connection to a host that nobody serves.
        opened: how many connections were opened.
        delivered: how many pieces arrived.
    """

    def __init__(self, loop: VirtualLoop, *, hosts: Mapping[str, Policy] | None = None, latency: Law | None = None) -> None:
        self.loop = loop
        self.names = Names()
        self.hosts = {self.names.canonical(host): Policy(policy) for host, policy in (hosts or {}).items()}
        self.gates: dict[str, Callable[[int], bool]] = {}
        self.refusals: list[tuple[Nanos, str, int]] = []
        self.opened = 0
        self.delivered = 0
        self._latency: Law = latency or (lambda connection, direction, piece: ONE_WAY_NS)
        self._listeners: dict[Address, MemoryServer] = {}
        self._live: dict[int, Connection] = {}
        self._dialled = 0
        self._free_port = _FREE_PORT
        self._hash = hashlib.blake2b(digest_size=16)
        self._accept_all = MemoryServer(self, [], AcceptAll, loop)

    def digest(self) -> str:
        """A hash of every piece that arrived so far, with its connection, direction and instant."""
        return self._hash.hexdigest()

    # Listening

    def set_gate(self, host: str, accepts: Callable[[int], bool]) -> None:
        """Ask `accepts(port)` at each connection to `host`; False means connection refused."""
        self.gates[self.names.canonical(host)] = accepts

    def add_listener(self, server: MemoryServer, addresses: list[Address]) -> None:
        for address in addresses:
            if address in self._listeners:
                raise OSError(errno.EADDRINUSE, f"error while attempting to bind on address {address!r}: address already in use")
        for address in addresses:
            self._listeners[address] = server

    def remove_listener(self, addresses: list[Address]) -> None:
        for address in addresses:
            self._listeners.pop(address, None)

    async def create_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any = None,
        port: Any = None,
        *,
        sock: Any = None,
        start_serving: bool = True,
        **options: Any,
    ) -> MemoryServer:
        if sock is not None:
            self.loop.refuse("a server on a real socket", "give create_server a host and a port")
        hosts = host if isinstance(host, (list, tuple)) else [host]
        number = port_number(port)
        if not number:
            number, self._free_port = self._free_port, self._free_port + 1
        addresses = list(dict.fromkeys((self.names.canonical(each), number) for each in hosts))
        server = MemoryServer(self, addresses, protocol_factory, _whose_loop())
        if start_serving:
            server.listen()
        return server

    # Dialling

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> list[Any]:
        return [self.names.info(host, port)]

    async def create_connection(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any = None,
        port: Any = None,
        *,
        ssl: Any = None,
        sock: Any = None,
        server_hostname: Any = None,
        **options: Any,
    ) -> tuple[MemoryTransport, asyncio.BaseProtocol]:
        if sock is not None:
            if not isinstance(sock, SocketStub):
                self.loop.refuse("a real socket", "give create_connection a host and a port")
            host, port = sock.getpeername()[:2]
        name, number = self.names.canonical(host), port_number(port)
        self._dialled += 1
        connection = Connection(self._dialled, name, number, bool(ssl))
        await self._travel(connection, ">")
        listener = await self._find_listener(connection)
        await self._travel(connection, "<")
        if ssl:  # one more round trip, as in TLS 1.3
            await self._travel(connection, ">")
            await self._travel(connection, "<")
        protocol = protocol_factory()
        self._connect(connection, listener, protocol, ssl, _whose_loop())
        return connection.client, protocol

    async def start_tls(
        self, transport: MemoryTransport, protocol: asyncio.BaseProtocol, sslcontext: Any, **options: Any
    ) -> MemoryTransport:
        transport.set_protocol(protocol)
        transport._extra["sslcontext"] = sslcontext  # type: ignore[attr-defined]
        await asyncio.sleep(2 * ONE_WAY_NS / SECOND)
        return transport

    async def _travel(self, connection: Connection, direction: str) -> None:
        loop = _whose_loop()
        future = loop.create_future()
        timer = loop.schedule_ns(loop.now_ns + self._latency(connection, direction, 0), DELIVERY, _arrive, future)
        try:
            await future
        finally:
            timer.cancel()

    async def _find_listener(self, connection: Connection) -> MemoryServer:
        """Who takes the connection, a one-way latency after it was dialled; raises what connecting raises."""
        host, port = connection.host, connection.port
        at = (self.names.ip(host), port)
        listener = self._listeners.get((host, port))
        if listener is not None and listener.is_serving():
            gate = self.gates.get(host)
            if gate is None or gate(port):
                return listener
            await self._travel(connection, "<")
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {at}")
        policy = self.hosts.get(host, Policy.REFUSE)
        if policy is Policy.ACCEPT:
            return self._accept_all
        if policy is Policy.BLACKHOLE:
            await asyncio.sleep(CONNECT_PATIENCE_NS / SECOND)
            raise TimeoutError(errno.ETIMEDOUT, f"Connect call failed {at}")
        self.refusals.append((self.loop.now_ns, host, port))
        await self._travel(connection, "<")
        raise ConnectionRefusedError(
            errno.ECONNREFUSED, f"Connect call failed {at}: nobody serves {host}:{port} here; [hosts] may accept or blackhole it"
        )

    def _connect(self, connection: Connection, listener: MemoryServer, protocol: asyncio.BaseProtocol, ssl: Any, loop: VirtualLoop) -> None:
        """Join two ends; each lives on the loop of whoever dialled or listens, which in a program's run are two."""
        self.opened += 1
        number = connection.number
        up = Pipe(
            listener.loop,
            f"{number}>",
            lambda piece: self._latency(connection, ">", piece),
            self._trace,
            lambda: connection.client.on_drain(),
        )
        down = Pipe(
            loop, f"{number}<", lambda piece: self._latency(connection, "<", piece), self._trace, lambda: connection.server.on_drain()
        )
        own, peer = (CLIENT_IP, _FIRST_PORT + number), (self.names.ip(connection.host), connection.port)
        secrets = {"sslcontext": ssl, "ssl_object": None, "peercert": {}, "cipher": ("TLS by fiat", "TLSv1.3", 0)} if ssl else {}
        client_extra = {"sockname": own, "peername": peer, "socket": SocketStub(own, peer, _FIRST_DESCRIPTOR + 2 * number), **secrets}
        server_extra = {"sockname": peer, "peername": own, "socket": SocketStub(peer, own, _FIRST_DESCRIPTOR + 2 * number + 1), **secrets}
        connection.listener = listener
        connection.client = MemoryTransport(loop, protocol, up, down, client_extra, lambda: self._on_lost(connection))
        connection.server = MemoryTransport(listener.loop, listener.factory(), down, up, server_extra, lambda: self._on_lost(connection))
        listener.attach(connection.server)
        up.end, down.end = connection.server, connection.client
        up.context, down.context = listener.context.copy(), copy_context()  # each end hears in its own, whoever wrote
        self._live[number] = connection
        up.push(Mark.OPEN)  # before any byte, so that the server hears of it first
        connection.client.open()

    def _on_lost(self, connection: Connection) -> None:
        connection.ends -= 1
        if not connection.ends:
            self._live.pop(connection.number, None)

    def _trace(self, name: str, piece: Piece) -> None:
        self.delivered += 1
        data = piece if isinstance(piece, bytes) else piece.value.encode()
        self._hash.update(b"%d %s %d " % (self.loop.now_ns, name.encode(), len(data)))
        self._hash.update(data)

    def is_readable(self, descriptor: int) -> bool | None:
        """Whether a read from a simulated socket would return at once, as it would from one that is closed; None for a real one."""
        number, is_server = divmod(descriptor - _FIRST_DESCRIPTOR, 2)
        if number < 0:
            return None
        connection = self._live.get(number)
        return connection is None or (connection.server if is_server else connection.client).inward.has_arrived()

    # Faults

    def connections(self, host: str | None = None) -> list[Connection]:
        """Those that are open, in the order of dialling; of one host, or all."""
        name = None if host is None else self.names.canonical(host)
        return [connection for connection in self._live.values() if name is None or connection.host == name]

    def reset_all(self, host: str | None = None) -> int:
        """Cut connections: both ends get a reset at once, what was on its way is lost. Returns how many there were."""
        cut = self.connections(host)
        for connection in cut:
            for transport in (connection.client, connection.server):
                transport.out.discard()
                transport.loop.schedule_ns(self.loop.now_ns, DELIVERY, transport.reset)
        return len(cut)

    def close_all(self, host: str | None = None) -> int:
        """Close connections from the server's end, after what it has written. Returns how many there were."""
        closed = self.connections(host)
        for connection in closed:
            connection.server.close()
        return len(closed)

    def hold_all(self, host: str | None = None, *, direction: str = "<>", until_ns: Nanos | None = None) -> int:
        """Half-open: bytes are taken but not delivered until `until_ns` or `release_all`; then all of them, in order."""
        held = self.connections(host)
        for connection in held:
            if ">" in direction:
                connection.client.out.hold(until_ns)
            if "<" in direction:
                connection.server.out.hold(until_ns)
        return len(held)

    def release_all(self, host: str | None = None) -> int:
        """Undo `hold_all`."""
        released = self.connections(host)
        for connection in released:
            connection.client.out.release()
            connection.server.out.release()
        return len(released)


def _whose_loop() -> VirtualLoop:
    """The loop of the code that asks: the world's, or that of the program in it."""
    return cast("VirtualLoop", asyncio.get_running_loop())


def _arrive(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
