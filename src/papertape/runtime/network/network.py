"""Who can reach whom, and what happens to connections on the way."""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from papertape.model.units import Nanos
from papertape.runtime.chance import Chance
from papertape.runtime.network.accept import AcceptAll
from papertape.runtime.network.address import Address, Names, SocketStub, port_number
from papertape.runtime.network.connection import Connection as Connection
from papertape.runtime.network.dial import ONE_WAY_NS, Dialler, whose_loop
from papertape.runtime.network.hello import Handshake, Hellos
from papertape.runtime.network.live import Live
from papertape.runtime.network.pipe import Mark, Piece, Pipe
from papertape.runtime.network.server import MemoryServer
from papertape.runtime.network.transport import MemoryTransport
from papertape.runtime.network.trouble import Troubles, Troublesome
from papertape.runtime.network.troubled import TroubledPipe
from papertape.runtime.network.way import Way

if TYPE_CHECKING:
    from papertape.runtime.loop import VirtualLoop

CLIENT_IP: Final = "10.255.0.1"

HASHED_AT_ONCE: Final = 64
"""How many pieces wait to be hashed together; they are kept meanwhile."""

_FIRST_PORT: Final = 40_000
_FREE_PORT: Final = 49_152
_FIRST_DESCRIPTOR: Final = 1 << 40

Law = Callable[[Connection, str, int], Nanos]
"""(connection, ">" to the server or "<" to the client, number of the piece from 1, 0 for the handshake) → nanoseconds on the way."""

Watch = Callable[[str, Piece], None]
"""Told of a piece: the name of its pipe, such as "3>" for what the client of connection 3 sends, and the piece."""


class Policy(StrEnum):
    """What becomes of a connection to a host where nobody of ours listens."""

    REFUSE = "refuse"
    ACCEPT = "accept"
    BLACKHOLE = "blackhole"


class ByteTrace(NamedTuple):
    """Bytes that arrived: at which run nanosecond, on which connection, ">" at the server or "<" at the client."""

    at_ns: Nanos
    connection: int
    direction: str
    data: bytes


