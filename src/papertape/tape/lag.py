"""How long a recorder's line took: every delay that a tape tells of, in little memory."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Final

import msgspec

from papertape.model.event import CandleEvent, ConnectionEvent, ConnectionKind
from papertape.model.request import Lane
from papertape.model.units import Nanos, parse_duration
from papertape.tape.reader import open_tape

KEPT_MAX: Final = 1 << 20


class Lags:
    """Delays, all of them or every second, fourth, …: of evenly many, so that what is kept is spread as all were."""

    def __init__(self) -> None:
        self.count = 0
        self._kept = array("q")
        self._stride = 1

    def add(self, ns: Nanos) -> None:
        if self.count % self._stride == 0:
            self._kept.append(ns)
            if len(self._kept) > KEPT_MAX:
                self._kept = self._kept[::2]
                self._stride *= 2
        self.count += 1

    def quantiles(self, points: int) -> tuple[Nanos, ...]:
        """The shortest, the longest, and `points` - 2 at even steps between; each is a delay that there was. Empty if there was none."""
        ordered = sorted(self._kept)
        return tuple(ordered[step * (len(ordered) - 1) // (points - 1)] for step in range(points)) if ordered else ()

    def percentile(self, hundredth: int) -> Nanos:
        """That of which so many of a hundred are no longer."""
        ordered = sorted(self._kept)
        return ordered[hundredth * (len(ordered) - 1) // 100]


class LineTimes(msgspec.Struct, frozen=True, kw_only=True):
    """What a recorder's line took.

    Attributes:
        venue: whose tape it is.
        market: from the venue to the recorder, the skew of its clock taken away, and a millisecond at least.
        asked: there and back, of questions to the venue; of none where its recorder did not measure them.
    """

    venue: str
    market: Lags
    asked: Lags


def line_times(path: Path) -> LineTimes:
    """Go over a tape once. Raises `TapeError` where it is damaged."""
    tape = open_tape(path)
    market, asked = Lags(), Lags()
    for _, reach_ns, line_ns, event in tape.messages():
        if isinstance(event, CandleEvent):
            continue  # told some time after it was over, whenever anybody asked
        if type(event) is not ConnectionEvent:
            market.add(max(line_ns - reach_ns, 0))
        elif event.what is ConnectionKind.LATENCY and event.connection.partition(" ")[0] == Lane.REST and event.text:
            asked.add(parse_duration(event.text.split()[0]))
    return LineTimes(venue=tape.venue, market=market, asked=asked)
