"""One client connection of a stream lane, seen from the venue: what it asked for, its own numbering, what waits to go out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from papertape.model.beat import BeatTaker
from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, Event, MarketStatus, Ticker, Trade
from papertape.model.interference import RefusedBecause
from papertape.model.order import Order, OrderUpdate
from papertape.model.request import Channel, Lane
from papertape.model.stretch import Taker
from papertape.model.units import Nanos, plain
from papertape.model.venue import Numbering
from papertape.sim.armed import Armed
from papertape.sim.timeline import Handle

if TYPE_CHECKING:
    from papertape.sim.beats import Beats

Message = Event | OrderUpdate
Send = Callable[[int, Message], None]
Close = Callable[[int], None]
"""Ends a connection, with a goodbye (one of `GOODBYES`) or a reset (0)."""

NUMBERED: Final = (Trade, BookUpdate, Ticker, CandleEvent)
"""What the venue numbers as it reaches it; without that number it is one that came before."""

CHANNEL_OF = {
    Trade: Channel.TRADES,
    BookSnapshot: Channel.BOOK,
    BookUpdate: Channel.BOOK,
    Ticker: Channel.TICKER,
    CandleEvent: Channel.CANDLES,
}


def _nothing(*_: object) -> None:
    return None


class Reply:
    """What a client's front end does as its subscription meets the venue.

    Attributes:
        begun: called as it takes effect, before anything is sent for it.
        settled: called after the snapshot that it may begin with; alone, the venue acknowledges what it will not do.
        refused: called instead of both, with the reason.
    """

    def __init__(
        self,
        begun: Callable[[], None] | None = None,
        settled: Callable[[], None] | None = None,
        refused: Callable[[RefusedBecause], None] | None = None,
    ) -> None:
        self.begun = begun or _nothing
        self.settled = settled or _nothing
        self.refused = refused or _nothing


class Aside:
    """A message that waits for the next to go before it.

    Attributes:
        sequence: the number that it keeps; None if it is numbered when it goes.
        due_ns: when it was due.
        release: what sends it alone, if the next does not come.
    """

    def __init__(self, armed: Armed, message: Message, sequence: int | None, due_ns: Nanos, release: Handle) -> None:
        self.armed = armed
        self.message = message
        self.sequence = sequence
        self.due_ns = due_ns
        self.release = release


class Stream:
    """A connection's state at the Door.

    Attributes:
        number: counts connections of a run, from 1.
        sequence: the next message's number, if one counter counts all of the connection.
        counts_instruments: whether each instrument has its own counter instead.
        wanted_after: per (channel, symbol) subscribed: how many market messages had reached the venue by then; only later ones are sent
            (the snapshot holds the others).
        wanted: the same by kind of message and symbol.
        waiting: (due_ns, sequence, message, its number at the venue or 0) held back by latency, stall or a snapshot on its way; first in,
            first out.
        can_tell: whether it will be known which messages have arrived at the client; else what is sent counts as heard.
        aside: an own-order message that lets the next go first.
        wrong: snapshots on their way that are not what the book is.
        missed: symbols whose book this connection can no longer have right, because a message was lost, and since when the client can
            know; None where nothing shows it.
        left: symbols of which the client asked for something and then for nothing any more.
        opened_ns, ended_ns: its life, run time; it goes on while `ended_ns` is None.
        taker: who takes changes of a book many at a time; None where each goes by itself.
        taker_of_beats: who may be told of heartbeats many at a time; None where each goes by itself.
        beats: its heartbeats, once they have been asked for.
        settle: called before anybody looks at what was delivered; whoever hands over many at a time counts them by then.
        left_ns: when the client closed its end, which the venue hears of later; None where that is not known, or it was the venue that did.
    """

    def __init__(
        self,
        number: int,
        lane: Lane,
        send: Send,
        close: Close,
        can_tell: bool = False,
        numbering: Numbering = Numbering.CONNECTION,
    ) -> None:
        self.number = number
        self.lane = lane
        self.send = send
        self.close = close
        self.can_tell = can_tell
        self.sequence = 0
        self.counts_instruments = lane is Lane.MARKET and numbering is Numbering.INSTRUMENT
        self._counters: dict[str, int] = {}
        self._unshown: dict[str, None] = {}  # instruments that lost a message, and whose counter has shown it to nobody
        self.wanted_after: dict[tuple[Channel, str], int] = {}
        self.wanted: dict[type, dict[str, int]] = {kind: {} for kind in CHANNEL_OF}
        self.waiting: deque[tuple[Nanos, int, Message, int]] = deque()
        self.aside: Aside | None = None
        self.wrong: dict[str, BookSnapshot] = {}
        self.missed: dict[str, Nanos | None] = {}
        self.left: dict[str, None] = {}
        self.taker: Taker | None = None
        self.taker_of_beats: BeatTaker | None = None
        self.beats: Beats | None = None
        self.settle: Callable[[], None] = _nothing
        self.is_open = True
        self.opened_ns: Nanos = 0
        self.ended_ns: Nanos | None = None
        self.left_ns: Nanos | None = None
        self.heartbeats = 0
        self._said_ns: Nanos = 0
        # What was delivered since the journal last looked: messages by their number at the venue, and when.
        self.count = 0
        self.first = 0
        self.last = 0
        self.first_ns: Nanos = 0
        self.last_ns: Nanos = 0

    @property
    def lost_ns(self) -> Nanos | None:
        """When the first of its two ends closed it, as far as that is known."""
        return self.ended_ns if self.left_ns is None else self.left_ns

    def arrives_ns(self, due_ns: Nanos) -> Nanos:
        """When what the client says now, and what would take until then by itself, is at the venue: a connection keeps its order."""
        self._said_ns = max(due_ns, self._said_ns)
        return self._said_ns

    def want(self, channel: Channel, symbol: str, after: int) -> None:
        """Send what comes `after` so many market messages."""
        self.wanted_after[channel, symbol] = after
        for wanted in self._wanted_on(channel):
            wanted[symbol] = after

    def forget(self, channel: Channel, symbol: str) -> bool:
        """Send no more of it; returns whether it was wanted."""
        for wanted in self._wanted_on(channel):
            wanted.pop(symbol, None)
        was_wanted = self.wanted_after.pop((channel, symbol), None) is not None
        if not self.follows(symbol):
            self.left[symbol] = None
        return was_wanted

    def follows(self, symbol: str) -> bool:
        """Whether anything of an instrument's market is sent here."""
        return any(each == symbol for _, each in self.wanted_after)

    def _wanted_on(self, channel: Channel) -> list[dict[str, int]]:
        return [self.wanted[kind] for kind, its in CHANNEL_OF.items() if its is channel]

    def number_next(self, message: object, now_ns: Nanos) -> int:
        """The number of a message that is about to be sent; what it shows to be lost can be known from `now_ns` on."""
        symbol = getattr(message, "symbol", "")
        if symbol in self._unshown:
            del self._unshown[symbol]
            if symbol in self.missed:
                self.missed[symbol] = now_ns
        return self._spend(symbol)

    def lose(self, message: object, now_ns: Nanos, *, spends_number: bool) -> None:
        """A message is not sent: a trade is gone for good, a book must become right again."""
        symbol = getattr(message, "symbol", "")
        if spends_number:
            self._spend(symbol)
            if self.counts_instruments:
                self._unshown[symbol] = None
        if isinstance(message, BookUpdate | BookSnapshot):
            # One counter for all shows it with whatever comes next, a heartbeat at the latest; an instrument's only with more of it.
            self.missed.setdefault(symbol, now_ns if spends_number and not self.counts_instruments else None)

    def skip(self, symbols: Sequence[str], now_ns: Nanos) -> None:
        """Something of these instruments was lost before anybody could record it: its number is spent, and nobody knows what it was."""
        for symbol in symbols if self.counts_instruments else symbols[:1]:
            self._spend(symbol)
        for symbol in symbols:
            if self.counts_instruments:
                self._unshown[symbol] = None
            if (Channel.BOOK, symbol) in self.wanted_after:
                self.missed.setdefault(symbol, None if self.counts_instruments else now_ns)

    def next_number(self, symbol: str) -> int:
        """The number that the next message of an instrument will have."""
        return self._counters.get(symbol, 0) if self.counts_instruments else self.sequence

    def count_stretch(self, symbol: str, count: int, last: int, last_ns: Nanos) -> int:
        """So many changes of a book go out, none of them lost or held up; returns the number of the first of them on this connection.

        The last has that number at the venue; if nothing was delivered since the journal last looked, `first` tells of the first already.
        """
        sequence = self.next_number(symbol)
        if self._unshown:
            self._unshown.pop(symbol, None)
        if self.counts_instruments:
            self._counters[symbol] = sequence + count
        else:
            self.sequence = sequence + count
        self.count += count
        self.last, self.last_ns = last, last_ns
        return sequence

    def _spend(self, symbol: str) -> int:
        if self.counts_instruments:
            sequence = self._counters.get(symbol, 0)
            self._counters[symbol] = sequence + 1
        else:
            sequence = self.sequence
            self.sequence = sequence + 1
        return sequence

    def delivered(self, index: int, now_ns: Nanos) -> None:
        """Remember a market message for the journal, by its number at the venue."""
        if self.count == 0:
            self.first, self.first_ns = index, now_ns
        self.count += 1
        self.last, self.last_ns = index, now_ns


