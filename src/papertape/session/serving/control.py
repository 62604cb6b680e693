"""The control endpoint: what a person or a test does to a served venue by hand. It wants the token, and listens on loopback alone.

GET /            how the market stands
GET /faults      every fault, and what it has done
POST /faults     arm one more: a [[fault]] table as JSON
GET /faults/N    that one
DELETE /faults/N it acts no more
DELETE /faults   none of them does
PUT /clock       {"speed": "10"}
GET /outcomes    what client order ids can force
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from papertape.faults import FAULTS
from papertape.faults.base import Fault
from papertape.model.errors import ConfigError
from papertape.model.units import Nanos, format_duration
from papertape.session.serving.magic import OUTCOMES, PREFIX
from papertape.session.serving.market import ServedMarket, check_faults
from papertape.session.serving.spec import parse_speed

MakeFault = Callable[[Any, str], Fault]
"""`make(table, source)`: a checked fault, or `ConfigError` that says what is wrong with it."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BODY: Final = "the body"

_WHEN: Final = ("at", "from", "on", "nth", "nth_intent")


class Control:
    """Answers at the control endpoint."""

    def __init__(self, market: ServedMarket, make_fault: MakeFault, token: str, count_streams: Callable[[], int]) -> None:
        self._market = market
        self._make_fault = make_fault
        self._token = token
        self._count_streams = count_streams

    def app(self) -> web.Application:
        """The aiohttp application."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guarded(request, handler)

        app = web.Application(client_max_size=100_000, middlewares=[guard])
        app.router.add_get("/", self._stand)
        app.router.add_get("/faults", self._list)
        app.router.add_post("/faults", self._arm)
        app.router.add_delete("/faults", self._lift_all)
        app.router.add_get("/faults/{number:\\d{1,9}}", self._show)
        app.router.add_delete("/faults/{number:\\d{1,9}}", self._lift)
        app.router.add_put("/clock", self._set_clock)
        app.router.add_get("/outcomes", self._outcomes)
        return app

    async def _guarded(self, http: web.Request, handler: Handler) -> web.StreamResponse:
        scheme, _, shown = http.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not hmac.compare_digest(shown.strip().encode(), self._token.encode()):
            return _no(401, 'this wants "Authorization: Bearer TOKEN"; the token stands in the line that said ready')
        try:
            return await handler(http)
        except ConfigError as error:
            return _no(400, str(error))
        except web.HTTPMethodNotAllowed as no:
            return _no(405, f"{http.path} takes {', '.join(sorted(no.allowed_methods))}")
        except web.HTTPRequestEntityTooLarge:
            return _no(413, f"{BODY} is too long")
        except web.HTTPNotFound:
            return _no(404, f"there is no {http.path} here; there are / and /faults, /faults/N, /clock and /outcomes")

    async def _stand(self, http: web.Request) -> web.Response:
        return _yes(self._market.standing(self._count_streams()))

    async def _list(self, http: web.Request) -> web.Response:
        return _yes(self._market.faults())

    async def _arm(self, http: web.Request) -> web.Response:
        table = await _json(http)
        fault = self._make_fault(_from_now(table, self._market.time.now_ns), BODY)
        check_faults((fault,), BODY)
        return _yes(self._market.arm(fault), 201)

    async def _show(self, http: web.Request) -> web.Response:
        return _yes(self._market.fault(self._number(http)))

    async def _lift(self, http: web.Request) -> web.Response:
        number = self._number(http)
        self._market.lift(number)
        return _yes(self._market.fault(number))

    async def _lift_all(self, http: web.Request) -> web.Response:
        for each in self._market.faults():
            self._market.lift(each.number)
        return _yes(self._market.faults())

    async def _set_clock(self, http: web.Request) -> web.Response:
        table = await _json(http)
        if list(table) != ["speed"]:
            raise ConfigError(f'{BODY} holds {", ".join(table) or "nothing"}; expected {{"speed": "10"}}')
        try:
            speed = parse_speed(str(table["speed"]))
        except ConfigError as error:
            raise ConfigError(f"{BODY}: key `speed`: {error}") from None
        self._market.set_speed(speed)
        return await self._stand(http)

    async def _outcomes(self, http: web.Request) -> web.Response:
        return _yes({f"{PREFIX}{name}-": outcome.story for name, outcome in OUTCOMES.items()})

    def _number(self, http: web.Request) -> int:
        number = int(http.match_info["number"])
        if self._market.fault(number) is None:
            raise ConfigError(f"there is no fault {number}; GET /faults lists them")
        return number


def _from_now(table: Mapping[str, Any], now_ns: Nanos) -> Mapping[str, Any]:
    """A fault that acts over time, and of which nobody says when it begins, begins now."""
    kind = FAULTS.get(str(table.get("kind")))
    acts_over_time = "lasts" in table or (kind is not None and kind.needs_start)
    if not acts_over_time or any(key in table for key in _WHEN):
        return table
    return {**table, "at": format_duration(now_ns)}


async def _json(http: web.Request) -> dict[str, Any]:
    try:
        return msgspec.json.decode(await http.read(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ConfigError(f'{BODY} is no JSON object: {error}; expected one such as {{"kind": "lost_reply"}}') from None


def _yes(content: Any, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n", content_type="application/json"
    )


def _no(status: int, why: str) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode({"error": why}) + b"\n", content_type="application/json")
