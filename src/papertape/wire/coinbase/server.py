"""A whole Coinbase on one port: REST under /api and /v2, streams under every other path. The same code in memory and on loopback."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpProcessingError, HttpVersion11, RawRequestMessage

from papertape.model.request import Lane
from papertape.venues.coinbase.auth import Credentials, Keyring, Right
from papertape.venues.coinbase.errors import too_many_requests
from papertape.venues.coinbase.notation import Products, alias_of, product_id
from papertape.wire.caller import Caller, reset
from papertape.wire.coinbase.handler import RestHandler
from papertape.wire.coinbase.idle import Idle
from papertape.wire.coinbase.rest import BODY_MAX, RestFront, abort, written
from papertape.wire.coinbase.stream import StreamFront
from papertape.wire.port import VenuePort
from papertape.wire.quotas import Quotas

REST_HOST: Final = "api.coinbase.com"
MARKET_HOST: Final = "advanced-trade-ws.coinbase.com"
USER_HOST: Final = "advanced-trade-ws-user.coinbase.com"

LANES: Final = {REST_HOST: Lane.REST, MARKET_HOST: Lane.MARKET, USER_HOST: Lane.USER}
"""Which lane a connection to a host is; where one host serves all, /user is the user lane and any other path the market's."""


class Mishaps(logging.Logger):
    """Where aiohttp tells what went wrong with a request: bytes that are no HTTP are the client's affair, all else is a mistake of ours.

    Attributes:
        found: those mistakes, a sentence each.
    """

    def __init__(self) -> None:
        super().__init__("papertape.wire.coinbase", logging.ERROR)
        self.found: list[str] = []

    def handle(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            self.found.append(f"{record.getMessage()}: {type(error).__name__}: {error}")


def _request(
    message: RawRequestMessage, payload: StreamReader, protocol: web.RequestHandler, writer: AbstractStreamWriter, task: asyncio.Task[None]
) -> web.BaseRequest:
    return web.BaseRequest(message, payload, protocol, writer, task, protocol._loop, client_max_size=BODY_MAX)


async def _let_it_come(http: web.BaseRequest) -> None:
    """A client asks before it sends a large body (RFC 9110, 10.1.1); nothing else can be expected of a server."""
    if http.version < HttpVersion11:
        return
    if http.headers["Expect"].lower() != "100-continue":
        raise web.HTTPExpectationFailed(text=f"Unknown Expect: {http.headers['Expect']}")
    await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    http.writer.output_size = 0  # of the answer nothing has been written yet
    await http.writer.drain()


class CoinbaseServer:
    """Serves a venue to whoever speaks Coinbase's protocol.

    Args:
        port: the venue behind it.
        credentials: the keys it knows.
        keys: these and how they are checked, instead of `credentials`.

    Attributes:
        mishaps: requests that it could not deal with, by its own fault.
        streams: the stream connections that are open, oldest first.
    """

    def __init__(self, port: VenuePort, *credentials: Credentials, keys: Keyring | None = None) -> None:
        self.mishaps = Mishaps()
        self.streams: dict[StreamFront, asyncio.BaseTransport | None] = {}
        self._port = port
        self._keys = keys or Keyring(*credentials)
        self._products = Products()
        listed = [product_id(each.symbol) for each in port.instruments]
        # Where both have tapes of their own, each has a book of its own: no tape of ours is another's.
        self._products.learn(
            port.instruments, {product_id(each.symbol): alias for each in port.instruments if (alias := alias_of(each)) not in listed}
        )
        self._quotas = Quotas()
        self._rest = RestFront(port, RestHandler(port, self._keys, self._products, self._quotas))

    def issue(self, credentials: Credentials, rights: tuple[Right, ...]) -> None:
        """Know one key more, which is allowed just this."""
        self._keys.issue(credentials, rights)

    @property
    def strangers(self) -> dict[str, int]:
        """How often somebody signed with a key that the server was not given, by the key's name; each time it said no."""
        return self._keys.strangers

    @property
    def failures(self) -> list[str]:
        """Requests that it could not deal with, by its own fault, a sentence each."""
        return self.mishaps.found

    def runner(self) -> web.ServerRunner:
        """A runner, to be made on the loop that serves: no signals, no access log, connections are kept until they are closed, and a
        handler whose client has gone is cancelled, so that the venue knows who still waits.

        One handler takes all there is, so that nothing of an application is needed; the dialect has a table of its own.
        """
        server = web.Server(
            self._handle, request_factory=_request, handler_cancellation=True, access_log=None, logger=self.mishaps, keepalive_timeout=3600,
        )  # fmt: skip
        return web.ServerRunner(server, handle_signals=False, shutdown_timeout=1.0)

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        if http.headers.get("Expect"):
            await _let_it_come(http)
        if http.headers.get("Upgrade", "").lower() != "websocket":
            return await self._rest.handle(http)
        lane = LANES.get(http.host.partition(":")[0], Lane.USER if http.path.startswith("/user") else Lane.MARKET)
        if not self._port.accepts(lane):
            return abort(http)
        dials, peer = self._port.rules.dial_quota, http.remote or ""
        if dials is not None and self._quotas.ask(f"dial {peer}", dials, self._port.wall_ns()).is_over:
            return written(too_many_requests(None), Caller())
        front = StreamFront(self._port, self._keys, self._products, lane, self._quotas, peer)
        self.streams[front] = http.transport
        idle = Idle(lambda: front.told, front.cut_off)
        try:
            return await front.serve(http)
        finally:
            idle.stop()
            del self.streams[front]

    def reset_rest(self, server: web.Server) -> None:
        """Reset every open connection to `server` that is no stream."""
        streaming = [transport for transport in self.streams.values() if transport is not None]
        for each in server.connections:
            if each.transport not in streaming:
                reset(each.transport)
