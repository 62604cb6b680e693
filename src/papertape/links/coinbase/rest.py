"""REST to Coinbase through ccxt: its signing, its session and its endpoints, with our clock and our reading of what went wrong.

Importing this imports ccxt, which takes seconds; do it before a run in virtual time begins, not inside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from types import MethodType
from typing import Any, ClassVar, Final

import aiohttp
import ccxt.async_support
import msgspec

from papertape.links.coinbase.discreet import LOG
from papertape.links.line_fault import bound_dials, is_being_cancelled, line_fault
from papertape.links.lingering import look_when_needed
from papertape.links.permits import refuse_unless_sending
from papertape.links.purse import Purse, paying
from papertape.links.refusal import error_of
from papertape.model.errors import (
    AuthenticationError,
    BaseError,
    ExchangeNotAvailable,
    PermissionDenied,
    RateLimitExceeded,
    RequestTimeout,
    as_never_sent,
    retry_after_ns,
)
from papertape.model.request import Op, Refusal, RefusalCode
from papertape.model.units import MILLISECOND, SECOND, Nanos
from papertape.runtime.clock import Bracket, Clock, OffClock
from papertape.venues.coinbase.auth import Credentials, es256, secret_for_ccxt
from papertape.venues.coinbase.errors import decode_refusal
from papertape.venues.coinbase.request import Call

DATE_WITHIN_NS: Final[Nanos] = 2 * SECOND
"""An HTTP date has whole seconds, and is written a moment before it leaves."""

DIAL_PART: Final = 2
"""One part in so many of a request's time is for its connection, if it needs a new one: what ends then was certainly never sent."""

API: Final = {True: ["v3", "private"], False: ["v3", "public"]}


class Reply(msgspec.Struct, frozen=True):
    """What came back, whatever it says; the dialect reads it.

    Attributes:
        status: HTTP's.
        body: JSON, or the text where it is none.
        headers: names as the venue wrote them.
    """

    status: int
    body: Any
    headers: dict[str, str]


class CoinbaseClient(ccxt.async_support.coinbase):  # type: ignore[misc, unused-ignore]  # ccxt's classes are untyped
    """ccxt's Coinbase on the clock and the budget that it is given; every HTTP answer is handed on as it is.

    Attributes:
        papertape_spend: awaited before each request that nobody has paid for.
    """

    papertape_clock: Clock
    papertape_spend: Callable[[Op], Awaitable[object]] | None
    _papertape_data: ClassVar[list[str] | None] = None
    _papertape_session: aiohttp.ClientSession | None = None

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        if CoinbaseClient._papertape_data is None:
            names = [name for name in dir(CoinbaseClient) if "_" in name and name[0] != "_"]
            CoinbaseClient._papertape_data = [name for name in names if not isinstance(getattr(self, name), MethodType)]

    def __dir__(self) -> list[str]:
        """What ccxt looks through each time that it makes an exchange, to give every name its other spelling.

        Methods get theirs on the class, so once there is one they need not be looked through, which is most of what making one takes.
        """
        known = CoinbaseClient._papertape_data
        return list(object.__dir__(self)) if known is None else list(dict.fromkeys([*known, *vars(self)]))

    async def throttle(self, cost: Any = None) -> None:
        """Where ccxt would wait for a limiter of its own, which polls the machine's clock and knows nothing of the shell's."""
        purse = paying.get() or Purse(Op.ORDERS_FETCH, paid=0)  # a request that ccxt makes of its own accord is paid for as well
        if purse.paid:
            purse.paid -= 1
        elif self.papertape_spend is not None:
            await self.papertape_spend(purse.op)

    def open(self, lazy: bool = False) -> None:
        super().open(lazy)
        if self.session is not None and self.session is not self._papertape_session:
            self._papertape_session = self.session
            bound_dials(self.session.connector, self.timeout / 1000 / DIAL_PART)
            look_when_needed(self.session.connector)
            # aiohttp repeats a GET where a kept connection ends before the answer: unpaid, and unknown to whoever counts attempts.
            self.session._retry_connection = False

    def milliseconds(self) -> int:
        return self.papertape_clock.wall_ns() // MILLISECOND

    def seconds(self) -> int:
        return self.papertape_clock.wall_ns() // SECOND

    def microseconds(self) -> int:
        return self.papertape_clock.wall_ns() // 1_000

    def jwt(self, request: Any, secret: Any, algorithm: str = "sha256", is_rsa: bool = False, opts: Any = {}) -> str:  # noqa: B006 - ccxt's signature
        """ccxt's token, byte for byte, without its detours; see `es256`."""
        if opts.get("alg") != "ES256":
            return str(super().jwt(request, secret, algorithm, is_rsa, opts))
        header = {"alg": "ES256", "typ": "JWT"} | {name: opts[name] for name in ("kid", "nonce") if opts.get(name) is not None}
        signed = ".".join(self.urlencode_base64(self.encode(self.json(part))) for part in (header, request))
        return f"{signed}.{self.urlencode_base64(es256(signed, self.decode(secret)))}"

    def handle_errors(self, code: int, reason: str, url: str, method: str, headers: Any, body: str, *rest: Any) -> None:
        # ccxt forgets the reason of most refusals; ours are read from the answer itself.
        self._papertape_reply = (code, dict(headers), body)

    def handle_http_status_code(self, code: int, *rest: Any) -> None:
        return None

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Reply:
        if method != "GET":
            refuse_unless_sending(f"coinbase {method} {url}")
        content = await super().fetch(url, method, headers, body)
        status, names, text = self._papertape_reply  # set in this very step of the loop
        return Reply(status, content if isinstance(content, dict | list) else text, names)


