"""The changes of one book on their way to a client that takes them many at a time, or needs no message of each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence

import msgspec

from papertape.model.band import EVERYWHERE, Band
from papertape.model.event import BookUpdate, MarketEvent
from papertape.model.request import Lane
from papertape.model.stretch import Change, Manner, Stretch, Taker
from papertape.model.units import Nanos
from papertape.runtime.loop import FOREVER_NS
from papertape.sim.broadcast import Broadcast
from papertape.sim.stream import Stream
from papertape.tape.block import Block
from papertape.tape.changes import Changes

Due = tuple[Nanos, int, MarketEvent | None]
"""When it is delivered, run time; the message's number from 1; the event, or None where all before that number has been delivered."""


class Flow(msgspec.Struct, frozen=True):
    """What may go out otherwise than by messages.

    Attributes:
        after: so many messages the book's snapshot holds.
    """

    stream: Stream
    taker: Taker
    symbol: str
    after: int
    manner: Manner

    @property
    def goes_on(self) -> bool:
        """Whether that is still so, by what a callback has done or a message has told: nothing else changes it in the middle of a walk."""
        return self.taker.manner(self.symbol, self.stream.next_number(self.symbol)) is self.manner


def flow_of(broadcast: Broadcast) -> Flow | None:
    """What may go out so now; None where each must go by itself.

    So it must where a fault is at work on the lane, where something waits or is missed there, and where the client wants each.
    """
    streams = broadcast.open_streams(Lane.MARKET)
    if len(streams) != 1 or broadcast.silent or not broadcast.market_is_quiet:
        return None
    stream = streams[0]
    books = stream.wanted[BookUpdate]
    if stream.taker is None or len(books) != 1 or stream.waiting or stream.missed:
        return None
    ((symbol, after),) = books.items()
    manner = stream.taker.manner(symbol, stream.next_number(symbol))
    return None if manner is Manner.SINGLY else Flow(stream, stream.taker, symbol, after, manner)


class Following:
    """Hands a client what it takes by stretches, before anybody looks; and shows it what it wants to be shown, as it comes.

    Args:
        instrument: the tape's number of it.
        begin: messages that have been delivered by now.
        times: when each message of a block is delivered, but for `since_ns`.
        since_ns: what makes run time of that.
    """

    def __init__(
        self, flow: Flow, instrument: int, *, block: Block | None, begin: int, times: Callable[[Block], Sequence[Nanos]], since_ns: Nanos
    ) -> None:
        self.is_shown = flow.manner is Manner.SHOWN
        self.told = begin
        self._flow = flow
        self._instrument = instrument
        self._times = times
        self._since_ns = since_ns
        self._block = block
        self._changes: Changes | None = None
        self._low = 0  # among the changes of that block, the first that is not told
        self._band: Band = EVERYWHERE
        self._outside = 0  # among the changes of that block, the first that leaves the band, or as far as that was looked for
        self._enter()

    def _enter(self) -> None:
        """Another block is the one to tell from."""
        block, self._band = self._block, EVERYWHERE
        self._changes = None if block is None else self._its_changes(block)
        if block is not None and self._changes is not None:
            self._low = bisect_left(self._changes.places, max(self.told, self._flow.after) - block.first)

    def _its_changes(self, block: Block) -> Changes | None:
        changes = block.changes(self._instrument)
        return None if changes is None or (self.is_shown and not changes.is_plain) else changes

    def can_tell(self, block: Block) -> bool:
        """Whether the book's changes in a block go out so."""
        return self._its_changes(block) is not None

    def settle(self, count: int) -> None:
        """So many messages have been delivered: count those of them that are the book's changes, and hand them over if nobody was shown."""
        while self.told < count and self._block is not None:
            block, changes = self._block, self._changes
            end = block.end
            if count < end:
                end = count
            if changes is not None:
                low, places = self._low, changes.places
                high = bisect_left(places, end - block.first, low, min(low + end - self.told, len(places)))
                if high > low:
                    self._low = high
                    self._count(block, changes, low, high)
            self.told = end
            if end == count < block.end:
                return
            if end == block.end:
                self._block = block.following()
                self._enter()

    def _count(self, block: Block, changes: Changes, low: int, high: int) -> None:
        flow, since_ns, number, times, count = self._flow, self._since_ns, block.first + 1, self._times(block), high - low
        stream, symbol = flow.stream, flow.symbol
        if not stream.count:
            first = changes.places[low]
            stream.first, stream.first_ns = number + first, max(times[first] - since_ns, 0)
        last = changes.places[high - 1]
        sequence = stream.count_stretch(symbol, count, number + last, max(times[last] - since_ns, 0))
        if self.is_shown:
            flow.taker.count(symbol, sequence, count)
        else:
            begin, end = changes.span(low, high)
            flow.taker.keep(symbol, sequence, count, Stretch(changes.stamps[end - 1], changes, begin, end))

    def awaited_before(self, due: Due | None) -> Due | None:
        """What is due then, or the change that somebody waits for if that comes first: like the end of a block, without an event."""
        flow = self._flow
        band = flow.taker.band(flow.symbol)
        if band is EVERYWHERE:
            return due
        block, changes = self._block, self._changes
        if block is None or changes is None or self._low == len(changes.places):
            return due
        if band != self._band or self._low > self._outside:
            self._band, self._outside = band, self._low
            if changes.is_plain:
                begin, _ = changes.span(self._low, self._low + 1)
                self._outside += flow.taker.outside(flow.symbol, changes, begin, band) - begin
        place = changes.places[self._outside]
        index = block.first + place + 2
        if due is not None and due[1] < index:
            return due
        return max(self._times(block)[place] - self._since_ns, 0), index, None

    # What is shown as it comes

    def next(self) -> tuple[Nanos, int]:
        """When the next change is due, run time, and its number; `FOREVER_NS` where there is none before the end of its block."""
        block, changes = self._block, self._changes
        if block is None or changes is None or self._low == len(changes.places):
            return FOREVER_NS, 0
        place = changes.places[self._low]
        return max(self._times(block)[place] - self._since_ns, 0), block.first + place + 1

    def show(self, until_ns: Nanos, before: int, pace: Callable[[Nanos, int], bool]) -> None:
        """Show the changes that are due up to and with `until_ns`, and whose number is below `before`; `next` must be one of them.

        `pace` is told before each when it comes, run time, and its number, and says after the one before whether to go on.
        """
        block, changes = self._block, self._changes
        assert block is not None
        assert changes is not None
        low, places = self._low, changes.places
        place, end = places[low], min(before - 1 - block.first, block.count)  # of messages
        end = bisect_right(self._times(block), until_ns + self._since_ns, place, end)
        high = bisect_left(places, end, low, min(low + end - place, len(places)))
        self._flow.taker.show(self._flow.symbol, self._each(block, changes, low, high, pace))

    def _each(self, block: Block, changes: Changes, low: int, high: int, pace: Callable[[Nanos, int], bool]) -> Iterator[Change]:
        times, since_ns, number = self._times(block), self._since_ns, block.first + 1
        for begin in range(low, high, PAGE):
            end = min(begin + PAGE, high)
            levels = changes.rows(begin, end)
            for place, stamp, (side, ticks, lots) in zip(changes.places[begin:end], changes.stamps[begin:end], levels, strict=True):
                if not pace(times[place] - since_ns, number + place):
                    return
                yield stamp, side, ticks, lots


PAGE = 512
"""So many changes are made Python numbers at a time."""
