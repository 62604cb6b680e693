"""What main is given in a run with servers: virtual time, the network, and what went over it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec

from papertape.journal import Journal
from papertape.model.errors import ConfigError
from papertape.model.units import SECOND, Nanos
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.network.network import Connection
from papertape.runtime.network.pipe import Piece
from papertape.session.servers.endpoint import place_of

TO_SERVER: Final = "to_server"
TO_CLIENT: Final = "to_client"


class Connections(msgspec.Struct, frozen=True):
    """How many connections there were to one place.

    Attributes:
        opened: since the run began.
        open: now.
    """

    opened: int
    open: int


class Bytes(msgspec.Struct, frozen=True):
    """One piece of bytes as it arrived: at which run nanosecond, "to_server" or "to_client", and what."""

    at_ns: Nanos
    direction: str
    data: bytes


class ConnectionTrace(msgspec.Struct, frozen=True):
    """What went over one connection, as it arrived.

    Attributes:
        number: of the connection, from 1, in the order of dialling.
        pieces: in the order in which they arrived.
    """

    number: int
    host: str
    port: int
    pieces: list[Bytes]

    @property
    def to_server(self) -> bytes:
        return b"".join(piece.data for piece in self.pieces if piece.direction == TO_SERVER)

    @property
    def to_client(self) -> bytes:
        return b"".join(piece.data for piece in self.pieces if piece.direction == TO_CLIENT)


class WatchedNetwork(Network):
    """A network that tells the journal of its connections, and keeps their bytes if it shall.

    Attributes:
        opened_at: how many connections were opened, by host and port.
        traces: one for each connection, by its number; empty unless `keeps_bytes`.
    """

    def __init__(self, loop: VirtualLoop, journal: Journal, *, keeps_bytes: bool, **options: Any) -> None:
        super().__init__(loop, **options)
        self.opened_at: Counter[tuple[str, int]] = Counter()
        self.traces: dict[int, ConnectionTrace] = {}
        self.is_over = False
        self._journal = journal
        self._keeps_bytes = keeps_bytes

    def forget(self) -> None:
        """The run is over and its loop closed: what was left open is closed, whatever outlives it."""
        for connection in self.connections():  # a traceback may hold a StreamWriter, which would complain in the midst of another test
            for transport in (connection.client, connection.server):
                transport._is_closing = True

    def _connect(self, connection: Connection, *others: Any, **options: Any) -> None:
        if not self.is_over:
            self.opened_at[connection.host, connection.port] += 1
            self._note("connection", connection=connection.number, host=connection.host, port=connection.port)
            if self._keeps_bytes:
                self.traces[connection.number] = ConnectionTrace(connection.number, connection.host, connection.port, [])
        super()._connect(connection, *others, **options)

    def _on_lost(self, connection: Connection) -> None:
        super()._on_lost(connection)
        if not connection.ends:
            self._note("connection_over", connection=connection.number)

    def _trace(self, name: str, piece: Piece) -> None:
        super()._trace(name, piece)
        if self._keeps_bytes and isinstance(piece, bytes):
            trace = self.traces.get(int(name[:-1]))
            if trace is not None:
                trace.pieces.append(Bytes(self.loop.now_ns, TO_SERVER if name[-1] == ">" else TO_CLIENT, piece))

    def _note(self, kind: str, **facts: Any) -> None:
        if not self.is_over:  # how a run is cleared away is nobody's business
            self._journal.write(self.loop.now_ns, kind, **facts)


class ServedWorld:
    """The world of `async def main(world)`.

    Attributes:
        network: the simulated network, for what has no word here.
        seed: the run's.
    """

    def __init__(self, loop: VirtualLoop, network: WatchedNetwork, *, seed: int | str, keeps_bytes: bool, heal: Callable[[], None]) -> None:
        self.network = network
        self.seed = seed
        self._loop = loop
        self._keeps_bytes = keeps_bytes
        self._heal = heal
        self._healed: asyncio.Event = asyncio.Event()
        self._never: str = ""

    @property
    def now_ns(self) -> Nanos:
        """Run time: virtual nanoseconds since the run began."""
        return self._loop.now_ns

    @property
    def now(self) -> float:
        """Run time in seconds."""
        return self._loop.now_ns / SECOND

    async def sleep(self, seconds: float) -> None:
        """Let virtual time go by."""
        await asyncio.sleep(seconds)

    @property
    def is_healed(self) -> bool:
        """Whether no fault will act any more."""
        return self._healed.is_set()

    def heal(self) -> None:
        """End all faults now."""
        if not self.is_healed:
            self._heal()
            self.on_healed()

    async def healed(self) -> None:
        """Wait until no fault will act any more: `heal` was reached, or the last fault's window is over."""
        if self._never and not self.is_healed:
            raise ConfigError(f"world.healed(): {self._never}")
        await self._healed.wait()

    def connections(self, url: str | None = None) -> Connections:
        """How many connections there were and are to the host and port of `url`, which share them; or to all places."""
        if url is None:
            return Connections(self.network.opened_at.total(), len(self.network.connections()))
        host, port = self._place(url)
        now = [connection for connection in self.network.connections(host) if connection.port == port]
        return Connections(self.network.opened_at[host, port], len(now))

    def trace(self, url: str | None = None) -> list[ConnectionTrace]:
        """The bytes of each connection to the host and port of `url`, or to all places, in the order of dialling; needs `trace=True`."""
        if not self._keeps_bytes:
            raise ConfigError("world.trace(): no bytes were kept; say simulate(…, trace=True)")
        place = None if url is None else self._place(url)
        return [trace for trace in self.network.traces.values() if place is None or (trace.host, trace.port) == place]

    # What the run tells it

    def on_healed(self) -> None:
        self._healed.set()

    def on_endless(self, why: str) -> None:
        """The faults will never be over; `why` says which and what to do."""
        self._never = why

    def _place(self, url: str) -> tuple[str, int]:
        host, port = place_of(url, f"world: {url!r}")
        return self.network.names.canonical(host), port
