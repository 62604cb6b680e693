"""The observer: hears what the client's machinery says of itself, counts marks, and times recoveries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from papertape.journal import Journal
from papertape.model.notes import Mark
from papertape.model.units import SECOND, Nanos
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.network.trouble import Armed as ArmedOnLine
from papertape.runtime.rank import END, TIMER
from papertape.sim.armed import Armed
from papertape.sim.door import Door

UP: Final = "up"
"""What a lane says that lacks nothing; see `resilience.reconnect.LaneState`."""


SHOWS_WITHIN_NS: Final[Nanos] = 2 * SECOND
"""How soon a client meets what a fault has done: a number that is missing shows with the next message, a heartbeat at the latest."""

LINE_SHOWS_WITHIN_NS: Final[Nanos] = 8 * SECOND
"""The same of what the network does: a line that takes everything and says nothing shows by its silence alone, after five heartbeats of a
second, for which a client looks five times in that; and its end may be told of a second or two later.
"""

COMPARE_APART_NS: Final[Nanos] = 1 * SECOND
"""How often at most books are compared to see whether one that lacked something is right all the same."""


DISCONNECTED: Final = "disconnected"
"""What an exchange says of itself as it stops to look for what it does not know."""


class Observer:
    """One venue's notes. It may look at both sides, and touches neither.

    A fault's recovery runs from its end (or the end of the last that overlapped it; or, where one goes on that happens so and so many times
    whenever that may be, from the last of those times; or from when the network was last disturbed, or when the quiet that a refusal asked
    for is over, before which nobody may ask for anything) until the client says that trading is allowed and its books are valid, and the
    Door says that the client has been told everything it asked for. The client's own word is not enough: it may not have noticed yet. Nor
    has it met by then all that a fault did: it must be whole 2 s after the last of that was due as well, and what counts is when it became
    so. A fault of the network is like any other, over with the last that it did or at the end of its time; but nobody sees what became of
    bytes, and the client must be whole 8 s after it. What nobody can notice is not held against it: where all is well but for a market's
    subscription that is dead, and that would have said nothing so far, the time for that runs from its first news; and a book that a lost
    message made wrong is right again once later changes have told all of it anew.

    Attributes:
        marks: how often each mark was seen.
        recoveries: the longest recovery of each fault, by its place in the plan; those of the network come after the others.
        waiting: faults that ended and whose recovery goes on, with when they ended.
        over_ns: run time at which the bot ended; None until then.
        lacks: what was missing when the bot ended, in words; empty if nothing was.
        on_books_wrong: told while books lack messages and the client is well, so that those that are right all the same may be found.
        on_disconnected: told when the exchange stops looking for what it does not know.
        lanes: how each lane stood then, in words, by its name; a lane that is up says "up".
        network_disturbed_ns: until when the network's own faults have been at work.
        on_line: those faults.
    """

    def __init__(self, venue: str, loop: VirtualLoop, journal: Journal) -> None:
        self.marks: dict[Mark, int] = {}
        self.recoveries: dict[int, Nanos] = {}
        self.waiting: list[tuple[Armed | ArmedOnLine, Nanos]] = []
        self.is_healthy = False
        self.why = "not connected yet"
        self.over_ns: Nanos | None = None
        self.lacks = ""
        self.on_books_wrong: Callable[[], None] = lambda: None
        self.on_disconnected: Callable[[], None] = lambda: None
        self.lanes: dict[str, str] = {}
        self.network_disturbed_ns: Callable[[], Nanos] = lambda: 0
        self.on_line: Sequence[ArmedOnLine] = ()
        self._whole_ns: Nanos | None = None  # since when it has been whole, as far as that was asked
        self._whole_line_ns: Nanos = 0  # until when the network had been at work by then
        self._well_ns: Nanos | None = None  # since when nothing is wanting but what nobody can notice
        self._silent_ns: Nanos | None = None  # when that was last seen to be so
        self._compared_ns: Nanos = -COMPARE_APART_NS
        self._is_writing = False
        self._written: tuple[bool, str] | None = None
        self._venue = venue
        self._loop = loop
        self._journal = journal
        self._door: Door | None = None

    def watch(self, door: Door) -> None:
        self._door = door
        door.on_disturbed = self._disturbed
        door.on_progress = self.look

    def watch_line(self, network: Network) -> None:
        self.network_disturbed_ns, self.on_line = network.disturbed_ns, network.armed

    def bot_ended(self, lanes: Mapping[str, str] | None = None) -> None:
        """From now on nothing has to recover any more; `lanes` is how each stands."""
        if self.over_ns is None:
            self._look(is_last=True)
        self.over_ns = self._loop.now_ns
        if self._silent_ns is not None and self.is_healthy and self._door is not None and self._door.broadcast.is_waiting_for_news:
            over = [each for each in self.waiting if not self.is_on(each[0])]
            self._note_recovered(over, self._silent_ns)  # there never was any news
        self.lanes = dict(lanes or {})
        down = {lane: state for lane, state in self.lanes.items() if state != UP}
        parts = [f"{lane} lane: {state}" for lane, state in down.items()] or ([] if self.is_healthy else [self.why])
        self.lacks = "; ".join([*parts, *([] if self._door is None else self._door.broadcast.lacks(down))])

    def has_to_wait(self, limit_ns: Nanos) -> bool:
        """Whether somebody may still see a fault end, or a client recover within `limit_ns`."""
        if self._door is None:
            return False
        now_ns = self._loop.now_ns
        is_on = any(armed.fired and armed.is_open and armed.ends_by_itself for armed in self._door.plan.faults)
        is_on = is_on or any(armed.fired and (armed.ends_ns() or 0) > now_ns for armed in self.on_line)
        self._refresh(now_ns)
        over = [ended_ns for armed, ended_ns in self.waiting if not self.is_on(armed)]
        return is_on or any(now_ns <= self.since_ns(ended_ns) + limit_ns for ended_ns in over)

    def is_on(self, armed: Armed | ArmedOnLine) -> bool:
        """Whether a fault that is waited for is yet to end, or was when the bot ended: one of the network, for the others have ended."""
        if isinstance(armed, Armed):
            return False
        end_ns = armed.ends_ns()
        return end_ns is None or end_ns > (self._loop.now_ns if self.over_ns is None else self.over_ns)

    def place_of(self, armed: Armed | ArmedOnLine) -> int:
        """Its place in the plan; those of the network come after the others."""
        faults = [] if self._door is None else self._door.plan.faults
        return faults.index(armed) if isinstance(armed, Armed) else len(faults) + armed.index

    def kind_at(self, place: int) -> str:
        """What the fault at that place is called."""
        faults = [] if self._door is None else self._door.plan.faults
        return faults[place].kind if place < len(faults) else self.on_line[place - len(faults)].kind

    def since_ns(self, ended_ns: Nanos, line_ns: Nanos | None = None) -> Nanos:
        """From when on the recovery of a fault that ended then counts: from the last that still disturbed, as far as is known now.

        Args:
            line_ns: until when the network has been at work, if not until what is known now.
        """
        faults = [] if self._door is None else self._door.plan.faults
        hits = [armed.hit_ns for armed in faults if armed.fired and armed.is_open]
        quiet_ns = min(self._loop.now_ns, max((armed.quiet_until_ns for armed in faults), default=0))
        return max([ended_ns, self.network_disturbed_ns() if line_ns is None else line_ns, quiet_ns, *hits])

    def mark(self, mark: Mark, detail: str = "") -> None:
        self.marks[mark] = self.marks.get(mark, 0) + 1
        self._journal.write(self._loop.now_ns, "mark", venue=self._venue, mark=mark, detail=detail)

    def health_changed(self, is_healthy: bool, why: str) -> None:
        if why == DISCONNECTED:
            self.on_disconnected()
        self.is_healthy, self.why = is_healthy, why
        if not self._is_writing:
            # At the end of this instant: libraries take their steps within one in an order that depends on the Python version.
            self._is_writing = True
            self._loop.schedule_ns(self._loop.now_ns, END, self._write_health)
        self.look()

    def _write_health(self) -> None:
        self._is_writing = False
        if self._written != (self.is_healthy, self.why):
            self._written = (self.is_healthy, self.why)
            self._journal.write(self._loop.now_ns, "health", venue=self._venue, healthy=self.is_healthy, why=self.why)

    def look(self) -> None:
        """See whether what is waited for has come about."""
        self._look()

    def _look(self, *, is_last: bool = False) -> None:
        if not self.waiting or self._door is None:
            return
        now_ns = self._loop.now_ns
        self._refresh(now_ns)
        is_time = is_last or now_ns - self._compared_ns >= COMPARE_APART_NS
        if is_time and self.is_healthy and self._door.broadcast.wrong_books():
            self._compared_ns = now_ns
            self.on_books_wrong()
        if not self.is_healthy or not self._door.is_whole:
            self._whole_ns = None
            if self.is_healthy and self._door.broadcast.is_waiting_for_news:
                self._silent_ns, self._well_ns = now_ns, now_ns if self._well_ns is None else self._well_ns
            return
        if self._whole_ns is None:
            self._whole_ns, self._whole_line_ns = now_ns, self.network_disturbed_ns()
        met = [(armed, ended_ns) for armed, ended_ns in self.waiting if is_last or now_ns >= _shown_ns(armed, ended_ns)]
        self._note_recovered([each for each in met if not self.is_on(each[0])], self._whole_ns, self._whole_line_ns)

    def _refresh(self, now_ns: Nanos) -> None:
        """A fault of the network may have acted again."""
        self.waiting = [
            (armed, ended_ns if isinstance(armed, Armed) else max(ended_ns, armed.disturbed_ns(now_ns))) for armed, ended_ns in self.waiting
        ]

    def _note_recovered(self, recovered: list[tuple[Armed | ArmedOnLine, Nanos]], whole_ns: Nanos, line_ns: Nanos | None = None) -> None:
        for armed, ended_ns in recovered:
            place, since_ns = self.place_of(armed), self.since_ns(ended_ns, line_ns)
            took_ns = max(0, whole_ns - max(since_ns, self._silent_ns or 0), 0 if self._well_ns is None else self._well_ns - since_ns)
            self.recoveries[place] = max(took_ns, self.recoveries.get(place, 0))
            self._journal.write(self._loop.now_ns, "recovered", venue=self._venue, fault=armed.kind, place=place, took_ns=took_ns)
        self.waiting = [each for each in self.waiting if each not in recovered]
        if not self.waiting:
            self._well_ns = self._silent_ns = None

    def _disturbed(self, armed: Armed) -> None:
        if self.over_ns is not None or not armed.fired:
            return
        self.waiting = [(other, ended_ns) for other, ended_ns in self.waiting if other is not armed]
        # Nobody can be whole again while another fault still disturbs: the clock starts at the last one's end, or, where that is whenever
        # it has done what it came for, at the last that it did.
        over_ns = self._loop.now_ns if armed.window is not None else armed.hit_ns
        self.waiting = [(other, max(ended_ns, over_ns)) for other, ended_ns in self.waiting]
        if not self.waiting:
            self._whole_ns = None
        self._well_ns = self._silent_ns = None
        self.waiting.append((armed, self._loop.now_ns))
        # Later at this instant: a client told at the same nanosecond should have had its say.
        self._loop.schedule_ns(self._loop.now_ns, TIMER, self.look)
        self._loop.schedule_ns(_shown_ns(armed, self._loop.now_ns), TIMER, self.look)

    def line_acted(self, armed: ArmedOnLine) -> None:
        """A fault of the network has done something."""
        if self.over_ns is not None or any(other is armed for other, _ in self.waiting):
            return
        if not self.waiting:
            self._whole_ns = None
        self._well_ns = self._silent_ns = None
        self.waiting.append((armed, self._loop.now_ns))
        self._look_at_line(armed)

    def line_healed(self) -> None:
        """All faults of the network are over."""
        for armed, _ in self.waiting:
            if not isinstance(armed, Armed):
                self._look_at_line(armed)

    def _look_at_line(self, armed: ArmedOnLine) -> None:
        """Look once a fault of the network must have shown; if no end of it is in sight, that is for whatever else happens."""
        if self.over_ns is None and any(other is armed for other, _ in self.waiting):
            end_ns = armed.ends_ns()
            if end_ns is not None and end_ns + LINE_SHOWS_WITHIN_NS > self._loop.now_ns:
                self._loop.schedule_ns(end_ns + LINE_SHOWS_WITHIN_NS, TIMER, self._look_at_line, armed)
            self.look()


def _shown_ns(armed: Armed | ArmedOnLine, ended_ns: Nanos) -> Nanos:
    """When a client has met all that a fault did which ended then."""
    if not isinstance(armed, Armed):
        return ended_ns + LINE_SHOWS_WITHIN_NS
    return max(ended_ns, armed.harms_until_ns) + SHOWS_WITHIN_NS


def total_marks(observers: Sequence[Observer]) -> dict[str, int]:
    """Marks of all venues together, in the order of `Mark`."""
    return {str(mark): count for mark in Mark if (count := sum(observer.marks.get(mark, 0) for observer in observers))}
