"""The delay that the recorder saw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from papertape.model.event import ConnectionEvent, ConnectionKind, MarketEvent
from papertape.model.request import Lane
from papertape.model.units import MILLISECOND, Nanos, parse_duration
from papertape.sim.latency.base import LatencyLaw

UNMEASURED_NS: Final = 15 * MILLISECOND
"""What an order takes before the recording has told of any delay."""

Row = tuple[int, Nanos, Nanos, MarketEvent]
"""(number, when it reached the venue, when the recorder's line delivers it, event), as a tape has it."""


class RecordedLatency(LatencyLaw, frozen=True, dict=True, tag="recorded"):
    """As long as the recorder's own line took. It draws nothing.

    For market data: what the tape itself says of when each message was delivered.

    For orders and answers: what the tape last told before the order or the answer leaves. Half of the last round trip of a question to the
    venue, where its recorder measured those (`papertape record` does); else as long as the last message took that has reached the venue. So
    orders are slow when the recorder's line was. Before the tape has told anything they take 15 ms.
    """

    def ns(self, draw: int) -> Nanos:
        return 0


class RecordedLine(LatencyLaw, frozen=True, dict=True, tag="recorded_line"):
    """What a recording has told so far of how long its line takes; of several tapes of a venue, whichever told last.

    >>> line = RecordedLine()
    >>> line.ns(0)
    15000000
    """

    newest: list[Nanos] = msgspec.field(default_factory=lambda: [UNMEASURED_NS])
    asked: list[Nanos] = msgspec.field(default_factory=list)

    def ns(self, draw: int) -> Nanos:
        return (self.asked or self.newest)[0]

    def listening(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The same rows; each is noted once it has reached the venue and the next is asked for."""
        for row in rows:
            yield row
            _, reach_ns, line_ns, event = row
            if type(event) is not ConnectionEvent:
                self.newest[0] = max(line_ns - reach_ns, 0)
            elif event.what is ConnectionKind.LATENCY and event.connection.partition(" ")[0] == Lane.REST and event.text:
                self.asked[:] = [parse_duration(event.text.split()[0]) // 2]
