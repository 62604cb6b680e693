"""A tape in blocks of messages whose columns stay as Arrow has them: what nobody looks at is never made a Python object.

The same messages as `Tape.messages` gives, in the same order; a test holds the two against each other.
"""

from __future__ import annotations

import itertools
import weakref
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final

from papertape.model.event import BookUpdate, Level, MarketEvent
from papertape.model.units import Nanos
from papertape.tape import schema
from papertape.tape.assemble import Assembler, Roller
from papertape.tape.batch import BATCH_ROWS, Timed, column_of, listed, rows_between, scalar_of, timed_rows
from papertape.tape.changes import Changes
from papertape.tape.columns import column_from, ints, risen
from papertape.tape.cutting import joined, part_of, rows_before, whole_of
from papertape.tape.reader import Message, Tape, events_of
from papertape.tape.rows import Numbers, Row
from papertape.tape.strand import NO_ROWS, Bar, Strand, bars, bars_of, words

BLOCK_ROWS: Final = 131_072
"""Rows in a block at most; those of a message that the last one left unfinished come on top."""


PAGE: Final = 256
PAGES_MAX: Final = 16
"""Messages that are made at a time, and how many times so many a block keeps."""


class Block:
    """Some messages in a row.

    Attributes:
        first: number of the first one in the part of the tape that is played, from 0.
        count: how many there are, at least one.
        reaches: when each has reached the venue, nanoseconds since 1970-01-01 UTC; ascending.
        arrivals: when a client could have each at the earliest where nothing overtakes anything; ascending.
        barriers: places, in this block, of those messages that no strand has and that a venue must be told: snapshots, updates without
            levels, what happened to the recorder's line, and all where rows are not in the order in which messages are made of them.
        reading: what reads the next one when it is asked for.
        is_light: it costs next to nothing to hold on to it, and it knows the books as it begins.
    """

    is_light = False
    first: int
    count: int
    reaches: Sequence[Nanos]
    arrivals: Sequence[Nanos]
    barriers: Sequence[int]

    def __init__(self, rest: Generator[Block]) -> None:
        self.reading = rest
        self._next: Block | None = None

    @property
    def end(self) -> int:
        """The number of the first message after this block."""
        return self.first + self.count

    def following(self) -> Block | None:
        """The next block, read when it is asked for first; None at the end. Blocks that nobody holds any more are forgotten."""
        if self._next is None:
            self._next = next(self.reading, None)
        return self._next

    def alone(self) -> Block:
        """A block that nothing follows, and that is not to be looked into; who holds it holds nothing of the tape."""
        alone = Block(_no_more())
        alone.first, alone.count = self.first, 0
        return alone

    def strands(self, instrument: int) -> tuple[Strand, Strand, Strand, Strand]:
        """Changed bids, changed asks, what takers bought, what they sold; see `Strand`."""
        raise NotImplementedError

    def book(self, instrument: int) -> tuple[Iterable[Level], Iterable[Level]]:
        """Bids and asks as the block begins; only a light block knows them."""
        raise NotImplementedError

    def bars(self, instrument: int, begin: int, end: int) -> tuple[list[Bar], int]:
        """Trades of the messages at these places as bars; see `strand.bars`."""
        return bars(self.strands(instrument)[2:], begin, end)

    def trades(self, instrument: int, begin: int, end: int) -> int:
        """How many trades there are among these messages."""
        return sum(high - low for low, high in (strand.between(begin, end) for strand in self.strands(instrument)[2:]))

    def facts(self, instrument: int, place: int, begin: int, end: int, since_ns: Nanos) -> int:
        """How many facts these messages tell of one side's queues: changed levels, and trades stamped later than `since_ns`.

        Args:
            place: 0 for bids, 1 for asks.
        """
        changed, printed = self.strands(instrument)[place], self.strands(instrument)[3 - place]  # a taker who sold hits bids
        low, high = changed.between(begin, end)
        return high - low + printed.later(*printed.between(begin, end), since_ns)

    def release(self) -> None:
        """Nobody will look at it soon: forget what can be had again. Only a light block does."""

    def changes(self, instrument: int) -> Changes | None:
        """Its changes of a book as columns; None where they must be told as messages."""
        return None

    def messages(self, begin: int, end: int) -> Iterable[Message]:
        """The messages at these places, as `Tape.messages` has them."""
        raise NotImplementedError

    def stream(self, begin: int) -> Iterator[Message]:
        """The messages from a place on, for whoever wants them all, once."""
        for low in range(begin, self.count, BATCH_ROWS):
            yield from self.messages(low, min(low + BATCH_ROWS, self.count))

    def event(self, place: int) -> MarketEvent:
        """That of the message at a place."""
        return next(iter(self.messages(place, place + 1)))[3]

    def plain_rows(self, begin: int, end: int) -> Iterator[Row] | None:
        """The rows of the messages at these places, if each is one row and that is quick; else None."""
        return None

    def market(self, begin: int, end: int) -> Iterator[MarketEvent]:
        """Those among them that are trades or change a level, and perhaps others."""
        return (message[3] for message in self.messages(begin, end))

    def chosen(self, begin: int, end: int, kinds: Sequence[int]) -> Iterator[tuple[int, MarketEvent]]:
        """Those of some kinds among them, or some more, each with its place; kinds as `tape.schema` numbers them."""
        return zip(range(begin, end), (message[3] for message in self.messages(begin, end)), strict=False)


