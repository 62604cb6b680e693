"""Connections that do not come about."""

from __future__ import annotations

from typing import ClassVar

from papertape.faults.network import NetworkFault, Slowing
from papertape.runtime.network.trouble import Act


class ConnectRefused(NetworkFault, frozen=True, kw_only=True, tag="connect_refused"):
    """Nobody listens: a host answers a new connection with RST.

    Open connections are not touched. The server does not hear of it.

    interface: nothing; there are no connections.
    wire: `create_connection` raises ConnectionRefusedError after a round trip.
    """

    act: ClassVar[Act] = Act.REFUSE


class ConnectTimeout(NetworkFault, frozen=True, kw_only=True, tag="connect_timeout"):
    """A host does not answer new connections at all.

    SYN is sent as Linux does, at 0, 1, 3, 7, 15, 31 and 63 s; the first that is sent when the fault is over is answered. Open
    connections are not touched.

    interface: nothing; there are no connections.
    wire: `create_connection` waits, and raises TimeoutError (ETIMEDOUT) after 127 s unless the client gives up before.
    """

    act: ClassVar[Act] = Act.IGNORE


class SlowConnect(Slowing, frozen=True, kw_only=True, tag="slow_connect"):
    """New connections take long to be established.

    interface: nothing; there are no connections.
    wire: `create_connection` takes `add` longer before its SYN is answered; once open, a connection is as fast as any.

    Attributes:
        add: how much longer.
    """

    add: str = "2s"

    act: ClassVar[Act] = Act.SLOW_CONNECT