def orders_in(message: Any) -> tuple[Order, ...]:
    """Whose orders' outcome a message tells of."""
    if isinstance(message, OrderUpdate):
        return (message.order,)
    return getattr(message, "orders", ())  # a server's own list of what is open


def lane_of(stream: Stream, message: Message) -> Lane:
    """Whose faults act on a message: news of own orders are the user lane's, whichever connection carries them."""
    return Lane.USER if isinstance(message, OrderUpdate) else stream.lane


def told_as(message: Message) -> str:
    """What the journal calls a message that goes out beside what the market says."""
    if isinstance(message, OrderUpdate):
        return "order"
    return "status" if isinstance(message, MarketStatus) else "copy" if isinstance(message, NUMBERED) else "snapshot"


def gist(message: Message) -> dict[str, object]:
    """What the journal says of a message that is no row of a tape."""
    if isinstance(message, OrderUpdate):
        order = message.order
        return {"client_order_id": order.client_order_id, "status": order.status, "filled": plain(order.filled)}
    if isinstance(message, BookSnapshot):
        return {"symbol": message.symbol, "bids": len(message.bids), "asks": len(message.asks)}
    if isinstance(message, MarketStatus):
        return {"symbol": message.symbol, "status": message.status, "text": message.text}
    return {"symbol": message.symbol}
