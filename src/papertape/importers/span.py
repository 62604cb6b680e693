"""A part of what files hold, as a tape of its own: the same messages as that part of a tape of the whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import msgspec

from papertape.importers.place import Place
from papertape.model.errors import TapeError
from papertape.model.event import MarketEvent
from papertape.model.instrument import Instrument
from papertape.model.order import iso
from papertape.model.units import Nanos, is_date, moment_ns
from papertape.tape import schema
from papertape.tape.assemble import Roller
from papertape.tape.batch import row_code
from papertape.tape.header import Connection
from papertape.tape.writer import TapeWriter


class Span(msgspec.Struct, frozen=True):
    """From when to when by the venue's clock, the end exclusive: durations from the first message, or ISO 8601 times.

    >>> Span("1s", "1970-01-01T00:00:09Z").window(5), Span("1970-01-01").known
    ((1000000005, 9000000000), (0, None))
    """

    start: str | None = None
    end: str | None = None

    def window(self, first_ns: Nanos) -> tuple[Nanos | None, Nanos | None]:
        """Nanoseconds since 1970-01-01 UTC where the first message lies at `first_ns`; None is as far as there is anything."""
        start_ns, end_ns = (None if text is None else moment_ns(text, first_ns) for text in (self.start, self.end))
        return start_ns, end_ns

    @property
    def known(self) -> tuple[Nanos | None, Nanos | None]:
        """The same where it does not depend on the first message; else (None, None)."""
        is_known = all(text is None or is_date(text) for text in (self.start, self.end))
        return self.window(0) if is_known else (None, None)


class SpanOver(Exception):
    """What comes now lies behind the span, and so does all that follows."""


class SpanWriter(TapeWriter):
    """Writes those of the messages that lie in a span, as `Tape.messages` tells them: begun by the books that are known by then.

    It is numbered from 0, and its skews are measured in the span: whatever lies before and behind leaves no trace but the books.

    Attributes:
        first_seen_ns, last_seen_ns: from when to when there was anything; None where there was nothing at all.
        is_begun: whether anything lay in the span.
    """

    def __init__(
        self, path: str | os.PathLike[str], span: Span, *, venue: str, instruments: Sequence[Instrument],
        connections: Sequence[str | Connection], source: str,
    ) -> None:  # fmt: skip
        super().__init__(path, venue=venue, instruments=instruments, connections=connections, source=source)
        self.first_seen_ns: Nanos | None = None
        self.last_seen_ns: Nanos | None = None
        self.is_begun = False
        self._span = span
        self._window = span.known
        self._roller = Roller([instrument.symbol for instrument in instruments], self._names)

    def write(self, event: MarketEvent, connection: int = 0, *, is_timed: bool = True, sequence: int | None = None) -> None:
        """The next message; raises `SpanOver` for the first behind the span, and `TapeError` as `TapeWriter.write` does."""
        reach_ns = event.venue_ns if self.last_seen_ns is None else max(self.last_seen_ns, event.venue_ns)
        if self.first_seen_ns is None:
            self.first_seen_ns = reach_ns
            self._window = self._span.window(reach_ns)
        self.last_seen_ns = reach_ns
        start_ns, end_ns = self._window
        if end_ns is not None and reach_ns >= end_ns:
            raise SpanOver
        if not self.is_begun and (start_ns is None or reach_ns >= start_ns):
            self._begin(start_ns)
        super().write(event, connection, is_timed=is_timed, sequence=sequence)

    def check_begun(self, places: Sequence[Place]) -> None:
        """Raise `TapeError` unless anything lay in the span."""
        if not self.is_begun and self.first_seen_ns is not None and self.last_seen_ns is not None:
            names = ", ".join(str(place) for place in places)
            raise TapeError(
                f"{names}: nothing happens from {self._span.start or 'the beginning'} to {self._span.end or 'the end'}; what was read goes "
                f"from {iso(self.first_seen_ns)} to {iso(self.last_seen_ns)}."
            )

    def _begin(self, start_ns: Nanos | None) -> None:
        """Forget what lay before, but for the books and which connections are down."""
        has_before = self.rows > 0
        self._flush(len(self._narrow))
        self.is_begun = True
        self.rows, self.counts = 0, {}
        self._first_ns, self._last_ns = None, 0
        self._skews = [skew if is_given else None for skew, is_given in zip(self._skews, self._given, strict=True)]
        if has_before and start_ns is not None:
            for _, connection, event in self._roller.opening(start_ns, 0):
                super().write(event, connection, is_timed=False)

    def _flush(self, count: int) -> None:
        if self.is_begun:
            super()._flush(count)
            return
        rows = self._narrow[:count]
        del self._narrow[:count]
        self._tickers, self._candles = [], []
        if rows:
            lists: dict[str, list[Any]] = {name: list(each) for name, each in zip(schema.NARROW, zip(*rows, strict=True), strict=False)}
            codes = [row_code(*each) for each in zip(lists["kind"], lists["flags"], lists["side"], strict=True)]
            self._roller.roll(codes, lists, len(rows))
