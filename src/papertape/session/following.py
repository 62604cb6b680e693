"""The changes of one book on their way to a client that takes them many at a time, or needs no message of each; and its trades so."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from papertape.model.band import EVERYWHERE, Band
from papertape.model.event import BookUpdate, MarketEvent, Trade
from papertape.model.request import Lane
from papertape.model.stretch import Change, Manner, Stretch, Taker, Told
from papertape.model.units import Nanos
from papertape.runtime.loop import FOREVER_NS
from papertape.session.passed import Passed
from papertape.session.replay import Road
from papertape.sim.broadcast import Broadcast
from papertape.sim.stream import Stream
from papertape.tape.block import Block
from papertape.tape.changes import Changes
from papertape.tape.trades import Trades

Due = tuple[Nanos, int, MarketEvent | None]
"""When it is delivered, run time; the message's number from 1; the event, or None where all before that number has been delivered."""


class Flow(msgspec.Struct, frozen=True):
    """What may go out otherwise than by messages.

    Attributes:
        after: so many messages the book's snapshot holds.
        trades_after: so many messages had come before the market's trades were wanted, where these go out so too; else None.
    """

    stream: Stream
    taker: Taker
    symbol: str
    after: int
    manner: Manner
    trades_after: int | None = None

    @property
    def goes_on(self) -> bool:
        """Whether that is still so, by what a callback has done or a message has told: nothing else changes it in the middle of a walk."""
        is_so = self.taker.manner(self.symbol, self.stream.next_number(self.symbol)) is self.manner
        return is_so and (self.trades_after is None or self.taker.hears(self.symbol))


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
    if manner is Manner.SINGLY:
        return None
    trades = stream.wanted[Trade]
    is_heard = manner is Manner.KEPT and len(trades) == 1 and symbol in trades and stream.taker.hears(symbol)
    return Flow(stream, stream.taker, symbol, after, manner, trades[symbol] if is_heard else None)


