"""Rows of a tape as columns of Python numbers, some thousands at a time."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.model.errors import TapeError
from papertape.model.units import MILLISECOND, Nanos
from papertape.tape import schema
from papertape.tape.columns import ascends, column_from, ints, risen
from papertape.tape.header import Header

FLOOR_NS: Final = MILLISECOND
"""No message reaches a client sooner than this after it happened, so that nobody reacts before the cause."""

BATCH_ROWS: Final = 16_384

_FORMATS: Final[dict[str, Any]] = {"int64": "q", "int32": "i", "int16": "h", "int8": "b"}


class Batch(msgspec.Struct):
    """Some rows in a row.

    Attributes:
        first_row: number of the first one in the tape.
        codes: `row_code` of each.
        reaches: latest venue time so far, of each.
        delivers: when a client could have it at the earliest, of each.
        columns: the narrow columns by name; the wide ones too where any row here uses them.
    """

    first_row: int
    codes: list[int]
    reaches: list[Nanos]
    delivers: list[Nanos]
    columns: dict[str, list[Any]]

    def __len__(self) -> int:
        return len(self.codes)

    def connection_of(self, row: int) -> int:
        """The index of the connection on which a row came."""
        connection: int = self.columns["connection"][row - self.first_row]
        return connection

    def sequence_of(self, row: int) -> int | None:
        """The venue's number of a row's message, where the tape has it and was asked for it."""
        numbers = self.columns.get(schema.SEQUENCE)
        sequence: int | None = None if numbers is None else numbers[row - self.first_row]
        return sequence

    def between(self, begin: int, end: int) -> Batch:
        """The rows from `begin` up to, not including, `end`."""
        columns = {name: values[begin:end] for name, values in self.columns.items()}
        return Batch(self.first_row + begin, self.codes[begin:end], self.reaches[begin:end], self.delivers[begin:end], columns)


def row_code(kind: int, flags: int, side: int) -> int:
    """Kind, flags and side of a row in one number, so that the reader tells rows apart by one comparison."""
    return kind << 4 | flags << 2 | side


class Timed(msgspec.Struct):
    """Rows as Arrow has them, checked, and what follows from their times.

    Attributes:
        first_row: number of the first one in the tape.
        arrow: a `pyarrow.RecordBatch`.
        codes, reaches, delivers: as a `Batch` has them, as `pyarrow.Array`s.
    """

    first_row: int
    arrow: Any
    codes: Any
    reaches: Any
    delivers: Any


def read_batches(path: Path, header: Header, instruments: int, *, with_numbers: bool = False) -> Iterator[Batch]:
    """All rows after the instruments, of which there are so many; with the venue's own numbers only where they are asked for.

    Raises `TapeError` where rows do not decode, are not in the order of arrival, or name what the tape does not have.
    """
    for timed in timed_rows(path, header, instruments, with_numbers=with_numbers):
        yield listed(timed)


def listed(timed: Timed) -> Batch:
    """The same rows as Python numbers."""
    columns = {name: _numbers(timed.arrow.column(name)) for name in timed.arrow.schema.names if name not in ("kind", "flags", "side")}
    is_in_order = timed.reaches.equals(timed.arrow.column("venue_ns"))  # mostly, since most rows come in the venue's order
    reached = columns["venue_ns"] if is_in_order else _numbers(timed.reaches)
    return Batch(timed.first_row, _numbers(timed.codes), reached, _numbers(timed.delivers), columns)


def timed_rows(path: Path, header: Header, instruments: int, *, with_numbers: bool = False, rows_max: int = BATCH_ROWS) -> Iterator[Timed]:
    """All rows after the instruments, `rows_max` at a time; raises as `read_batches` does."""
    import numpy as np

    skews = [connection.skew_ns for connection in header.connections]
    is_known = np.zeros(256, bool)
    is_known[[kind for kind in schema.KIND_NAMES if kind != schema.INSTRUMENT]] = True
    row = header.row_base
    reach_ns: Nanos | None = None
    local_ns = 0
    for arrow in arrow_batches(path, with_numbers=with_numbers, rows_max=rows_max):
        local = ints(arrow.column("local_ns"))
        if not ascends(local, local_ns):
            raise TapeError(
                f"{path}: rows are not in the order of arrival (`local_ns` goes back after row {row}). "
                f"Import the capture again; `papertape tape check {path}` names the row."
            )
        local_ns = int(local[-1])
        if (
            not is_known[ints(arrow.column("kind")).view("u1")].all()
            or not _are_within(arrow.column("instrument"), -1, instruments)
            or not _are_within(arrow.column("connection"), 0, len(skews))
        ):
            raise TapeError(
                f"{path}: the tape is damaged: after row {row} a row names a kind, instrument or connection that there is none of. "
                f"`papertape tape check {path}` names the row."
            )
        timed = _timed(arrow, row, reach_ns, skews)
        reach_ns = timed.reaches[len(arrow) - 1].as_py()
        yield timed
        row += len(arrow)


def rows_between(path: Path, header: Header, first_row: int, count: int, reach_ns: Nanos) -> Timed:
    """Some rows that have been read before, the first of which has reached the venue at `reach_ns`; raises as `read_batches` does."""
    import pyarrow as pa

    begin = first_row - header.row_base
    parts = [pa.Table.from_batches([batch]) for batch in arrow_batches(path, between=(begin, begin + count))]
    table = pa.concat_tables(parts, promote_options="default").combine_chunks()
    if len(table) != count:
        raise TapeError(f"{path}: the tape has changed since it was opened. Run again.")
    return _timed(table.to_batches()[0], first_row, reach_ns, [connection.skew_ns for connection in header.connections])


def _timed(arrow: Any, row: int, reach_ns: Nanos | None, skews: Sequence[Nanos]) -> Timed:
    """Rows that are known to be sound, and what follows from their times; `reach_ns` is the latest before them."""
    import numpy as np

    reaches = risen(arrow.column("venue_ns"), reach_ns)
    skew = skews[0] if len(skews) == 1 else np.array(skews, "i8")[ints(arrow.column("connection"))]
    delivers = np.maximum(ints(reaches) + FLOOR_NS, ints(arrow.column("local_ns")) - skew)
    kinds, flags, sides = (ints(arrow.column(name)).astype("i2") for name in ("kind", "flags", "side"))
    return Timed(row, arrow, column_from(kinds * 16 + flags * 4 + sides), reaches, column_from(delivers))


def column_of(kind: str, values: Sequence[int]) -> Any:
    """Whole numbers as a column of a `kind` such as "int64".

    `pyarrow.array` and `scalar` ask pandas whether a thing is one of its own, and load it for that where it is installed: 0.3 s.
    """
    import pyarrow as pa

    return pa.Array.from_buffers(pa.type_for_alias(kind), len(values), [None, pa.py_buffer(array(_FORMATS[kind], values))])


def scalar_of(kind: str, value: int) -> Any:
    """One of them."""
    return column_of(kind, [value])[0]


def _numbers(column: Any) -> list[Any]:
    """A column as a list: `to_pylist`, but quicker for what nearly all columns are."""
    count = len(column)
    if column.null_count == count:
        return [None] * count
    code = _FORMATS.get(str(column.type))
    if column.null_count or code is None:
        values: list[Any] = column.to_pylist()
        return values
    return memoryview(column.buffers()[1]).cast(code)[column.offset : column.offset + count].tolist()


def arrow_batches(
    path: Path, *, with_numbers: bool = False, rows_max: int = BATCH_ROWS, between: tuple[int, int] | None = None
) -> Iterator[Any]:
    """The same rows as `pyarrow.RecordBatch`es, or those `between` two of them, counted from 0; wide columns only where a row group uses
    them."""
    import pyarrow as pa

    sparse = (*schema.WIDE, schema.SEQUENCE) if with_numbers else schema.WIDE
    try:
        file = open_parquet(path)
        names = file.schema_arrow.names
        begin, end = between or (0, file.metadata.num_rows)
        row = 0
        for group in range(1, file.metadata.num_row_groups):
            statistics = file.metadata.row_group(group)
            first, row = row, row + statistics.num_rows
            if row <= begin or first >= end:
                continue
            wanted = [
                name for index, name in enumerate(names) if name in schema.NARROW or (name in sparse and _has_values(statistics, index))
            ]
            if between is None:
                yield from (batch for batch in file.iter_batches(rows_max, row_groups=[group], columns=wanted) if len(batch))
            else:
                low = max(begin - first, 0)
                part = file.read_row_group(group, columns=wanted).slice(low, min(end, row) - first - low)
                yield from part.combine_chunks().to_batches()
    except (OSError, pa.ArrowException) as error:
        raise TapeError(f"{path}: the tape is damaged: its rows do not decode ({_first_line(error)}). Fetch or import it again.") from error


def open_parquet(path: Path) -> Any:
    """The file as `pyarrow.parquet.ParquetFile`; raises `TapeError` where it is missing, cut short or no Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise TapeError(f"{path}: {what}; expected a tape. `papertape tape info FOLDER` lists the tapes of a folder.")
    with path.open("rb") as file:
        begins = file.read(4) == b"PAR1"
        file.seek(max(0, path.stat().st_size - 4))
        ends = file.read(4) == b"PAR1"
    if not begins:
        raise TapeError(
            f"{path}: no tape: not a Parquet file. "
            "Recordings of a venue become tapes with `papertape import --venue VENUE CAPTURE --out TAPE`."
        )
    if not ends:
        raise TapeError(f"{path}: the tape is cut short: it begins like a Parquet file but has no footer. Fetch or import it again.")
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise TapeError(
            f"{path}: the tape is damaged: its footer does not read ({_first_line(error)}). Fetch or import it again."
        ) from error


def _are_within(column: Any, low: int, end: int) -> bool:
    import pyarrow.compute as pc

    least, most = pc.min_max(column).values()
    return bool(low <= least.as_py() and most.as_py() < end)


def _has_values(row_group: Any, index: int) -> bool:
    statistics = row_group.column(index).statistics
    return statistics is None or not statistics.has_null_count or statistics.null_count < row_group.num_rows


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].rstrip(".")
