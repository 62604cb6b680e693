"""A journal as it stood at any instant, from wherever one comes."""

from __future__ import annotations

from typing import Final

from papertape.model.units import MINUTE, SECOND, Nanos
from papertape.monitor.playing import Journal
from papertape.monitor.screen import Screen

_SPANS: Final = (SECOND, 5 * SECOND, 15 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE)
_CANDLES: Final = 120
"""In how many candles a run is shown, about."""


class Player:
    """Shows a journal from its beginning to any instant.

    Attributes:
        screen: as it stands at `now_ns`; another object after going back.
        faults_ns: when a fault began, oldest first.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.now_ns = journal.begin_ns
        length_ns = journal.end_ns - journal.begin_ns
        self._span_ns = next((span for span in _SPANS if span * _CANDLES >= length_ns), _SPANS[-1])
        self._done = 0
        self.screen = Screen(self._span_ns)
        self.faults_ns = [line["ns"] for line in journal.lines if line["kind"] == "fault" and line.get("what") == "begins"]

    def seek(self, ns: Nanos) -> Screen:
        """The screen as it stood then."""
        journal = self.journal
        ns = min(max(ns, journal.begin_ns), journal.end_ns)
        upto = journal.count_until(ns)
        if upto < self._done:
            self.screen, self._done = Screen(self._span_ns), 0
        for line in journal.lines[self._done : upto]:
            self.screen.take(line)
        self._done, self.now_ns = upto, ns
        self.screen.now_ns = max(self.screen.now_ns, ns)
        return self.screen