class Opening(Block):
    """What the part of a tape begins with that does not begin at the tape's own beginning."""

    def __init__(self, messages: Sequence[Message], rest: Generator[Block]) -> None:
        super().__init__(rest)
        self._messages = messages
        self.first, self.count = 0, len(messages)
        self.reaches = [message[1] for message in messages]
        self.arrivals = list(itertools.accumulate((message[2] for message in messages), max))
        self.barriers = range(self.count)

    def strands(self, instrument: int) -> tuple[Strand, Strand, Strand, Strand]:
        return (NO_ROWS, NO_ROWS, NO_ROWS, NO_ROWS)

    def messages(self, begin: int, end: int) -> Iterable[Message]:
        return self._messages[begin:end]


class Rows(Block):
    """Messages of a tape's rows.

    Attributes:
        is_plain: each row is a message.
        is_odd: rows are not in the order in which messages are made of them.
        ends: the last row of each message, from the block's first on.

    Args:
        latest_ns: when the message before the first arrived.
    """

    ends: Sequence[int]

    def __init__(self, tape: Tape, timed: Timed, first: int, latest_ns: Nanos | None, rest: Generator[Block]) -> None:
        import numpy as np

        super().__init__(rest)
        self._tape = tape
        self._timed = timed
        self._strands: dict[int, tuple[Strand, Strand, Strand, Strand]] = {}
        self._changes: dict[int, Changes] = {}
        self._pages: dict[int, list[Message]] = {}
        flags, kinds, sides = (ints(timed.arrow.column(name)) for name in ("flags", "kind", "side"))
        self.is_plain = bool(flags.min() == schema.WHOLE)
        reaches, arrivals = timed.reaches, timed.delivers
        lasts, self.ends, self.is_odd = flags >= schema.LAST, range(len(flags)), False
        if not self.is_plain:
            ends = column_from(np.flatnonzero(lasts))
            self.ends, reaches, arrivals = words(ends), reaches.take(ends), arrivals.take(ends)
            firsts = (flags & schema.FIRST) == schema.FIRST
            self.is_odd = not (firsts[0] and bool((firsts[1:] == lasts[:-1]).all()))
        self.first, self.count = first, len(reaches)
        self.reaches, self.arrivals = words(reaches), words(risen(arrivals, latest_ns))
        if self.is_odd:
            self.barriers = range(self.count)
        else:
            is_barrier = (kinds == schema.SNAPSHOT) | (kinds >= schema.OPENED) | ((sides == schema.NO_SIDE) & (kinds == schema.DELTA))
            found = np.flatnonzero(is_barrier & lasts).tolist()
            self.barriers = found if self.is_plain else [self._place(row) for row in found]

    @property
    def first_row(self) -> int:
        """Its number in the tape."""
        return self._timed.first_row

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self._timed.arrow)

    def beside(self, strand: Strand, column: str) -> Any:
        """Another column of a strand's rows."""
        return self._timed.arrow.column(column).take(strand.rows)

    def strands(self, instrument: int) -> tuple[Strand, Strand, Strand, Strand]:
        strands = self._strands.get(instrument)
        if strands is None:
            import numpy as np

            column = self._timed.arrow.column
            kinds, sides, numbers = (ints(column(name)) for name in ("kind", "side", "instrument"))
            columns = [ints(column(name)) for name in ("price_ticks", "qty_lots", "venue_ns")]
            is_its = numbers == instrument
            made = []
            for kind, side in ((schema.DELTA, schema.BID), (schema.DELTA, schema.ASK), (schema.TRADE, 1), (schema.TRADE, 2)):
                rows = np.flatnonzero((kinds == kind) & (sides == side) & is_its)
                its = column_from(rows)
                places = words(its if self.is_plain else self._places.take(its))
                prices, lots, stamps = (column_from(each[rows]) for each in columns)
                made.append(Strand(places, prices, lots, stamps, its))
            strands = self._strands[instrument] = (made[0], made[1], made[2], made[3])
        return strands

    def bars(self, instrument: int, begin: int, end: int) -> tuple[list[Bar], int]:
        if begin or end < self.count or self.is_odd:
            return super().bars(instrument, begin, end)
        import numpy as np

        column = self._timed.arrow.column
        kinds, sides, numbers = (ints(column(name)) for name in ("kind", "side", "instrument"))
        rows = np.flatnonzero((kinds == schema.TRADE) & ((sides == 1) | (sides == 2)) & (numbers == instrument))
        found = bars_of(*(ints(column(name))[rows] for name in ("venue_ns", "price_ticks", "qty_lots")))
        return super().bars(instrument, begin, end) if found is None else found

    def changes(self, instrument: int) -> Changes | None:
        if self.is_odd:
            return None
        changes = self._changes.get(instrument)
        if changes is None:
            places = None if self.is_plain else self._places
            changes = self._changes[instrument] = Changes(self._timed, instrument, is_plain=self.is_plain, row_places=places)
        return changes

    @cached_property
    def _places(self) -> Any:
        """Of the message that each row belongs to."""
        import pyarrow.compute as pc

        lasts = pc.greater_equal(self._timed.arrow.column("flags"), scalar_of("int8", schema.LAST)).cast("int64")
        return pc.subtract(pc.cumulative_sum(lasts), lasts)

    def messages(self, begin: int, end: int) -> Iterable[Message]:
        first, last = begin // PAGE, (end - 1) // PAGE
        if first == last:
            return self._page(first)[begin - first * PAGE : end - first * PAGE]
        return itertools.islice(
            itertools.chain.from_iterable(map(self._page, range(first, last + 1))), begin - first * PAGE, end - first * PAGE
        )

    def stream(self, begin: int) -> Iterator[Message]:
        for low in range(begin, self.count, BATCH_ROWS):
            row = self.ends[low - 1] + 1 if low else 0
            yield from self._made(part_of(self._timed, row, self.ends[min(low + BATCH_ROWS, self.count) - 1] + 1))

    @cached_property
    def _numbers(self) -> Numbers:
        return Numbers(self._timed)

    def event(self, place: int) -> MarketEvent:
        return self._numbers.event(self.ends[place], self._symbols) or super().event(place)

    @cached_property
    def _symbols(self) -> list[str]:
        return [instrument.symbol for instrument in self._tape.instruments]

    def plain_rows(self, begin: int, end: int) -> Iterator[Row] | None:
        first, last = self.ends[begin - 1] + 1 if begin else 0, self.ends[end - 1] + 1
        return None if self.is_odd or last - first > end - begin else self._numbers.rows(first, last)

    def _page(self, number: int) -> list[Message]:
        """Some messages, made once for all who ask for them now: venue and client do, one soon after the other."""
        page = self._pages.get(number)
        if page is None:
            begin, end = number * PAGE, min(number * PAGE + PAGE, self.count)
            row = self.ends[begin - 1] + 1 if begin else 0
            page = self._pages[number] = list(self._made(part_of(self._timed, row, self.ends[end - 1] + 1)))
            if len(self._pages) > PAGES_MAX:
                del self._pages[next(iter(self._pages))]
        return page

    def chosen(self, begin: int, end: int, kinds: Sequence[int]) -> Iterator[tuple[int, MarketEvent]]:
        if begin >= end or schema.DELTA in kinds:  # most are that, so nothing would be gained
            return super().chosen(begin, end, kinds)
        if not kinds or tuple(kinds) == (schema.SNAPSHOT,):
            few = self.barriers[bisect_left(self.barriers, begin) : bisect_left(self.barriers, end)] if kinds else ()
            events = ((place, message[3]) for place in few for message in self.messages(place, place + 1))
            return ((place, event) for place, event in events if type(event) is not BookUpdate)  # an empty one is a barrier too
        import pyarrow.compute as pc

        row = self.ends[begin - 1] + 1 if begin else 0
        part = part_of(self._timed, row, self.ends[end - 1] + 1)
        mask = pc.is_in(part.arrow.column("kind"), column_of("int8", kinds))
        found = Timed(
            part.first_row, part.arrow.filter(mask), part.codes.filter(mask), part.reaches.filter(mask), part.delivers.filter(mask)
        )
        lasts = pc.greater_equal(part.arrow.column("flags"), scalar_of("int8", schema.LAST))
        ends = pc.indices_nonzero(pc.and_(mask, lasts))
        places = (row + each for each in words(ends)) if self.is_plain else words(self._places.slice(row).take(ends))
        return zip(places, (message[3] for message in self._made(found)), strict=False)

    def _made(self, part: Timed) -> Iterator[Message]:
        symbols = [instrument.symbol for instrument in self._tape.instruments]
        return events_of(listed(part), symbols, Assembler(symbols, [connection.name for connection in self._tape.connections]))

    def _place(self, row: int) -> int:
        """Of the message that a row belongs to."""
        return row if self.is_plain else bisect_left(self.ends, row)


