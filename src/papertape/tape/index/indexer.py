"""Make an index while a tape is read for other reasons: whole or not at all, and never in the way of who reads it."""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from papertape.model.event import BookSnapshot, ConnectionEvent
from papertape.tape.block import Block, Rows
from papertape.tape.index.layout import (
    ALIGNED,
    MAGIC,
    VERSION,
    WORD,
    BlockEntry,
    BookEntry,
    Directory,
    Part,
    StrandEntry,
    Unfit,
    pad,
    seal,
    total,
)
from papertape.tape.reader import Tape
from papertape.tape.strand import Strand

SUFFIX_PART: Final = ".part"

Sides = tuple[dict[int, int], dict[int, int]]


class Indexer:
    """Writes one tape's index, block by block.

    It is written under another name and renamed when all of it is on the disk. Of two processes at once one writes: it holds a lock,
    which is gone with it however it ends; what it leaves behind then, the next one overwrites.

    Args:
        footer: see `layout.Directory`.
        path: where the index shall be.

    Raises `OSError` where the folder does not take it, `Unfit` where somebody else is writing it.
    """

    def __init__(self, tape: Tape, footer: int, path: Path) -> None:
        self._tape = tape
        self._footer = footer
        self._path = path
        self._part = path.with_name(path.name + SUFFIX_PART)
        self._blocks: list[BlockEntry] = []
        self._books: list[Sides] = [({}, {}) for _ in tape.instruments]
        self._symbols = {instrument.symbol: number for number, instrument in enumerate(tape.instruments)}
        self._file: BinaryIO | None = _locked(self._part)
        try:
            self._file.truncate(0)
            self._file.write(MAGIC)
        except OSError:
            self.close()
            raise

    @property
    def is_open(self) -> bool:
        return self._file is not None

    def add(self, block: Block) -> None:
        """Write a block. What cannot be written, or has no place in an index, ends all of this: then there is none."""
        if self._file is None:
            return
        try:
            self._add(self._file, block)
        except (OSError, Unfit):
            self.close()

    def finish(self) -> bool:
        """All blocks were added: seal it, and give it its name. Whether there is an index now."""
        if self._file is None:
            return False
        rows = sum(block.rows for block in self._blocks)
        try:
            if rows == self._tape.rows:
                directory = Directory(
                    VERSION, self._tape.content_hash, self._footer, rows, len(self._tape.instruments), self._blocks
                )  # fmt: skip
                seal(self._file, directory)
                self._file.flush()
                os.fsync(self._file.fileno())
                os.replace(self._part, self._path)
                self._file.close()
                self._file = None
                return True
        except OSError:
            pass  # a full disk: there is no index, and nobody is the worse for it
        self.close()
        return False

    def close(self) -> None:
        """Give up, if it is not finished."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.unlink(self._part)
            with suppress(OSError):
                file.close()

    def _add(self, file: BinaryIO, block: Block) -> None:
        if not isinstance(block, Rows) or block.is_odd:
            raise Unfit("its rows are not in the order of its messages")
        times = _Words(file)
        times.put(block.reaches, block.arrivals)
        placed = times.end()
        rest = _Words(file)
        rest.put(array("q", block.barriers))
        rest.put(b"" if block.is_plain else block.ends)
        books = []
        for number, book in enumerate(self._books):
            strands = block.strands(number)
            entries = tuple(_put_strand(rest, block, strand, has_text=place > 1) for place, strand in enumerate(strands))
            for side in book:
                prices = sorted(side)
                rest.put(array("q", prices), array("q", map(side.__getitem__, prices)))
            made, minute = block.bars(number, 0, block.count)
            books.append(BookEntry(len(book[0]), len(book[1]), entries, made, minute))  # type: ignore[arg-type]  # four are four
        self._roll(block)
        ends_count = 0 if block.is_plain else block.count
        entry = BlockEntry(
            block.first_row, block.rows, block.first, block.count, placed, rest.end(), len(block.barriers), ends_count, books
        )
        self._blocks.append(entry)

    def _roll(self, block: Rows) -> None:
        """Bring the books to the block's end."""
        begin = 0
        for barrier in [*block.barriers, block.count]:
            for number, book in enumerate(self._books):
                for side, strand in zip(book, block.strands(number), strict=False):
                    low, high = strand.between(begin, barrier)
                    for ticks, lots in strand.levels(low, high, side.keys):
                        if lots:
                            side[ticks] = lots
                        else:
                            side.pop(ticks, None)
            if barrier < block.count:
                self._break(next(iter(block.messages(barrier, barrier + 1)))[3])
            begin = barrier + 1

    def _break(self, event: Any) -> None:
        if isinstance(event, BookSnapshot):
            self._books[self._symbols[event.symbol]] = ({t: q for t, q in event.bids if q}, {t: q for t, q in event.asks if q})
        elif isinstance(event, ConnectionEvent) and event.loses_market:
            for number in [self._symbols[event.symbol]] if event.symbol else range(len(self._books)):
                self._books[number] = ({}, {})