class Pace:
    """Moves time on to what is shown or told next, unless something else has a turn first; see `SkippingCursors._show`.

    Args:
        reached, delivered: the cursors that time moves.
    """

    __slots__ = ("delivered", "head", "loop", "origin_ns", "reached")

    def __init__(self, loop: Road, reached: Passed, delivered: Passed, origin_ns: Nanos) -> None:
        self.loop = loop
        self.head = loop.agenda[0]
        self.reached = reached
        self.delivered = delivered
        self.origin_ns = origin_ns

    def __call__(self, now_ns: Nanos, number: int) -> bool:
        """Whether nobody has made an appointment or waits for a turn: then it is that time, and the message of that number is delivered."""
        loop = self.loop
        if loop.ready or loop.agenda[0] is not self.head:
            return False
        if now_ns > loop.now_ns:
            loop.now_ns = now_ns
        self.reached.ns = now_ns + self.origin_ns
        self.delivered.count = number
        return True


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
        self._low = 0  # among the changes of that block, the first that is not counted
        self._handed = 0  # rows of them that the client has
        self._trades: Trades | None = None
        self._counted = self._at = 0  # among its trades, the first that is not counted, and the first that is not told
        self._band: Band = EVERYWHERE
        self._outside = 0  # among the changes of that block, the first that leaves the band, or as far as that was looked for
        self._enter()

    def _enter(self) -> None:
        """Another block is the one to tell from."""
        block, self._band = self._block, EVERYWHERE
        self._changes = None if block is None else self._its_changes(block)
        if block is None or self._changes is None:
            self._trades = None
            return
        self._low = bisect_left(self._changes.places, max(self.told, self._flow.after) - block.first)
        self._handed, _ = self._changes.span(self._low, self._low)
        trades_after = self._flow.trades_after
        self._trades = None if trades_after is None else self._changes.trades
        if self._trades is not None and trades_after is not None:
            self._counted = self._at = bisect_left(self._trades.places, max(self.told, trades_after) - block.first)

    def _its_changes(self, block: Block) -> Changes | None:
        changes = block.changes(self._instrument)
        if changes is None or (self.is_shown and not changes.is_plain):
            return None
        return None if self._flow.trades_after is not None and changes.trades is None else changes

    def can_tell(self, block: Block) -> bool:
        """Whether the book's changes in a block go out so, and the trades if they should."""
        return self._its_changes(block) is not None

    def settle(self, count: int) -> None:
        """So many messages have been delivered: count those of them that are the book's changes, and hand them over if nobody was shown."""
        while self.told < count and self._block is not None:
            block, changes = self._block, self._changes
            end = block.end
            if count < end:
                end = count
            if changes is not None:
                low, places, trades, counted = self._low, changes.places, self._trades, self._counted
                high = bisect_left(places, end - block.first, low, min(low + end - self.told, len(places)))
                also = counted if trades is None else bisect_left(trades.places, end - block.first, counted)
                if high > low or also > counted:
                    self._low, self._counted = high, also
                    self._count(block, changes, low, high, counted, also)
            self.told = end
            if end == count < block.end:
                return
            if end == block.end:
                self._block = block.following()
                self._enter()

    def _count(self, block: Block, changes: Changes, low: int, high: int, counted: int, also: int) -> None:
        """The changes from the `low`-th up to, not including, the `high`-th have come; and so have some trades."""
        flow, since_ns, number, times = self._flow, self._since_ns, block.first + 1, self._times(block)
        stream, symbol, count, places = flow.stream, flow.symbol, high - low + also - counted, changes.places
        traded: Sequence[int] = () if self._trades is None else self._trades.places[counted:also]
        if not stream.count:
            first = min([*places[low : min(low + 1, high)], *traded[:1]])
            stream.first, stream.first_ns = number + first, max(times[first] - since_ns, 0)
        last = max([*places[max(low, high - 1) : high], *traded[-1:]])
        sequence = stream.count_stretch(symbol, count, number + last, max(times[last] - since_ns, 0))
        _, end = changes.span(low, high)
        if self.is_shown or high == low or end <= self._handed:
            flow.taker.count(symbol, sequence, count)
        else:
            begin, self._handed = self._handed, end
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

    def next_trade(self) -> tuple[Nanos, int]:
        """The same of the next trade."""
        block, trades = self._block, self._trades
        if block is None or trades is None or self._at == len(trades.places):
            return FOREVER_NS, 0
        place = trades.places[self._at]
        return max(self._times(block)[place] - self._since_ns, 0), block.first + place + 1

    def tell(self, until_ns: Nanos, before: int, pace: Pace) -> None:
        """Tell trades as `show` shows changes; `next_trade` must be one of them."""
        block, changes, trades = self._block, self._changes, self._trades
        assert block is not None
        assert changes is not None
        assert trades is not None
        at, places = self._at, trades.places
        place, end = places[at], min(before - 1 - block.first, block.count)  # of messages
        end = bisect_right(self._times(block), until_ns + self._since_ns, place, end)
        high = bisect_left(places, end, at, min(at + end - place, len(places)))
        self._flow.taker.hear(self._flow.symbol, changes, self._handed, self._each_trade(block, changes, trades, high, pace))

    def _each_trade(self, block: Block, changes: Changes, trades: Trades, high: int, pace: Pace) -> Iterator[Told]:
        times, since_ns, number, stamps, is_plain = self._times(block), self._since_ns, block.first + 1, changes.stamps, changes.is_plain
        loop, head, agenda, ready = pace.loop, pace.head, pace.loop.agenda, pace.loop.ready
        reached, delivered, origin_ns, handed = pace.reached, pace.delivered, pace.origin_ns, self._handed
        stamp_ns = stamps[handed - 1] if handed else 0
        while self._at < high:
            begin, page = self._at, trades.page(self._at)
            end = min(high, begin + len(page))
            for place, come, trade in zip(trades.places[begin:end], trades.before[begin:end], page, strict=False):
                if ready or agenda[0] is not head:  # as `pace` does, without a call each
                    return
                now_ns = times[place] - since_ns
                if now_ns > loop.now_ns:
                    loop.now_ns = now_ns
                reached.ns = now_ns + origin_ns
                delivered.count = number + place
                self._at += 1
                if not is_plain:
                    _, come = changes.span(0, come)
                if come > handed:
                    self._handed = handed = come
                    stamp_ns = stamps[come - 1]
                yield trade, handed, stamp_ns

    def show(self, until_ns: Nanos, before: int, pace: Pace) -> None:
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

    def _each(self, block: Block, changes: Changes, low: int, high: int, pace: Pace) -> Iterator[Change]:
        times, since_ns, number = self._times(block), self._since_ns, block.first + 1
        for begin in range(low, high, PAGE):
            end = min(begin + PAGE, high)
            levels = changes.rows(begin, end)
            for place, stamp, (side, ticks, lots) in zip(changes.places[begin:end], changes.stamps[begin:end], levels, strict=True):
                if not pace(times[place] - since_ns, number + place):
                    return
                yield stamp, side, ticks, lots


PAGE: Final = 512
"""So many changes are made Python numbers at a time."""
