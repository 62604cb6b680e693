"""Cutting rows that are in Arrow's hands, and joining them."""

from __future__ import annotations

from bisect import bisect_left

from papertape.model.units import Nanos
from papertape.tape import schema
from papertape.tape.batch import Timed
from papertape.tape.strand import words


def rows_before(timed: Timed, at_ns: Nanos) -> int:
    """How many rows had reached the venue before `at_ns`."""
    return bisect_left(words(timed.reaches), at_ns)


def part_of(timed: Timed, begin: int, end: int) -> Timed:
    """The rows from `begin` up to, not including, `end`."""
    count = end - begin
    return Timed(
        timed.first_row + begin, timed.arrow.slice(begin, count), timed.codes.slice(begin, count), timed.reaches.slice(begin, count),
        timed.delivers.slice(begin, count),
    )  # fmt: skip


def whole_of(timed: Timed) -> tuple[Timed, Timed]:
    """The rows of messages that are complete, and those that wait for others."""
    count = len(timed.arrow)
    flags = timed.arrow.column("flags")
    end = count
    while end and not flags[end - 1].as_py() & schema.LAST:
        end -= 1
    return part_of(timed, 0, end), part_of(timed, end, count)


def joined(left: Timed | None, timed: Timed) -> Timed:
    """What was left of the rows before, and the rows after it; these may have columns that those lack."""
    if left is None or not len(left.arrow):
        return timed
    import pyarrow as pa

    table = pa.Table.from_batches([left.arrow]), pa.Table.from_batches([timed.arrow])
    whole = pa.concat_tables(table, promote_options="default").combine_chunks().to_batches()
    return Timed(
        left.first_row, whole[0], pa.concat_arrays([left.codes, timed.codes]), pa.concat_arrays([left.reaches, timed.reaches]),
        pa.concat_arrays([left.delivers, timed.delivers]),
    )  # fmt: skip
