"""The open connections of a network, and what can be done to them: by hand, and by the faults of the run."""

from __future__ import annotations

import asyncio
import errno
import gc
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from papertape.model.units import Nanos
from papertape.runtime.network.address import Names
from papertape.runtime.network.connection import Connection, ConnectionFacts
from papertape.runtime.network.dial import whose_loop
from papertape.runtime.network.trouble import Act, Armed, Troubles
from papertape.runtime.network.troubled import TroubledPipe
from papertape.runtime.rank import DELIVERY, TIMER

if TYPE_CHECKING:
    from papertape.runtime.loop import VirtualLoop


COLLECT_EVERY: Final = 1_000
"""Closed connections until their remains are collected: Python's own collector rests during a run, as its instants depend on the process,
and what libraries keep of a connection refers to itself.
"""


class Live:
    """What a network knows of its connections.

    Attributes:
        troubles: what is to go wrong in this run; None if nothing is.
    """

    def __init__(self, loop: VirtualLoop, names: Names, troubles: Troubles | None) -> None:
        self.loop = loop
        self.names = names
        self.troubles = troubles
        self._live: dict[int, Connection] = {}
        self._closed = 0
        self._facts: dict[int, ConnectionFacts | None] = {}  # None while it is open
        self._waiting: list[asyncio.Future[None]] = []  # for the end of all faults
        for start_ns in troubles.starts_ns() if troubles is not None else ():
            loop.schedule_ns(start_ns, DELIVERY, self._happen_to_all)

    def _add(self, connection: Connection) -> None:
        self._live[connection.number] = connection
        self._facts[connection.number] = None

    def _on_lost(self, connection: Connection) -> None:
        connection.ends -= 1
        if not connection.ends and self._live.pop(connection.number, None) is not None:
            connection.closed_ns = self.loop.now_ns
            self._facts[connection.number] = connection.facts()
            self._closed += 1
            if self._closed % COLLECT_EVERY == 0:
                gc.collect()

    def connections(self, host: str | None = None) -> list[Connection]:
        """Those that are open, in the order of dialling; of one host, or all."""
        name = None if host is None else self.names.canonical(host)
        return [connection for connection in self._live.values() if name is None or connection.host == name]

    def facts(self, host: str | None = None) -> list[ConnectionFacts]:
        """What there is to say of every connection that was ever opened, in the order of opening; to one host, or all."""
        name = None if host is None else self.names.canonical(host)
        known = (self._live[number].facts() if facts is None else facts for number, facts in self._facts.items())
        return [facts for facts in known if name is None or facts.host == name]

    def opened_to(self, host: str) -> int:
        """How many connections to `host` were opened."""
        return len(self.facts(host))

    def is_bringing(self) -> bool:
        """Whether anything is on its way to a server that reads."""
        return any(each.client.out.waiting and each.server.is_reading() for each in self._live.values())

    def is_carrying(self) -> bool:
        """Whether anything is on its way, in either direction."""
        return any(each.client.out.waiting or each.server.out.waiting for each in self._live.values())

    # Faults

    @property
    def armed(self) -> Sequence[Armed]:
        """Each fault and what it did so far, in the order of the plan."""
        return [] if self.troubles is None else self.troubles.all

    @property
    def fired(self) -> list[int]:
        """How often each fault acted, in the order of the plan."""
        return [] if self.troubles is None else [armed.fired for armed in self.troubles.all]

    def disturbed_ns(self) -> Nanos:
        """Until when, as far as can be said now, a fault has been at work, run time; 0 if none has."""
        return 0 if self.troubles is None else self.troubles.disturbed_ns(self.loop.now_ns)

    def heal(self) -> None:
        """End all faults now. Bytes that were kept arrive, and lost ones when TCP next sends them; what is under way late stays late."""
        if self.troubles is not None:
            self.troubles.heal(self.loop.now_ns)
            for connection in self.connections():
                connection.client.out.resume()
                connection.server.out.resume()
        self._tell_over()

    def faults_over(self) -> asyncio.Future[None]:
        """Done when no fault will act any more: each one's time is over, or `heal` was called.

        Of a fault that waits for a connection or for bytes, or lasts for ever, nobody can say when it is over: then it takes `heal`.
        """
        future: asyncio.Future[None] = whose_loop().create_future()
        over_ns = 0 if self.troubles is None else self.troubles.over_ns()
        if over_ns is not None and over_ns <= self.loop.now_ns:
            future.set_result(None)
            return future
        if over_ns is not None and not self._waiting:
            self.loop.schedule_ns(over_ns, TIMER, self._tell_over)
        self._waiting.append(future)
        return future

    def _tell_over(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _happen_to_all(self) -> None:
        for connection in self.connections():
            if connection.client.out.opens_ns() is None:
                self._happen(connection)

    def _happen(self, connection: Connection) -> None:
        """Let happen what happens once on a connection, if its time has come."""
        for armed, direction in connection.due(self.loop.now_ns):
            armed.note(self.loop.now_ns)
            if armed.act is Act.RESET:
                self._cut(connection)
                for way in (connection.ways or {}).values():
                    way.is_cut = True  # what is written until both ends have heard of it
            elif armed.act is Act.CLOSE:
                connection.server.close()
            else:
                pipe = connection.client.out if direction == ">" else connection.server.out
                assert isinstance(pipe, TroubledPipe)
                pipe.shut()

    def _give_up(self, connection: Connection, way: str) -> None:
        """What was sent so many times got no answer: its sender has no connection any more, and the other end does not hear of it."""
        end = connection.client if way == ">" else connection.server
        end.break_off(TimeoutError(errno.ETIMEDOUT, "Connection timed out"))

    def _cut(self, connection: Connection) -> None:
        opens_ns = connection.client.out.opens_ns() or 0
        for transport in (connection.client, connection.server):
            transport.out.discard()
            at_ns = self.loop.now_ns if transport is connection.client else max(self.loop.now_ns, opens_ns)
            transport.loop.schedule_ns(at_ns, DELIVERY, transport.reset)

    def reset_all(self, host: str | None = None) -> int:
        """Cut connections: both ends get a reset at once, what was on its way is lost. Returns how many there were."""
        cut = self.connections(host)
        for connection in cut:
            self._cut(connection)
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
