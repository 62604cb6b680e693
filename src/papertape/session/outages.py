"""The outages that a tape brings with it: what went wrong on the recorder's line goes wrong on the client's, at the same place.

A recorder that was cut off wrote nothing, so the venue says nothing on that lane meanwhile; a client that stayed connected would believe in
a market that stands still. These are no faults of the scenario: nobody demands that they hit, and [expect]'s `must_hit` does not ask. How
long they took to recover from is told, and `recovers_within` holds for them.
"""

from __future__ import annotations

import re
from typing import Final

from papertape.faults.base import Fault
from papertape.model.event import BookSnapshot, ConnectionEvent, ConnectionKind, MarketEvent, brings_market
from papertape.model.interference import GOODBYES, Cut, Window
from papertape.model.request import Channel, Lane, Refusal, RefusalCode, Request
from papertape.model.units import Nanos, parse_duration
from papertape.runtime.rank import COMMAND
from papertape.sim.armed import Armed
from papertape.sim.door import Door
from papertape.sim.timeline import Timeline

TOLD_OF: Final = tuple(str(kind) for kind in (ConnectionKind.DROPPED, ConnectionKind.GAP, ConnectionKind.RATE_LIMITED))
"""Kinds of rows that are replayed as outages."""

_GOODBYE: Final = re.compile(r"\breceived (1\d\d\d)\b")  # as `websockets` tells of a closing handshake that the other side began


class RecordedDrop(Fault, frozen=True, kw_only=True, tag="recorded_drop"):
    """The recorder's connection ended, and stood again when it says so.

    Attributes:
        lane: which of the client's goes down.
        goodbye: with which code; a reset if 0.
    """

    lane: Lane
    goodbye: int = 0

    def window(self) -> Window:
        return Window(start_ns=0, lasts_ns=None)

    def lanes(self) -> tuple[Lane, ...]:
        return (self.lane,)

    def cuts(self) -> tuple[Cut, ...]:
        return (Cut(lane=self.lane, goodbye=self.goodbye),)


class RecordedGap(Fault, frozen=True, kw_only=True, tag="recorded_gap"):
    """Numbers were missing on the recorder's connection: they are missing on the client's."""

    def window(self) -> Window:
        return Window(start_ns=0, lasts_ns=None)

    def lanes(self) -> tuple[Lane, ...]:
        return (Lane.MARKET,)


class RecordedLimit(Fault, frozen=True, kw_only=True, tag="recorded_limit"):
    """The venue told the recorder to wait: for as long it tells the client so, whatever that asks.

    Attributes:
        wait_ns: how long.
    """

    wait_ns: Nanos

    def window(self) -> Window:
        return Window(start_ns=0, lasts_ns=None)

    def before_venue(self, request: Request) -> Refusal | None:
        return Refusal(code=RefusalCode.RATE_LIMITED, message="Too many requests", retry_after_ns=self.wait_ns)


class Outages:
    """Stands before a venue's broadcast, and takes from the messages what they tell of the line.

    Several tapes of a venue have one of these, since a recording may go on from file to file.
    """

    def __init__(self, door: Door, timeline: Timeline) -> None:
        self._door = door
        self._timeline = timeline
        self._down: dict[Lane, Armed] = {}

    def deliver(self, index: int, event: MarketEvent) -> None:
        """Like `Broadcast.deliver`."""
        if type(event) is ConnectionEvent:
            self._on_line(event)
            return
        if self._down and type(event) is BookSnapshot:
            self._back(Lane.MARKET)  # a capture that does not tell when it was connected again: now it was
        self._door.broadcast.deliver(index, event)

    def _on_line(self, event: ConnectionEvent) -> None:
        if not event.connection:
            return  # nobody's: a tape that is played again from its beginning
        lane = lane_of(event.connection)
        match event.what:
            case ConnectionKind.OPENED:
                self._back(lane)
            case ConnectionKind.DROPPED:
                if lane not in self._down:
                    self._down[lane] = self._door.plan.begin(RecordedDrop(lane=lane, goodbye=goodbye_of(event.text)))
            case ConnectionKind.GAP:
                self._skip(event.symbol)
            case ConnectionKind.RATE_LIMITED:
                wait_ns = wait_of(event.text)
                limit = self._door.plan.begin(RecordedLimit(wait_ns=wait_ns))
                self._timeline.schedule_ns(self._timeline.now_ns + wait_ns, COMMAND, self._door.plan.finish, limit)

    def _back(self, lane: Lane) -> None:
        armed = self._down.pop(lane, None)
        if armed is not None:
            self._door.plan.finish(armed)

    def _skip(self, symbol: str) -> None:
        gap = self._door.plan.begin(RecordedGap())
        if not gap.is_open:
            return
        for stream in self._door.broadcast.open_streams():
            if stream.lane is not Lane.MARKET:
                continue
            followed = dict.fromkeys(each for channel, each in stream.wanted_after if channel is not Channel.HEARTBEATS and each)
            if symbol:
                followed = {symbol: None} if symbol in followed else {}
            if followed:
                stream.skip(tuple(followed), self._timeline.now_ns)
                gap.fired += 1
        self._door.plan.finish(gap)


RECORDED: Final[dict[str, type[Fault]]] = {"recorded_drop": RecordedDrop, "recorded_gap": RecordedGap, "recorded_limit": RecordedLimit}
"""What results call them."""


def lane_of(connection: str) -> Lane:
    """Which of a client's lanes a recorder's connection was; whatever has another name brought market data."""
    return Lane.MARKET if brings_market(connection) else Lane(connection.partition(" ")[0])


def goodbye_of(text: str) -> int:
    """With which code a connection ended, if the venue said one that it says; else 0.

    >>> goodbye_of("received 1001 (going away); then sent 1001 (going away)"), goodbye_of("no close frame received or sent")
    (1001, 0)
    """
    found = _GOODBYE.search(text)
    code = int(found[1]) if found is not None else 0
    return code if code in GOODBYES else 0


def wait_of(text: str) -> Nanos:
    """How long the venue wanted quiet; a second where the row does not say.

    >>> wait_of("7s: Too many requests"), wait_of("")
    (7000000000, 1000000000)
    """
    try:
        return parse_duration(text.partition(":")[0])
    except ValueError:
        return parse_duration("1s")
