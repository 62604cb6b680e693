"""A block whose columns lie in an index: memory that is mapped when it is asked for, shared by all who play the tape."""

from __future__ import annotations

import mmap
import os
import weakref
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from papertape.model.event import BookUpdate, Level, MarketEvent, Side, Trade
from papertape.model.units import Nanos
from papertape.tape import schema
from papertape.tape.block import PAGE, PAGES_MAX, Block, Rows, rows_again
from papertape.tape.changes import Changes
from papertape.tape.index.layout import WORD, BlockEntry, Directory, Part, StrandEntry, Unfit, pad, total
from papertape.tape.reader import Message, Tape
from papertape.tape.rows import Row
from papertape.tape.strand import NO_ROWS, Bar, Strand

KINDS_IN_LANES: Final = (schema.TRADE, schema.DELTA)


class IndexedStrand(Strand):
    """A strand with what else is needed to make events of its rows.

    Attributes:
        local: the recorder's clock of each, 8-byte numbers.
        offsets, text: where each trade's id begins in `text`, and where the last ends.
    """

    local: Sequence[int] = ()
    offsets: Sequence[int] = ()
    text: memoryview = memoryview(b"")

    def ids(self, low: int, high: int) -> list[str]:
        """The ids of some trades."""
        offsets = self.offsets[low : high + 1]
        return [bytes(self.text[begin:end]).decode() for begin, end in pairwise(offsets)]


class Opened(msgspec.Struct):
    """The columns of one block.

    Attributes:
        ends: the last row of each message, from the block's first on.
        books: bids and asks by instrument as the block begins, prices and lots of each.
    """

    barriers: Sequence[int]
    ends: Sequence[int]
    strands: list[tuple[Strand, ...]]
    books: list[tuple[tuple[Sequence[int], Sequence[int]], ...]]


class OpenIndex:
    """An index's file, open for as long as a block of it is around."""

    def __init__(self, tape: Tape, path: Path, file: BinaryIO, directory: Directory) -> None:
        self.tape = tape
        self.path = path
        self.directory = directory
        self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)

    def part(self, part: Part) -> memoryview:
        """The words of a part."""
        length = part.words * WORD
        if not length:
            return memoryview(b"")
        return memoryview(mmap.mmap(self._descriptor, length, access=mmap.ACCESS_READ, offset=part.offset))

    def check(self) -> None:
        """Raise `Unfit` if any part is not what was written."""
        for block in self.directory.blocks:
            for part in (block.times, block.rest):
                if total(self.part(part)) % (1 << 64) != part.total:
                    raise Unfit("it is damaged")

    def first(self, end_ns: Nanos) -> Block | None:
        """The first block of the messages that reach the venue before `end_ns`."""
        return started(lambda rest: self.blocks(self.directory.blocks, end_ns, rest))

    def block(self, entry: BlockEntry) -> Indexed:
        """One of the blocks by itself; nothing follows it."""
        return Indexed(self, entry, _no_more())

    def blocks(self, entries: Sequence[BlockEntry], end_ns: Nanos, rest: Callable[[], Any], *, shift: int = 0) -> Generator[Block]:
        """Blocks up to `end_ns`, their messages counted from `shift` further on."""
        for entry in entries:
            block = Indexed(self, entry, rest(), shift=shift)
            if end_ns <= self.tape.last_ns:
                block.count = bisect_left(block.reaches, end_ns, 0, entry.count)
                block.release()  # what it has mapped is of all its messages
            if block.count:
                yield block
            if block.count < entry.count:
                return


def started(blocks: Callable[[Callable[[], Any]], Generator[Block]]) -> Block | None:
    """The first of some blocks, each of which is given what reads the next."""
    rest: Generator[Block] = blocks(lambda: itself())
    itself: Callable[[], Any] = weakref.ref(rest)
    return next(rest, None)


def _no_more() -> Generator[Block]:
    yield from ()


