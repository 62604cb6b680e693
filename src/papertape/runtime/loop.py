"""An asyncio event loop in virtual time: it never waits, it jumps to the next thing that is due.

Time is an integer of nanoseconds from 0. What is due at one nanosecond happens by rank (`runtime.rank`), then in the order of scheduling,
one at a time: everything that the first thing causes at once is done before the second. There are no sockets, no threads and no signals.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from typing import Any, Final, Protocol

from papertape.model.errors import StuckSimulation
from papertape.model.units import SECOND, Nanos, format_duration
from papertape.runtime.manners import Manners
from papertape.runtime.place import waiting_at, who_waits
from papertape.runtime.rank import END, TIMER
from papertape.runtime.rounds import Passing, Round, told_in_order

FOREVER_NS: Final = 1 << 62
TURNS_MAX: Final = 100_000
"""How often the loop may turn without time moving on."""

_TURNS_WATCHED: Final = 1_000
_ALWAYS: Final = itertools.repeat(None)
_CANCELLED_MIN: Final = 64

Entry = tuple[Nanos, int, int, "VirtualTimer"]


class Feed(Protocol):
    """A second source of things to happen, walked along with the loop's own: a tape."""

    def next_key(self) -> tuple[Nanos, int] | None:
        """(run nanosecond, rank) of what comes next; None when nothing ever will."""
        ...

    def step(self) -> None:
        """Let it happen, after `loop.advance_ns`.

        Also what follows, as long as its key is at most `loop.limit_key()` and `loop.is_idle()`.
        """
        ...


class Batches(Protocol):
    """What lets a feed step coroutines cheaply."""

    def batch(self, work: Callable[[], object]) -> None: ...


class TimeIsUp(StuckSimulation):
    """The run reached its limit of virtual time before its end."""


