"""The link that ends in the same process: requests and messages go straight to the Door, with no bytes between."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from papertape.links.base import Receiver
from papertape.links.refusal import error_of
from papertape.model.errors import ExchangeNotAvailable, NetworkError, NotSupported, RequestTimeout, as_never_sent
from papertape.model.interference import GOODBYES, RefusedBecause
from papertape.model.order import OpenOrders
from papertape.model.request import Answer, Channel, Lane, Request
from papertape.model.units import MILLISECOND, SECOND, Nanos
from papertape.model.venue import VenueRules
from papertape.runtime.rank import DELIVERY, TIMER
from papertape.sim.door import Door
from papertape.sim.pending import Lost
from papertape.sim.stream import Reply, Stream
from papertape.sim.timeline import Timeline

DIAL_NS: Final = 2 * MILLISECOND
"""How long a connection takes to open; two ways of a short line."""


class SimulatedLink:
    """Three lanes to a Door.

    Attributes:
        request_timeout_ns: after which a call gives up waiting, as an HTTP client would.

    Args:
        patience: the time by which it waits, where that is not the venue's.
    """

    def __init__(
        self, door: Door, rules: VenueRules, timeline: Timeline, request_timeout_ns: Nanos = 10 * SECOND, patience: Timeline | None = None
    ) -> None:
        self.rules = rules
        self._patience = patience or timeline
        self.request_timeout_ns = request_timeout_ns
        self._door = door
        self._timeline = timeline
        self._receiver: Receiver | None = None
        self._streams: dict[Lane, Stream] = {}

    def bind(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def open(self, lane: Lane) -> None:
        await self._pause(DIAL_NS)
        if not self._door.accepts(lane):
            raise as_never_sent(ExchangeNotAvailable(f"{self.rules.name}: connection refused ({lane} lane)"))
        if lane is Lane.REST:
            return
        receiver = self._receiver
        if receiver is None:
            raise NetworkError(f"{self.rules.name}: nobody listens to the {lane} lane")

        def close(goodbye: int) -> None:
            del self._streams[lane]
            how = f"closed by the venue ({goodbye}, {GOODBYES[goodbye]})" if goodbye else "connection reset by peer"
            receiver.on_closed(lane, how)

        stream = self._streams[lane] = self._door.open_stream(lane, partial(receiver.on_message, lane), close)
        stream.taker_of_beats = getattr(receiver, "beats", None)
        if lane is Lane.MARKET:
            stream.taker = getattr(receiver, "taker", None)

    def beats_every_ns(self, lane: Lane) -> Nanos | None:
        """How often heartbeats come on an open lane, which each does if nothing else happens; None where that is not certain."""
        stream = self._streams.get(lane)
        return None if stream is None or stream.beats is None or not stream.beats.is_steady else stream.beats.every_ns

    async def close(self, lane: Lane) -> None:
        stream = self._streams.pop(lane, None)
        if stream is not None:
            self._door.closed(stream)

    async def subscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None:
        stream, receiver = self._open_stream(lane), self._receiver
        if channel is Channel.STATUS and not self.rules.status_every_ns:
            raise NotSupported(f"{self.rules.name} streams no status of its markets; fetch_markets asks for it")

        def refused(why: RefusedBecause) -> None:
            """As the real link does: an error names no subscription, so nothing that follows on the connection can be relied on."""
            if self._streams.get(lane) is stream and receiver is not None:
                del self._streams[lane]
                self._door.closed(stream)
                receiver.on_closed(lane, f"{self.rules.name} says: {why.replace('_', ' ')}")

        def list_orders() -> None:
            at_ns = self._door.venue.epoch_ns + self._timeline.now_ns
            orders = self._door.venue.truth_open()
            self._door.broadcast.say(stream, OpenOrders(venue_ns=at_ns, local_ns=at_ns, symbol="", orders=orders))

        is_listed = channel is Channel.ORDERS and self.rules.lists_own_orders
        self._door.subscribe(stream, channel, symbol, Reply(begun=list_orders if is_listed else None, refused=refused))

    async def unsubscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None:
        self._door.unsubscribe(self._open_stream(lane), channel, symbol)

    async def request(self, request: Request) -> Answer:
        if not self._door.accepts(Lane.REST):
            await self._pause(DIAL_NS)
            raise as_never_sent(ExchangeNotAvailable(f"{self.rules.name}: connection refused (rest lane)"))
        future: asyncio.Future[Answer | Lost | None] = asyncio.get_running_loop().create_future()

        def done(outcome: Answer | Lost) -> None:
            if outcome is not Lost.REPLY and not future.done():
                future.set_result(outcome)

        def give_up() -> None:
            if not future.done():
                future.set_result(None)

        pending = self._door.submit(request, done)
        timer = self._patience.schedule_ns(self._patience.now_ns + self.request_timeout_ns, TIMER, give_up)
        try:
            outcome = await future
        finally:
            timer.cancel()
            self._door.abandon(pending)
        if outcome is None:
            raise RequestTimeout(f"{self.rules.name} {request.op}: no answer within {self.request_timeout_ns // MILLISECOND} ms")
        if isinstance(outcome, Lost):
            raise NetworkError(f"{self.rules.name} {request.op}: connection reset by peer")
        if outcome.refusal is not None:
            raise error_of(outcome.refusal, f"{self.rules.name} {request.op}")
        return outcome

    def abandon(self) -> None:
        self._streams.clear()

    def _open_stream(self, lane: Lane) -> Stream:
        stream = self._streams.get(lane)
        if stream is None:
            raise NetworkError(f"{self.rules.name}: the {lane} lane is closed")
        return stream

    async def _pause(self, ns: Nanos) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._patience.schedule_ns(self._patience.now_ns + ns, DELIVERY, _wake, future)
        try:
            await future
        finally:
            timer.cancel()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
