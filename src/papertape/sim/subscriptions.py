"""What becomes of a client's wish for a channel: when it takes effect, what it begins with, and when it comes to nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from papertape.journal import Journal
from papertape.model.event import BookSnapshot, Side
from papertape.model.interference import Interference
from papertape.model.request import Channel, Lane
from papertape.model.units import Nanos
from papertape.runtime.rank import DELIVERY, TIMER
from papertape.sim.beats import Beats
from papertape.sim.fault_plan import FaultPlan
from papertape.sim.phases import status_of
from papertape.sim.stream import Message, Reply, Stream
from papertape.sim.timeline import Handle, Timeline
from papertape.sim.venue import SimVenue

OWN_ORDERS: Final = (Channel.ORDERS, "")

Lost = dict[Lane, dict[tuple[Channel, str], None]]


class Sender(Protocol):
    """What subscriptions need of a broadcast."""

    reached: int
    lost: Lost
    on_progress: Callable[[], None]
    silent: dict[tuple[Channel, str], None]

    def send(self, stream: Stream, message: Message) -> None: ...

    def end_at_once(self, stream: Stream) -> None: ...


class Subscriptions:
    """They take effect when they reach the venue, after the commands of that instant."""

    def __init__(
        self, venue: SimVenue, timeline: Timeline, plan: FaultPlan, journal: Journal, heartbeat_ns: Nanos, epoch_ns: Nanos
    ) -> None:
        self._venue = venue
        self._timeline = timeline
        self._plan = plan
        self._journal = journal
        self._heartbeat_ns = heartbeat_ns
        self._epoch_ns = epoch_ns
        self._statuses: dict[tuple[int, str], Handle] = {}  # by connection and market, the next telling

    def begin(self, stream: Stream, channel: Channel, symbol: str, reply: Reply, sender: Sender) -> None:
        """A subscription has reached the venue."""
        if not stream.is_open:
            return
        if channel is Channel.ORDERS and stream.lane is not Lane.USER and self._plan.refuses(Lane.USER):
            sender.end_at_once(stream)  # the lane is down, whichever host it is asked of
            return
        thwarted = self._plan.thwarts(channel, symbol)
        if thwarted is not None:
            stream.forget(channel, symbol)  # what is asked for now takes the place of what stood
            self._owe(stream, channel, symbol, sender, is_silent=thwarted.is_acknowledged and channel is not Channel.BOOK)
            if thwarted.refusal is not None:
                reply.refused(thwarted.refusal)
            elif thwarted.is_acknowledged:
                reply.settled()
            return
        reply.begun()
        self._write("subscribed", stream, channel, symbol)
        stream.want(channel, symbol, after=sender.reached)
        sender.lost[stream.lane].pop((channel, symbol), None)
        sender.silent.pop((channel, symbol), None)
        if channel is not Channel.BOOK and (Channel.BOOK, symbol) not in stream.wanted_after:
            stream.missed.pop(symbol, None)
        if channel is Channel.BOOK:
            snapshot = self._snapshot(symbol)
            if snapshot is not None:
                self._begin_book(stream, snapshot, sender)
        elif channel is Channel.STATUS:
            self._tell_status(stream, symbol, sender)
        elif channel is Channel.HEARTBEATS:
            stream.beats = Beats(
                stream, sender, every_ns=self._heartbeat_ns, timeline=self._timeline, plan=self._plan, epoch_ns=self._epoch_ns
            )
            stream.beats.go_on()
        reply.settled()

    def end(self, stream: Stream, channel: Channel, symbol: str, sender: Sender) -> None:
        """A wish to hear no more has reached the venue."""
        sender.lost[stream.lane].pop((channel, symbol), None)
        if channel is Channel.BOOK:
            stream.missed.pop(symbol, None)  # who wants no book any more can have none wrong
            stream.wrong.pop(symbol, None)
        if stream.forget(channel, symbol):
            self._write("unsubscribed", stream, channel, symbol)
        sender.on_progress()

    def mute(self, stream: Stream, fault: Interference, sender: Sender) -> int:
        """What stands on a connection and a fault silences is forgotten; how many subscriptions that are."""
        silenced = [topic for topic in stream.wanted_after if fault.mutes(*topic)]
        for channel, symbol in silenced:
            stream.forget(channel, symbol)
            self._owe(stream, channel, symbol, sender, is_silent=True)
        return len(silenced)

    def books(self) -> dict[str, BookSnapshot]:
        """Every whole book as it is now."""
        found = {symbol: self._snapshot(symbol) for symbol in self._venue.books}
        return {symbol: snapshot for symbol, snapshot in found.items() if snapshot is not None}

    def _owe(self, stream: Stream, channel: Channel, symbol: str, sender: Sender, *, is_silent: bool) -> None:
        """A client lacks what it asked for until it has asked again; `is_silent`: only news tells it, and own orders can be asked for."""
        self._write("muted", stream, channel, symbol)
        sender.lost[stream.lane][channel, symbol] = None
        if is_silent and channel is not Channel.ORDERS:
            sender.silent[channel, symbol] = None

    def _write(self, what: str, stream: Stream, channel: Channel, symbol: str) -> None:
        self._journal.write(self._timeline.now_ns, what, lane=stream.lane, number=stream.number, channel=channel, symbol=symbol)

    def _snapshot(self, symbol: str) -> BookSnapshot | None:
        book = self._venue.books.get(symbol)
        if book is None or not book.is_complete:
            return None
        stamp_ns = self._epoch_ns + self._timeline.now_ns
        bids, asks = book.ladder(Side.BUY), book.ladder(Side.SELL)
        return BookSnapshot(venue_ns=stamp_ns, local_ns=stamp_ns, symbol=symbol, bids=bids, asks=asks)

    def _begin_book(self, stream: Stream, snapshot: BookSnapshot, sender: Sender) -> None:
        symbol = snapshot.symbol
        postponed = self._plan.postponed(snapshot)
        if postponed is not None:
            stream.missed[symbol] = None
            old = snapshot if postponed.is_old else None
            since, due_ns = stream.wanted_after[Channel.BOOK, symbol], self._timeline.now_ns + postponed.after_ns
            self._timeline.schedule_ns(due_ns, DELIVERY, self._begin_late, stream, symbol, since, old, sender)
            return
        wrong = self._plan.falsified(snapshot)
        if wrong is not None:
            stream.wrong[symbol] = snapshot = wrong
        sender.send(stream, snapshot)

    def _begin_late(self, stream: Stream, symbol: str, since: int, old: BookSnapshot | None, sender: Sender) -> None:
        """Send a snapshot that was held back, unless the client has left or has asked anew."""
        if stream.is_open and stream.wanted_after.get((Channel.BOOK, symbol)) == since:
            snapshot = old or self._snapshot(symbol)
            if snapshot is not None:
                sender.send(stream, snapshot)

    def _tell_status(self, stream: Stream, symbol: str, sender: Sender) -> None:
        """Now, and every now and then from here on; where it is asked for anew, from there on."""
        waiting = self._statuses.pop((stream.number, symbol), None)
        if waiting is not None:
            waiting.cancel()
        if stream.is_open and (Channel.STATUS, symbol) in stream.wanted_after and symbol in self._venue.instruments:
            due_ns = self._timeline.now_ns + self._venue.rules.status_every_ns
            self._statuses[stream.number, symbol] = self._timeline.schedule_ns(due_ns, TIMER, self._tell_status, stream, symbol, sender)
            sender.send(stream, status_of(self._venue, self._plan, symbol, self._epoch_ns + self._timeline.now_ns))
