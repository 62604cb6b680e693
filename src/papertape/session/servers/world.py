"""What main is given in a run with servers: virtual time, the network, and what went over it."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from papertape.model.errors import ConfigError
from papertape.model.units import SECOND, Nanos
from papertape.runtime.network import Network
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


class ServedWorld:
    """The world of `async def main(world)`.

    Attributes:
        network: the simulated network, for what has no word here.
        seed: the run's.
    """

    def __init__(self, network: Network, *, seed: int | str, keeps_bytes: bool, has_heal: bool) -> None:
        self.network = network
        self.seed = seed
        self._keeps_bytes = keeps_bytes
        self._has_heal = has_heal

    @property
    def now_ns(self) -> Nanos:
        """Run time: virtual nanoseconds since the run began."""
        return self.network.loop.now_ns

    @property
    def now(self) -> float:
        """Run time in seconds."""
        return self.network.loop.now_ns / SECOND

    async def sleep(self, seconds: float) -> None:
        """Let virtual time go by."""
        await asyncio.sleep(seconds)

    def heal(self) -> None:
        """End all faults now."""
        self.network.heal()

    async def healed(self) -> None:
        """Wait until no fault will act any more: `heal` was reached, or the last fault's time is over."""
        endless = self._endless()
        if endless and not self._has_heal:
            raise ConfigError(
                f"world.healed(): nobody can say when {endless} is over, which waits for a connection or for bytes, or lasts for ever; "
                'say when all faults end, such as simulate(…, heal="2m"), or end them by world.heal()'
            )
        await self.network.faults_over()

    def connections(self, url: str | None = None) -> Connections:
        """How many connections there were and are to the host and port of `url`, which share them; or to all places."""
        facts = [each for each in self.network.facts() if url is None or (each.host, each.port) == self._place(url)]
        return Connections(len(facts), sum(each.closed_ns is None for each in facts))

    def trace(self, url: str | None = None) -> list[ConnectionTrace]:
        """The bytes of each connection to the host and port of `url`, or to all places, in the order of opening; needs `trace=True`."""
        if not self._keeps_bytes:
            raise ConfigError("world.trace(): no bytes were kept; say simulate(…, trace=True)")
        place = None if url is None else self._place(url)
        pieces: dict[int, list[Bytes]] = {}
        for seen in self.network.bytes_seen:
            direction = TO_SERVER if seen.direction == ">" else TO_CLIENT
            pieces.setdefault(seen.connection, []).append(Bytes(seen.at_ns, direction, seen.data))
        return [
            ConnectionTrace(each.number, each.host, each.port, pieces.get(each.number, []))
            for each in self.network.facts()
            if place is None or (each.host, each.port) == place
        ]

    def _endless(self) -> str:
        """A fault that only `heal` ends; empty if there is none left."""
        troubles = self.network.troubles
        for armed in () if troubles is None else troubles.all:
            if armed.healed_ns is None and armed.over_ns() is None:
                return f"fault {armed.index + 1} ({armed.trouble.kind})"
        return ""

    def _place(self, url: str) -> tuple[str, int]:
        host, port = place_of(url, f"world: {url!r}")
        return self.network.names.canonical(host), port
