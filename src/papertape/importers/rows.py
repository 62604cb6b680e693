"""Tables of text: CSV files, plain, .gz, .zst or .zip, read a row at a time; and several of them in one order of time."""

from __future__ import annotations

import csv
import heapq
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

from papertape.importers.capture import open_bytes, unreadable
from papertape.importers.place import Place, magic_of
from papertape.importers.source import Ledger
from papertape.model.errors import TapeError
from papertape.model.event import MarketEvent
from papertape.model.units import Nanos

Row = list[str]
Timed = tuple[Nanos, int, MarketEvent]
"""(when it arrived, the place of its table among those that came at once, what it is)."""

_ARCHIVES: Final = (b"PK\x03\x04", b"PK\x05\x06")
_TIME: Final = itemgetter(0, 1)


def csv_rows(path: Place) -> Iterator[tuple[int, Row]]:
    """Each row and its number, counted from 1, the header too; empty ones are left out.

    Of a .zip all the tables in it, one after another, with numbers that go on. Raises `TapeError` where the file does not read.
    """
    number = 0
    damaged: tuple[type[Exception], ...] = (*unreadable(), zipfile.BadZipFile, UnicodeDecodeError, csv.Error)
    try:
        for stream in _streams(path):
            with io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
                for row in csv.reader(text):
                    number += 1
                    if row:
                        yield number, row
    except damaged as error:
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        where = f" after row {number}" if number else ""
        raise TapeError(f"{path}: the table does not read{where}: {what}. Fetch it again, or leave it out.") from error


def _streams(path: Place) -> Iterator[Any]:
    if magic_of(path) not in _ARCHIVES:
        yield open_bytes(path)
        return
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith((".csv", ".txt"))]
        if not names:
            raise TapeError(f"{path}: there is no .csv in it; it holds {', '.join(archive.namelist()[:5]) or 'nothing'}.")
        for name in names:
            yield archive.open(name)


def columns(path: Place, header: Sequence[str], wanted: Sequence[str], format: str) -> list[int]:
    """Where each of the wanted columns is; raises `TapeError` naming those that are missing."""
    places = {name.strip(): place for place, name in enumerate(header)}
    missing = [name for name in wanted if name not in places]
    if missing:
        raise TapeError(
            f"{path}: row 1: no column {', '.join(f'`{name}`' for name in missing)}; expected {format}, with {','.join(wanted)}, "
            f"and it has {','.join(header)[:200]}."
        )
    return [places[name] for name in wanted]


def merged(tables: Iterable[Iterator[Timed]]) -> Iterator[MarketEvent]:
    """Everything in the order of arrival; at one time, in the order of the tables."""
    for _, _, event in heapq.merge(*tables, key=_TIME):
        yield event


def merged_lazily(tables: Sequence[Callable[[], Iterator[Timed]]], firsts: Sequence[Nanos | None]) -> Iterator[MarketEvent]:
    """Everything in the order of arrival, at one time in the order of the tables; a table is opened when it is its turn, not before.

    Args:
        firsts: when the first event of each arrived; None where a table has none.
    """
    waiting = sorted((first_ns, place) for place, first_ns in enumerate(firsts) if first_ns is not None)
    waiting.reverse()
    heap: list[tuple[Nanos, int, MarketEvent]] = []
    running: dict[int, Iterator[Timed]] = {}
    while heap or waiting:
        while waiting and (not heap or waiting[-1] <= heap[0][:2]):
            _, place = waiting.pop()
            running[place] = tables[place]()
            _push(heap, running, place)
        if heap:
            _, place, event = heapq.heappop(heap)
            yield event
            _push(heap, running, place)


def _push(heap: list[tuple[Nanos, int, MarketEvent]], running: dict[int, Iterator[Timed]], place: int) -> None:
    found = next(running[place], None)
    if found is None:
        del running[place]
    else:
        heapq.heappush(heap, (found[0], place, found[2]))


def first_ns(table: Iterator[Timed]) -> Nanos | None:
    """When the first event of a table arrived."""
    return next((arrived_ns for arrived_ns, _, _ in table), None)


def column_of(error: ValueError, header: Iterable[str], row: Iterable[str]) -> str:
    """What is wrong with a row, with the column whose value the complaint begins with.

    >>> column_of(ValueError("64000.105 is not a multiple of 0.01"), ("id", "price"), ("64000", "64000.105"))
    'column `price`: 64000.105 is not a multiple of 0.01'
    """
    told = str(error).partition(" ")[0].strip('"')
    name = next((name for name, text in zip(header, row, strict=False) if text and text.strip() == told), "")
    return f"column `{name.strip()}`: {error}" if name else str(error)


def in_order(path: Place, events: Iterable[tuple[int, MarketEvent]], place: int, ledger: Ledger) -> Iterator[Timed]:
    """The events of one table (with the rows that they stand in); one that arrives before what came already is rejected."""
    last_ns = -1
    for row, event in events:
        if event.local_ns < last_ns:
            ledger.reject(path, row, f"its time goes back from {last_ns} to {event.local_ns} ns; expected rows in the order of arrival")
            continue
        last_ns = event.local_ns
        yield last_ns, place, event


def sorted_within(
    events: Iterable[tuple[int, MarketEvent]], most: int, key: Callable[[MarketEvent], Any]
) -> Iterator[tuple[int, MarketEvent]]:
    """The same, each moved to its place among the `most` around it; for tables that are nearly in order."""
    heap: list[tuple[Any, int, int, MarketEvent]] = []
    for count, (row, event) in enumerate(events):
        heapq.heappush(heap, (key(event), count, row, event))
        if len(heap) > most:
            _, _, number, first = heapq.heappop(heap)
            yield number, first
    while heap:
        _, _, number, first = heapq.heappop(heap)
        yield number, first
