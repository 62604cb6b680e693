"""Names and addresses of simulated hosts."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

LOCALHOST: Final = "localhost"

_LOCAL: Final = ("", "localhost", "127.0.0.1", "0.0.0.0", "::", "::1")  # noqa: S104 - names of it, nothing is bound
_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}

_LOOKUP_ERRORS: Final = {
    socket.EAI_NONAME: "Name or service not known",
    socket.EAI_AGAIN: "Temporary failure in name resolution",
    socket.EAI_NODATA: "No address associated with hostname",
    socket.EAI_ADDRFAMILY: "Address family for hostname not supported",
    socket.EAI_SERVICE: "Servname not supported for ai_socktype",
    socket.EAI_SOCKTYPE: "ai_socktype not supported",
}

Address = tuple[str, int]
"""(canonical host name, port)."""

Info = tuple[int, int, int, str, tuple[Any, ...]]
"""One answer of `getaddrinfo`: (family, type, protocol, canonical name, address)."""


class Names:
    """Gives each host name an address, in the order in which they are first asked for, and knows it again by either.

    Args:
        addresses: the addresses of hosts that have several, or one of their own.
    """

    def __init__(self, addresses: Mapping[str, Sequence[str]] | None = None) -> None:
        self._ips_by_name: dict[str, tuple[str, ...]] = {}
        self._name_by_ip: dict[str, str] = {}
        for host, ips in (addresses or {}).items():
            self._give(self.canonical(host), tuple(str(ipaddress.ip_address(ip)) for ip in ips))

    def canonical(self, host: Any) -> str:
        """The one name of a host, however it is written: bytes, upper case, trailing dot, or the address that `ip` gave out.

        >>> names = Names()
        >>> names.canonical("API.Coinbase.com."), names.canonical(names.ip("api.coinbase.com")), names.canonical("0.0.0.0")
        ('api.coinbase.com', 'api.coinbase.com', 'localhost')
        """
        if host is None:
            return LOCALHOST
        text = host.decode("ascii") if isinstance(host, bytes) else str(host)
        text = text.lower().rstrip(".").strip("[]")
        return LOCALHOST if text in _LOCAL else self._name_by_ip.get(text, text)

    def ip(self, host: Any) -> str:
        """The first address of a host; literal addresses are their own."""
        return self.ips(host)[0]

    def ips(self, host: Any) -> tuple[str, ...]:
        """The addresses of a host, at least one.

        >>> Names({"a.test": ["10.9.0.1", "fd00::1"]}).ips("A.test"), Names().ips("b.test")
        (('10.9.0.1', 'fd00::1'), ('10.0.0.1',))
        """
        name = self.canonical(host)
        if name == LOCALHOST:
            return ("127.0.0.1",)
        literal = literal_ip(name)
        if literal is not None:
            return (literal,)
        ips = self._ips_by_name.get(name)
        if ips is None:
            number = len(self._ips_by_name) + 1
            ips = (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",)
            self._give(name, ips)
        return ips

    def _give(self, name: str, ips: tuple[str, ...]) -> None:
        self._ips_by_name[name] = ips
        self._name_by_ip.update(dict.fromkeys(ips, name))

    def infos(self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> list[Info]:
        """The answer of `getaddrinfo`; raises what it raises. There are streams only where no type is asked for."""
        if host is None and port is None:
            raise failed_lookup(socket.EAI_NONAME)
        literal = literal_ip(host)
        if flags & socket.AI_NUMERICHOST and host is not None and literal is None:
            raise failed_lookup(socket.EAI_NONAME)
        if host is None and flags & socket.AI_PASSIVE:
            ips: tuple[str, ...] = ("0.0.0.0",)  # noqa: S104 - told, not bound
        else:
            ips = self.ips(host) if literal is None else (literal,)
        kinds = {socket.SOCK_STREAM: socket.IPPROTO_TCP, socket.SOCK_DGRAM: socket.IPPROTO_UDP}
        kind = type or (socket.SOCK_DGRAM if proto == socket.IPPROTO_UDP else socket.SOCK_STREAM)
        if kind not in kinds or proto not in (0, kinds[kind]):  # type: ignore[index]  # a kind that is none of these is refused, or was
            raise failed_lookup(socket.EAI_SOCKTYPE)
        number = port_number(port)
        found: list[Info] = []
        for ip in ips:
            of = socket.AF_INET6 if ":" in ip else socket.AF_INET
            name = self.canonical(host) if flags & socket.AI_CANONNAME and not found else ""
            if family in (0, of):
                address = (ip, number, 0, 0) if of == socket.AF_INET6 else (ip, number)
                found.append((of, socket.SocketKind(kind), kinds[kind], name, address))  # type: ignore[index]  # a kind that is none of these is refused, or was
        if not found:
            raise failed_lookup(socket.EAI_NODATA if literal is None else socket.EAI_ADDRFAMILY)
        return found


def literal_ip(host: Any) -> str | None:
    """A host that is written as an address, in one way of writing it; None for a name."""
    try:
        return _literal(host.decode("ascii") if isinstance(host, bytes) else str(host).strip("[]"))
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _literal(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None  # as most are, and over and over: a name


def failed_lookup(code: int) -> socket.gaierror:
    """What a lookup raises, in the words of glibc."""
    return socket.gaierror(code, _LOOKUP_ERRORS.get(code, "Name or service not known"))


def port_number(port: Any) -> int:
    """A port as a number, also by the name of its service; raises `socket.gaierror` for one nobody knows."""
    if port is None:
        return 0
    if isinstance(port, bytes):
        port = port.decode("ascii")
    if isinstance(port, str) and not port.isdigit():
        if port not in _PORTS:
            raise failed_lookup(socket.EAI_SERVICE)
        return _PORTS[port]
    return int(port)


class SocketStub:
    """What libraries get where they ask for a socket: it tells its addresses and accepts any option.

    Attributes:
        dialled: the connection that it is one end of, where it was connected before anybody asked for a transport.
    """

    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, own: tuple[Any, ...], peer: tuple[Any, ...], descriptor: int = -1) -> None:
        self._own, self._peer, self._descriptor = own, peer, descriptor
        self.dialled: Any = None
        self.family = socket.AF_INET6 if ":" in str((peer or own)[0]) else socket.AF_INET

    def getsockname(self) -> tuple[Any, ...]:
        return self._own

    def getpeername(self) -> tuple[Any, ...]:
        return self._peer

    def setsockopt(self, *args: Any) -> None:
        """Nothing to set."""

    def getsockopt(self, *args: Any) -> int:
        return 0

    def fileno(self) -> int:
        return self._descriptor

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

    def shutdown(self, how: int) -> None:
        """Its transport does that."""

    def close(self) -> None:
        """Its transport does that."""
