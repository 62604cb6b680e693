"""The changes of one book on their way to a client that takes many at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

from papertape.model.event import BookUpdate
from papertape.model.request import Lane
from papertape.model.stretch import Stretch
from papertape.model.units import Nanos
from papertape.sim.broadcast import Broadcast
from papertape.sim.stream import Stream
from papertape.tape.block import Block
from papertape.tape.changes import Changes


def flow_of(broadcast: Broadcast) -> tuple[Stream, str, int] | None:
    """What may go out by stretches now: on which connection, whose book, and after how many messages; None where each must go by itself.

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
    return (stream, symbol, after) if stream.taker.takes(symbol, stream.next_number(symbol)) else None


class Following:
    """Hands a client what it takes by stretches, whenever somebody is about to look.

    Args:
        instrument: the tape's number of it.
        after: so many messages the book's snapshot holds.
        begin: messages that have been delivered by now.
        times: when each message of a block is delivered, but for `late_ns`; both since 1970-01-01 UTC.
    """

    def __init__(
        self,
        stream: Stream,
        instrument: int,
        symbol: str,
        *,
        after: int,
        block: Block | None,
        begin: int,
        times: Callable[[Block], Sequence[Nanos]],
        since_ns: Nanos,
    ) -> None:
        self.stream = stream
        self.symbol = symbol
        self.told = begin
        self._after = after
        self._instrument = instrument
        self._times = times
        self._since_ns = since_ns
        self._block = block
        self._changes: Changes | None = None
        self._low = 0  # among the changes of that block, the first that is not told
        self._enter()

    def _enter(self) -> None:
        """Another block is the one to tell from."""
        block = self._block
        self._changes = None if block is None else block.changes(self._instrument)
        if block is not None and self._changes is not None:
            self._low = bisect_left(self._changes.places, max(self.told, self._after) - block.first)

    @property
    def goes_on(self) -> bool:
        """Whether that may go on, by what a callback has done or a message has told: nothing else can change it in the middle of a walk."""
        taker, symbol = self.stream.taker, self.symbol
        return taker is not None and taker.takes(symbol, self.stream.next_number(symbol))

    def can_tell(self, block: Block) -> bool:
        """Whether its book's changes in a block go out by stretches."""
        return block.changes(self._instrument) is not None

    def settle(self, count: int) -> None:
        """So many messages have been delivered: let the client have those of them that are its book's, and that it has not."""
        while self.told < count and self._block is not None:
            block, changes = self._block, self._changes
            end = min(count, block.end)
            if changes is not None:
                high = bisect_left(changes.places, end - block.first, self._low)
                if high > self._low:
                    self._hand(block, changes, self._low, high)
                    self._low = high
            self.told = end
            if end == block.end:
                self._block = block.following()
                self._enter()

    def _hand(self, block: Block, changes: Changes, low: int, high: int) -> None:
        taker = self.stream.taker
        assert taker is not None, "only who takes stretches is followed by them"
        begin, end = changes.span(low, high)
        stretch = Stretch(self.symbol, high - low, changes.stamps[end - 1], changes, begin, end)
        first, last, times = changes.places[low], changes.places[high - 1], self._times(block)
        since_ns, number = self._since_ns, block.first + 1
        self.stream.send_stretch(
            taker, stretch, (number + first, max(times[first] - since_ns, 0)), (number + last, max(times[last] - since_ns, 0))
        )
