"""Find every fault of a tape: what no reader can see while it streams, too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from papertape.model.errors import TapeError
from papertape.tape import schema
from papertape.tape.batch import arrow_batches, open_parquet
from papertape.tape.content import ContentHash
from papertape.tape.header import Header
from papertape.tape.reader import Tape, open_tape
from papertape.tape.schema import FIRST, LAST, NO_SIDE, WHOLE

_SHARED = ("kind", "venue_ns", "local_ns", "instrument", "connection")
_BOOK = (schema.SNAPSHOT, schema.DELTA)


class TapeFault(msgspec.Struct, frozen=True):
    """Something that is wrong with a tape.

    Attributes:
        what: for a person.
        row: number of the first row that has it, if it is about rows.
        count: rows that have it.
    """

    what: str
    row: int | None = None
    count: int = 1

    def __str__(self) -> str:
        if self.row is None:
            return self.what
        more = f" (and {self.count - 1} more)" if self.count > 1 else ""
        return f"row {self.row}{more}: {self.what}"


def check_tape(path: str | os.PathLike[str]) -> list[TapeFault]:
    """All that is wrong with a tape, none if it is sound. Each kind of fault is told once, with the first row that has it."""
    place = Path(path)
    try:
        tape = open_tape(place)
    except TapeError as error:
        return [TapeFault(str(error).removeprefix(f"{place}: "))]
    wrong = _wrong_columns(place)
    if wrong:
        return wrong
    return _Check(tape).run()


def _wrong_columns(path: Path) -> list[TapeFault]:
    found = open_parquet(path).schema_arrow
    faults = []
    for field in schema.arrow_schema(schema.SEQUENCE in found.names):
        index = found.get_field_index(field.name)
        if index < 0:
            faults.append(TapeFault(f"there is no column `{field.name}`"))
        elif found.field(index).type != field.type:
            faults.append(TapeFault(f"column `{field.name}` is of type {found.field(index).type}, expected {field.type}"))
    return faults


class _Check:
    """One walk over all rows."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._faults: dict[str, TapeFault] = {}
        self._hash = ContentHash(tape.instruments)
        self._row = tape.header.row_base
        self._rows = 0
        self._counts: dict[str, int] = {}
        self._local_ns = 0
        self._first_ns: int | None = None
        self._last_ns = 0
        self._open: tuple[Any, ...] | None = None  # what all rows of the unfinished message share

    def run(self) -> list[TapeFault]:
        try:
            for batch in arrow_batches(self._tape.path, with_numbers=True):
                columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
                self._hash.update(columns)
                self._batch(columns)
        except TapeError as error:
            return [*self._faults.values(), TapeFault(str(error).removeprefix(f"{self._tape.path}: "))]
        if self._open is not None:
            self._tell("the tape ends in the middle of a message", self._row - 1)
        self._compare()
        self._compare_schema()
        return list(self._faults.values())

    def _batch(self, columns: dict[str, list[Any]]) -> None:
        wide = [columns.get(name) for name in schema.WIDE]
        for index, narrow in enumerate(zip(*(columns[name] for name in schema.NARROW), strict=True)):
            for what in self._row_faults(narrow, [None if column is None else column[index] for column in wide]):
                self._tell(what, self._row)
            self._row += 1
            self._rows += 1

    def _row_faults(self, narrow: tuple[Any, ...], wide: list[int | None]) -> Iterator[str]:
        kind, flags, venue_ns, local_ns, instrument, connection, side, price_ticks, qty_lots, _ = narrow
        if local_ns < self._local_ns:
            yield "not in the order of arrival: `local_ns` goes back"
        self._local_ns = max(self._local_ns, local_ns)
        self._first_ns = venue_ns if self._first_ns is None else self._first_ns
        self._last_ns = max(self._last_ns, venue_ns, self._first_ns)
        if kind not in schema.KIND_NAMES or kind == schema.INSTRUMENT:
            yield f"kind {kind} has no place here"
            return
        yield from self._message_faults(narrow, flags)
        about_none = kind >= schema.OPENED
        if not (-1 if about_none else 0) <= instrument < len(self._tape.instruments):
            yield f"instrument {instrument}, but the tape has {len(self._tape.instruments)}"
        if not 0 <= connection < len(self._tape.connections):
            yield f"connection {connection}, but the tape has {len(self._tape.connections)}"
        if kind == schema.TRADE and (side not in (schema.BID, schema.ASK) or price_ticks <= 0 or qty_lots <= 0):
            yield "a trade without side, or of a price or amount that is not above zero"
        if kind in _BOOK and not _is_level(kind, flags, side, price_ticks, qty_lots):
            yield "a book level without side, or of a price not above zero, or of an amount that cannot be"
        if kind == schema.CANDLE and None in wide[len(schema.TICKER_COLUMNS) :]:
            yield "a candle that lacks a number"

    def _message_faults(self, narrow: tuple[Any, ...], flags: int) -> Iterator[str]:
        shared = tuple(narrow[schema.NARROW.index(name)] for name in _SHARED)
        kind = narrow[0]
        if flags & FIRST:
            if self._open is not None:
                yield "a message begins before the one before has ended"
            self._counts[schema.KIND_NAMES[kind]] = self._counts.get(schema.KIND_NAMES[kind], 0) + 1
        elif self._open is None:
            yield "a row that belongs to no message"
        elif self._open != shared:
            yield "a row of another kind, time, instrument or connection than the message it belongs to"
        if kind not in _BOOK and flags != WHOLE:
            yield "a message of several rows that is no book message"
        self._open = None if flags & LAST else shared

    def _compare(self) -> None:
        """What the footer says against what the rows say."""
        header: Header = self._tape.header
        said = {"rows": header.rows, "messages": header.counts, "the first time": header.first_ns, "the last time": header.last_ns}
        seen = {"rows": self._rows, "messages": self._counts, "the first time": self._first_ns or 0, "the last time": self._last_ns}
        for name, value in said.items():
            if value != seen[name]:
                self._faults[name] = TapeFault(f"the footer says {value} of {name}, the rows say {seen[name]}")
        hashed = self._hash.finish(header.venue, [(it.name, it.skew_ns) for it in header.connections], header.row_base)
        if hashed != header.content_hash:
            self._faults["hash"] = TapeFault(f"the content hash is {hashed}, the footer says {header.content_hash}: something was changed")

    def _compare_schema(self) -> None:
        said, needed = self._tape.header.schema_version, schema.version_of(self._counts)
        if said < needed:
            self._faults["schema"] = TapeFault(f"the footer says schema {said}, but there are rows of kinds that came with schema {needed}")

    def _tell(self, what: str, row: int) -> None:
        known = self._faults.get(what)
        self._faults[what] = TapeFault(what, known.row if known else row, known.count + 1 if known else 1)


def _is_level(kind: int, flags: int, side: int, price_ticks: int, qty_lots: int) -> bool:
    if side == NO_SIDE:
        return flags == WHOLE and price_ticks == 0 and qty_lots == 0  # a book message without levels
    return side in (schema.BID, schema.ASK) and price_ticks > 0 and qty_lots >= (kind == schema.SNAPSHOT)  # a snapshot deletes nothing
