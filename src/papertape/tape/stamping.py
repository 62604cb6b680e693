"""When something happened of which the venue does not say when."""

from __future__ import annotations

from typing import Final

import msgspec

from papertape.model.event import MarketEvent
from papertape.model.units import Nanos
from papertape.tape.writer import TapeWriter

UNTIMED: Final = -1
"""As `venue_ns`: nobody said when. Such an event is stamped with the latest venue time known when it arrived."""


class Stamping:
    """Hands messages to a writer; those that came before any time of the venue's was known wait for the first.

    A writer that goes on where another left off begins with the other's `reach_ns`.

    Attributes:
        reach_ns: the latest time of the venue's so far; None before the first.
        waiting: messages that no writer has yet.
    """

    def __init__(self, writer: TapeWriter, reach_ns: Nanos | None = None) -> None:
        self.reach_ns = reach_ns
        self.waiting: list[tuple[MarketEvent, int, int | None]] = []
        self._writer = writer

    def write(self, event: MarketEvent, connection: int, sequence: int | None = None) -> None:
        """The next message; raises as `TapeWriter.write` does."""
        if event.venue_ns == UNTIMED:
            if self.reach_ns is None:
                self.waiting.append((event, connection, sequence))
            else:
                self._stamped(event, self.reach_ns, connection, sequence)
            return
        if self.reach_ns is None:
            self.reach_ns = event.venue_ns
            for earlier, its_connection, its_sequence in self.waiting:
                self._stamped(earlier, event.venue_ns, its_connection, its_sequence)
            self.waiting = []
        self.reach_ns = max(self.reach_ns, event.venue_ns)
        self._writer.write(event, connection, sequence=sequence)

    def _stamped(self, event: MarketEvent, venue_ns: Nanos, connection: int, sequence: int | None) -> None:
        self._writer.write(msgspec.structs.replace(event, venue_ns=venue_ns), connection, is_timed=False, sequence=sequence)