class VirtualTimer(asyncio.TimerHandle):
    """What `schedule_ns`, `call_at` and `call_later` hand out."""

    __slots__ = ()
    _scheduled: bool

    def __init__(
        self, when_ns: Nanos, callback: Callable[..., object], args: tuple[Any, ...], loop: VirtualLoop, context: Context | None = None
    ) -> None:
        # Both bases' work in one go: a run makes millions of these.
        self._when = when_ns / SECOND
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = copy_context() if context is None else context
        self._cancelled = False
        self._scheduled = True
        self._repr = None
        self._source_traceback = None

    def cancel(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            self._callback = None  # type: ignore[assignment]  # private to asyncio, which clears it in the same way
            self._args = ()
            if self._scheduled:
                self._loop.timer_cancelled()


class RoundTimer(VirtualTimer):
    """What `schedule_round` hands out."""

    __slots__ = ("every_ns", "passing")
    every_ns: Nanos
    passing: Passing


def never(callback: Callable[..., object], args: tuple[Any, ...], loop: Any, context: Context | None) -> VirtualTimer:
    """A timer for the infinite future, which anyio sets to sleep for ever: it is on no agenda, and who waits for it alone is stuck."""
    timer = VirtualTimer(FOREVER_NS, callback, args, loop, context)
    timer._scheduled = False
    return timer


class VirtualLoop(Manners):
    """The loop of one run.

    Attributes:
        now_ns: run time; read it as you like, move it with `advance_ns` only.
        epoch_ns: the run's nanosecond 0, since 1970-01-01 UTC.
        ready: callbacks to run before anything else; not to be changed.
        agenda: heap of (ns, rank, sequence, timer), its last entry is the end of the run; always the same list, not to be changed.
        carriers: what steps coroutines on this loop (`runtime.stepper`), if anything does.
        stalls: nanoseconds that `time.sleep` blocked the whole program, by line.
        feed: see `Feed`.
        quiet_until_ns: before which run time the feed tells nobody of anything; None where no round is ever passed over.
    """

    def __init__(self, *, epoch_ns: Nanos = 0, limit_ns: Nanos | None = None, feed: Feed | None = None) -> None:
        super().__init__()
        self.now_ns: Nanos = 0
        self.epoch_ns = epoch_ns
        self.feed = feed
        self.stalls: dict[str, Nanos] = {}
        self._stalls_in_a_row = 0
        self._stalled_before: tuple[Nanos, int] | None = None
        self.carriers: Batches | None = None
        self.quiet_until_ns: Callable[[], Nanos] | None = None
        self._stays: RoundTimer | None = None  # a round that cannot be passed over this time
        self._sequence = itertools.count(1)
        self._ready: deque[asyncio.Handle] = deque()
        self.ready = self._ready
        self._end: Entry = self._end_at(limit_ns)
        self.agenda: list[Entry] = [self._end]
        self._turns = 0  # since time last moved
        self._turned_ns: Nanos = 0
        self._hot: Counter[str] = Counter()
        self._cancelled = 0

    # Time

    def time(self) -> float:
        """Seconds from 0; floats are for asyncio's sake."""
        return self.now_ns / SECOND

    def wall_ns(self) -> Nanos:
        """The venue's own date and time: nanoseconds since 1970-01-01 UTC."""
        return self.epoch_ns + self.now_ns

    def advance_ns(self, ns: Nanos) -> None:
        """Move time on to `ns`; time that has passed stays so."""
        if ns > self.now_ns:
            self.now_ns = ns

    def stall_ns(self, ns: Nanos, line: str) -> None:
        """The program blocks at `line`: time moves on, and nothing else happens."""
        self.stalls[line] = self.stalls.get(line, 0) + ns
        self.advance_ns(self.now_ns + ns)
        coming = None if self.feed is None else self.feed.next_key()
        if coming != self._stalled_before:  # a feed lets many things happen in one turn
            self._stalls_in_a_row, self._stalled_before = 0, coming
        self._stalls_in_a_row += 1
        if self._stalls_in_a_row > TURNS_MAX:
            raise StuckSimulation(
                f"{line}: time.sleep was called {TURNS_MAX} times without a turn for anything else, so what it waits for can never happen; "
                "use `await asyncio.sleep`"
            )

    def set_limit_ns(self, limit_ns: Nanos | None) -> None:
        """Raise `TimeIsUp` when run time has reached `limit_ns` and everything due then has happened; None lifts the limit."""
        self.agenda.remove(self._end)
        self._end = self._end_at(limit_ns)
        self.agenda.append(self._end)
        heapify(self.agenda)

    def _end_at(self, limit_ns: Nanos | None) -> Entry:
        return (FOREVER_NS if limit_ns is None else limit_ns, END, 0, VirtualTimer(0, _nothing, (), self))

    def limit_key(self) -> tuple[Nanos, int, int, VirtualTimer]:
        """The head of the agenda: what a feed's next key must not be greater than. Read it again after each callback."""
        return self.agenda[0]

    def is_idle(self) -> bool:
        """Whether no callback waits to be run at once."""
        return not self._ready

    # Timers

    def schedule_ns(
        self, when_ns: Nanos, rank: int, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> VirtualTimer:
        """Call back at `when_ns` or, where that has passed, now; ties by rank, then first come, first served."""
        if self._closed:
            self._check_closed()
        timer = VirtualTimer(when_ns, callback, args, self, context)
        heappush(self.agenda, (when_ns, rank, next(self._sequence), timer))
        return timer

    def schedule_round(
        self, when_ns: Nanos, rank: int, every_ns: Nanos, passing: Passing, callback: Callable[..., object], *args: Any
    ) -> RoundTimer:
        """As `schedule_ns`; but the callback, which must do the same again in `every_ns`, may be passed over; see `runtime.rounds`."""
        if self._closed:
            self._check_closed()
        timer = RoundTimer(when_ns, callback, args, self)
        timer.every_ns, timer.passing = every_ns, passing
        heappush(self.agenda, (when_ns, rank, next(self._sequence), timer))
        return timer

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> VirtualTimer:  # type: ignore[override]  # typeshed ties the arguments to the callback's
        try:
            when_ns = self.due_ns(when)
        except OverflowError:
            return never(callback, args, self, context)
        return self.schedule_ns(when_ns, TIMER, callback, *args, context=context)

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> VirtualTimer:  # type: ignore[override]  # typeshed ties the arguments to the callback's
        if self._closed:
            self._check_closed()
        try:
            delay_ns = round(delay * SECOND)
        except OverflowError:
            return never(callback, args, self, context)
        if delay_ns <= 0 < delay:
            delay_ns = 1
        when_ns = self.now_ns + delay_ns
        timer = VirtualTimer(when_ns, callback, args, self, context)
        heappush(self.agenda, (when_ns, TIMER, next(self._sequence), timer))
        return timer

    def due_ns(self, when: float) -> Nanos:
        """The run nanosecond that `loop.time()` calls `when`.

        To the nearest, so that 0.1 + 0.2 is 0.3; but what is still ahead may not be due at this very instant, or code that asks again until
        its deadline has passed would ask for ever.
        """
        when_ns = round(when * SECOND)
        if when_ns <= self.now_ns and when > self.now_ns / SECOND:
            when_ns = self.now_ns + 1
        return when_ns

    def add(self, when_ns: Nanos, rank: int, timer: VirtualTimer) -> None:
        """Put a timer that was made elsewhere on the agenda."""
        heappush(self.agenda, (when_ns, rank, next(self._sequence), timer))

    def timer_cancelled(self) -> None:
        """One more entry of the agenda is dead weight."""
        self._cancelled += 1
        if self._cancelled > _CANCELLED_MIN and self._cancelled * 2 > len(self.agenda):
            self.agenda[:] = [entry for entry in self.agenda if not entry[3]._cancelled]  # in place: feeds hold on to the list
            heapify(self.agenda)
            self._cancelled = 0

    # Turning

    def moved_on(self) -> None:
        """Something that must come to an end by itself went on at this instant; so time does not stand still for nothing."""
        self._turns = 0
        self._hot.clear()

    def _run_once(self, turns: Iterable[None] = _ALWAYS) -> None:
        """So many turns, as a rule all there will be: until the loop is told to stop."""
        ready = self._ready
        for _ in turns:
            if self.now_ns != self._turned_ns:
                self._turned_ns = self.now_ns
                self._turns = 0
                if self._hot:
                    self._hot.clear()
            else:
                self._turns += 1
                if self._turns > TURNS_MAX:
                    self._watch()
            self._stalls_in_a_row = 0
            if not ready:
                if self._stopping:
                    return
                self._happen()
            try:
                for _ in range(len(ready)):
                    handle = ready.popleft()
                    if not handle._cancelled:
                        handle._run()
            except IndexError:  # a callback of a program has blocked, and meanwhile the others had their turn (`runtime.guest`)
                pass
            if self._stopping:
                return

    def _happen(self) -> None:
        """Let the next due thing happen, or say that nothing ever will."""
        if self._foreign is not None:
            self.raise_foreign()
        agenda = self.agenda
        head = agenda[0]
        while head[3]._cancelled:
            heappop(agenda)
            self._cancelled -= 1
            head = agenda[0]
        if type(head[3]) is RoundTimer and head[3] is not self._stays and self.quiet_until_ns is not None:
            self._pass_rounds(head[3], self.quiet_until_ns())
            head = agenda[0]
        feed = self.feed
        if feed is not None:
            key = feed.next_key()
            if key is None:
                self.feed = feed = None
            elif key <= head:
                if self.carriers is None:
                    feed.step()
                else:
                    self.carriers.batch(feed.step)
                return
        if head is self._end:
            if len(agenda) == 1 and feed is None:
                raise StuckSimulation(
                    f"nothing can ever happen again after {format_duration(self.now_ns)} of virtual time; still waiting: {self.who_waits()}"
                )
            self.advance_ns(head[0])
            raise TimeIsUp(f"the limit of {format_duration(head[0])} of virtual time is reached; still waiting: {self.who_waits()}")
        heappop(agenda)
        if head[0] > self.now_ns:
            self.now_ns = head[0]
        timer = head[3]
        timer._scheduled = False
        timer._run()

    def _pass_rounds(self, first: RoundTimer, bound_ns: Nanos) -> None:
        """Pass over all rounds before the next thing that matters, which is at `bound_ns` at the latest; `first` is due next."""
        agenda, rounds = self.agenda, []
        others, due_ns = [], agenda[0][0]
        for entry in agenda:
            timer = entry[3]
            if timer._cancelled:
                continue
            if type(timer) is RoundTimer:
                rounds.append((Round(*entry[:3], timer.every_ns), timer))
            else:
                others.append(entry)
                if entry[0] < bound_ns:
                    bound_ns = entry[0]
        for each, timer in rounds:
            if due_ns >= bound_ns:
                break
            if each.when_ns < bound_ns:
                bound_ns = min(bound_ns, each.from_on(timer.passing.quiet_until_ns(each.when_ns)))
        if due_ns >= bound_ns:
            self._stays = first
            return
        told, order = told_in_order([each for each, _ in rounds], [timer.passing.is_ordered for _, timer in rounds], bound_ns)
        passed = dict.fromkeys(order)
        others += [(each.when_ns, each.rank, each.sequence, timer) for which, (each, timer) in enumerate(rounds) if which not in passed]
        for which in order:
            each, timer = rounds[which]
            when_ns = each.from_on(bound_ns)
            timer._when = when_ns / SECOND
            others.append((when_ns, each.rank, next(self._sequence), timer))
        self._cancelled -= len(agenda) - len(others)
        agenda[:] = others  # in place: feeds hold on to the list
        heapify(agenda)
        for which, count, last_ns in told:
            rounds[which][1].passing.passed(count, last_ns)
            self.advance_ns(last_ns)

    def _watch(self) -> None:
        """Time has stood still for long: see who keeps the loop busy, then say so."""
        self._hot.update(_owner(handle) for handle in self._ready)
        if self._turns > TURNS_MAX + _TURNS_WATCHED:
            busiest = "; ".join(f"{owner} ({count} times)" for owner, count in self._hot.most_common(3))
            self._turns = 0
            raise StuckSimulation(
                f"virtual time stands still at {format_duration(self.now_ns)}: {TURNS_MAX} turns of the loop without anything that waits; "
                f"busiest: {busiest or 'timers that are always due'}"
            )

    def who_waits(self) -> str:
        """All tasks that wait for something, for a message to a person."""
        return who_waits(self)

    def close(self) -> None:
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        super().close()
        self.agenda[:] = [self._end]
        self.feed = self.quiet_until_ns = self._stays = None


def _nothing() -> None:
    """What happens at the end of the run."""


def _owner(handle: asyncio.Handle) -> str:
    """Whose turn a handle is."""
    callback = handle._callback  # type: ignore[attr-defined]  # private to asyncio, which clears it in the same way
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return waiting_at(owner)
    code = getattr(callback, "__code__", None)
    name = getattr(callback, "__qualname__", None) or type(callback).__qualname__
    return f"{name} at {code.co_filename}:{code.co_firstlineno}" if code is not None else str(name)