class CoinbaseRest:
    """One ccxt exchange, kept from `open` to `close`.

    A call returns whatever answer the venue gave about the request, a refusal included. It raises `AuthenticationError` or
    `PermissionDenied` for what is wrong with the key, and a `NetworkError` for the line: marked `never_sent` only where no connection
    came about, or where the venue would not take a token because of our clock.

    Attributes:
        venue_clock: the clock as the venue has it, by what it said when it was last asked; everything is signed by it.
        spend: awaited before each request beyond those that a `Purse` has paid for; the shell's limiter.
        on_limited: told, of each answer that asks for quiet, for how long, in nanoseconds; None where it does not say.
    """

    def __init__(self, credentials: Credentials | None, clock: Clock, url: str, timeout_ns: Nanos, ca: str = "") -> None:
        self._ca = ca
        self._credentials = credentials
        self._clock = clock
        self._url = url
        self._timeout_ns = timeout_ns
        self.spend: Callable[[Op], Awaitable[object]] | None = None
        self.on_limited: Callable[[Nanos | None], object] = lambda _: None
        self._client: CoinbaseClient | None = None
        self._bracket = Bracket()
        self.venue_clock = OffClock(clock, lambda: self._bracket.ns)

    async def open(self) -> None:
        """Make the client, and ask the venue for the time: does it answer at all, and how far off is our clock?"""
        if self._client is None:
            self._client = self._make()
        asked_ns = self._clock.wall_ns()
        reply = await self.call(Call("GET", "brokerage/time", {}, is_private=False), Purse(Op.TIME_FETCH))
        refusal = decode_refusal(reply.status, reply.body, reply.headers)
        if refusal is not None:
            raise error_of(refusal, "coinbase GET brokerage/time")  # such as too many requests, and for how long to be quiet
        if isinstance(reply.body, dict) and str(reply.body.get("epochMillis", "")).isdigit():
            venue_ns = int(reply.body["epochMillis"]) * MILLISECOND
            self._bracket.on_answer(venue_ns, asked_ns, self._clock.wall_ns(), within_ns=SECOND)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def abandon(self) -> None:
        """Forget the client; its session is closed without waiting for anything."""
        client, self._client = self._client, None
        if client is not None and client.session is not None:
            connector = client.session.connector
            client.session.detach()
            client.session = client.tcp_connector = None
            if connector is not None:
                connector.close()

    async def call(self, call: Call, purse: Purse | None = None) -> Reply:
        """Send one request, once, and return what came back; what no `purse` has paid for waits for the budget."""
        what, asked_ns = f"coinbase {call.method} {call.path}", self._clock.wall_ns()
        if self._client is None:
            raise as_never_sent(ExchangeNotAvailable(f"{what}: the rest lane is closed"))
        token = paying.set(purse)
        try:
            reply: Reply = await self._client.request(call.path, API[call.is_private], call.method, call.params)
        except BaseError as error:
            raise line_fault(error, what) from error
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            raise ExchangeNotAvailable(f"{what}: given up by the library, and not by us") from error
        except (OSError, RuntimeError) as error:  # what aiohttp lets through, such as a session closed meanwhile
            raise ExchangeNotAvailable(f"{what}: {error!r}") from error
        finally:
            paying.reset(token)
        if reply.status == 401:
            raise self._unauthorized(reply, what, asked_ns)
        try:
            reply = _readable(reply, what)
        except RateLimitExceeded as error:
            self.on_limited(retry_after_ns(error))
            raise
        if reply.status == 429:
            refusal = decode_refusal(reply.status, reply.body, reply.headers)
            self.on_limited(None if refusal is None else refusal.retry_after_ns)
        return reply

    def _unauthorized(self, reply: Reply, what: str, asked_ns: Nanos) -> BaseError:
        """Whose fault it is that a signature was not taken: of our clock, which is put right, or of the key.

        A request that was turned away at the door had no effect; one that is signed anew may be sent again.
        """
        words = f"{what}: {str(reply.body).strip()[:200] or 'no words'} (401)"
        venue_ns = _date_ns(reply.headers)
        if venue_ns is None:
            return AuthenticationError(f"{words}; is the key right, and this machine's clock?")
        if self._bracket.on_answer(venue_ns, asked_ns, self._clock.wall_ns(), within_ns=DATE_WITHIN_NS):
            off = self._bracket.ns
            found = f"{abs(off) / SECOND:.0f} s {'behind' if off > 0 else 'ahead of'} the venue's" if off else "right again"
            return as_never_sent(ExchangeNotAvailable(f"{words}: this machine's clock is {found}; the venue's time is taken from now on"))
        return AuthenticationError(f"{words}; this machine's clock agrees with the venue's, so look at the key")

    def _make(self) -> CoinbaseClient:
        known = self._credentials
        key = {} if known is None else {"apiKey": known.name, "secret": secret_for_ccxt(known.secret)}
        client = CoinbaseClient(
            {
                **key,
                "logger": LOG,
                "verbose": False,
                "enableRateLimit": True,  # by `throttle`, which is the shell's
                "timeout": self._timeout_ns // MILLISECOND,
                "urls": {"api": {"rest": self._url}},
                **({"cafile": self._ca} if self._ca else {}),
            }
        )
        client.papertape_clock = self.venue_clock
        client.papertape_spend = self.spend
        return client


