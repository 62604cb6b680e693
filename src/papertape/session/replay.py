"""Two cursors on every tape: what has reached the venue, and what has been delivered to the client.

The loop asks for the next thing between its timers; a callback is stepped directly from here, so that an event costs no task and no turn of
the loop. Ties: rows reach the venue first, deliveries come after commands, and among tapes the earlier venue and feed in the scenario goes
first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from papertape.model.event import MarketEvent
from papertape.model.units import Nanos
from papertape.runtime.loop import FOREVER_NS, VirtualLoop
from papertape.runtime.rank import DELIVERY, MARKET

Row = tuple[int, Nanos, Nanos, MarketEvent]
"""(row number in the tape, epoch ns when it reached the venue, epoch ns when the recorder's line delivers it, event)"""

Delay = Callable[[int], Nanos]
"""How long a row (by its number) takes to the client."""


class Cursors:
    """One tape's two cursors; run time in nanoseconds, `FOREVER_NS` where nothing is left.

    Attributes:
        reach_ns: when the next row reaches the venue.
        due_ns: when the next row that has reached it is delivered.
        seen: rows that have reached the venue.
    """

    def __init__(
        self,
        rows: Iterator[Row],
        *,
        origin_ns: Nanos,
        delay: Delay | None,
        apply: Callable[[MarketEvent, Nanos], int],
        deliver: Callable[[int, int, MarketEvent], None],
    ) -> None:
        self._rows = rows
        self._origin_ns = origin_ns
        self._delay = delay
        self._apply = apply
        self._deliver = deliver
        self._ahead: Row | None = None
        self._flying: deque[tuple[Nanos, int, int, MarketEvent]] = deque()  # reached the venue, not the client
        self._last_due_ns: Nanos = 0
        self.reach_ns: Nanos = FOREVER_NS
        self.due_ns: Nanos = FOREVER_NS
        self.seen = 0
        self._read()

    def reach(self) -> None:
        """Let the next row reach the venue; `reach_ns` is now."""
        row = self._ahead
        if row is None:
            return
        number, _, line_ns, event = row
        now_ns = self.reach_ns
        index = self._apply(event, now_ns)
        self.seen += 1
        due_ns = line_ns - self._origin_ns if self._delay is None else now_ns + self._delay(number)
        if due_ns < self._last_due_ns:
            due_ns = self._last_due_ns  # one connection: nothing overtakes
        self._last_due_ns = due_ns
        if not self._flying:
            self.due_ns = due_ns
        self._flying.append((due_ns, index, number, event))
        self._read()

    def deliver(self) -> None:
        """Hand the next row to the client's side; `due_ns` is now."""
        flying = self._flying
        _, index, number, event = flying.popleft()
        self.due_ns = flying[0][0] if flying else FOREVER_NS
        self._deliver(index, number, event)

    def _read(self) -> None:
        row = self._ahead = next(self._rows, None)
        if row is None:
            self.reach_ns = FOREVER_NS
        else:
            reach_ns = row[1] - self._origin_ns
            self.reach_ns = reach_ns if reach_ns > 0 else 0


class Replay:
    """All tapes of a run, walked together; the loop's `Feed`."""

    def __init__(self, loop: VirtualLoop, tapes: list[Cursors]) -> None:
        self._loop = loop
        self._tapes = tapes
        self._only: Final = tapes[0] if len(tapes) == 1 else None

    def next_key(self) -> tuple[Nanos, int] | None:
        tape = self._next()
        if tape is None:
            return None
        return (tape.reach_ns, MARKET) if tape.reach_ns <= tape.due_ns else (tape.due_ns, DELIVERY)

    def step(self) -> None:
        loop = self._loop
        agenda, ready = loop.agenda, loop.ready
        tape = self._only
        while True:
            if self._only is None:
                tape = self._next()
            if tape is None:
                return
            reach_ns, due_ns = tape.reach_ns, tape.due_ns
            limit = agenda[0]
            if reach_ns <= due_ns:
                if reach_ns > limit[0] or reach_ns == FOREVER_NS:
                    return
                if reach_ns > loop.now_ns:
                    loop.now_ns = reach_ns
                tape.reach()
            else:
                if due_ns > limit[0] or (due_ns == limit[0] and limit[1] < DELIVERY):
                    return
                if due_ns > loop.now_ns:
                    loop.now_ns = due_ns
                tape.deliver()
            if ready:
                return

    def _next(self) -> Cursors | None:
        if self._only is not None:
            tape = self._only
            return tape if min(tape.reach_ns, tape.due_ns) < FOREVER_NS else None
        best: Cursors | None = None
        best_key = (FOREVER_NS, 0)
        for tape in self._tapes:
            key = (tape.reach_ns, MARKET) if tape.reach_ns <= tape.due_ns else (tape.due_ns, DELIVERY)
            if key < best_key:
                best, best_key = tape, key
        return best

    @property
    def seen(self) -> int:
        """Rows that have reached a venue."""
        return sum(tape.seen for tape in self._tapes)
