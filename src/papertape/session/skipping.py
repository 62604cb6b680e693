"""Two cursors on a tape that stop only where somebody has to be told: the fast engine's `session.replay.Cursors`.

What reaches the venue stops them where an order of ours minds it (`session.lag`), what reaches the client where a stream wants it. All that
lies between has happened all the same, and whoever looks finds it so: the journal is that of `Cursors`, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, MarketEvent, Ticker, Trade
from papertape.model.request import Lane
from papertape.model.stretch import Manner
from papertape.model.units import Nanos
from papertape.runtime.loop import FOREVER_NS
from papertape.runtime.rank import DELIVERY, MARKET
from papertape.session.following import Due, Flow, Following, flow_of
from papertape.session.lag import LOOK_MAX, Keeper, Tuning
from papertape.session.passed import Passed, rows_from
from papertape.session.replay import NEVER, Key, Road, Row, Standing
from papertape.sim.broadcast import Broadcast
from papertape.sim.lagging import NOTHING, Minds
from papertape.sim.stream import CHANNEL_OF
from papertape.tape import schema
from papertape.tape.block import Block

KINDS: Final[dict[type, int]] = {
    Trade: schema.TRADE,
    BookSnapshot: schema.SNAPSHOT,
    BookUpdate: schema.DELTA,
    Ticker: schema.TICKER,
    CandleEvent: schema.CANDLE,
}
"""How a tape numbers what streams bring."""

MADE_AT_ONCE: Final = 4_096
"""So many messages are made into events at a time for a client that wants them."""


END: Final[Any] = (FOREVER_NS, None)
"""After the last message."""


class SkippingCursors:
    """One tape's two cursors; see `session.replay.Cursors`, whose ways they have.

    Attributes:
        keeper: what works rows into the venue.
    """

    def __init__(
        self,
        block: Block,
        keeper: Callable[[Callable[[], int]], Keeper],
        broadcast: Broadcast,
        *,
        symbols: Sequence[str],
        origin_ns: Nanos,
        constant_ns: Nanos | None,
    ) -> None:
        self._origin_ns = origin_ns
        self._reached = Passed(block, is_delivery=False, late_ns=0)
        self._delivered = Passed(block, is_delivery=constant_ns is None, late_ns=constant_ns or 0)
        self.keeper = keeper(self.reached)
        self._reached.on_leave = self.keeper.leave
        self._delivered.on_leave = Block.release
        self._broadcast = broadcast
        self._symbols = symbols
        self._minds: tuple[Minds, ...] = ()
        self._is_minded = False
        self._wants_changes = False
        self._is_dense = False  # so many rows matter that each is told in its time
        self._each: Iterator[tuple[Nanos, tuple[int, Block, int, MarketEvent]]] = iter(())
        self._next: Any = None
        self._stops: list[int] = []  # numbers of the messages that an order minds, from the next one on, latest first
        self._searched = 0  # messages before this one have been searched for such
        self._ahead = Tuning.look_min
        self._stop_ns: Nanos = FOREVER_NS
        self._wanted: list[tuple[type, str]] = []
        self._coming: Iterator[Due] = iter(())
        self._due: Due | None = None
        self._flow: Flow | None = None
        self._following: Following | None = None  # what goes out otherwise than by messages
        self._is_shown = False

    def reached(self) -> int:
        """Messages that have reached the venue."""
        return self._reached.settle()

    @property
    def seen(self) -> int:
        return self._reached.settle()

    @property
    def next_key(self) -> Key:
        self._reached.settle()
        self._delivered.settle()
        reach_ns, due_ns = self._reached.next_ns(), self._delivered.next_ns()
        if reach_ns <= due_ns:
            return (max(reach_ns - self._origin_ns, 0), MARKET) if reach_ns < FOREVER_NS else NEVER
        return due_ns - self._origin_ns, DELIVERY

    @property
    def quiet_until_ns(self) -> Nanos:
        """See `session.replay.Cursors`. What goes out by stretches the client has heard all the same, so it is told of it all the time."""
        self._look_who_wants()
        self._look_who_minds()
        if self._following is not None:
            return 0
        return self._stop_ns if self._due is None else min(self._stop_ns, self._due[0])

    def under_way(self) -> Iterator[MarketEvent]:
        """What has reached the venue and is not delivered yet, oldest first."""
        end, begin = self._reached.settle(), self._delivered.settle()
        block = self._delivered.block
        while block is not None and begin < end:
            stop = min(end, block.end)
            for message in block.messages(begin - block.first, stop - block.first):
                yield message[3]
            begin, block = stop, block.following() if stop < end else None

    def is_wanted_whole(self) -> bool:
        """Whether the client is shown each change while orders rest: then little is skipped."""
        return self._is_minded and (self._is_shown or self._wants_changes)

    def leave_off(self) -> tuple[Iterator[Row], Standing]:
        """Work in everything, let go of it, and say how to go on: the messages that have not reached the venue, and how it stands."""
        end, begin = self._reached.settle(), self._delivered.settle()
        late_ns, origin_ns, block = self._delivered.late_ns, self._origin_ns, self._delivered.block
        flying: list[tuple[Nanos, int, MarketEvent]] = []
        while block is not None and begin < end:
            stop, times = min(end, block.end), self._delivered.times(block)
            for place, message in enumerate(block.messages(begin - block.first, stop - block.first), begin - block.first):
                flying.append((max(times[place] + late_ns - origin_ns, 0), block.first + place + 1, message[3]))
            begin, block = stop, block.following() if stop < end else None
        last_ns = flying[-1][0] if flying else max((self._delivered.last_ns() or origin_ns) - origin_ns, 0)
        self.keeper.end()
        if self._flow is not None:
            self._flow.stream.settle = _nothing
        return rows_from(self._reached.block, end), Standing(end, flying, last_ns)

    def walk(self, loop: Road, until: Key) -> bool:
        agenda, ready, deliver = loop.agenda, loop.ready, self._broadcast.deliver
        origin_ns, reached, delivered = self._origin_ns, self._reached, self._delivered
        tell = self.keeper.tell
        self._look_who_wants()
        self._look_who_minds()
        head = None
        try:
            while not ready:
                if head is not agenda[0]:  # a callback has made an appointment
                    head = agenda[0]
                    limit_ns, limit_rank = limit = min(until, head[:2])
                due = self._due
                if self._following is not None and not self._is_shown:
                    due = self._following.awaited_before(due)
                due_ns = FOREVER_NS if due is None else due[0]
                stop_ns = self._stop_ns
                if self._is_shown and self._show(loop, min(stop_ns - 1, limit_ns - (limit_rank < DELIVERY)), due):
                    continue
                if stop_ns <= due_ns:
                    if stop_ns >= limit_ns and (stop_ns > limit_ns or limit_rank < MARKET):
                        self._pass(limit)
                        return limit is until
                    if stop_ns > loop.now_ns:
                        loop.now_ns = stop_ns
                    delivered.ns = stop_ns + origin_ns - 1
                    if self._following is not None:
                        self._following.settle(delivered.settle())
                    if self._is_dense:
                        index, block, place, event = self._next
                        reached.count = index + 1
                        tell(block, place, event, stop_ns)
                        self._stop_ns, self._next = next(self._each, END)
                    else:
                        self._stop(stop_ns)
                else:
                    if due_ns >= limit_ns and (due_ns > limit_ns or limit_rank < DELIVERY):
                        self._pass(limit)
                        return limit is until
                    assert due is not None
                    if due_ns > loop.now_ns:
                        loop.now_ns = due_ns
                    _, index, event = due
                    reached.ns = due_ns + origin_ns
                    delivered.count = index if event is not None else index - 1
                    if due is self._due:
                        self._due = next(self._coming, None)
                    if self._following is not None:
                        self._following.settle(index - 1)
                    if event is not None:
                        deliver(index, event)
                    if self._flow is not None and not self._flow.goes_on:
                        self._look_who_wants()
                        self._look_who_minds()
            return False
        finally:
            self._broadcast.reached = reached.settle()
            count = delivered.settle()
            if self._following is not None:
                self._following.settle(count)
            for each in (reached, delivered):
                last_ns = each.last_ns()
                if last_ns is not None and last_ns - origin_ns > loop.now_ns:
                    loop.now_ns = last_ns - origin_ns

    def _pass(self, limit: Key) -> None:
        """Everything up to a limit has happened, and nobody had to be told."""
        ns, rank = limit
        self._reached.ns = max(self._reached.ns, self._origin_ns + (ns if rank >= MARKET else ns - 1))
        self._delivered.ns = max(self._delivered.ns, self._origin_ns + (ns if rank >= DELIVERY else ns - 1))

    # What the venue must be told in its time

    def _look_who_minds(self) -> None:
        minds = self.keeper.minds()
        if minds != self._minds:
            self._minds, self._is_minded = minds, any(each is not NOTHING for each in minds)
            self._searched, self._stops, self._ahead = self._reached.settle(), [], Tuning.look_min
        is_dense = self._is_minded and (self._wants_changes or any(each.all for each in minds))
        if is_dense != self._is_dense:
            self._is_dense = is_dense
            self._searched, self._stops = self._reached.settle(), []
            if is_dense:
                self.keeper.tell_books()
                self._each = self._all_from(self._searched)
                self._stop_ns, self._next = next(self._each, END)
        if not is_dense:
            self._find_stop()

    def _all_from(self, index: int) -> Iterator[tuple[Nanos, tuple[int, Block, int, MarketEvent]]]:
        """Each message, with when it reaches the venue, run time."""
        block, origin_ns = self._reached.block, self._origin_ns
        while block is not None:
            first = block.first
            for low in range(max(index - first, 0), block.count, MADE_AT_ONCE):
                high = min(low + MADE_AT_ONCE, block.count)
                for place, (_, reach_ns, _, event) in zip(range(low, high), block.messages(low, high), strict=True):
                    yield max(reach_ns - origin_ns, 0), (first + place, block, place, event)
            block = block.following()

    def _find_stop(self) -> None:
        """See where the next stop is: a message that an order minds, or the end of what has been searched."""
        block = self._reached.block
        if self._stops:
            self._stop_ns = self._run_ns(self._stops[-1])
        elif block is None or not self._is_minded:
            self._stop_ns = FOREVER_NS
        else:
            begin = max(self._searched, self._reached.count)
            while block is not None and begin >= block.end:
                block = block.following()
            if block is None:
                self._stop_ns = FOREVER_NS
                return
            end = min(begin + self._ahead, block.end)
            found = self.keeper.minded(self._minds, block, begin - block.first, end - block.first)
            self._stops = [block.first + place for place in reversed(found)]
            self._ahead = Tuning.look_min if found else min(self._ahead * 2, LOOK_MAX)
            self._searched = end
            self._stop_ns = self._run_ns(self._stops[-1] if found else end - 1)

    def _place(self, index: int) -> tuple[Block, int]:
        """Where a message is that has not been passed."""
        block = self._reached.block
        while block is not None and index >= block.end:
            block = block.following()
        assert block is not None, "what is searched is there"
        return block, index - block.first

    def _run_ns(self, index: int) -> Nanos:
        block, place = self._place(index)
        return max(block.reaches[place] - self._origin_ns, 0)

    def _stop(self, stop_ns: Nanos) -> None:
        """Tell the venue what an order minds; or, where the search has come to its end, let all of that reach it."""
        if not self._stops:
            self._reached.count = max(self._reached.count, self._searched)
            self._reached.settle()
            self._find_stop()
            return
        index = self._stops.pop()
        reached = self._reached
        reached.count = max(reached.count, index)
        block, place = self._place(index)
        event = block.event(place)
        reached.count = index + 1
        self.keeper.happen(index, event, stop_ns)
        self._look_who_minds()

    # What the client must be told

    def _look_who_wants(self) -> None:
        broadcast = self._broadcast
        wanted = [
            (kind, symbol)
            for stream in broadcast.open_streams(Lane.MARKET)
            for kind, symbols in stream.wanted.items()
            for symbol in symbols
        ]
        wanted += [(kind, symbol) for kind, channel in CHANNEL_OF.items() for each, symbol in broadcast.silent if each is channel]
        flow = flow_of(broadcast)
        if wanted != self._wanted or flow != self._flow:
            if self._flow is not None:
                self._flow.stream.settle = _nothing
            self._wanted, self._flow = wanted, flow
            self._following = None if flow is None else self._follow(flow)
            self._is_shown = flow is not None and flow.manner is Manner.SHOWN
            self._wants_changes = flow is None and any(kind is BookUpdate for kind, _ in wanted)
            self._coming = self._all_wanted()
            self._due = next(self._coming, None)

    def _show(self, loop: Road, until_ns: Nanos, due: Due | None) -> bool:
        """Show changes one by one that come before anything else, as long as nobody makes an appointment; whether there were any."""
        following, flow, before = self._following, self._flow, FOREVER_NS if due is None else due[1]
        assert following is not None
        assert flow is not None
        next_ns, number = following.next()
        if next_ns > until_ns or number >= before:
            return False
        agenda, ready, origin_ns, reached, delivered = loop.agenda, loop.ready, self._origin_ns, self._reached, self._delivered
        head = agenda[0]

        def pace(now_ns: Nanos, number: int) -> bool:
            if ready or agenda[0] is not head:
                return False
            if now_ns > loop.now_ns:
                loop.now_ns = now_ns
            reached.ns = now_ns + origin_ns
            delivered.count = number
            return True

        following.show(until_ns, before, pace)
        following.settle(delivered.count)
        if not flow.goes_on:
            self._look_who_wants()
            self._look_who_minds()
        return True

    def _follow(self, flow: Flow) -> Following:
        delivered = self._delivered
        begin = delivered.settle()
        following = Following(
            flow, self._symbols.index(flow.symbol), block=delivered.block, begin=begin, times=delivered.times,
            since_ns=self._origin_ns - delivered.late_ns,
        )  # fmt: skip
        flow.stream.settle = lambda: following.settle(delivered.count)
        return following

    def _all_wanted(self) -> Iterator[Due]:
        """From here on, but for what goes out otherwise: (run ns, the message's number from 1, event).

        Behind each block there is a place without an event, or the tape would be read to its end for what it does not have.
        """
        kinds = sorted({KINDS[kind] for kind, _ in self._wanted})
        others = [kind for kind in kinds if kind != schema.DELTA]
        begin, block = self._delivered.settle(), self._delivered.block
        while block is not None and kinds:
            times, first, since_ns = self._delivered.times(block), block.first + 1, self._origin_ns - self._delivered.late_ns
            is_followed = self._following is not None and self._following.can_tell(block)
            for low in range(max(begin - block.first, 0), block.count, MADE_AT_ONCE):
                high = min(low + MADE_AT_ONCE, block.count)
                for place, event in block.chosen(low, high, others if is_followed else kinds):
                    yield times[place] - since_ns, first + place, event
            yield times[block.count - 1] - since_ns, block.end + 1, None
            block = block.following()


def _nothing() -> None:
    """Nothing is handed over many at a time."""