def _readable(reply: Reply, what: str) -> Reply:
    """The reply, if it is the venue's word about the request; else the error that it stands for."""
    status = reply.status
    if isinstance(reply.body, dict) and status < 500 and status not in (403, 408, 418):
        return reply  # as most are: words are made only where somebody will read them
    words = reply.body if isinstance(reply.body, str) else msgspec.json.encode(reply.body).decode()
    text = f"{what}: {words.strip()[:200] or 'no words'} ({status})"
    if status == 403 and isinstance(reply.body, dict):
        raise PermissionDenied(text)
    if status in (403, 418):  # a page for people: what stands before the venue has shut us out, and the venue never heard of it
        raise error_of(Refusal(code=RefusalCode.BANNED, message=text), what)
    if status in (408, 504):
        raise RequestTimeout(text)
    if status >= 500 or (status != 429 and not isinstance(reply.body, dict)):
        raise ExchangeNotAvailable(text)  # it may have been carried out
    return reply


def _date_ns(headers: dict[str, str]) -> Nanos | None:
    """When the venue wrote its answer, to a second; None if it does not say."""
    text = next((value for name, value in headers.items() if name.lower() == "date"), "")
    try:
        return int(parsedate_to_datetime(text).timestamp()) * SECOND
    except (ValueError, TypeError):
        return None
