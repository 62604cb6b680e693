"""The Door as a venue server sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from papertape.model.account import Candle
from papertape.model.event import MarketStatus, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.interference import RefusedBecause
from papertape.model.order import Order
from papertape.model.request import Answer, Channel, Lane, Refusal, ReplyLost, Request
from papertape.model.units import Nanos
from papertape.model.venue import VenueRules
from papertape.sim.door import Door
from papertape.sim.pending import Lost
from papertape.sim.phases import status_of
from papertape.sim.stream import Reply, Stream
from papertape.wire.caller import Caller
from papertape.wire.port import Closer, Sender, StreamHandle

HISTORY_MAX: Final = 100
"""Trades that a stream begins with."""


class PortTime(Protocol):
    """What a port needs of time; `runtime.loop.VirtualLoop` has it, and so has `runtime.paced.PacedTime`."""

    def wall_ns(self) -> Nanos: ...

    def create_future(self) -> asyncio.Future[Any]: ...


def _nothing() -> None:
    """On a virtual loop it is never later than time says."""


class DoorStream:
    """One stream connection; see `wire.port.StreamHandle`."""

    def __init__(self, door: Door, stream: Stream, arrive: Callable[[], None] = _nothing) -> None:
        self._door = door
        self._stream = stream
        self._arrive = arrive

    def subscribe(
        self,
        channel: Channel,
        symbol: str,
        span_ns: Nanos = 0,
        begun: Callable[[], None] | None = None,
        settled: Callable[[], None] | None = None,
        refused: Callable[[RefusedBecause], None] | None = None,
    ) -> None:
        self._arrive()
        self._door.subscribe(self._stream, channel, symbol, Reply(begun, settled, refused))

    def unsubscribe(self, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None:
        self._arrive()
        self._door.unsubscribe(self._stream, channel, symbol)

    def say(self, message: object) -> None:
        self._arrive()
        self._door.broadcast.say(self._stream, message)

    def heard(self, message: object) -> None:
        self._door.broadcast.heard(message)

    def closed(self, left_ns: Nanos | None = None) -> None:
        self._arrive()
        self._stream.left_ns = left_ns
        self._door.closed(self._stream)


class DoorPort:
    """One venue's Door; see `wire.port.VenuePort`.

    Args:
        arrive: called before anything from outside comes to the Door, so that time has passed by then; a virtual loop needs none.
    """

    def __init__(self, door: Door, rules: VenueRules, time: PortTime, arrive: Callable[[], None] = _nothing) -> None:
        self.rules = rules
        self._door = door
        self._time = time
        self._arrive = arrive

    @property
    def instruments(self) -> Sequence[Instrument]:
        return tuple(self._door.venue.instruments.values())

    def wall_ns(self) -> Nanos:
        self._arrive()
        return self._time.wall_ns()

    async def request(self, request: Request, *, caller: Caller | None = None, refusal: Refusal | None = None) -> Answer:
        self._arrive()
        future: asyncio.Future[Answer | Lost] = self._time.create_future()

        def done(outcome: Answer | Lost) -> None:
            if not future.done():
                future.set_result(outcome)

        caller = caller or Caller()
        pending = self._door.submit(request, done, caller, refusal)
        caller.on_heard.append(lambda: self._door.heard(pending, caller.shown))
        try:
            outcome = await future
        finally:
            self._door.abandon(pending)
        if isinstance(outcome, Lost):
            raise ReplyLost(outcome.value)
        return outcome

    def open_stream(self, lane: Lane, send: Sender, close: Closer, *, can_tell: bool = False) -> StreamHandle:
        self._arrive()
        return DoorStream(self._door, self._door.open_stream(lane, send, close, can_tell), self._arrive)

    def accepts(self, lane: Lane) -> bool:
        self._arrive()
        return self._door.accepts(lane)

    def open_orders(self) -> Sequence[Order]:
        return self._door.venue.truth_open()

    def ticker(self, symbol: str) -> Ticker:
        at_ns, book, trades = self.wall_ns(), self._door.venue.books[symbol], self._door.venue.trades[symbol]
        bid, ask = (book.best_bid, book.best_ask) if book.is_complete else (None, None)
        return Ticker(
            venue_ns=at_ns, local_ns=at_ns, symbol=symbol, last_ticks=trades[-1].price_ticks if trades else None,
            bid_ticks=bid[0] if bid else None, bid_lots=bid[1] if bid else 0,
            ask_ticks=ask[0] if ask else None, ask_lots=ask[1] if ask else 0,
        )  # fmt: skip

    def status(self, symbol: str) -> MarketStatus:
        return status_of(self._door.venue, self._door.plan, symbol, self.wall_ns())

    def day(self, symbol: str) -> Candle | None:
        return self._door.venue.candles[symbol].day(self.wall_ns())

    def bars(self, symbol: str, span_ns: Nanos, limit: int) -> Sequence[Candle]:
        return self._door.venue.candles[symbol].bars(span_ns, since_ns=None, limit=limit)

    def recent_trades(self, symbol: str) -> Sequence[Trade]:
        return list(self._door.venue.trades[symbol])[-HISTORY_MAX:]
