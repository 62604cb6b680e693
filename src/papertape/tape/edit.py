"""Tapes from tapes: a part of one, or several as one."""

from __future__ import annotations

import heapq
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from papertape.model.errors import TapeError
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, MarketEvent
from papertape.model.instrument import Instrument
from papertape.model.order import iso
from papertape.model.units import Nanos
from papertape.tape.header import Connection, Header
from papertape.tape.reader import Tape, open_tape
from papertape.tape.writer import TapeWriter

Place = str | os.PathLike[str]


def cut_tape(path: Place, out: Place, *, start_ns: Nanos | None = None, end_ns: Nanos | None = None) -> Header:
    """Write the messages with `start_ns <= reach_ns < end_ns` to a tape of their own.

    Reading it gives what `Tape.messages(start_ns, end_ns)` gives: the same rows by number, the same times, and each book that was known at
    `start_ns` as an opening snapshot. Raises `TapeError` where nothing is left or the tape does not read.
    """
    tape = open_tape(path)
    arrivals = tape.numbered(start_ns, end_ns)
    first = next(arrivals, None)
    if first is None:
        span = f"{iso(tape.first_ns)} to {iso(tape.last_ns)}"
        raise TapeError(f"{tape.path}: nothing happens between these times; the tape goes from {span}.")
    _, _, (row, _, _, event) = first
    with TapeWriter(
        out,
        venue=tape.venue,
        instruments=tape.instruments,
        connections=tape.connections,
        source=tape.header.source,
        row_base=row + 1 - rows_of(event),
        is_numbered=tape.is_numbered,
    ) as writer:
        for connection, sequence, message in itertools.chain([first], arrivals):
            writer.write(message[3], connection, sequence=sequence)
    return writer.close()


def merge_tapes(paths: Sequence[Place], out: Place) -> Header:
    """Write several tapes of one venue as one, in the order of arrival: by recorder's clock, then by the tape's place, then by row.

    Each recorder's clock is first set by its tape's least skew, so that clocks which disagree do not matter; when a client gets a message
    stays the same. Parts of one recording, or cut from one tape, are put together as they were: what a part begins with, because it came
    before, is there once, and of a connection's skews the least counts, as if it had been measured over all. Raises `TapeError` where the
    tapes are of several venues, disagree about an instrument's steps, or tell of one instrument at the same time.
    """
    tapes = [open_tape(path) for path in paths]
    if not tapes:
        raise TapeError("papertape tape merge: name at least one tape.")
    instruments = _union(tapes)
    parts = _parts(tapes)
    _refuse_overlaps(tapes, parts)
    # Where a recording goes on its clock does too; measured anew in each part, a skew must not turn the order of arrival.
    measured = [
        [tapes[place] for place in range(len(tapes)) if _first(parts, place) == _first(parts, index)] for index in range(len(tapes))
    ]
    shifts = [min(_shift_ns(tape) for tape in together) for together in measured]
    connections: list[Connection] = []
    places = [
        [_join(connections, Connection(it.name, _skew_ns(it.name, together) - shift_ns)) for it in tape.connections]
        for tape, together, shift_ns in zip(tapes, measured, shifts, strict=True)
    ]
    source = "; ".join(dict.fromkeys(tape.header.source for tape in tapes))
    is_numbered = any(tape.is_numbered for tape in tapes)
    with TapeWriter(
        out, venue=tapes[0].venue, instruments=instruments, connections=connections, source=source, is_numbered=is_numbered
    ) as writer:
        told = [0 if before is None else _end_of(tapes[before]) for before in parts]
        streams = [_set_right(index, tape, places[index], connections, shifts[index], told[index]) for index, tape in enumerate(tapes)]
        for _, _, _, connection, sequence, event in heapq.merge(*streams, key=lambda arrival: arrival[:3]):
            writer.write(event, connection, sequence=sequence)
    return writer.close()


def rows_of(event: MarketEvent) -> int:
    """How many rows a message takes."""
    return max(1, len(event.bids) + len(event.asks)) if isinstance(event, BookSnapshot | BookUpdate) else 1


