"""Any of ccxt's exchanges on the clock and the budget that it is given.

Importing this imports ccxt, which takes seconds; do it before a run in virtual time begins, not inside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import aiohttp
import ccxt.async_support
import ccxt.pro

from papertape.links.coinbase.discreet import Discreet
from papertape.links.line_fault import bound_dials
from papertape.links.permits import refuse_unless_sending
from papertape.links.purse import Purse, paying
from papertape.model.errors import NotSupported
from papertape.model.request import Op
from papertape.model.units import MILLISECOND, SECOND, Nanos
from papertape.runtime.clock import Clock

LOG: Final = Discreet("papertape.links.ccxt")

DIAL_PART: Final = 2
"""One part in so many of a request's time is for its connection, if it needs a new one: what ends then was certainly never sent."""


class Ours:
    """What is ours in a client: the clock, the budget, one dial and no repetition.

    Attributes:
        papertape_spend: awaited before each request that nobody has paid for.
        papertape_status: HTTP's, of the answer that was read last; 0 before the first.
    """

    papertape_clock: Clock
    papertape_spend: Callable[[Op], Awaitable[object]] | None = None
    papertape_status = 0
    _papertape_session: aiohttp.ClientSession | None = None

    async def throttle(self, cost: Any = None) -> None:
        """Where ccxt would wait for a limiter of its own, which polls the machine's clock and knows nothing of the shell's."""
        purse = paying.get() or Purse(Op.BOOK_FETCH, paid=0)  # what a stream asks of REST, such as the book that it begins with
        if purse.paid:
            purse.paid -= 1
        elif self.papertape_spend is not None:
            await self.papertape_spend(purse.op)

    def open(self, *args: Any) -> None:
        super().open(*args)  # type: ignore[misc]  # ccxt's, which stands after this in every client
        session = self.session  # type: ignore[attr-defined]  # ccxt's
        if session is not None and session is not self._papertape_session:
            self._papertape_session = session
            bound_dials(session.connector, self.timeout / 1000 / DIAL_PART)  # type: ignore[attr-defined]  # ccxt's
            # aiohttp repeats a GET where a kept connection ends before the answer: unpaid, and unknown to whoever counts attempts.
            session._retry_connection = False

    def milliseconds(self) -> int:
        return self.papertape_clock.wall_ns() // MILLISECOND

    def seconds(self) -> int:
        return self.papertape_clock.wall_ns() // SECOND

    def microseconds(self) -> int:
        return self.papertape_clock.wall_ns() // 1_000

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        if self.apiKey:  # type: ignore[attr-defined]  # ccxt's
            refuse_unless_sending(f"{self.id} {method}")  # type: ignore[attr-defined]  # ccxt's
        return await super().fetch(url, method, headers, body)  # type: ignore[misc]  # ccxt's

    def handle_errors(self, code: int, *rest: Any) -> Any:
        self.papertape_status = code
        return super().handle_errors(code, *rest)  # type: ignore[misc]  # ccxt's


def make_client(
    name: str, clock: Clock, *, key: Mapping[str, str], timeout_ns: Nanos, options: Mapping[str, Any], is_stream: bool = False, ca: str = ""
) -> Any:
    """A client of the venue that ccxt calls so, with streams where ccxt has them; raises NotSupported for a name that ccxt does not know.

    Args:
        key: `apiKey`, `secret` and `password`, as far as there are any.
        options: over ccxt's own.
        is_stream: whether it is for `watch_…`; its books are kept in order by number, and a float prints as the venue wrote it.
    """
    streaming = getattr(ccxt.pro, name, None) if is_stream else None  # a client with a key has no streams that orders could leave by
    base = streaming or getattr(ccxt.async_support, name, None)
    if base is None or not isinstance(base, type):
        raise NotSupported(f"ccxt {ccxt.__version__} knows no exchange {name!r}")
    kind = type(name, (Ours, base), {"papertape_clock": clock})
    return kind(
        {
            **key,
            "number": float if is_stream else str,  # exact, as the venue wrote it, where ccxt does not sort by it
            "logger": LOG,
            "verbose": False,
            "enableRateLimit": True,  # by `throttle`, which is the shell's
            "timeout": timeout_ns // MILLISECOND,
            "options": dict(options),
            **({"cafile": ca} if ca else {}),
        }
    )
