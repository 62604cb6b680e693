"""What a recorder hears, as the rows of a tape: numbered, stamped, and with a word on everything that went wrong.

A plain machine: what happened on a lane, and when by the recorder's clock, goes in; rows come out, in the order of arrival.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from papertape.model.event import ConnectionEvent, ConnectionKind, Event, Heartbeat, MarketEvent
from papertape.model.order import OrderUpdate
from papertape.model.request import Lane
from papertape.model.units import Nanos, format_duration
from papertape.model.venue import Numbering
from papertape.recorder.spool import Row
from papertape.resilience.sequence import Sequence, Sequences, Succession
from papertape.tape.stamping import UNTIMED

CONNECTIONS: Final = (str(Lane.REST), str(Lane.MARKET))
"""What a recorder's tape calls its connections: one for each lane that it opens."""

TEXT_MAX: Final = 300
"""Characters that are kept of a venue's words."""

HIDDEN: Final = "(hidden)"

_SECRETS: Final = (
    re.compile(r"-----BEGIN(?:.|\n)*?(?:-----END[^-]*-----|$)"),
    re.compile(r"eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_.-]*"),
    re.compile(r"organizations/[0-9A-Za-z-]+/apiKeys/[0-9A-Za-z-]+"),
    re.compile(r"(?<=://)[^/\s@]+(?=@)"),
    re.compile(r"(?<=Bearer )\S+|(?<=Basic )\S+"),
    re.compile(r"([?&][\w-]+=)[^&\s\"']+"),
)


class Transcript:
    """Keeps the numbers of each lane, and the time from going back.

    Attributes:
        gaps: losses that the venue's numbers showed.
        drops: connections that were lost.
        repeated: messages that came again, or after their turn; they are not recorded, since a trade would count twice.
        set_back: rows that came while the recorder's clock, set back, had not caught up; they keep the time before.
        is_up: whether a lane's connection stands.
    """

    def __init__(self, numbering: Numbering) -> None:
        self.gaps = 0
        self.drops = 0
        self.repeated = 0
        self.set_back = 0
        self.is_up = dict.fromkeys(Lane, False)
        self._numbering = numbering
        self._sequence = Sequence()
        self._sequences = Sequences()
        self._local_ns: Nanos = 0
        self._frame: tuple[int | None, Nanos] | None = None

    def on_opened(self, lane: Lane, local_ns: Nanos) -> list[Row]:
        self.is_up[lane] = True
        if lane is Lane.MARKET:
            self._sequence.restart()
            self._sequences.restart()
        return [self._told(lane, local_ns, ConnectionKind.OPENED)]

    def on_dropped(self, lane: Lane, reason: str, local_ns: Nanos) -> list[Row]:
        """A connection that stood is gone; of one that did not stand there is nothing to say."""
        if not self.is_up[lane]:
            return []
        self.is_up[lane] = False
        self.drops += 1
        return [self._told(lane, local_ns, ConnectionKind.DROPPED, reason)]

    def on_error(self, lane: Lane, words: str, local_ns: Nanos) -> list[Row]:
        """Something failed: a connection that did not come about, an answer that did not come."""
        return [self._told(lane, local_ns, ConnectionKind.ERROR, words)]

    def on_limited(self, lane: Lane, wait_ns: Nanos, words: str, local_ns: Nanos) -> list[Row]:
        """The venue said: not so fast, and for how long to be quiet."""
        return [self._told(lane, local_ns, ConnectionKind.RATE_LIMITED, f"{format_duration(wait_ns)}: {words}")]

    def on_answer(self, lane: Lane, asked_ns: Nanos, local_ns: Nanos) -> list[Row]:
        """A question was answered: how long that took there and back is all that is kept of it."""
        return [self._told(lane, local_ns, ConnectionKind.LATENCY, f"{format_duration(max(0, local_ns - asked_ns))} there and back")]

    def on_message(self, sequence: int | None, message: Event | OrderUpdate, local_ns: Nanos) -> list[Row]:
        """A message of the market lane. Those of one frame were stamped at one time by the link, and are here."""
        if not isinstance(message, Event):
            return []
        frame = (sequence, message.local_ns)
        local_ns = self._local_ns if frame == self._frame else self._stamp(local_ns)
        self._frame = frame
        rows = []
        if sequence is not None:
            expected, succession = self._follow(message.symbol, sequence)
            if succession is Succession.OLD:
                self.repeated += 1
                return [self._told(Lane.MARKET, local_ns, ConnectionKind.ERROR, f"number {sequence} came again, {expected} was due")]
            if succession is Succession.GAP:
                self.gaps += 1
                symbol = message.symbol if self._numbering is Numbering.INSTRUMENT else ""
                words = f"number {sequence} came where {expected} was due"
                rows.append(self._told(Lane.MARKET, local_ns, ConnectionKind.GAP, words, symbol))
        if isinstance(message, Heartbeat):
            event = self._told(Lane.MARKET, local_ns, ConnectionKind.LATENCY)[2]
            rows.append((CONNECTIONS.index(Lane.MARKET), sequence, msgspec.structs.replace(event, venue_ns=message.venue_ns)))
        elif isinstance(message, MarketEvent):
            rows.append((CONNECTIONS.index(Lane.MARKET), sequence, msgspec.structs.replace(message, local_ns=local_ns)))
        return rows

    def _follow(self, symbol: str, sequence: int) -> tuple[int, Succession]:
        """Which number was due, and how the one that came follows."""
        if self._numbering is Numbering.INSTRUMENT:
            return self._sequences.expected(symbol), self._sequences.on(symbol, sequence)
        return self._sequence.expected, self._sequence.on(sequence)

    def _told(self, lane: Lane, local_ns: Nanos, what: ConnectionKind, text: str = "", symbol: str = "") -> Row:
        event = ConnectionEvent(
            venue_ns=UNTIMED, local_ns=self._stamp(local_ns), symbol=symbol, connection=str(lane), what=what, text=shown(text)
        )
        return CONNECTIONS.index(lane), None, event

    def _stamp(self, local_ns: Nanos) -> Nanos:
        if local_ns < self._local_ns:
            self.set_back += 1
        else:
            self._local_ns = local_ns
        return self._local_ns


def shown(text: str) -> str:
    """A venue's words as a tape may keep them: short, and without whatever looks like a key, a token or a password.

    >>> shown("GET https://me:pass@host/x?token=abcdef failed")
    'GET https://(hidden)@host/x?token=(hidden) failed'
    """
    for pattern in _SECRETS:
        text = pattern.sub(lambda found: (found[1] if found.lastindex else "") + HIDDEN, text)
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"
