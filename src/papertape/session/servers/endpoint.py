"""The urls of `servers={url: handler}`: what each means, and which of them share a port."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from papertape.model.errors import ConfigError

Handler = Callable[..., Awaitable[Any]]


class Protocol(Enum):
    """What is spoken at a url; the value is the shape of its handler."""

    WEBSOCKET = "async def handler(connection), with a websockets ServerConnection"
    HTTP = "async def handler(request), which returns an aiohttp.web.StreamResponse"
    TCP = "async def handler(reader, writer), with asyncio's streams"


SCHEMES: Final[dict[str, tuple[Protocol, int | None]]] = {
    "ws": (Protocol.WEBSOCKET, 80),
    "wss": (Protocol.WEBSOCKET, 443),
    "http": (Protocol.HTTP, 80),
    "https": (Protocol.HTTP, 443),
    "tcp": (Protocol.TCP, None),
    "tls": (Protocol.TCP, None),
}
"""What a url may begin with: its protocol, and its port where it names none."""

PORT_MAX: Final = 65_535


class Endpoint(msgspec.Struct, frozen=True):
    """One url and who answers there.

    Attributes:
        url: as it was given.
        path: what a request's path begins with, without a last slash; "" answers every path.
    """

    url: str
    protocol: Protocol
    host: str
    port: int
    path: str
    handler: Handler

    def answers(self, path: str) -> bool:
        """Whether a request for `path` is for this url.

        >>> endpoint = Endpoint("ws://h/v1", Protocol.WEBSOCKET, "h", 80, "/v1", print)
        >>> [endpoint.answers(path) for path in ("/v1", "/v1/feed?x=1", "/v1?x=1", "/v10", "/")]
        [True, True, True, False, False]
        """
        path = path.partition("?")[0]
        return not self.path or path == self.path or path.startswith(self.path + "/")


def read_servers(servers: Mapping[str, Handler], where: str) -> dict[tuple[str, int], list[Endpoint]]:
    """What listens at each (host, port), the longest path first; raises `ConfigError` for what cannot be served."""
    if not isinstance(servers, Mapping) or not servers:
        raise ConfigError(f'{where}: `servers` holds {servers!r}; expected handlers by url, such as {{"wss://ws.example.com/v1": handler}}')
    ports: dict[tuple[str, int], list[Endpoint]] = {}
    for url, handler in servers.items():
        endpoint = _endpoint(url, handler, f"{where}: servers[{url!r}]")
        others = ports.setdefault((endpoint.host, endpoint.port), [])
        for other in others:
            _check_beside(endpoint, other, f"{where}: servers[{url!r}]")
        others.append(endpoint)
    for others in ports.values():
        others.sort(key=lambda endpoint: -len(endpoint.path))
    return ports


def place_of(url: str, where: str) -> tuple[str, int]:
    """The (host, port) of a url.

    >>> place_of("wss://WS.example.com/v1", "f()")
    ('ws.example.com', 443)
    """
    return _place(_split(url, where), url, where)


def _endpoint(url: str, handler: Handler, where: str) -> Endpoint:
    parts = _split(url, where)
    host, port = _place(parts, url, where)
    protocol = SCHEMES[parts.scheme][0]
    path = parts.path.rstrip("/")
    if protocol is Protocol.TCP and path:
        raise ConfigError(f"{where}: has the path {path!r}; {parts.scheme} knows hosts and ports alone")
    for part, name in ((parts.query, "query"), (parts.fragment, "fragment"), (parts.username, "user name")):
        if part:
            raise ConfigError(f"{where}: has the {name} {part!r}; expected scheme, host, port and the path that requests begin with")
    _check_handler(handler, protocol, where)
    return Endpoint(url, protocol, host, port, path, handler)


def _split(url: str, where: str) -> SplitResult:
    if not isinstance(url, str):
        raise ConfigError(f'{where}: is no url; expected text such as "wss://ws.example.com/v1"')
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f'{where}: is no url ({error}); expected one such as "wss://ws.example.com/v1"') from None
    if parts.scheme not in SCHEMES:
        raise ConfigError(f"{where}: the scheme is {parts.scheme!r}; expected one of {', '.join(SCHEMES)}, such as wss://ws.example.com/v1")
    return parts


def _place(parts: SplitResult, url: str, where: str) -> tuple[str, int]:
    host = (parts.hostname or "").rstrip(".")
    if not host:
        raise ConfigError(f"{where}: names no host; expected one such as {parts.scheme}://api.example.com")
    expected = f"expected 1 to {PORT_MAX}, such as {parts.scheme}://{host}:9000"
    try:
        port = parts.port
    except ValueError:
        raise ConfigError(f"{where}: the port of {url!r} is no port; {expected}") from None
    if port is None:
        port = SCHEMES[parts.scheme][1]
        if port is None:
            raise ConfigError(f"{where}: names no port, and {parts.scheme} has none of its own; {expected}")
    if not port:
        raise ConfigError(f"{where}: the port is 0; {expected}")
    return host, port


def _check_handler(handler: Any, protocol: Protocol, where: str) -> None:
    name = getattr(handler, "__qualname__", repr(handler))
    if not callable(handler):
        raise ConfigError(f"{where}: holds {name}; expected {protocol.value}")
    if not (inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))):  # noqa: B004 - whether that is a coroutine function, not whether it is callable
        raise ConfigError(f"{where}: {name} is no `async def`; expected {protocol.value}")
    count = 2 if protocol is Protocol.TCP else 1
    try:
        inspect.signature(handler).bind(*[None] * count)
    except TypeError:
        raise ConfigError(f"{where}: {name}{inspect.signature(handler)} does not take {count}; expected {protocol.value}") from None


def _check_beside(one: Endpoint, other: Endpoint, where: str) -> None:
    at = f"{one.host}:{one.port}"
    if Protocol.TCP in (one.protocol, other.protocol):
        raise ConfigError(
            f"{where}: stands beside {other.url!r}; a tcp or tls handler has {at} for itself, so give one of them another port"
        )
    if one.protocol is other.protocol and one.path == other.path:
        raise ConfigError(f"{where}: is answered by {other.url!r} already; one handler for each path at {at}")
