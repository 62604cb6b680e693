"""What the shell needs of a way to a venue. The shell cannot tell whether a link is real, simulated, or real over a simulated network."""

from __future__ import annotations

from typing import Protocol

from papertape.model.event import Event
from papertape.model.order import OrderUpdate
from papertape.model.request import Answer, Channel, Lane, Request
from papertape.model.units import Nanos
from papertape.model.venue import VenueRules


class Receiver(Protocol):
    """Who hears what a link brings. Both methods return at once and never raise for what a venue sent."""

    def on_message(self, lane: Lane, sequence: int | None, message: Event | OrderUpdate) -> None:
        """One event. `sequence` counts from 0 on each connection, and events of one wire message share theirs.

        What it counts on the market lane, all of the connection or its instrument, the venue's rules say. None: a link that does not count.
        """
        ...

    def on_closed(self, lane: Lane, reason: str) -> None:
        """The lane is gone, whoever closed it; called once for each opened lane that ends by no call of ours."""
        ...


class Link(Protocol):
    """Three lanes to one venue. It decides nothing: no retry, no reconnect, no queue.

    A link that sees bytes may have a `volume(lane)`, how many of them a lane's open connections have brought: without it a large message on
    a slow line looks like silence. One that knows when heartbeats are certain to come may have a `beats_every_ns(lane)`; where they are
    not, it says None. One whose call may be several requests, or whose lane several connections, has `spend_by` and
    `admit_by`, by which it is told whose budget to wait for; see `links.coinbase.link`.
    """

    rules: VenueRules

    def bind(self, receiver: Receiver) -> None: ...

    async def open(self, lane: Lane) -> None:
        """Open a lane, or raise `ccxt.NetworkError`. Opening REST checks that the venue answers at all."""
        ...

    async def close(self, lane: Lane) -> None:
        """Close a lane cleanly; closing what is not open does nothing. No `on_closed` follows."""
        ...

    async def subscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None:
        """Ask for a channel on an open stream lane; raises `ccxt.NetworkError` if the lane went away.

        A book starts with a snapshot, and own orders with `OpenOrders` where the venue's rules say that it lists them.
        """
        ...

    async def unsubscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None: ...

    async def request(self, request: Request) -> Answer:
        """Ask the venue something on the REST lane.

        Returns an answer without refusal, or raises ccxt's class for what went wrong: `ExchangeError` classes where the venue said no;
        `RateLimitExceeded` with `retry_after_ns(error)`, certainly not executed; any other `NetworkError` leaves the outcome unknown
        unless `never_sent(error)` says otherwise.
        """
        ...

    def abandon(self) -> None:
        """Whoever used it is dead: let go of what its libraries hold, without a word to anybody."""
        ...
