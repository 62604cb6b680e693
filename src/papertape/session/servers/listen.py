"""Serve somebody's handlers: websockets, HTTP by aiohttp, or bare streams. Who shares a port is told apart by the client's first words."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientError, web
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from papertape.session.servers.endpoint import Endpoint, Protocol

if TYPE_CHECKING:
    from papertape.runtime.loop import VirtualLoop

OnCrash = Callable[[Endpoint, Exception], None]

BODY_MAX: Final = 1 << 30
HEAD_MAX: Final = 1 << 16
INTERNAL_ERROR: Final = 1011

_LOGGER: Final = logging.getLogger("papertape.servers")
_LOGGER.addHandler(logging.NullHandler())  # a broken line is no news here, and what matters is in the verdict

_UPGRADE: Final = re.compile(rb"^upgrade:[ \t]*websocket[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_TARGET: Final = re.compile(rb"\S+ (\S+) ")


async def listen(host: str, port: int, endpoints: list[Endpoint], loop: VirtualLoop, on_crash: OnCrash) -> None:
    """Listen at one place until the run is over."""
    if endpoints[0].protocol is Protocol.TCP:
        await asyncio.start_server(_stream_handler(endpoints[0], on_crash), host, port)
        return
    sockets = [endpoint for endpoint in endpoints if endpoint.protocol is Protocol.WEBSOCKET]
    requests = [endpoint for endpoint in endpoints if endpoint.protocol is Protocol.HTTP]
    if not requests:
        await _serve_websocket(host, port, sockets, on_crash)
        return
    http = await _http_factory(requests, on_crash)
    if not sockets:
        await loop.create_server(http, host, port)
        return
    websocket = await _serve_websocket(f"{host}.websocket.invalid", port, sockets, on_crash)  # it must think that it listens
    await loop.create_server(lambda: _FirstWords(websocket, http, sockets), host, port)


def is_of_the_line(error: Exception) -> bool:
    """Whether a handler may end with `error` when its connection breaks, as any server's does."""
    if isinstance(error, ExceptionGroup):
        return all(is_of_the_line(each) for each in error.exceptions)
    if isinstance(error, ConnectionError | EOFError | ConnectionClosed | ClientError):
        return True
    return isinstance(error, OSError) and error.errno is not None


def _route(endpoints: list[Endpoint], path: str) -> Endpoint | None:
    return next((endpoint for endpoint in endpoints if endpoint.answers(path)), None)


def _nobody(endpoints: list[Endpoint], path: str) -> str:
    return f"nobody answers {path} here; there is {', '.join(endpoint.url for endpoint in endpoints)}\n"


# One of each kind


def _stream_handler(endpoint: Endpoint, on_crash: OnCrash) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await endpoint.handler(reader, writer)
        except Exception as error:
            if not is_of_the_line(error):
                on_crash(endpoint, error)
                writer.transport.abort()
        except asyncio.CancelledError:
            pass  # the run is over; asyncio of 3.11 would call a cancelled handler an error
        finally:
            writer.close()

    return handle


async def _serve_websocket(host: str, port: int, endpoints: list[Endpoint], on_crash: OnCrash) -> Callable[[], asyncio.BaseProtocol]:
    async def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        endpoint = _route(endpoints, connection.request.path)
        assert endpoint is not None
        try:
            await endpoint.handler(connection)
        except Exception as error:
            if not is_of_the_line(error):
                on_crash(endpoint, error)
                await connection.close(INTERNAL_ERROR, "the handler crashed")

    def check_path(connection: ServerConnection, request: Request) -> Response | None:
        if _route(endpoints, request.path) is None:
            return connection.respond(HTTPStatus.NOT_FOUND, _nobody(endpoints, request.path))
        return None

    server = await serve(handle, host, port, process_request=check_path, logger=_LOGGER)
    factory: Callable[[], asyncio.BaseProtocol] = server.server.factory  # type: ignore[attr-defined] # a MemoryServer
    return factory


async def _http_factory(endpoints: list[Endpoint], on_crash: OnCrash) -> Callable[[], asyncio.BaseProtocol]:
    async def handle(request: web.Request) -> web.StreamResponse:
        endpoint = _route(endpoints, request.path)
        if endpoint is None:
            return web.Response(status=HTTPStatus.NOT_FOUND, text=_nobody(endpoints, request.path))
        try:
            answer = await endpoint.handler(request)
            if not isinstance(answer, web.StreamResponse):
                raise TypeError(f"it returned {answer!r}; expected an aiohttp.web.StreamResponse, such as web.json_response(…)")
        except web.HTTPException:
            raise
        except Exception as error:
            if is_of_the_line(error):
                raise
            on_crash(endpoint, error)
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, text="the handler crashed\n")
        return answer

    app = web.Application(client_max_size=BODY_MAX, logger=_LOGGER)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, handle_signals=False, access_log=None, logger=_LOGGER)
    await runner.setup()
    assert runner.server is not None
    return runner.server


class _FirstWords(asyncio.Protocol):
    """Reads the head of a connection's first request, and gives the connection to whom it is for."""

    def __init__(
        self, websocket: Callable[[], asyncio.BaseProtocol], http: Callable[[], asyncio.BaseProtocol], sockets: list[Endpoint]
    ) -> None:
        self._websocket = websocket
        self._http = http
        self._sockets = sockets
        self._transport: Any = None
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0 and len(self._head) < HEAD_MAX:
            return
        protocol: Any = (self._websocket if self._is_for_websocket(max(end, 0)) else self._http)()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._head)

    def _is_for_websocket(self, end: int) -> bool:
        target = _TARGET.match(self._head, 0, end)
        if target is None or _UPGRADE.search(self._head, 0, end) is None:
            return False
        return _route(self._sockets, target.group(1).decode("latin-1")) is not None
