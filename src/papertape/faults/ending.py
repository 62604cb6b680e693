"""Connections that end."""

from __future__ import annotations

from typing import ClassVar, Literal

from papertape.faults.network import NetworkFault
from papertape.runtime.network.trouble import Act


class Reset(NetworkFault, frozen=True, kw_only=True, tag="reset"):
    """A connection is cut with RST at both ends; what was on its way is lost.

    With `at` alone it hits what is open at that instant; with `lasts` also each connection that is opened while it lasts; with a count
    each connection on which that many bytes have passed, at once and at no other byte; with none of them each connection as soon as it is
    accepted. One that is being dialled is not open yet.

    interface: nothing; use "disconnect".
    wire: both protocols lose the connection with ConnectionResetError; bytes that arrived before are not taken back.
    """

    act: ClassVar[Act] = Act.RESET


class Close(NetworkFault, frozen=True, kw_only=True, tag="close"):
    """The server's end closes a connection politely, as in a restart or after too long a silence.

    When it does is told as for "reset". What the server had written arrives, then FIN; what its program writes later is dropped.

    interface: nothing; use "disconnect" with `clean`.
    wire: the server's transport is closed; the client reads to the end and sees no error. No WebSocket goodbye is said.
    """

    act: ClassVar[Act] = Act.CLOSE


class HalfClose(NetworkFault, frozen=True, kw_only=True, tag="half_close"):
    """One direction of a connection ends with FIN, the other stays open.

    When it does is told as for "reset". What the sender writes in that direction afterwards is taken and never arrives; its sender does not
    notice.

    interface: nothing; there are no connections.
    wire: the reader's `eof_received` is called; what follows on its side is the client's own manners: most close then.

    Attributes:
        direction: which one ends; "both" ends each by itself.
    """

    direction: Literal["both", "to_server", "to_client"] = "to_client"

    act: ClassVar[Act] = Act.HALF_CLOSE