def read_blocks(
    tape: Tape,
    start_ns: Nanos,
    end_ns: Nanos,
    *,
    rows_max: int = BLOCK_ROWS,
    around: Callable[[Generator[Block]], Generator[Block]] = lambda blocks: blocks,
) -> Block | None:
    """The first block of the messages with `start_ns <= reach_ns < end_ns`, as `Tape.messages` has them; None where there are none.

    Args:
        around: who looks at each block as it is read.

    Raises `TapeError` as that does, here or in `Block.following`.
    """
    rest: Generator[Block] = around(_blocks(tape, start_ns, end_ns, rows_max, lambda: itself()))
    itself: Callable[[], Any] = weakref.ref(rest)  # held by its blocks alone, so that it ends with the last of them
    return next(rest, None)


def rows_again(
    tape: Tape, first_row: int, rows: int, first: int, reach_ns: Nanos, latest_ns: Nanos | None = None, rest: Generator[Block] | None = None
) -> Rows:
    """A block of known rows, read anew.

    Args:
        first: the number of its first message.
        reach_ns: when that reaches the venue.
        latest_ns: when the message before it arrived.
        rest: what follows.

    Raises `TapeError` as `read_blocks` does.
    """
    timed = rows_between(tape.path, tape.header, first_row, rows, reach_ns)
    return Rows(tape, timed, first, latest_ns, _no_more() if rest is None else rest)


