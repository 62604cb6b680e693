"""What Coinbase answers over REST, free of any transport: who asks, are they allowed, what do they want, what does the venue say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from papertape.model.account import Candle
from papertape.model.order import NewOrder
from papertape.model.request import Answer, Op, Refusal, RefusalCode, Request
from papertape.model.units import HOUR, SECOND
from papertape.model.venue import Quota
from papertape.venues.coinbase import answer as answers
from papertape.venues.coinbase.api import Endpoint, Shape, find
from papertape.venues.coinbase.asked import Asked, complete_edit, parse_at
from papertape.venues.coinbase.auth import Keyring, signer
from papertape.venues.coinbase.errors import FORBIDDEN, UNAUTHORIZED, Body, not_found, too_many_requests
from papertape.venues.coinbase.notation import Products
from papertape.wire.caller import Caller
from papertape.wire.port import VenuePort
from papertape.wire.quotas import Quotas, Standing

OLD_QUOTA: Final = Quota(count=10_000, per_ns=HOUR)
"""What a key may ask of /v2, by Coinbase's own manual."""

PRICED: Final = (Shape.PRODUCTS, Shape.PRODUCT, Shape.BOOK, Shape.RATES, Shape.PRICE)
TOO_MANY: Final = Refusal(code=RefusalCode.RATE_LIMITED, message="Too many requests")


class HttpAsk(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request.

    Attributes:
        method: in capitals.
        path: decoded, without the query.
        query: names and values in their order.
        headers: by name, in any case.
        peer: the address that it came from.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = {}
    body: bytes = b""
    peer: str = ""


class RestHandler:
    """Turns HTTP requests into the venue's and back.

    What Coinbase's requests leave out is known here: which client's id and symbol an order id stands for, how often the same thing was
    asked before, and the cost that a market buy was asked for with.

    Args:
        port: the venue behind it.
        keys: those it knows.
        products: under which names it trades.
        quotas: how often everybody asked; those of the venue's rules hold for a key, and for an address where no key is needed.
    """

    def __init__(self, port: VenuePort, keys: Keyring, products: Products, quotas: Quotas) -> None:
        self._port = port
        self._keys = keys
        self._products = products
        self._quotas = quotas
        self._orders: dict[str, tuple[str, str]] = {}
        self._attempts: dict[tuple[Op, str], int] = {}
        self._configs: dict[str, dict[str, Any]] = {}

    async def answer(self, ask: HttpAsk, caller: Caller) -> Body:
        """What to send back, whatever was sent; raises `ReplyLost` where nothing must be."""
        found = find(ask.method, ask.path)
        if found is None:
            return not_found("not found")
        endpoint, named = found
        token = _token(ask)
        if endpoint.right is not None and self._fault(ask, token) is not None:
            return UNAUTHORIZED
        standing = self._standing(endpoint, ask, token)
        body = await self._answer(endpoint, named, ask, token, standing, caller)
        return msgspec.structs.replace(body, headers={**body.headers, **_limits(standing)})

    async def _answer(
        self, endpoint: Endpoint, named: dict[str, str], ask: HttpAsk, token: str, standing: Standing, caller: Caller
    ) -> Body:
        rights = () if endpoint.right is None else self._keys.rights(token)
        if endpoint.right is not None and endpoint.right not in rights:
            return FORBIDDEN
        asked = parse_at(endpoint, named, ask.query, ask.body)
        if isinstance(asked, Body):
            return too_many_requests(None) if standing.is_over else asked
        requests = tuple(self._complete(request) for request in asked.requests)
        asked = msgspec.structs.replace(asked, requests=requests)
        found = await self._ask(requests, caller, TOO_MANY if standing.is_over else asked.refusal)
        for answer in found:
            self._learn(asked, answer)
            caller.shown = answers.shown(asked, answer)
        return answers.render(
            asked, found, self._port.wall_ns(), self._products, days=self._days(asked), configs=self._configs, rights=rights
        )

    def _fault(self, ask: HttpAsk, token: str) -> str | None:
        if not token:
            if old := ask.headers.get("CB-ACCESS-KEY"):  # the way of signing that Coinbase no longer takes
                self._keys.note_stranger(old)
            return "no token"
        return self._keys.fault(token, self._port.wall_ns(), uri=f"{ask.method} {ask.path}")

    def _standing(self, endpoint: Endpoint, ask: HttpAsk, token: str) -> Standing:
        rules = self._port.rules
        if endpoint.right is None:
            return self._quotas.ask(f"address {ask.peer}", rules.public_quota, self._port.wall_ns())
        quota = OLD_QUOTA if ask.path.startswith("/v2/") else rules.private_quota
        return self._quotas.ask(f"key {signer(token)}", quota, self._port.wall_ns())

    async def _ask(self, requests: tuple[Request, ...], caller: Caller, refusal: Refusal | None) -> list[Answer]:
        if len(requests) == 1:
            return [await self._port.request(requests[0], caller=caller, refusal=refusal)]
        tasks = [asyncio.ensure_future(self._port.request(request, caller=caller, refusal=refusal)) for request in requests]
        return list(await asyncio.gather(*tasks)) if tasks else []

    def _complete(self, request: Request) -> Request:
        """Put back what did not travel."""
        client_order_id, symbol = request.client_order_id, request.symbol
        if request.order_id:
            client_order_id, symbol = self._known(request.order_id)
        key = (request.op, client_order_id or request.order_id)
        attempt = 1
        if key[1] and request.op not in (Op.ORDER_FETCH, Op.ORDER_PREVIEW):
            attempt = self._attempts[key] = self._attempts.get(key, 0) + 1
        request = msgspec.structs.replace(request, client_order_id=client_order_id, symbol=symbol, attempt=attempt)
        is_edit = request.op is Op.ORDER_EDIT or (request.op is Op.ORDER_PREVIEW and bool(request.order_id))
        return complete_edit(request, self._current(request.order_id)) if is_edit else request

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

    def _learn(self, asked: Asked, answer: Answer) -> None:
        for order in (answer.order, *answer.orders):
            if order is not None:
                self._orders[order.id] = (order.client_order_id, order.symbol)
        wanted = asked.requests[0].order
        if asked.shape is Shape.CREATED and answer.order is not None and wanted is not None and wanted.cost is not None:
            self._configs.setdefault(answer.order.id, asked.config)

    def _days(self, asked: Asked) -> dict[str, Candle]:
        if asked.shape not in PRICED:
            return {}
        days = ((instrument.symbol, self._port.day(instrument.symbol)) for instrument in self._port.instruments)
        return {symbol: day for symbol, day in days if day is not None}


def _token(ask: HttpAsk) -> str:
    scheme, _, token = ask.headers.get("Authorization", "").partition(" ")
    return token if scheme == "Bearer" else ""


def _limits(standing: Standing) -> dict[str, str]:
    """What every answer says of the quota: how much it is, what is left, and from which second since 1970 on all of it is there again."""
    whole_s = -(-standing.whole_ns // SECOND)
    return {"x-ratelimit-limit": str(standing.limit), "x-ratelimit-remaining": str(standing.remaining), "x-ratelimit-reset": str(whole_s)}
