"""Two cursors on every tape: what has reached the venue, and what has been delivered to the client.

The loop asks for the next thing between its timers; a callback is stepped directly from here, so that an event costs no task and no turn of
the loop. Ties: rows reach the venue first, deliveries come after commands, and among tapes the earlier venue and feed in the scenario goes
first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence, Sized
from typing import Any, Final, NamedTuple, Protocol

from papertape.model.event import MarketEvent
from papertape.model.units import Nanos
from papertape.runtime.loop import FOREVER_NS
from papertape.runtime.rank import DELIVERY, MARKET

Row = tuple[int, Nanos, Nanos, MarketEvent]
"""(row number in the tape, epoch ns when it reached the venue, epoch ns when the recorder's line delivers it, event)"""

Key = tuple[Nanos, int]
"""(run nanosecond, rank)"""

NEVER: Final[Key] = (FOREVER_NS, -1)

Delay = Callable[[int], Nanos]
"""How long a row (by its number) takes to the client."""


class Road(Protocol):
    """What a walk needs of time: a virtual loop has it, and so has `runtime.paced.PacedTime`.

    Attributes:
        now_ns: run time; the walk moves it on.
        agenda: its head, (ns, rank, sequence, timer), ends a walk.
        ready: callbacks that want a turn end it too.
    """

    now_ns: Nanos

    @property
    def agenda(self) -> Sequence[tuple[Nanos, int, int, Any]]: ...

    @property
    def ready(self) -> Sized: ...


class Standing(NamedTuple):
    """How a tape's cursors stand.

    Attributes:
        seen: rows that have reached the venue.
        flying: (when it is due, its number, the event) of each that has, and is not delivered yet; oldest first.
        last_due_ns: when the last that has reached the venue is due.
    """

    seen: int
    flying: Sequence[tuple[Nanos, int, MarketEvent]]
    last_due_ns: Nanos


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
        deliver: Callable[[int, MarketEvent], None],
        standing: Standing | None = None,
    ) -> None:
        self._rows = rows
        self._origin_ns = origin_ns
        self._delay = delay
        self._apply = apply
        self._deliver = deliver
        self._ahead = next(rows, None)
        self._flying: deque[tuple[Nanos, int, MarketEvent]] = deque()  # reached the venue, not the client
        self._last_due_ns: Nanos = 0
        self.reach_ns: Nanos = FOREVER_NS
        self.due_ns: Nanos = FOREVER_NS
        self.seen = 0
        if standing is not None:
            self.seen, self._last_due_ns = standing.seen, standing.last_due_ns
            self._flying.extend(standing.flying)
            self.due_ns = self._flying[0][0] if self._flying else FOREVER_NS
        if self._ahead is not None:
            self.reach_ns = max(self._ahead[1] - origin_ns, 0)

    @property
    def next_key(self) -> Key:
        """(run nanosecond, rank) of what comes next; `NEVER` at the end."""
        if self.reach_ns <= self.due_ns:
            return (self.reach_ns, MARKET) if self.reach_ns < FOREVER_NS else NEVER
        return self.due_ns, DELIVERY

    @property
    def quiet_until_ns(self) -> Nanos:
        """Before which run time nobody is told of anything, as long as nobody wishes for anything else."""
        return self.next_key[0]

    def under_way(self) -> Iterator[MarketEvent]:
        """What has reached the venue and is not delivered yet, oldest first."""
        return (event for _, _, event in self._flying)

    def walk(self, loop: Road, until: Key) -> bool:
        """Let everything happen up to and with `until`, as long as nothing on the loop's agenda comes first and no callback wants a turn.

        Returns whether it was `until` that ended the walk. The hottest lines of a run, so its state is in local variables meanwhile.
        """
        agenda, ready, rows, flying = loop.agenda, loop.ready, self._rows, self._flying
        apply, deliver, origin_ns, delay = self._apply, self._deliver, self._origin_ns, self._delay
        row, reach_ns, due_ns, last_due_ns, seen = self._ahead, self.reach_ns, self.due_ns, self._last_due_ns, self.seen
        head = None
        try:
            while not ready:
                if head is not agenda[0]:  # a callback has made an appointment
                    head = agenda[0]
                    limit_ns, limit_rank = limit = min(until, head[:2])
                if reach_ns <= due_ns:
                    if reach_ns >= limit_ns and (reach_ns > limit_ns or limit_rank < MARKET):
                        return limit is until
                    if reach_ns > loop.now_ns:
                        loop.now_ns = reach_ns
                    assert row is not None
                    number, _, line_ns, event = row
                    index = apply(event, reach_ns)
                    seen += 1
                    arrives_ns = line_ns - origin_ns if delay is None else reach_ns + delay(number)
                    if arrives_ns > last_due_ns:
                        last_due_ns = arrives_ns  # else it waits: on one connection nothing overtakes
                    if not flying:
                        due_ns = last_due_ns
                    flying.append((last_due_ns, index, event))
                    row = next(rows, None)
                    reach_ns = FOREVER_NS if row is None else row[1] - origin_ns
                    if reach_ns < 0:
                        reach_ns = 0  # a row from before the run reaches the venue as it begins
                else:
                    if due_ns >= limit_ns and (due_ns > limit_ns or limit_rank < DELIVERY):
                        return limit is until
                    if due_ns > loop.now_ns:
                        loop.now_ns = due_ns
                    _, index, event = flying.popleft()
                    due_ns = flying[0][0] if flying else FOREVER_NS
                    deliver(index, event)
            return False
        finally:
            self._ahead, self.reach_ns, self.due_ns, self._last_due_ns, self.seen = row, reach_ns, due_ns, last_due_ns, seen


class AnyCursors(Protocol):
    """What a replay needs of a tape's cursors; see `Cursors`."""

    @property
    def next_key(self) -> Key: ...

    @property
    def quiet_until_ns(self) -> Nanos: ...

    @property
    def seen(self) -> int: ...

    def under_way(self) -> Iterator[MarketEvent]: ...

    def walk(self, loop: Road, until: Key) -> bool: ...


class Replay:
    """All tapes of a run, walked together; the loop's `Feed`, or a paced time's."""

    def __init__(self, loop: Road, tapes: Sequence[AnyCursors]) -> None:
        self._loop = loop
        self._tapes = tapes

    def next_key(self) -> Key | None:
        tapes = self._tapes
        key = tapes[0].next_key if len(tapes) == 1 else min(tape.next_key for tape in tapes)
        return None if key == NEVER else key

    def quiet_until_ns(self) -> Nanos:
        """Before which run time nobody is told of anything by any tape."""
        return min(tape.quiet_until_ns for tape in self._tapes)

    def step(self) -> None:
        """Walk tape after tape, each as far as it is the first; ties as the scenario orders them."""
        tapes = self._tapes
        if len(tapes) == 1:
            tapes[0].walk(self._loop, NEVER)
            return
        while True:
            keys = [tape.next_key for tape in tapes]
            first = keys.index(min(keys))
            until = NEVER
            for place, (ns, rank) in enumerate(keys):
                if place != first:
                    until = min(until, (ns, rank) if place > first else (ns, rank - 1))
            if not tapes[first].walk(self._loop, until) or until == NEVER:
                return

    @property
    def seen(self) -> int:
        """Rows that have reached a venue."""
        return sum(tape.seen for tape in self._tapes)
