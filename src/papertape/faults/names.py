"""Names that lead nowhere, or not soon."""

from __future__ import annotations

import socket
from typing import ClassVar, Literal

from papertape.faults.network import NetworkFault, Slowing, replaced
from papertape.model.units import parse_duration
from papertape.runtime.network.address import LOCALHOST, literal_ip
from papertape.runtime.network.trouble import Act, Trouble

_CODES = {"not_found": int(socket.EAI_NONAME), "try_again": int(socket.EAI_AGAIN)}


class DnsFailure(NetworkFault, frozen=True, kw_only=True, tag="dns_failure"):
    """A host's name cannot be looked up.

    `nth_connection` counts lookups of the name here, from 1; a client that keeps answers, as aiohttp does for ten seconds, looks up less
    often than it dials. Addresses and localhost are not looked up. Open connections are not touched.

    interface: nothing; there are no names.
    wire: `getaddrinfo`, and with it `create_connection`, raises socket.gaierror EAI_NONAME ("not_found") or EAI_AGAIN ("try_again").

    Attributes:
        error: "not_found" or "try_again".
        takes: how long it is before the lookup fails.
    """

    error: Literal["not_found", "try_again"] = "not_found"
    takes: str = "0s"

    act: ClassVar[Act] = Act.FAIL_LOOKUP

    def durations(self) -> list[tuple[str, str | None]]:
        return [("takes", self.takes)]

    def problems(self) -> list[tuple[str, str]]:
        return super().problems() + _never_looked_up(self)

    def trouble(self) -> Trouble:
        return replaced(super().trouble(), add_ns=parse_duration(self.takes), code=_CODES[self.error])


class DnsSlow(Slowing, frozen=True, kw_only=True, tag="dns_slow"):
    """A host's name takes long to look up.

    `nth_connection` counts lookups of the name here, from 1. Addresses and localhost are not looked up.

    interface: nothing; there are no names.
    wire: `getaddrinfo`, and with it `create_connection`, takes `add` longer.

    Attributes:
        add: how much longer.
    """

    act: ClassVar[Act] = Act.SLOW_LOOKUP

    def problems(self) -> list[tuple[str, str]]:
        return super().problems() + _never_looked_up(self)


def _never_looked_up(fault: NetworkFault) -> list[tuple[str, str]]:
    if fault.host is None or (fault.host != LOCALHOST and literal_ip(fault.host) is None):
        return []
    return [("host", f'holds "{fault.host}", which nobody looks up; expected a name')]
