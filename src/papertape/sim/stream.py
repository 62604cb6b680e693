"""One client connection of a stream lane, seen from the venue: what it asked for, its own numbering, what waits to go out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, Event, Ticker, Trade
from papertape.model.order import OrderUpdate
from papertape.model.request import Channel, Lane
from papertape.model.units import Nanos

Message = Event | OrderUpdate
Send = Callable[[int, Message], None]
Close = Callable[[bool], None]

CHANNEL_OF = {
    Trade: Channel.TRADES,
    BookSnapshot: Channel.BOOK,
    BookUpdate: Channel.BOOK,
    Ticker: Channel.TICKER,
    CandleEvent: Channel.CANDLES,
}


class Stream:
    """A connection's state at the Door.

    Attributes:
        number: counts connections of a run, from 1.
        sequence: the next message's number.
        wanted_after: per (channel, symbol) subscribed: how many market messages had reached the venue by then; only later ones are sent
            (the snapshot holds the others).
        waiting: (due_ns, sequence, message, its number at the venue or 0) held back by latency, stall or a snapshot on its way; first in,
            first out.
        can_tell: whether it will be known which messages have arrived at the client; else what is sent counts as heard.
        missed: symbols whose book this connection can no longer have right, because a message was lost.
    """

    def __init__(self, number: int, lane: Lane, send: Send, close: Close, can_tell: bool = False) -> None:
        self.number = number
        self.lane = lane
        self.send = send
        self.close = close
        self.can_tell = can_tell
        self.sequence = 0
        self.wanted_after: dict[tuple[Channel, str], int] = {}
        self._wanted: dict[type, dict[str, int]] = {kind: {} for kind in CHANNEL_OF}  # the same by kind of message and symbol
        self.waiting: deque[tuple[Nanos, int, Message, int]] = deque()
        self.missed: dict[str, None] = {}
        self.is_open = True
        self.heartbeats = 0
        # What was delivered since the journal last looked: messages by their number at the venue, and when.
        self.count = 0
        self.first = 0
        self.last = 0
        self.first_ns: Nanos = 0
        self.last_ns: Nanos = 0

    def want(self, channel: Channel, symbol: str, after: int) -> None:
        """Send what comes `after` so many market messages."""
        self.wanted_after[channel, symbol] = after
        for wanted in self._wanted_on(channel):
            wanted[symbol] = after

    def forget(self, channel: Channel, symbol: str) -> bool:
        """Send no more of it; returns whether it was wanted."""
        for wanted in self._wanted_on(channel):
            wanted.pop(symbol, None)
        return self.wanted_after.pop((channel, symbol), None) is not None

    def wants(self, message: Event, index: int) -> bool:
        wanted = self._wanted.get(type(message))
        return wanted is not None and index > wanted.get(message.symbol, index)

    def _wanted_on(self, channel: Channel) -> list[dict[str, int]]:
        return [self._wanted[kind] for kind, its in CHANNEL_OF.items() if its is channel]

    def number_next(self) -> int:
        sequence = self.sequence
        self.sequence = sequence + 1
        return sequence

    def delivered(self, index: int, now_ns: Nanos) -> None:
        """Remember a market message for the journal, by its number at the venue."""
        if self.count == 0:
            self.first, self.first_ns = index, now_ns
        self.count += 1
        self.last, self.last_ns = index, now_ns
