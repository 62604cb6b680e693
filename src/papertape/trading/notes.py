"""What a person and a log get to hear of an exchange while it trades: marks counted, health told, every line with the mode in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from papertape.journal import Journal
from papertape.model.notes import Mark
from papertape.model.units import MINUTE, Nanos
from papertape.runtime.clock import Clock

Say = Callable[[str], object]

CORRECTED_EVERY_NS: Final[Nanos] = 1 * MINUTE
"""A clock that runs away, as of a venue that is served at five times its speed, is put right all the time; it is told so often at most."""


class TradingNotes:
    """Writes down what the shell says of itself; see `model.notes.Notes`.

    Attributes:
        marks: how often each was seen.
        is_healthy, why: the latest word.
    """

    def __init__(self, journal: Journal, clock: Clock, *, venue: str, tell: Say) -> None:
        self.marks: dict[Mark, int] = {}
        self.is_healthy = False
        self.why = "not connected yet"
        self._journal = journal
        self._clock = clock
        self._venue = venue
        self._tell = tell
        self._corrected_ns: Nanos | None = None  # run time of the last line that said so

    def mark(self, mark: Mark, detail: str = "") -> None:
        self.marks[mark] = self.marks.get(mark, 0) + 1
        now_ns = self._clock.now_ns()
        if mark is Mark.CLOCK_CORRECTED:
            if self._corrected_ns is not None and now_ns - self._corrected_ns < CORRECTED_EVERY_NS:
                return
            self._corrected_ns = now_ns
        self._journal.write(now_ns, "mark", venue=self._venue, mark=mark, detail=detail)

    def health_changed(self, is_healthy: bool, why: str) -> None:
        if (is_healthy, why) == (self.is_healthy, self.why):
            return
        is_turn, self.is_healthy, self.why = is_healthy != self.is_healthy, is_healthy, why
        self._journal.write(self._clock.now_ns(), "health", venue=self._venue, healthy=is_healthy, why=why)
        if is_turn:  # what else is missing meanwhile is in the journal
            self._tell(f"{self._venue}: all is well" if is_healthy else f"{self._venue}: {why}")
