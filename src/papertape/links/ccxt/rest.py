"""One ccxt client, and what its errors mean.

Importing this imports ccxt, which takes seconds; do it before a run in virtual time begins, not inside.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from papertape.links.ccxt.client import make_client
from papertape.links.ccxt.manners import Manners
from papertape.links.line_fault import is_being_cancelled, line_fault
from papertape.links.permits import Permits
from papertape.links.purse import Purse, paying
from papertape.links.refusal import BANNED_NS
from papertape.model.errors import (
    BaseError,
    DDoSProtection,
    ExchangeError,
    ExchangeNotAvailable,
    NetworkError,
    RateLimitExceeded,
    as_never_sent,
    retry_after_ns,
    with_retry_after,
)
from papertape.model.request import Op, Request
from papertape.model.units import EXACT, SECOND, Nanos
from papertape.runtime.clock import Clock

NO_LIMIT: Final = -1

QUERY: Final = re.compile(r"\?\S+")


class CcxtRest:
    """A client of one venue, kept from `open` to `close`.

    Attributes:
        client: ccxt's; None while the lane is closed.
        rate_limit_ms: what ccxt takes for the time between two requests.
        fees_bps: what ccxt takes for the venue's fees, as a maker and as a taker, without asking it; 0 where it does not say.
        spend: awaited before each request beyond those that a `Purse` has paid for; the shell's limiter.
        on_limited: told, of each answer that asks for quiet, for how long, in nanoseconds; None where it does not say.
    """

    def __init__(self, name: str, clock: Clock, key: Mapping[str, str], timeout_ns: Nanos, manners: Manners, ca: str) -> None:
        self._name = name
        self._clock = clock
        self._key = key
        self._timeout_ns = timeout_ns
        self._manners = manners
        self._ca = ca
        self.client: Any = None
        self._spare: Any = self.make()
        self.rate_limit_ms = float(self._spare.rateLimit)
        fees: Mapping[str, Any] = (self._spare.fees or {}).get("trading") or {}
        self.fees_bps = (_bps(fees.get("maker")), _bps(fees.get("taker")))
        self.spend: Callable[[Op], Awaitable[object]] | None = None
        self.on_limited: Callable[[Nanos | None], object] = lambda _: None

    def make(self, *, is_stream: bool = False) -> Any:
        """Another client, for the streams or for this; nothing is opened. Streams here are public, and have no key to place orders with."""
        return make_client(
            self._name, self._clock, key={} if is_stream else self._key, timeout_ns=self._timeout_ns, options=self._manners.options,
            is_stream=is_stream, ca=self._ca,
        )  # fmt: skip

    async def open(self) -> None:
        """Take a client, and ask the venue for the time, where it tells it: does it answer at all?"""
        if self.client is None:
            self.client, self._spare = self._spare or self.make(), None
            self.client.papertape_spend = self.spend
        if self.client.has.get("fetchTime"):
            with Permits().sending(Request(op=Op.TIME_FETCH)):
                await self.call(Op.TIME_FETCH, Purse(Op.TIME_FETCH), "fetch_time")

    async def close(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            await client.close()

    async def call(self, op: Op, purse: Purse, method: str, *args: Any) -> Any:
        """One unified call, once; raises what it came to, as `links.base.Link.request` says."""
        what, client = f"{self._name} {method}", self.client
        if client is None:
            raise as_never_sent(ExchangeNotAvailable(f"{what}: the rest lane is closed"))
        token = paying.set(purse)
        try:
            return await getattr(client, method)(*args)
        except BaseError as error:
            raise self._told(error, op, what) from None  # whose words quote a signed address
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            raise ExchangeNotAvailable(f"{what}: given up by the library, and not by us") from error
        except (OSError, RuntimeError) as error:  # what aiohttp lets through, such as a session closed meanwhile
            raise ExchangeNotAvailable(f"{what}: {error!r}") from error
        finally:
            paying.reset(token)

    def _told(self, error: BaseError, op: Op, what: str) -> BaseError:
        """ccxt's error as ours: what it means, and without the query of an address, which some venues sign in."""
        text = f"{what}: {QUERY.sub('?…', str(error))}"
        limit = next((wait_ns or self._wait_ns() for words, wait_ns in self._manners.limits.items() if words in str(error)), NO_LIMIT)
        if isinstance(error, RateLimitExceeded) or (isinstance(error, DDoSProtection) and self.client.papertape_status in (418, 429)):
            limit = self._wait_ns()
        if limit != NO_LIMIT:
            limited = with_retry_after(RateLimitExceeded(text), limit)
            self.on_limited(retry_after_ns(limited))
            return limited
        for words, kind in self._manners.words.items():
            if words in str(error) and isinstance(error, ExchangeError):
                return kind(text)
        if type(error) is ExchangeError and op is Op.ORDER_CREATE:
            # A no that ccxt has no class for may be a time-out of the venue's inside: whether there is an order now is to be found out.
            return ExchangeNotAvailable(text)
        if isinstance(error, NetworkError):
            found = line_fault(error, what)
            if found is not error:
                return found
        return type(error)(text)

    def _wait_ns(self) -> Nanos | None:
        headers: Mapping[str, str] = self.client.last_response_headers or {}
        text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
        if text.isdigit():
            return int(text) * SECOND
        return BANNED_NS if self.client.papertape_status == 418 else None


def _bps(part: float | str | None) -> Decimal:
    """
    >>> _bps(0.0016), _bps(None)
    (Decimal('16.0000'), Decimal('0'))
    """
    return Decimal(0) if part is None else EXACT.multiply(Decimal(str(part)), Decimal(10_000))
