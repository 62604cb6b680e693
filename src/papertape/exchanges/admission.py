"""Waiting for one's turn before a connection is tried or a stream is spoken to, so that flapping lanes never become a storm."""

from __future__ import annotations

from papertape.exchanges.requests import Requests
from papertape.model.errors import RateLimitExceeded
from papertape.model.request import Lane, Op
from papertape.model.units import Nanos
from papertape.model.venue import VenueRules
from papertape.resilience.limiter import Limiter
from papertape.resilience.pace import Pace
from papertape.runtime.clock import Clock


class Admission:
    """What the venue allows beside requests: stream connections and stream messages, counted over both lanes.

    Opening the REST lane is a request like any other, and comes out of the same budget; while the venue wants quiet, it waits as well.
    """

    def __init__(self, rules: VenueRules, requests: Requests, *, clock: Clock, margin_ns: Nanos) -> None:
        self._requests = requests
        self._clock = clock
        self._quiet_until_ns: Nanos = 0
        dials, messages = rules.dial_quota, rules.message_quota
        self._dials = None if dials is None else Pace(dials, start_ns=clock.now_ns(), margin_ns=margin_ns)
        self._messages = None if messages is None else Limiter(messages, reserve=0, margin_ns=margin_ns)

    def follow_on(self) -> None:
        """An earlier life of this client may have said all it may a moment ago; of dials none is ever taken for granted."""
        if self._messages is not None:
            self._messages.follow_on(self._clock.now_ns())

    async def dial(self, lane: Lane) -> None:
        """Wait until a connection of this lane may be tried."""
        if lane is Lane.REST:
            await self._requests.spend(Op.TIME_FETCH, urgent=False)
            return
        await self._until(self._quiet_until_ns)
        if self._dials is not None:
            await self._until(self._dials.book(self._clock.now_ns()))

    def refused(self, error: BaseException) -> None:
        """A connection was refused; where the venue says for how long, nothing is asked of it before."""
        if isinstance(error, RateLimitExceeded):
            self._quiet_until_ns = max(self._quiet_until_ns, self._requests.obey(error))

    async def message(self) -> None:
        """Wait until one message may be sent on a stream."""
        if self._messages is not None:
            at_ns = self._messages.book(self._clock.now_ns())
            assert at_ns is not None, "without a deadline there is always a time"
            await self._until(at_ns)

    async def _until(self, at_ns: Nanos) -> None:
        now_ns = self._clock.now_ns()
        if at_ns > now_ns:
            await self._clock.sleep_ns(at_ns - now_ns)