def _set_right(
    index: int, tape: Tape, places: Sequence[int], connections: Sequence[Connection], shift_ns: Nanos, told: int
) -> Iterator[tuple[Nanos, int, int, int, int | None, MarketEvent]]:
    for connection, sequence, (row, _, _, event) in tape.numbered():
        if row < told:
            if not isinstance(event, BookSnapshot | ConnectionEvent):
                raise TapeError(f"{tape.path}: begins with rows that another of these tapes has; name it once, or cut one of them.")
            continue  # where the part before ended
        place = places[connection]
        moved = msgspec.structs.replace(event, local_ns=event.local_ns - shift_ns)
        if isinstance(moved, ConnectionEvent):
            moved = msgspec.structs.replace(moved, connection=connections[place].name)
        yield moved.local_ns, index, row, place, sequence, moved


def _parts(tapes: Sequence[Tape]) -> list[int | None]:
    """For each tape the one that it goes on from, by their rows' numbers; both say that they are of the same source."""
    found: list[int | None] = []
    for place, tape in enumerate(tapes):
        before = [
            index
            for index, other in enumerate(tapes)
            if other is not tape
            and other.venue == tape.venue
            and other.header.source == tape.header.source != ""
            and (other.header.row_base, index) < (tape.header.row_base, place)
            and tape.header.row_base <= _end_of(other) <= _end_of(tape)
        ]
        found.append(max(before, key=lambda index: _end_of(tapes[index]), default=None))
    return found


def _first(parts: Sequence[int | None], index: int) -> int:
    """The first of the parts before."""
    before = parts[index]
    return index if before is None else _first(parts, before)


def _end_of(tape: Tape) -> int:
    """The number of the row after its last."""
    return tape.header.row_base + tape.rows


def _shift_ns(tape: Tape) -> Nanos:
    return min((connection.skew_ns for connection in tape.connections), default=0)


def _skew_ns(name: str, tapes: Sequence[Tape]) -> Nanos:
    """The least that was measured on the connection of that name."""
    return min(it.skew_ns for tape in tapes for it in tape.connections if it.name == name)


def _join(connections: list[Connection], joining: Connection) -> int:
    """Where a connection stands among all; it is a new one, by a new name, unless one of its name has its skew too."""
    names = [connection.name for connection in connections]
    for number in itertools.count(1):
        name = joining.name if number == 1 else f"{joining.name} ({number})"
        if name not in names:
            connections.append(Connection(name, joining.skew_ns))
            return len(connections) - 1
        if connections[names.index(name)].skew_ns == joining.skew_ns:
            return names.index(name)
    raise AssertionError("count() does not end")


def _union(tapes: Sequence[Tape]) -> tuple[Instrument, ...]:
    found: dict[tuple[str, Nanos], tuple[Instrument, Path]] = {}
    for tape in tapes:
        if tape.venue != tapes[0].venue:
            raise TapeError(
                f"{tape.path}: a tape of {tape.venue}, but {tapes[0].path} is of {tapes[0].venue}; a tape holds one venue. "
                "A scenario can have several venues, each with its own feed."
            )
        for instrument in tape.instruments:
            same, path = found.setdefault((instrument.symbol, instrument.valid_from_ns), (instrument, tape.path))
            if same != instrument:
                raise TapeError(
                    f"{tape.path}: says otherwise than {path} what {instrument.symbol} is (tick, lot, minima or the venue's name). "
                    "Import one of the captures again, with `--instrument`."
                )
    return tuple(instrument for instrument, _ in found.values())


def _refuse_overlaps(tapes: Sequence[Tape], parts: Sequence[int | None]) -> None:
    for (place, one), (its_place, other) in itertools.combinations(enumerate(tapes), 2):
        if _first(parts, place) == _first(parts, its_place):
            continue
        shared = [it.symbol for it in one.instruments if any(it.symbol == its.symbol for its in other.instruments)]
        if shared and one.first_ns <= other.last_ns and other.first_ns <= one.last_ns:
            raise TapeError(
                f"{one.path} and {other.path}: both tell of {shared[0]} between {iso(max(one.first_ns, other.first_ns))} and "
                f"{iso(min(one.last_ns, other.last_ns))}; every trade would be there twice. Cut one of them (`papertape tape cut`)."
            )
