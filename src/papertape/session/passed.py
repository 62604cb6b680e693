"""How far a cursor has come on a tape that is read in blocks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from papertape.model.units import Nanos
from papertape.runtime.loop import FOREVER_NS
from papertape.session.replay import Row
from papertape.tape.block import Block


class Passed:
    """How far a cursor has come: `count` messages at least, and all whose time is `ns` or earlier."""

    def __init__(self, block: Block, *, is_delivery: bool, late_ns: Nanos) -> None:
        self.ns: Nanos = -FOREVER_NS  # since 1970-01-01 UTC
        self.count = 0
        self.block: Block | None = block  # that of the first message that has not been passed; None at the end
        self.last = block
        self.on_leave: Callable[[Block], None] = lambda block: None
        self._is_delivery = is_delivery
        self.late_ns = late_ns
        self._settled = -1  # the count by the last time that somebody asked, and when the message after it is due
        self._next_ns: Nanos = -FOREVER_NS

    def times(self, block: Block) -> Sequence[Nanos]:
        """Those of a block's messages, but for `late_ns`."""
        return block.arrivals if self._is_delivery else block.reaches

    def settle(self) -> int:
        """The exact count."""
        count = self.count
        if self.ns < self._next_ns and count == self._settled:
            return count
        block, ns = self.block, self.ns - self.late_ns
        self._next_ns = FOREVER_NS
        while block is not None:
            times = self.times(block)
            if count < block.end and times[-1] > ns:
                low = max(count - block.first, 0)
                count = block.first + (bisect_right(times, ns, low) if times[low] <= ns else low)
                self._next_ns = times[count - block.first] + self.late_ns
                break
            count = max(count, block.end)
            self.last, following = block, block.following()
            self.block = following
            self.count = count
            self.on_leave(block)
            block = following
        self.count = self._settled = count
        return count

    def next_ns(self) -> Nanos:
        """The time of the first message that is not passed, after `settle`; `FOREVER_NS` at the end."""
        return self._next_ns

    def last_ns(self) -> Nanos | None:
        """The time of the last one that is."""
        if self.block is not None and self.count > self.block.first:
            block, place = self.block, self.count - self.block.first - 1
        elif self.count:
            block, place = self.last, self.last.count - 1
        else:
            return None
        return self.times(block)[place] + self.late_ns


def rows_from(block: Block | None, begin: int) -> Iterator[Row]:
    """The messages from number `begin` on, the first of which is in `block` or behind it."""
    while block is not None:
        yield from block.stream(begin - block.first)
        block = block.following()
        begin = 0 if block is None else block.first
