"""The REST half of a Coinbase: checks the signature, asks the venue, writes the answer."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from aiohttp import web

from papertape.model.order import NewOrder
from papertape.model.request import Answer, Lane, Op, Request
from papertape.venues.coinbase import answer as answers
from papertape.venues.coinbase.auth import Keyring
from papertape.venues.coinbase.errors import UNAUTHORIZED, Body
from papertape.venues.coinbase.notation import Products
from papertape.venues.coinbase.request import Asked, complete_edit, parse
from papertape.wire.caller import Caller, reset
from papertape.wire.port import ReplyLost, VenuePort

BODY_MAX: Final = 1_000_000


class RestFront:
    """Turns HTTP requests into the venue's and back.

    What Coinbase's requests leave out is known here: which client's id and symbol an order id stands for, and how often the same thing
    was asked before.
    """

    def __init__(self, port: VenuePort, keys: Keyring, products: Products) -> None:
        self._port = port
        self._keys = keys
        self._products = products
        self._orders: dict[str, tuple[str, str]] = {}
        self._attempts: dict[tuple[Op, str], int] = {}

    async def handle(self, http: web.Request) -> web.StreamResponse:
        """Answer one HTTP request, or reset its connection where the answer is lost."""
        caller = Caller(http.transport)
        if not self._port.accepts(Lane.REST):
            return abort(http)
        try:
            body = await self._answer(http, caller)
        except ReplyLost:
            return abort(http)
        content_type = "text/html" if body.is_page else "text/plain" if isinstance(body.content, str) else "application/json"
        data = body.content.encode() if isinstance(body.content, str) else msgspec.json.encode(body.content)
        reply = _Reply(status=body.status, body=data, headers=body.headers, content_type=content_type, charset="utf-8")
        reply.caller = caller
        return reply

    async def _answer(self, http: web.Request, caller: Caller) -> Body:
        data = await http.read()
        asked = parse(http.method, http.path, list(http.query.items()), data)
        if isinstance(asked, Body):
            return asked
        if asked.is_private and self._signature_fault(http) is not None:
            return UNAUTHORIZED
        requests = tuple(self._complete(request) for request in asked.requests)
        asked = msgspec.structs.replace(asked, requests=requests)
        found = await self._ask(requests, caller)
        for answer in found:
            self._learn(answer)
            caller.shown = answers.shown(asked, answer)
        return answers.render(asked, found, self._port.wall_ns(), self._prices(asked), self._products)

    def _signature_fault(self, http: web.Request) -> str | None:
        scheme, _, token = http.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            if old := http.headers.get("CB-ACCESS-KEY"):  # the way of signing that Coinbase no longer takes
                self._keys.note_stranger(old)
            return "no token"
        return self._keys.fault(token, self._port.wall_ns(), uri=f"{http.method} {http.path}")

    async def _ask(self, requests: tuple[Request, ...], caller: Caller) -> list[Answer]:
        if len(requests) == 1:
            return [await self._port.request(requests[0], caller=caller)]
        tasks = [asyncio.ensure_future(self._port.request(request, caller=caller)) for request in requests]
        return list(await asyncio.gather(*tasks)) if tasks else []

    def _complete(self, request: Request) -> Request:
        """Put back what did not travel."""
        client_order_id, symbol = request.client_order_id, request.symbol
        if request.order_id:
            client_order_id, symbol = self._known(request.order_id)
        key = (request.op, client_order_id or request.order_id)
        attempt = 1
        if key[1] and request.op is not Op.ORDER_FETCH:
            attempt = self._attempts[key] = self._attempts.get(key, 0) + 1
        request = msgspec.structs.replace(request, client_order_id=client_order_id, symbol=symbol, attempt=attempt)
        return complete_edit(request, self._current(request.order_id)) if request.op is Op.ORDER_EDIT else request

    def _known(self, order_id: str) -> tuple[str, str]:
        if order_id not in self._orders:
            for order in self._port.open_orders():
                self._orders[order.id] = (order.client_order_id, order.symbol)
        return self._orders.get(order_id, ("", ""))

    def _current(self, order_id: str) -> NewOrder | None:
        for order in self._port.open_orders():
            if order.id == order_id:
                return NewOrder(
                    symbol=order.symbol,
                    type=order.type,
                    side=order.side,
                    amount=order.amount,
                    price=order.price,
                    time_in_force=order.time_in_force,
                    post_only=order.post_only,
                )
        return None

    def _learn(self, answer: Answer) -> None:
        for order in (answer.order, *answer.orders):
            if order is not None:
                self._orders[order.id] = (order.client_order_id, order.symbol)

    def _prices(self, asked: Asked) -> dict[str, str]:
        if not any(request.op in (Op.MARKETS_FETCH, Op.BOOK_FETCH) for request in asked.requests):
            return {}
        found: dict[str, str] = {}
        for instrument in self._port.instruments:
            trades = self._port.recent_trades(instrument.symbol)
            if trades:
                found[instrument.symbol] = format(instrument.price(trades[-1].price_ticks), "f")
        return found


class _Reply(web.Response):
    """An answer that says when all of it has been written."""

    caller: Caller

    async def write_eof(self, data: bytes = b"") -> None:
        await super().write_eof(data)
        self.caller.written()


def abort(http: web.Request) -> web.StreamResponse:
    """Reset the connection; the response that is returned can no longer be written."""
    reset(http.transport)
    return web.Response(status=500)
