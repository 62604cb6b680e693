"""What a tape holds, for people and programs."""

from __future__ import annotations

import os

import msgspec

from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, ConnectionKind, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import Nanos
from papertape.tape.edit import rows_of
from papertape.tape.reader import Tape, open_tape


class InstrumentInfo(msgspec.Struct, kw_only=True):
    """What a tape tells of one instrument.

    Attributes:
        low_ticks, high_ticks: range of its trades; None without trades.
        volume_lots: base traded.
        snapshots: how often its book was told anew.
        crossed: messages after which its book was crossed; more than 0 where something was lost.
    """

    instrument: Instrument
    messages: int = 0
    trades: int = 0
    low_ticks: int | None = None
    high_ticks: int | None = None
    volume_lots: int = 0
    snapshots: int = 0
    crossed: int = 0


class ConnectionInfo(msgspec.Struct, kw_only=True):
    """What came over one of the recorder's connections.

    Attributes:
        lag_max_ns: the longest a message took, its skew taken away.
    """

    name: str
    skew_ns: Nanos
    messages: int = 0
    lag_max_ns: Nanos = 0


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Where the recorder knew of a loss (a broken connection or missing messages), or was told to wait."""

    at_ns: Nanos
    connection: str
    what: ConnectionKind
    text: str


class TapeInfo(msgspec.Struct, kw_only=True):
    """What a tape holds.

    Attributes:
        messages, rows: by kind.
        silence_ns, silence_at_ns: the longest time in which nothing reached the venue, and when it began.
    """

    path: str
    size_bytes: int
    schema_version: int
    venue: str
    source: str
    content_hash: str
    row_base: int
    first_ns: Nanos
    last_ns: Nanos
    messages: dict[str, int]
    rows: dict[str, int]
    instruments: list[InstrumentInfo]
    connections: list[ConnectionInfo]
    gaps: list[Gap]
    silence_ns: Nanos
    silence_at_ns: Nanos


def tape_info(path: str | os.PathLike[str]) -> TapeInfo:
    """Read a tape once and say what it holds; raises `TapeError` where it does not read."""
    tape = open_tape(path)
    about = _empty(tape)
    by_symbol = {each.instrument.symbol: each for each in about.instruments}
    books = {each.instrument.symbol: Book(each.instrument) for each in about.instruments}
    reached_ns = tape.first_ns
    for connection, (_, reach_ns, deliver_ns, event) in tape.arrivals():
        if reach_ns - reached_ns > about.silence_ns:
            about.silence_ns, about.silence_at_ns = reach_ns - reached_ns, reached_ns
        reached_ns = reach_ns
        line = about.connections[connection]
        line.messages += 1
        line.lag_max_ns = max(line.lag_max_ns, deliver_ns - reach_ns)
        if isinstance(event, ConnectionEvent):
            _count(about, event.what.value, 1)
            if event.what in (ConnectionKind.DROPPED, ConnectionKind.GAP, ConnectionKind.RATE_LIMITED):
                about.gaps.append(Gap(at_ns=reach_ns, connection=event.connection, what=event.what, text=event.text))
            continue
        _count(about, str(event.__struct_config__.tag), rows_of(event))
        each = by_symbol[event.symbol]
        each.messages += 1
        if isinstance(event, Trade):
            _trade(each, event)
        elif isinstance(event, BookSnapshot | BookUpdate):
            book = books[event.symbol]
            book.apply(event)
            each.snapshots += isinstance(event, BookSnapshot)
            each.crossed += book.is_crossed
    return about


def _empty(tape: Tape) -> TapeInfo:
    last = {instrument.symbol: instrument for instrument in tape.instruments}  # of one symbol's several steps, the last
    return TapeInfo(
        path=str(tape.path),
        size_bytes=tape.path.stat().st_size,
        schema_version=tape.header.schema_version,
        venue=tape.venue,
        source=tape.header.source,
        content_hash=tape.content_hash,
        row_base=tape.header.row_base,
        first_ns=tape.first_ns,
        last_ns=tape.last_ns,
        messages=dict(tape.counts),
        rows={},
        instruments=[InstrumentInfo(instrument=instrument) for instrument in last.values()],
        connections=[ConnectionInfo(name=it.name, skew_ns=it.skew_ns) for it in tape.connections],
        gaps=[],
        silence_ns=0,
        silence_at_ns=tape.first_ns,
    )


def _count(about: TapeInfo, kind: str, rows: int) -> None:
    about.rows[kind] = about.rows.get(kind, 0) + rows


def _trade(each: InstrumentInfo, trade: Trade) -> None:
    each.trades += 1
    each.volume_lots += trade.qty_lots
    each.low_ticks = trade.price_ticks if each.low_ticks is None else min(each.low_ticks, trade.price_ticks)
    each.high_ticks = trade.price_ticks if each.high_ticks is None else max(each.high_ticks, trade.price_ticks)
