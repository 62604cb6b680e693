"""Nothing grows without end."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from papertape.invariants.base import Case, Figure, Watch, told, view_of, watch_of
from papertape.model.request import Lane
from papertape.model.units import MINUTE, Nanos

MINUTES: Final = 4
"""So many minutes in a row must the least count of each be above the one before to be called growth without end."""

GROWN_MIN: Final = 40
"""And so much more must it be at their end than at their start."""

DIALS_MAX: Final = 30
"""Connections of one lane within a minute."""


class BoundWatch(Watch):
    """Hold every count against its limit and against what it was a minute ago."""

    def __init__(self) -> None:
        super().__init__()
        self._minute: dict[str, tuple[int, int]] = {}  # which minute, and the least count in it
        self._least: dict[str, list[int]] = {}
        self._dials: dict[Lane, deque[Nanos]] = {}
        self._said: dict[str, None] = {}

    def counted(self, at_ns: Nanos, figures: Mapping[str, Figure]) -> None:
        self.looks += 1
        for what, figure in figures.items():
            if figure.count > figure.most:
                self._say(what, at_ns, f"{figure.count} {what}; {figure.most} are the most there may be")
            grown = self._grown(what, at_ns // MINUTE, figure.count)
            if grown:
                self._say(what, at_ns, f"{what} grow without end: never fewer than {grown} in the last {MINUTES} minutes, one by one")

    def _grown(self, what: str, minute: int, count: int) -> str:
        """The least counts of the last minutes in words, where each was above the one before and the last far above the first."""
        current, least = self._minute.get(what, (minute, count))
        if minute == current:
            self._minute[what] = (minute, min(least, count))
            return ""
        history = self._least.setdefault(what, [])
        history.append(least)
        del history[:-MINUTES]
        self._minute[what] = (minute, count)
        rises = all(later > earlier for earlier, later in pairwise(history))
        if len(history) == MINUTES and rises and history[-1] - history[0] >= GROWN_MIN:
            return ", ".join(str(each) for each in history)
        return ""

    def stream_opened(self, at_ns: Nanos, lane: Lane) -> None:
        dials = self._dials.setdefault(lane, deque())
        dials.append(at_ns)
        while dials[0] <= at_ns - MINUTE:
            dials.popleft()
        if len(dials) > DIALS_MAX:
            self._say(lane, at_ns, f"the {lane} lane was connected {len(dials)} times within a minute; {DIALS_MAX} are the most")

    def _say(self, what: str, at_ns: Nanos, problem: str) -> None:
        if what not in self._said:
            self._said[what] = None
            self.found(at_ns, problem)


class StaysBounded:
    """Tasks, queues, what waits for callbacks or for the line, and new connections stay bounded, the shell's and the bot's.

    Needs: a bot on our interface. Counted every 5 s: live tasks of the bot (1,000 at most) and of the shell, events waiting for callbacks
    (`inbox_max` for each subscription), orders in the outbox (`outbox_max`), and what waits in queues that the bot's object, its running
    tasks or its callbacks hold (10,000 each; `asyncio.Queue` and `queue.Queue`). Violated by a count above its limit; by one whose least
    value in a minute rose four minutes in a row, by 40 or more in all; and by a lane that was connected more than 30 times within a minute.
    A list of the bot's own is its own affair: history may grow.
    """

    name = "stays_bounded"
    watch = BoundWatch

    def judge(self, case: Case) -> list[str]:
        view_of(case)
        return told(case, watch_of(case, self.name, BoundWatch, "nothing was counted"))
