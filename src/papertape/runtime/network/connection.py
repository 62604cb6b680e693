"""One TCP connection of the simulated network, and what can be said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from papertape.model.units import Nanos
from papertape.runtime.network.trouble import Act, Armed, Dial
from papertape.runtime.network.way import Way

if TYPE_CHECKING:
    from papertape.runtime.network.server import MemoryServer
    from papertape.runtime.network.transport import MemoryTransport


class ConnectionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection was.

    Attributes:
        number: from 1, in the order of dialling, those that failed counted.
        opened_ns, closed_ns: run time; `closed_ns` is None while one of its ends has it.
        to_server, to_client: bytes that arrived.
    """

    number: int
    host: str
    port: int
    opened_ns: Nanos
    closed_ns: Nanos | None
    to_server: int
    to_client: int


class Connection:
    """One TCP connection.

    Attributes:
        number: from 1, in the order of dialling.
        nth: the same, of those to this host.
        host, port, ip: where the client dialled to.
        is_tls: by fiat: the client asked for TLS, and has it.
        dialled_ns: when the client began, with the lookup of the host's name if it did not know it; run time.
        opened_ns, closed_ns: run time; None where that has not happened.
        ways: what may go wrong with its bytes in either direction, if anything.
    """

    client: MemoryTransport
    server: MemoryTransport

    def __init__(self, number: int, nth: int, host: str, ip: str, port: int, is_tls: bool, dialled_ns: Nanos) -> None:
        self.number = number
        self.nth = nth
        self.host = host
        self.ip = ip
        self.port = port
        self.is_tls = is_tls
        self.listener: MemoryServer | None = None
        self.ends = 2  # that have not lost it yet
        self.dialled_ns = dialled_ns
        self.opened_ns: Nanos | None = None
        self.closed_ns: Nanos | None = None
        self.ways: dict[str, Way] | None = None
        self._done: list[int] = []

    @property
    def dial(self) -> Dial:
        return Dial(self.number, self.host, self.ip, self.nth)

    def due(self, now_ns: Nanos) -> list[tuple[Armed, str]]:
        """What happens once, and now, with the direction that brought it about; what ends a connection does so only once."""
        found = []
        for direction, way in (self.ways or {}).items():
            for armed in way.due(now_ns):
                if armed.act is Act.HALF_CLOSE or armed.index not in self._done:
                    self._done.append(armed.index)
                    found.append((armed, direction))
        return found

    def facts(self) -> ConnectionFacts:
        assert self.opened_ns is not None
        return ConnectionFacts(
            number=self.number, host=self.host, port=self.port, opened_ns=self.opened_ns, closed_ns=self.closed_ns,
            to_server=self.client.out.arrived, to_client=self.server.out.arrived,
        )  # fmt: skip