class Indexed(Block):
    """Messages of a tape's rows; the rows themselves are read only for what is no trade and no change of a book."""

    def __init__(self, index: OpenIndex, entry: BlockEntry, rest: Generator[Block], *, shift: int = 0) -> None:
        super().__init__(rest)
        self._index = index
        self._entry = entry
        self.first, self.count = entry.first + shift, entry.count
        self.is_light = True
        self._times: tuple[Sequence[Nanos], Sequence[Nanos]] | None = None
        self._opened: Opened | None = None
        self._rows: Rows | None = None
        self._pages: dict[int, list[Message]] = {}

    def release(self) -> None:
        self._times = self._opened = self._rows = None
        self._pages.clear()

    @property
    def reaches(self) -> Sequence[Nanos]:  # type: ignore[override]  # read when asked for
        return (self._times or self._mapped_times())[0]

    @property
    def arrivals(self) -> Sequence[Nanos]:  # type: ignore[override]  # as above
        return (self._times or self._mapped_times())[1]

    @property
    def barriers(self) -> Sequence[int]:  # type: ignore[override]  # as above
        if not self._entry.barriers:
            return ()
        barriers = self._columns.barriers
        return barriers if self.count == self._entry.count else barriers[: bisect_left(barriers, self.count)]

    def strands(self, instrument: int) -> tuple[Strand, Strand, Strand, Strand]:
        return self._columns.strands[instrument]  # type: ignore[return-value]  # four are four

    def row_after(self, count: int) -> int:
        """The number in the tape of the row after so many messages."""
        return self._entry.first_row + (self._columns.ends[count - 1] + 1 if count else 0)

    def book(self, instrument: int) -> tuple[Iterable[Level], Iterable[Level]]:
        bids, asks = self._columns.books[instrument]
        return zip(*bids, strict=True), zip(*asks, strict=True)

    def bars(self, instrument: int, begin: int, end: int) -> tuple[list[Bar], int]:
        if begin or end < self._entry.count:
            return super().bars(instrument, begin, end)
        entry = self._entry.books[instrument]
        return entry.bars, entry.minute

    def trades(self, instrument: int, begin: int, end: int) -> int:
        if begin or end < self._entry.count:
            return super().trades(instrument, begin, end)
        return sum(strand.count for strand in self._entry.books[instrument].strands[2:])

    def facts(self, instrument: int, place: int, begin: int, end: int, since_ns: Nanos) -> int:
        changed, printed = (self._entry.books[instrument].strands[each] for each in (place, 3 - place))
        if begin or end < self._entry.count or (printed.count and printed.least_ns <= since_ns):
            return super().facts(instrument, place, begin, end, since_ns)
        return changed.count + printed.count

    def messages(self, begin: int, end: int) -> Iterable[Message]:
        """As `Tape.messages` has them, but that a message waits for those before it: when it is delivered is what `arrivals` says."""
        first, last = begin // PAGE, (end - 1) // PAGE
        found: list[Message] = []
        for number in range(first, last + 1):
            page = self._pages.get(number)
            if page is None:
                page = self._pages[number] = self._made(number * PAGE, min(number * PAGE + PAGE, self.count))
                if len(self._pages) > PAGES_MAX:
                    del self._pages[next(iter(self._pages))]
            low = number * PAGE
            found += page if begin <= low and end >= low + PAGE else page[max(begin - low, 0) : end - low]
        return found

    def market(self, begin: int, end: int) -> Iterator[MarketEvent]:
        return (event for _, event in sorted(self._events(begin, end).items(), key=itemgetter(0)))

    def changes(self, instrument: int) -> Changes | None:
        return self._read().changes(instrument)

    def stream(self, begin: int) -> Iterator[Message]:
        return self._read().stream(begin)

    def event(self, place: int) -> MarketEvent:
        if self._rows is None:
            found = self._events(place, place + 1)
            if found:
                return found[place]
        return self._read().event(place)

    def plain_rows(self, begin: int, end: int) -> Iterator[Row] | None:
        return None if self._rows is None else self._rows.plain_rows(begin, end)

    def chosen(self, begin: int, end: int, kinds: Sequence[int]) -> Iterator[tuple[int, MarketEvent]]:
        barriers = self.barriers
        barriers = barriers[bisect_left(barriers, begin) : bisect_left(barriers, end)]
        if tuple(kinds) == (schema.SNAPSHOT,) and not barriers:
            return iter(())
        if any(kind not in KINDS_IN_LANES for kind in kinds):
            return self._read().chosen(begin, end, kinds)
        events = self._events(begin, end, has_changes=schema.DELTA in kinds)
        if schema.DELTA in kinds:
            for place in barriers:
                events[place] = next(iter(self._read().messages(place, place + 1)))[3]
        return iter(sorted(events.items(), key=itemgetter(0)))

    def _events(self, begin: int, end: int, *, has_changes: bool = True) -> dict[int, MarketEvent]:
        """What the strands have of some messages, by place."""
        found: dict[int, MarketEvent] = {}
        for instrument, strands in zip(self._index.tape.instruments, self._columns.strands, strict=True):
            symbol = instrument.symbol
            if has_changes:
                for is_asks, strand in enumerate(strands[:2]):
                    if isinstance(strand, IndexedStrand):
                        _add_changes(found, strand, *strand.between(begin, end), symbol, is_asks=bool(is_asks))
            for taker, strand in zip((Side.BUY, Side.SELL), strands[2:], strict=True):
                if isinstance(strand, IndexedStrand):
                    low, high = strand.between(begin, end)
                    rows = zip(*_rows(strand, low, high), strand.ids(low, high), strict=True)
                    for place, ticks, lots, at_ns, local_ns, name in rows:
                        found[place] = Trade(
                            venue_ns=at_ns, local_ns=local_ns, symbol=symbol, price_ticks=ticks, qty_lots=lots, taker=taker, trade_id=name
                        )
        return found

    def _made(self, begin: int, end: int) -> list[Message]:
        events = self._events(begin, end)
        if len(events) < end - begin:
            for place in range(begin, end):
                if place not in events:
                    events[place] = next(iter(self._read().messages(place, place + 1)))[3]
        reaches, arrivals, ends, row = self.reaches, self.arrivals, self._columns.ends, self._entry.first_row
        return [(row + ends[place], reaches[place], arrivals[place], events[place]) for place in range(begin, end)]

    def _read(self) -> Rows:
        """The same rows, from the tape."""
        if self._rows is None:
            entry = self._entry
            rows = entry.rows if self.count == entry.count else self._columns.ends[self.count - 1] + 1
            self._rows = rows_again(self._index.tape, entry.first_row, rows, self.first, self.reaches[0])
        return self._rows

    def _mapped_times(self) -> tuple[Sequence[Nanos], Sequence[Nanos]]:
        words, count = self._index.part(self._entry.times).cast("q"), self._entry.count
        self._times = (words[: self.count], words[count : count + self.count])
        return self._times

    @property
    def _columns(self) -> Opened:
        if self._opened is None:
            self._opened = _opened(self._index.part(self._entry.rest), self._entry)
        return self._opened


