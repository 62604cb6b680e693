"""A link that somebody listens in on: whoever uses it does not notice, and whatever comes of it is put down."""

from __future__ import annotations

from collections.abc import Callable

from papertape.links.base import Link, Receiver
from papertape.model.errors import BaseError, PapertapeError, RateLimitExceeded, retry_after_ns
from papertape.model.event import Event
from papertape.model.order import OrderUpdate
from papertape.model.request import Answer, Channel, Lane, Request
from papertape.model.units import Nanos
from papertape.recorder.spool import Row
from papertape.recorder.transcript import Transcript
from papertape.runtime.clock import Clock


class TappedLink:
    """Another link, with a `Transcript` between it and its receiver. Of the user lane nothing is put down.

    Args:
        put: takes the rows; what it raises is given to `on_failed`, never to the link.

    Attributes:
        reasons: why a lane is about to be closed by us, where somebody has said so.
        is_over: nothing is put down any more.
    """

    def __init__(
        self,
        link: Link,
        transcript: Transcript,
        clock: Clock,
        *,
        put: Callable[[list[Row]], None],
        on_failed: Callable[[PapertapeError], None],
    ) -> None:
        self.rules = link.rules
        self.reasons: dict[Lane, str] = {}
        self.is_over = False
        self._link = link
        self._transcript = transcript
        self._clock = clock
        self._put = put
        self._on_failed = on_failed
        self._receiver: Receiver | None = None
        link.bind(self)

    # The link

    def bind(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def open(self, lane: Lane) -> None:
        asked_ns = self._clock.wall_ns()
        try:
            await self._link.open(lane)
        except BaseError as error:
            self._failed(lane, error)
            raise
        now_ns = self._clock.wall_ns()
        rows = self._transcript.on_opened(lane, now_ns)
        self._keep(lane, rows + (self._transcript.on_answer(lane, asked_ns, now_ns) if lane is Lane.REST else []))

    async def close(self, lane: Lane) -> None:
        self._dropped(lane, self.reasons.pop(lane, "closed by the recorder"))
        await self._link.close(lane)

    async def subscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None:
        await self._link.subscribe(lane, channel, symbol, span_ns)

    async def unsubscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None:
        await self._link.unsubscribe(lane, channel, symbol, span_ns)

    async def request(self, request: Request) -> Answer:
        asked_ns = self._clock.wall_ns()
        try:
            answer = await self._link.request(request)
        except BaseError as error:
            self._failed(Lane.REST, error)
            raise
        self._keep(Lane.REST, self._transcript.on_answer(Lane.REST, asked_ns, self._clock.wall_ns()))
        return answer

    def abandon(self) -> None:
        self._link.abandon()

    # Its receiver

    def on_message(self, lane: Lane, sequence: int | None, message: Event | OrderUpdate) -> None:
        if lane is Lane.MARKET and not self.is_over:
            self._keep(lane, self._transcript.on_message(sequence, message, self._clock.wall_ns()))
        if self._receiver is not None:
            self._receiver.on_message(lane, sequence, message)

    def on_closed(self, lane: Lane, reason: str) -> None:
        self._dropped(lane, reason)
        if self._receiver is not None:
            self._receiver.on_closed(lane, reason)

    # What is put down

    def _failed(self, lane: Lane, error: BaseError) -> None:
        if self.is_over:
            return
        words, now_ns = f"{type(error).__name__}: {error}", self._clock.wall_ns()
        if isinstance(error, RateLimitExceeded):
            wait_ns = retry_after_ns(error)
            wait_ns = self.rules.retry_after_ns if wait_ns is None else wait_ns
            self._keep(lane, self._transcript.on_limited(lane, wait_ns, words, now_ns))
        else:
            self._keep(lane, self._transcript.on_error(lane, words, now_ns))

    def _dropped(self, lane: Lane, reason: str) -> None:
        if not self.is_over:
            self._keep(lane, self._transcript.on_dropped(lane, reason, self._clock.wall_ns()))

    def _keep(self, lane: Lane, rows: list[Row]) -> None:
        if self.is_over or lane is Lane.USER or not rows:
            return
        try:
            self._put(rows)
        except PapertapeError as error:
            self.is_over = True
            self._on_failed(error)
