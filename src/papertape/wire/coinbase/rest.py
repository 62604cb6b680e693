"""The REST half of a Coinbase over HTTP: takes a request off the line, writes what the handler answers."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from papertape.model.request import Lane
from papertape.venues.coinbase.errors import Body
from papertape.wire.caller import Caller, reset
from papertape.wire.coinbase.handler import HttpAsk, RestHandler
from papertape.wire.port import ReplyLost, VenuePort

BODY_MAX: Final = 1_000_000


class RestFront:
    """A handler behind aiohttp."""

    def __init__(self, port: VenuePort, handler: RestHandler) -> None:
        self._port = port
        self._handler = handler

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request, or reset its connection where the answer is lost."""
        caller = Caller(http.transport)
        if not self._port.accepts(Lane.REST):
            return abort(http)
        ask = HttpAsk(
            method=http.method,
            path=http.path,
            query=tuple(http.query.items()),
            headers=http.headers,
            body=await http.read(),
            peer=http.remote or "",
        )
        try:
            return written(await self._handler.answer(ask, caller), caller)
        except ReplyLost:
            return abort(http)


def written(body: Body, caller: Caller) -> web.Response:
    """An answer as HTTP."""
    content_type = "text/html" if body.is_page else "text/plain" if isinstance(body.content, str) else "application/json"
    data = body.content.encode() if isinstance(body.content, str) else msgspec.json.encode(body.content)
    reply = _Reply(status=body.status, body=data, headers=body.headers, content_type=content_type, charset="utf-8")
    reply.caller = caller
    return reply


class _Reply(web.Response):
    """An answer that says when all of it has been written."""

    caller: Caller

    async def write_eof(self, data: bytes = b"") -> None:
        await super().write_eof(data)
        self.caller.written()


def abort(http: web.BaseRequest) -> web.StreamResponse:
    """Reset the connection; the response that is returned can no longer be written."""
    reset(http.transport)
    return web.Response(status=500)
