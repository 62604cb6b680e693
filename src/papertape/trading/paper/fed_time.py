"""Run time that goes as far as the market has told, and no further: the timeline of a venue for paper trading.

An order that reaches such a venue at t must meet the market of t, which is known only once something of the market stamped t or later has
come. So nothing that is due at t happens before that; while the line is down, time stands still, and nobody is filled. A market in which
nothing happens tells of the time by its heartbeats.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from papertape.model.units import Nanos
from papertape.runtime.paced import Entry, PacedTimer


class FedTime:
    """The timeline of a paper venue; see `sim.timeline.Timeline`.

    Attributes:
        now_ns: run time as far as the market has told it; never goes back.
        epoch_ns: the run's nanosecond 0, since 1970-01-01 UTC.

    >>> time = FedTime(epoch_ns=1_000)
    >>> happened = []
    >>> handle = time.schedule_ns(5, 1, happened.append, "an order")
    >>> time.reach(4)
    >>> happened
    []
    >>> time.reach(5, happened.append, "the market")
    >>> time.live()
    >>> happened, time.now_ns
    (['the market', 'an order'], 5)
    """

    def __init__(self, *, epoch_ns: Nanos) -> None:
        self.now_ns: Nanos = 0
        self.epoch_ns = epoch_ns
        self._agenda: list[Entry] = []
        self._numbers = itertools.count(1)

    def schedule_ns(self, when_ns: Nanos, rank: int, callback: Callable[..., object], *args: Any) -> PacedTimer:
        """Call back at `when_ns`, or at the next opportunity where that has passed; ties by rank, then first come, first served."""
        timer = PacedTimer(callback, args)
        heappush(self._agenda, (when_ns, rank, next(self._numbers), timer))
        return timer

    def reach(self, when_ns: Nanos, happen: Callable[..., object] | None = None, *args: Any) -> None:
        """Something of the market, stamped `when_ns`: all that is due before happens first, and what is due at that instant after it.

        A stamp of the past counts as now: venues' stamps are not always in order.
        """
        self._live_through(when_ns - 1)
        self.now_ns = max(self.now_ns, when_ns)
        if happen is not None:
            happen(*args)

    def live(self) -> None:
        """The message is over: what is due by now happens."""
        self._live_through(self.now_ns)

    def _live_through(self, end_ns: Nanos) -> None:
        agenda = self._agenda
        while agenda and (agenda[0][0] <= end_ns or agenda[0][3].is_cancelled):
            due_ns, _, _, timer = heappop(agenda)
            if not timer.is_cancelled:
                self.now_ns = max(self.now_ns, due_ns)
                timer.callback(*timer.args)
