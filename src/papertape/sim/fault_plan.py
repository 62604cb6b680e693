"""The faults of a run: which windows are open, and what that means for a lane now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from papertape.journal import Journal
from papertape.model.event import BookSnapshot, Heartbeat
from papertape.model.interference import Again, Crash, Interference, Lifetime, Moment, Postponed, Swap, Thwarted
from papertape.model.order import OrderUpdate
from papertape.model.phase import Phase
from papertape.model.request import Answer, Channel, Lane, Refusal, Request
from papertape.model.units import Nanos
from papertape.runtime.rank import COMMAND
from papertape.sim.armed import Armed
from papertape.sim.stream import Message
from papertape.sim.timeline import Timeline

_POINTS: Final = ("before_venue", "after_venue", "answer_delay_ns", "hides_ns", "withholds_ns")
"""Where a fault meets a request; one that is at none of them need not count requests."""

_STREAM_POINTS: Final = ("delay_ns", "holds", "drops", "repeats", "swaps", "falsified")
"""Where a fault meets messages; one that is not at a point is not asked there."""

_ANY_MESSAGE: Final = ("delay_ns", "holds", "drops", "repeats", "swaps")
"""Those of them that may meet any message; the rest is about snapshots alone."""


BEAT: Final = Heartbeat(venue_ns=0, local_ns=0, symbol="", counter=0)
"""One for all, where it is asked what would become of it."""


class FaultPlan:
    """Open and close windows on time, count requests, and answer the Door's questions.

    Attributes:
        faults: in the scenario's order.
        on_open: called with a fault whose window has just opened.
        on_end: called with a fault that has just stopped disturbing.
        on_healed: called with one of which nothing may be left.
        guilty: by symbol of each market that is in another phase than usual, whose doing that is.
        is_calm: no open fault is about messages, so that each may go as it is.
    """

    def __init__(self, faults: Sequence[Interference], timeline: Timeline, journal: Journal) -> None:
        self.faults = [Armed(fault) for fault in faults]
        self.on_open: Callable[[Armed], None] = lambda armed: None
        self.on_end: Callable[[Armed], None] = lambda armed: None
        self.on_healed: Callable[[Armed], None] = lambda armed: None
        self.guilty: dict[str, Armed] = {}
        self._timeline = timeline
        self._journal = journal
        self.is_calm = True
        self._open: list[Armed] = []
        self._healed: list[tuple[Lane, ...]] = []
        self._open_at: dict[str, list[Armed]] = {point: [] for point in _STREAM_POINTS}  # the same by what they do to messages
        self._deadly = [(armed, crash) for armed in self.faults if (crash := armed.fault.crash()) is not None]
        others = [armed for armed in self.faults if armed.fault.crash() is None]
        self._by_request = [armed for armed in others if armed.window is None or armed.trigger is not None]
        self._by_request += [armed for armed in others if armed not in self._by_request and _defines(armed, *_POINTS)]
        for armed in self.faults:
            self._appoint(armed)

    def add(self, fault: Interference) -> Armed:
        """One more fault, in the middle of a run: it counts requests from now on, and a window that should be open opens."""
        armed = Armed(fault)
        self.faults.append(armed)
        self._write(armed, "added")
        if armed.window is None or armed.trigger is not None or _defines(armed, *_POINTS):
            self._by_request.append(armed)
        self._appoint(armed)
        return armed

    def begin(self, fault: Interference) -> Armed:
        """What the tape itself tells of begins here, among its messages, unless all is to work by now; `finish` ends it."""
        armed = Armed(fault)
        armed.is_recorded = True
        armed.is_healed = any(_is_within(fault, lanes) for lanes in self._healed)
        self.faults.append(armed)
        self._by_request = [each for each in self._by_request if each.is_open or not each.is_recorded]
        if _defines(armed, *_POINTS):
            self._by_request.append(armed)
        self._open_window(armed)
        return armed

    def finish(self, armed: Armed) -> None:
        """It is over."""
        self._end_window(armed)

    def forget(self) -> None:
        """Nobody will ask what the tape's own did that are over."""
        self.faults = [armed for armed in self.faults if armed.is_open or not armed.is_recorded]

    def _appoint(self, armed: Armed) -> None:
        if armed.window is not None and armed.window.start_ns is not None:
            self._timeline.schedule_ns(armed.window.start_ns, COMMAND, self._open_window, armed)

    def disturbs_stream(self, lane: Lane) -> bool:
        """Whether any message of `lane` needs a closer look now."""
        return any(lane in armed.fault.lanes() for point in _ANY_MESSAGE for armed in self._open_at[point])

    def meets_beats(self, lane: Lane) -> bool:
        """Whether what is open now does something to heartbeats of `lane`, or would be asked of the time that they tell."""
        is_late = self.holds(lane) or any(lane in each.fault.lanes() for each in self._open_at["delay_ns"])
        is_late = is_late or any(_defines(each, "skew_ns") for each in self._open)
        return is_late or any(each.fault.drops(lane, BEAT, each.done) or each.fault.repeats(lane, BEAT, each.done) for each in self._open)

    def delay_ns(self, lane: Lane) -> Nanos:
        """How much longer a message or request of `lane` takes now."""
        total = 0
        for armed in self._open_at["delay_ns"]:
            extra = armed.fault.delay_ns(lane, self._timeline.now_ns - armed.started_ns)
            if extra:
                armed.fired += 1
                total += extra
                armed.harms_until(self._timeline.now_ns + total)
        return total

    def skew_ns(self) -> Nanos:
        """How far the date on the client's machine is ahead of the venue's now; asked, it has been felt."""
        total = 0
        for armed in self._open:
            skew_ns = armed.fault.skew_ns(self._timeline.now_ns - armed.started_ns)
            if skew_ns:
                armed.fired = 1
                total += skew_ns
        return total

    def holds(self, lane: Lane) -> bool:
        able = self._open_at["holds"]  # as a rule nobody, and this is asked for each message
        return bool(able) and any(armed.fault.holds(lane) for armed in able)

    def count_held(self, lane: Lane) -> None:
        for armed in self._open_at["holds"]:
            if armed.fault.holds(lane):
                armed.fired += 1

    def refuses(self, lane: Lane) -> bool:
        """Whether a connection of `lane` cannot be opened now."""
        for armed in self._open:
            if any(cut.lane is lane for cut in armed.fault.cuts()):
                armed.fired += 1
                return True
        return False

    def drops(self, lane: Lane, message: Message) -> Interference | None:
        """What loses this message on its way out."""
        for armed in self._open_at["drops"]:
            if armed.fault.drops(lane, message, armed.done):
                self._did(armed, "dropped", message)
                if not armed.fault.drops(lane, message, armed.done):
                    self._end_window(armed)
                return armed.fault
        return None

    def repeats(self, lane: Lane, message: Message) -> Again | None:
        """Whether this message, which has just been lined up to go out, comes again."""
        for armed in self._open_at["repeats"]:
            again = armed.fault.repeats(lane, message, armed.done)
            if again is not None:
                armed.harms_until(self._timeline.now_ns + again.after_ns)
                self._did(armed, "doubled", message)
                if armed.fault.repeats(lane, message, armed.done) is None:
                    self._end_window(armed)
                return again
        return None

    def swaps(self, lane: Lane, message: Message) -> tuple[Swap, Armed] | None:
        """Whether this message lets the next go first, and whose doing that is; it counts when it has come to pass, by `swapped`."""
        for armed in self._open_at["swaps"]:
            swap = armed.fault.swaps(lane, message, armed.done)
            if swap is not None:
                return swap, armed
        return None

    def swapped(self, armed: Armed, lane: Lane, message: Message) -> None:
        """The next has gone before `message`."""
        self._did(armed, "swapped", message)
        if armed.fault.swaps(lane, message, armed.done) is None:
            self._end_window(armed)

    def falsified(self, right: BookSnapshot) -> BookSnapshot | None:
        """The wrong snapshot that is sent for the `right` one, if one is."""
        for armed in self._open_at["falsified"]:
            at_start = armed.books.get(right.symbol)
            wrong = armed.fault.falsified(right, at_start, armed.done)
            if wrong is not None:
                self._did(armed, "falsified", right)
                if armed.fault.falsified(right, at_start, armed.done) is None:
                    self._end_window(armed)
                return wrong
        return None

    def postponed(self, snapshot: BookSnapshot) -> Postponed | None:
        """Whether this snapshot is late."""
        for armed in self._open:
            postponed = armed.fault.postpones(snapshot, armed.done)
            if postponed is not None:
                armed.harms_until(self._timeline.now_ns + postponed.after_ns)
                self._did(armed, "postponed", snapshot)
                if armed.fault.postpones(snapshot, armed.done) is None:
                    self._end_window(armed)
                return postponed
        return None

    def thwarts(self, channel: Channel, symbol: str) -> Thwarted | None:
        """Whether a subscription that has just reached the venue comes to nothing."""
        for armed in self._open:
            thwarted = armed.fault.thwarts(channel, symbol, armed.done)
            if thwarted is not None:
                armed.done += 1
                armed.fired += 1
                self._write(armed, "thwarted", channel=channel, symbol=symbol)
                if armed.fault.thwarts(channel, symbol, armed.done) is None:
                    self._end_window(armed)
                return thwarted
        return None

    def ages(self, lane: Lane) -> list[tuple[Armed, Lifetime]]:
        """What lets no connection of `lane` grow old now."""
        found = [(armed, armed.fault.lifetime(lane)) for armed in self._open]
        return [(armed, lifetime) for armed, lifetime in found if lifetime is not None]

    def phases(self) -> list[tuple[Armed, str, Phase]]:
        """Which markets are in which phase by whose doing, `""` for all of them."""
        return [(armed, *found) for armed in self._open if (found := armed.fault.sets_phase()) is not None]

    def aged(self, armed: Armed, lane: Lane) -> None:
        """A connection has just ended of its age."""
        armed.fired += 1
        self._write(armed, "hit", lane=lane)

    def _did(self, armed: Armed, what: str, message: Message) -> None:
        armed.done += 1
        armed.fired += 1
        self._write(armed, what, message=type(message).__name__, symbol=_symbol(message))

    def hit_by(self, request: Request) -> list[Armed]:
        """Count a request that has just reached the Door; the faults that are about it, their windows opened if it starts them."""
        hit = [armed for armed in self._by_request if armed.hit_by(request)]
        for armed in hit:
            if armed.starts_by_request and not armed.is_open:
                self._open_window(armed)
        return hit

    def crash_at(self, moment: Moment, request: Request) -> None:
        """A request has come so far; whoever is to die of it does."""
        for armed, crash in self._deadly:
            if (
                crash.moment is moment
                and armed.trigger is not None
                and armed.starts_by_request
                and not armed.is_open
                and armed.hit_by(request)
            ):
                self._open_window(armed)

    def crash_after(self, step: int) -> None:
        """The client's loop has taken so many steps."""
        for armed, crash in self._deadly:
            if crash.step == step:
                self._open_window(armed)

    @property
    def crashes(self) -> tuple[Crash, ...]:
        """How the client may die."""
        return tuple(crash for _, crash in self._deadly)

    @property
    def is_down(self) -> bool:
        """Whether the client is dead now."""
        return any(armed.is_open for armed, _ in self._deadly)

    def before_venue(self, hit: list[Armed], request: Request) -> Refusal | None:
        for armed in hit:
            refusal = armed.fault.before_venue(request)
            if refusal is not None:
                armed.quiet_until_ns = self._timeline.now_ns + (refusal.retry_after_ns or 0)
                self._fired(armed, request)
                return refusal
        return None

    def after_venue(self, hit: list[Armed], request: Request, answer: Answer) -> Answer | None:
        now: Answer | None = answer
        for armed in hit:
            if now is not None:
                changed = armed.fault.after_venue(request, now)
                if changed is not now:
                    self._fired(armed, request)
                now = changed
        return now

    def answer_delay_ns(self, hit: list[Armed], request: Request) -> Nanos:
        """How much later the answer to this request sets out."""
        total = 0
        for armed in hit:
            extra = armed.fault.answer_delay_ns(request)
            if extra:
                armed.harms_until(self._timeline.now_ns + extra)
                self._fired(armed, request)
                total += extra
        return total

    def withheld(self, armed: Armed, request: Request, until_ns: Nanos) -> None:
        armed.harms_until(until_ns)
        self._fired(armed, request)

    def hid(self, armed: Armed, request: Request) -> None:
        """A question was answered without an order."""
        armed.fired += 1
        self._write(armed, "hid", op=request.op, client_order_id=request.client_order_id)

    def heal(self, lanes: tuple[Lane, ...]) -> None:
        """From now on no fault acts on `lanes` any more; on none at all if it is empty."""
        self._journal.write(self._timeline.now_ns, "heal", lanes=list(lanes))
        self._stop(lanes)

    def end_all(self) -> None:
        """The bot has ended: nothing disturbs the coming to rest."""
        self._journal.write(self._timeline.now_ns, "faults_end")
        self._stop(())

    def lift(self, armed: Armed) -> None:
        """This one acts no more."""
        self._write(armed, "lifted")
        self._end_for_good(armed)

    def _stop(self, lanes: tuple[Lane, ...]) -> None:
        self._healed.append(lanes)
        for armed in self.faults:
            if _is_within(armed.fault, lanes):
                self._end_for_good(armed)

    def _end_for_good(self, armed: Armed) -> None:
        armed.is_healed = True
        if armed.is_open:
            self._end_window(armed)
        self.on_healed(armed)

    def _write(self, armed: Armed, what: str, **facts: object) -> None:
        armed.hit_ns = self._timeline.now_ns
        self._journal.write(self._timeline.now_ns, "fault", fault=armed.fault.kind, what=what, **facts)

    def _fired(self, armed: Armed, request: Request) -> None:
        armed.fired += 1
        self._write(armed, "hit", op=request.op, client_order_id=request.client_order_id, attempt=request.attempt)
        if armed.window is None:
            armed.end()
            self.on_end(armed)

    def _open_window(self, armed: Armed) -> None:
        if armed.is_healed or armed.window is None:
            return
        now_ns = self._timeline.now_ns
        armed.open(now_ns)
        self._open.append(armed)
        self._sort_open()
        self._write(armed, "begins")
        self.on_open(armed)
        if armed.window.lasts_ns is not None:
            self._timeline.schedule_ns(now_ns + armed.window.lasts_ns, COMMAND, self._end_window, armed)

    def _end_window(self, armed: Armed) -> None:
        if not armed.is_open:
            return
        armed.end()
        self._open.remove(armed)
        self._sort_open()
        self._write(armed, "ends", fired=armed.fired)
        self.on_end(armed)

    def _sort_open(self) -> None:
        """Anew, not in place: somebody may be walking the old lists."""
        self._open_at = {point: [armed for armed in self._open if _defines(armed, point)] for point in _STREAM_POINTS}
        self.is_calm = not any(self._open_at[point] for point in _ANY_MESSAGE)


def _is_within(fault: Interference, lanes: tuple[Lane, ...]) -> bool:
    """Whether it disturbs no lane but these; none at all stands for every one."""
    return not lanes or all(lane in lanes for lane in fault.lanes())


def _defines(armed: Armed, *points: str) -> bool:
    return _kind_defines(type(armed.fault), points)


@cache
def _kind_defines(kind: type, points: tuple[str, ...]) -> bool:
    own = [vars(base) for base in kind.__mro__ if base is not object and base.__name__ not in ("Fault", "Interference")]
    return any(point in each for point in points for each in own)


def _symbol(message: Message) -> str:
    return message.order.symbol if isinstance(message, OrderUpdate) else message.symbol