class Network(Live):
    """The network of one run. Its loop's `create_connection`, `create_server`, `getaddrinfo` and `start_tls` end here.

    Args:
        faults: what is to go wrong, see `papertape.faults.network`; times count from the run's start.
        chance: where those faults draw from.
        addresses: the addresses of hosts that have several; others get one.
        lookup_ns: how long it takes to look up a name.
        trace_bytes: keep all bytes that arrive in `bytes_seen`.

    Attributes:
        hosts: the policy for each host that is not listening; what it does not name is refused.
        gates: asked at each connection to a host, with the port: False refuses it.
        refusals: (run nanosecond, host, port) of each connection to a host that nobody serves.
        opened: how many connections were opened.
        delivered: how many pieces arrived.
        bytes_seen: what arrived, in order; empty unless asked for.
        on_piece: told of each piece as it arrives.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        *,
        hosts: Mapping[str, Policy] | None = None,
        latency: Law | None = None,
        faults: Sequence[Troublesome] = (),
        chance: Chance | None = None,
        addresses: Mapping[str, Sequence[str]] | None = None,
        lookup_ns: Nanos = 0,
        trace_bytes: bool = False,
    ) -> None:
        names = Names(addresses)
        super().__init__(loop, names, Troubles(faults, names.canonical) if faults else None)
        self.hosts = {self.names.canonical(host): Policy(policy) for host, policy in (hosts or {}).items()}
        self.gates: dict[str, Callable[[int], bool]] = {}
        self.refusals: list[tuple[Nanos, str, int]] = []
        self.opened = 0
        self.delivered = 0
        self.bytes_seen: list[ByteTrace] = []
        self.on_piece: Watch | None = None
        self.latency: Law = latency or (lambda connection, direction, piece: ONE_WAY_NS)
        self.lookup_ns = lookup_ns
        self.accept_all = MemoryServer(self, [], AcceptAll, loop)
        self._chance = chance or Chance(0)
        self._traces_bytes = trace_bytes
        self._on_push: Watch | None = None
        self._asked_at: Callable[[], str] | None = None
        self._dialler = Dialler(self)
        self._hellos = Hellos(self, self._dialler)
        self._listeners: dict[Address, MemoryServer] = {}
        self._dialled = 0
        self._dialled_to: dict[str, int] = {}
        self._free_port = _FREE_PORT
        self._hash = hashlib.blake2b(digest_size=16)
        self._unhashed: list[bytes] = []

    def digest(self) -> str:
        """A hash of every piece that arrived so far, with its connection, direction and instant."""
        self._hash_waiting()
        return self._hash.hexdigest()

    def _hash_waiting(self) -> None:
        self._hash.update(b"".join(self._unhashed))
        self._unhashed.clear()

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
        server = MemoryServer(self, addresses, protocol_factory, whose_loop())
        if start_serving:
            server.listen()
        return server

    def listener(self, host: str, port: int) -> MemoryServer | None:
        return self._listeners.get((host, port))

    # Dialling

    async def getaddrinfo(self, host: Any, port: Any, **hints: Any) -> list[Any]:
        return await self._dialler.infos(host, port, **hints)

    async def create_connection(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: Any = None, port: Any = None, **options: Any
    ) -> tuple[MemoryTransport, asyncio.BaseProtocol]:
        return await self._dialler.connect(protocol_factory, host, port, **options)

    async def start_tls(
        self, transport: MemoryTransport, protocol: asyncio.BaseProtocol, sslcontext: Any, **options: Any
    ) -> MemoryTransport:
        await self._dialler.start_tls(transport, protocol, sslcontext, **options)
        return transport

    async def connected_socket(self, infos: Sequence[Any], *, delay: float | None = None, interleave: int | None = None) -> SocketStub:
        """For those who connect first and ask for a transport then; raises an `ExceptionGroup` of what each address said."""
        return await self._dialler.socket(list(infos), delay, interleave)

    def begin_tls(self, sslcontext: Any, server_hostname: Any) -> Handshake | None:
        """For those who wrap a connection themselves: a handshake on the connection where its hello is written."""
        return self._hellos.begin(sslcontext, server_hostname)

    def dialled(self, ip: str, port: int, is_tls: bool) -> Connection:
        """Somebody dials: the connection that this may become."""
        host = self.names.canonical(ip)
        self._dialled += 1
        nth = self._dialled_to[host] = self._dialled_to.get(host, 0) + 1
        return Connection(self._dialled, nth, host, ip, port, is_tls, self._dialler.begun_ns(host))

    def connect(
        self,
        connection: Connection,
        listener: MemoryServer,
        protocol: asyncio.BaseProtocol,
        ssl: Any,
        loop: VirtualLoop,
        own: tuple[str, int] | None = None,
    ) -> None:
        """Join two ends; each lives on the loop of whoever dialled or listens, which in a program's run are two."""
        self.opened += 1
        number = connection.number
        connection.opened_ns = self.loop.now_ns
        troubles = [] if self.troubles is None else self.troubles.on_bytes(connection.dial)
        if troubles:
            connection.ways = {way: Way(troubles, number, way, self._chance, self.loop.now_ns) for way in "><"}
        up, down = self._pipe(connection, ">", listener.loop), self._pipe(connection, "<", loop)
        own_ip, own_port = own or (CLIENT_IP, 0)
        mine: tuple[Any, ...] = (CLIENT_IP if own_ip == "0.0.0.0" else own_ip, own_port or _FIRST_PORT + number)  # noqa: S104 - compared, not bound
        peer = (connection.ip, connection.port)
        secrets = {"sslcontext": ssl, "ssl_object": None, "peercert": {}, "cipher": ("TLS by fiat", "TLSv1.3", 0)} if ssl else {}
        client_extra = {"sockname": mine, "peername": peer, "socket": SocketStub(mine, peer, _FIRST_DESCRIPTOR + 2 * number), **secrets}
        server_extra = {
            "sockname": peer, "peername": mine, "socket": SocketStub(peer, mine, _FIRST_DESCRIPTOR + 2 * number + 1), **secrets
        }  # fmt: skip
        connection.listener = listener
        connection.client = MemoryTransport(loop, protocol, up, down, client_extra, lambda: self._on_lost(connection))
        connection.server = MemoryTransport(listener.loop, listener.factory(), down, up, server_extra, lambda: self._on_lost(connection))
        connection.client.asks, connection.client.told = self._asked_at, server_extra
        connection.client.dialled_ns = connection.dialled_ns
        listener.attach(connection.server)
        up.end, down.end = down.writer, up.writer = connection.server, connection.client
        up.context, down.context = listener.context.copy(), copy_context()  # each end hears in its own, whoever wrote
        self._add(connection)
        up.push(Mark.OPEN)  # before any byte, so that the server hears of it first
        connection.client.open()

    def _pipe(self, connection: Connection, way: str, loop: VirtualLoop) -> Pipe:
        latency = self.latency
        parts = (loop, f"{connection.number}{way}", lambda piece: latency(connection, way, piece), self._trace)
        if connection.ways is None:
            pipe = Pipe(*parts)
        else:
            pipe = TroubledPipe(
                *parts,
                way=connection.ways[way],
                on_passed=lambda: self._happen(connection),
                on_given_up=lambda: self._give_up(connection, way),
            )
        pipe.on_push = self._on_push
        return pipe

    def _trace(self, name: str, piece: Piece) -> None:
        self.delivered += 1
        data = piece if isinstance(piece, bytes) else piece.value.encode()
        unhashed = self._unhashed
        unhashed.append(b"%d %b %d %b" % (self.loop.now_ns, name.encode(), len(data), data))
        if len(unhashed) >= HASHED_AT_ONCE:
            self._hash_waiting()
        if self.on_piece is not None:
            self.on_piece(name, piece)
        if self._traces_bytes and isinstance(piece, bytes):
            self.bytes_seen.append(ByteTrace(self.loop.now_ns, int(name[:-1]), name[-1], piece))

    def is_readable(self, descriptor: int) -> bool | None:
        """Whether a read from a simulated socket would return at once, as it would from one that is closed; None for a real one."""
        number, is_server = divmod(descriptor - _FIRST_DESCRIPTOR, 2)
        if number < 0:
            return None
        connection = self._live.get(number)
        return connection is None or (connection.server if is_server else connection.client).inward.has_arrived()

    # What can be seen

    @property
    def on_push(self) -> Watch | None:
        """Told of each piece as it is written."""
        return self._on_push

    @on_push.setter
    def on_push(self, watch: Watch | None) -> None:
        self._on_push = watch
        for connection in self._live.values():
            connection.client.out.on_push = connection.server.out.on_push = watch

    @property
    def asked_at(self) -> Callable[[], str] | None:
        """Gives the line of the program that writes, such as "bot.py:31"; a server's transport tells the last as "asked_at"."""
        return self._asked_at

    @asked_at.setter
    def asked_at(self, line: Callable[[], str] | None) -> None:
        self._asked_at = line
        for connection in self._live.values():
            connection.client.asks = line
