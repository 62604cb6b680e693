"""Which row groups of a Parquet file a span needs, by what its footer says of each: what lies before is not even fetched."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from papertape.model.units import MICROSECOND, MILLISECOND, Nanos

_LOGICAL: Final = {"milliseconds": MILLISECOND, "microseconds": MICROSECOND, "nanoseconds": 1}


class Group(msgspec.Struct, frozen=True):
    """A row group, and how many rows of the file lie before it."""

    index: int
    rows_before: int


class Bounds(msgspec.Struct, frozen=True):
    """Least and greatest of a column in a row group."""

    least: Any
    most: Any


def all_groups(file: Any) -> list[Group]:
    """Every row group of a `pyarrow.parquet.ParquetFile`."""
    found, rows = [], 0
    for index in range(file.metadata.num_row_groups):
        found.append(Group(index, rows))
        rows += file.metadata.row_group(index).num_rows
    return found


def bounds(file: Any, column: str, read: Callable[[Any], Any] | None = None) -> list[Bounds | None]:
    """A column's bounds in each row group, None where the footer does not say.

    Args:
        read: makes a value of what the footer has, or raises ValueError; times that Parquet knows to be some are nanoseconds already.
    """
    names = [file.metadata.schema.column(place).path for place in range(file.metadata.num_columns)]
    if column not in names:
        return [None] * file.metadata.num_row_groups
    place = names.index(column)
    unit = _unit(file.metadata.schema.column(place))
    return [_bounds(file.metadata.row_group(index).column(place), unit, read) for index in range(file.metadata.num_row_groups)]


def _bounds(chunk: Any, unit: Nanos | None, read: Callable[[Any], Any] | None) -> Bounds | None:
    statistics = chunk.statistics
    if statistics is None or not statistics.has_min_max or statistics.null_count:
        return None
    try:
        if unit is not None:
            return Bounds(statistics.min_raw * unit, statistics.max_raw * unit)
        make = read or (lambda value: value)
        return Bounds(make(statistics.min), make(statistics.max))
    except (ValueError, TypeError, AttributeError, NotImplementedError):
        return None


def _unit(column: Any) -> Nanos | None:
    """Of a column of times; None of any other."""
    said = json.loads(column.logical_type.to_json() or "{}")
    return _LOGICAL.get(said.get("timeUnit", "")) if said.get("Type") == "Timestamp" else None


def after(groups: Sequence[Group], times: Sequence[Bounds | None], start_ns: Nanos) -> Sequence[Group]:
    """The groups from the first on in which something may lie at `start_ns` or behind."""
    for place, group in enumerate(groups):
        told = times[group.index]
        if told is None or told.most >= start_ns:
            return groups[place:]
    return groups[len(groups) :]


def from_snapshot(
    groups: Sequence[Group], times: Sequence[Bounds | None], snapshots: Sequence[Bounds | None], start_ns: Nanos
) -> Sequence[Group]:
    """The same of a book: what lies before is needed too, from the last group on that begins it anew.

    Args:
        snapshots: bounds of what says whether a row is of a snapshot. A group counts that has any, and whose first message does not begin
            in the group before.
    """
    needed = len(groups) - len(after(groups, times, start_ns))
    for place in range(needed - 1, 0, -1):
        told, now, before = snapshots[groups[place].index], times[groups[place].index], times[groups[place - 1].index]
        if told is not None and told.most is True and now is not None and before is not None and before.most < now.least:
            return groups[place:]
    return groups