def _rows(strand: IndexedStrand, low: int, high: int) -> tuple[Sequence[int], ...]:
    columns = (memoryview(column.buffers()[1]).cast("q")[low:high] for column in (strand.prices, strand.lots, strand.stamps))
    return (strand.places[low:high], *columns, strand.local[low:high])


def _add_changes(found: dict[int, MarketEvent], strand: IndexedStrand, low: int, high: int, symbol: str, *, is_asks: bool) -> None:
    """Updates made of one side's rows; those of asks are added to what a message changes of the bids."""
    last = -1
    levels: tuple[Level, ...] = ()
    for place, ticks, lots, at_ns, local_ns in zip(*_rows(strand, low, high), strict=True):
        levels = (*levels, (ticks, lots)) if place == last else ((ticks, lots),)
        last = place
        if is_asks:
            there = found.get(place)
            bids = there.bids if type(there) is BookUpdate else ()
            found[place] = BookUpdate(venue_ns=at_ns, local_ns=local_ns, symbol=symbol, bids=bids, asks=levels)
        else:
            found[place] = BookUpdate(venue_ns=at_ns, local_ns=local_ns, symbol=symbol, bids=levels)


def _opened(words: memoryview, entry: BlockEntry) -> Opened:
    at = 0

    def column(count: int, kind: Any = "q", size: int = WORD) -> memoryview[int]:
        nonlocal at
        begin, length = at, count * size
        at += length + pad(length, WORD)
        found: memoryview[int] = words[begin : begin + length].cast(kind)
        return found

    barriers = column(entry.barriers)
    ends: Sequence[int] = column(entry.ends) if entry.ends else range(entry.count)
    strands: list[tuple[Strand, ...]] = []
    books: list[tuple[tuple[Sequence[int], Sequence[int]], ...]] = []
    for book in entry.books:
        strands.append(tuple(_strand(column, each, has_text=place > 1) for place, each in enumerate(book.strands)))
        books.append(tuple((column(count), column(count)) for count in (book.bids, book.asks)))
    return Opened(barriers, ends, strands, books)


def _strand(column: Any, entry: StrandEntry, *, has_text: bool) -> Strand:
    import pyarrow as pa

    count = entry.count
    if not count:
        return NO_ROWS
    places = column(count, "i", 4)
    prices, lots, stamps = (pa.Array.from_buffers(pa.int64(), count, [None, pa.py_buffer(column(count))]) for _ in range(3))
    local = column(count)
    offsets = column(count + 1, "i", 4) if has_text else ()
    text = column(entry.text, "B", 1) if has_text else memoryview(b"")
    return IndexedStrand(places, prices, lots, stamps, local=local, offsets=offsets, text=text)