def _no_more() -> Generator[Block]:
    yield from ()


def _blocks(tape: Tape, start_ns: Nanos, end_ns: Nanos, rows_max: int, rest: Any) -> Generator[Block]:
    first, latest_ns = 0, None
    symbols, connections = [instrument.symbol for instrument in tape.instruments], [each.name for each in tape.connections]
    roller = Roller(symbols, connections) if start_ns > tape.first_ns else None
    left: Timed | None = None
    for timed in timed_rows(tape.path, tape.header, len(tape.instruments), rows_max=rows_max):
        if roller is not None:
            begin = rows_before(timed, start_ns)
            listed_batch = listed(part_of(timed, 0, begin))
            roller.roll(listed_batch.codes, listed_batch.columns, begin)
            if begin == len(timed.arrow):
                continue
            if timed.reaches[begin].as_py() < end_ns:
                opening = list(tape.opening(start_ns, roller.opening(start_ns, timed.first_row + begin)))
                if opening:
                    block: Block = Opening(opening, rest())
                    first, latest_ns = block.end, block.arrivals[-1]
                    yield block
            roller = None
            timed = part_of(timed, begin, len(timed.arrow))
        end = rows_before(timed, end_ns)
        is_over = end < len(timed.arrow)
        whole, left = whole_of(joined(left, part_of(timed, 0, end)))
        if len(whole.arrow):
            block = Rows(tape, whole, first, latest_ns, rest())
            first, latest_ns = block.end, block.arrivals[-1]
            yield block
        if is_over:
            return
