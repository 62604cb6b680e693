"""Names and addresses of simulated hosts."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any, Final

LOCALHOST: Final = "localhost"

_LOCAL: Final = ("", "localhost", "127.0.0.1", "0.0.0.0", "::", "::1")  # noqa: S104 - names of it, nothing is bound
_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}

Address = tuple[str, int]
"""(canonical host name, port)."""


class Names:
    """Gives each host name an address, in the order in which they are first asked for, and knows it again by either."""

    def __init__(self) -> None:
        self._ip_by_name: dict[str, str] = {}
        self._name_by_ip: dict[str, str] = {}

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
        """The IPv4 address of a host; literal addresses are their own."""
        name = self.canonical(host)
        if name == LOCALHOST:
            return "127.0.0.1"
        try:
            return str(ipaddress.ip_address(name))
        except ValueError:
            pass
        ip = self._ip_by_name.get(name)
        if ip is None:
            number = len(self._ip_by_name) + 1
            ip = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            self._ip_by_name[name], self._name_by_ip[ip] = ip, name
        return ip

    def info(self, host: Any, port: Any) -> tuple[int, int, int, str, tuple[Any, ...]]:
        """One answer of `getaddrinfo`."""
        ip = self.ip(host)
        if ":" in ip:
            return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (ip, port_number(port), 0, 0)
        return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (ip, port_number(port))


def port_number(port: Any) -> int:
    """A port as a number, also by the name of its service; raises `socket.gaierror` for one nobody knows."""
    if port is None:
        return 0
    if isinstance(port, bytes):
        port = port.decode("ascii")
    if isinstance(port, str) and not port.isdigit():
        if port not in _PORTS:
            raise socket.gaierror(socket.EAI_SERVICE, "Servname not supported for ai_socktype")
        return _PORTS[port]
    return int(port)


class SocketStub:
    """What libraries get where they ask for a socket: it tells its addresses and accepts any option."""

    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, own: tuple[Any, ...], peer: tuple[Any, ...], descriptor: int = -1) -> None:
        self._own, self._peer, self._descriptor = own, peer, descriptor
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
