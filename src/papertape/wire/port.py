"""What a venue server needs of the venue behind it. The Door satisfies it; so does a small scripted venue in a test.

The server speaks the dialect and checks signatures, nothing else: what an order does, how long an answer takes, which message is lost and
which number a stream message carries is decided behind the port.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from papertape.model.account import Candle
from papertape.model.event import MarketStatus, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.interference import RefusedBecause
from papertape.model.order import Order
from papertape.model.request import Answer, Channel, Lane, Refusal, ReplyLost, Request
from papertape.model.units import Nanos
from papertape.model.venue import VenueRules
from papertape.wire.caller import Caller

__all__ = ["Closer", "ReplyLost", "Sender", "StreamHandle", "VenuePort"]

Sender = Callable[[int, Any], None]
"""`send(sequence, message)`: put one message on the wire. It is an `Event`, an `OrderUpdate`, or whatever the server gave to `say`."""

Closer = Callable[[int], None]
"""`close(goodbye)`: end the connection, by a closing handshake with that code, or by a reset if it is 0."""


class StreamHandle(Protocol):
    """One stream connection as the venue sees it. Its numbers count from 0 over everything sent on it, whatever the channel."""

    def subscribe(
        self,
        channel: Channel,
        symbol: str,
        span_ns: Nanos = 0,
        begun: Callable[[], None] | None = None,
        settled: Callable[[], None] | None = None,
        refused: Callable[[RefusedBecause], None] | None = None,
    ) -> None:
        """Begin a channel; a symbol of "" means all. A book begins with a `BookSnapshot`, in band.

        `begun` is called as the subscription takes effect, before anything is sent for it: what it says has no gap to what follows.
        `settled` is called after the book's snapshot, where there is one: what it says follows the channel's first word. Without `begun`
        it acknowledges what will bring nothing. `refused` is called instead of both where the venue says no.
        """
        ...

    def unsubscribe(self, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None: ...

    def say(self, message: object) -> None:
        """Number a message of the server's own (an acknowledgement, a list of open orders), delay it like any other, then `send` it.

        The venue does not look into it. It must not overtake nor be overtaken by what was sent before or after on this connection.
        """
        ...

    def heard(self, message: object) -> None:
        """A message that was sent here has arrived at the client."""
        ...

    def closed(self, left_ns: Nanos | None = None) -> None:
        """The connection is gone and not by a call of `close`; nothing may be sent on it any more.

        Args:
            left_ns: when the client closed its end, run time; None where nobody knows.
        """
        ...


class VenuePort(Protocol):
    """A venue, as its own front end sees it.

    Attributes:
        rules: whose manners apply.
        instruments: what can be traded; prices and amounts on the wire are decimals, here they are ticks and lots.
    """

    @property
    def rules(self) -> VenueRules: ...

    @property
    def instruments(self) -> Sequence[Instrument]: ...

    def wall_ns(self) -> Nanos:
        """The venue's own wall clock, nanoseconds since 1970-01-01 UTC."""
        ...

    async def request(self, request: Request, *, caller: Caller | None = None, refusal: Refusal | None = None) -> Answer:
        """Carry out one request; comes back when its answer leaves for the client, latency and faults included.

        `caller` is who asked, where anybody can say. With a `refusal` the front end has said no already, such as to one request too many:
        it travels like any other and everybody counts it, but the market never sees it. Cancelled, it says that the client has stopped
        waiting; the request itself goes on.

        Raises `ReplyLost` where the answer must never arrive: the server then resets the connection before a byte of it.
        """
        ...

    def open_stream(self, lane: Lane, send: Sender, close: Closer, *, can_tell: bool = False) -> StreamHandle:
        """A client connected to a stream lane. `send` and `close` are called from the loop, never from within this call.

        `can_tell`: the handle's `heard` will be told of each message about orders of ours that arrives; else what is sent counts as heard.
        """
        ...

    def accepts(self, lane: Lane) -> bool:
        """Whether the lane takes new connections now."""
        ...

    def open_orders(self) -> Sequence[Order]:
        """Every open order, oldest first, as the venue knows it: what the user channel begins with. Not a request, no fault acts on it."""
        ...

    def ticker(self, symbol: str) -> Ticker:
        """The last trade and the best prices as they are now; what a ticker channel begins with."""
        ...

    def status(self, symbol: str) -> MarketStatus:
        """How the market stands now; asked as a client is told."""
        ...

    def day(self, symbol: str) -> Candle | None:
        """One bar of all that was traded in the last day, as far as anybody told; None if nothing was."""
        ...

    def bars(self, symbol: str, span_ns: Nanos, limit: int) -> Sequence[Candle]:
        """The last bars of a length, oldest first; the last of them may be running. Not a request, no fault acts on it."""
        ...

    def recent_trades(self, symbol: str) -> Sequence[Trade]:
        """Up to the last 100 trades, oldest first; history that a trades channel begins with. May be empty."""
        ...