class _Words:
    """One part, while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        file.write(bytes(pad(file.tell(), ALIGNED)))
        self._file = file
        self._offset = file.tell()
        self._total = 0

    def put(self, *columns: Any) -> None:
        """Some bytes each, filled up to whole words."""
        for column in columns:
            said = memoryview(column).cast("B")
            missing = pad(len(said), WORD)
            if missing:
                said = memoryview(bytes(said) + bytes(missing))
            self._file.write(said)
            self._total += total(said)

    def end(self) -> Part:
        return Part(self._offset, (self._file.tell() - self._offset) // WORD, self._total % (1 << 64))


def _put_strand(rest: _Words, block: Rows, strand: Strand, *, has_text: bool) -> StrandEntry:
    import pyarrow as pa
    import pyarrow.compute as pc

    count = len(strand.prices)
    if not count:
        return StrandEntry(0, 0)
    local, text = block.beside(strand, "local_ns"), block.beside(strand, "text") if has_text else None
    rest.put(_narrow(strand.places))
    rest.put(*(_bytes(column, count) for column in (strand.prices, strand.lots, strand.stamps, local)))
    size = 0
    if text is not None:
        text = pc.fill_null(text, pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(bytes(8)), pa.py_buffer(b"")])[0])
        _, offsets, said = text.buffers()
        size = memoryview(offsets).cast("i")[count]
        rest.put(memoryview(offsets)[: (count + 1) * 4], b"" if said is None else memoryview(said)[:size])
    return StrandEntry(count, pc.min(strand.stamps).as_py(), size)


def _narrow(places: Any) -> Any:
    """Places as 4-byte numbers: there are no more messages in a block."""
    import pyarrow as pa

    kind = pa.uint64() if places.format == "Q" else pa.int64()
    return memoryview(pa.Array.from_buffers(kind, len(places), [None, pa.py_buffer(places)]).cast(pa.int32()).buffers()[1])[
        : len(places) * 4
    ]


def _bytes(column: Any, count: int) -> memoryview:
    return memoryview(column.buffers()[1])[column.offset * WORD : (column.offset + count) * WORD]


def _locked(path: Path) -> BinaryIO:
    """The file under that name, which nobody else writes; raises `Unfit` where somebody does, or has just finished."""
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644), "wb")
    try:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file.fileno()).st_ino != os.stat(path).st_ino:
            raise FileNotFoundError
    except (BlockingIOError, FileNotFoundError) as error:
        file.close()
        raise Unfit("somebody else is writing it") from error
    except OSError:
        file.close()
        raise
    return file


def is_left(part: Path) -> bool:
    """Whether nobody writes what is there unfinished."""
    try:
        _locked(part).close()
    except (OSError, Unfit):
        return False
    return True


def indexed_meanwhile(blocks: Generator[Block], indexer: Indexer) -> Generator[Block]:
    """The same blocks; once the last has been asked for there is an index."""
    try:
        for block in blocks:
            indexer.add(block)
            yield block
        indexer.finish()
    finally:
        indexer.close()
