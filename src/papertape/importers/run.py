"""Import a capture: two passes over it, first for the instruments, then for what happened."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec

from papertape.importers.binance import BinanceImporter, BinanceUsdmImporter
from papertape.importers.capture import Kind, Record
from papertape.importers.coinbase import CoinbaseImporter
from papertape.importers.coinbase_exchange import CoinbaseExchangeImporter
from papertape.importers.importer import UNTIMED, Importer, ImportReport, Tally, Unparsed
from papertape.importers.kraken import KrakenImporter
from papertape.importers.place import Place
from papertape.importers.reading import Reading
from papertape.importers.source import refusal
from papertape.importers.span import Span, SpanOver, SpanWriter
from papertape.model.errors import ConfigError, TapeError
from papertape.model.event import ConnectionEvent, ConnectionKind
from papertape.model.instrument import Instrument
from papertape.model.units import Nanos
from papertape.tape.stamping import Stamping

IMPORTERS: Final[dict[str, Callable[[], Importer]]] = {
    "coinbase": CoinbaseImporter,
    "coinbase-exchange": CoinbaseExchangeImporter,
    "binance": BinanceImporter,
    "binanceusdm": BinanceUsdmImporter,
    "kraken": KrakenImporter,
}
"""What `papertape import --venue` knows."""

UNPARSED_MAX: Final = 100
"""So many broken lines a report quotes; it counts all."""

_UNPARSEABLE: Final = (ValueError, KeyError, msgspec.DecodeError)  # a dialect's ways to say that a frame makes no sense


def import_capture(
    venue: str,
    paths: Sequence[str | os.PathLike[str] | Place],
    out: str | os.PathLike[str],
    *,
    instruments: Sequence[Instrument] = (),
    span: Span | None = None,
    refuses: bool = False,
) -> ImportReport:
    """Make a tape of a capture.

    Args:
        venue: one of `IMPORTERS`.
        paths: the capture's files in the order of time; plain, .gz or .zst.
        instruments: steps that are in no product list; they win over those that are.
        span: only what lies in it, begun by the books as they are by then.
        refuses: a line that makes no sense is an error.

    Raises `ConfigError` for an unknown venue or an instrument whose steps nobody knows, `TapeError` where a file does not read, holds
    nothing, or is out of order. A line that makes no sense is counted and reported, nothing more.
    """
    make = IMPORTERS.get(venue)
    if make is None:
        near = difflib.get_close_matches(venue, IMPORTERS, 1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise ConfigError(f'--venue: no importer is called "{venue}"; there are {", ".join(IMPORTERS)}.{hint}')
    files = [_readable(Path(path)) if isinstance(path, str | os.PathLike) else path for path in paths]
    if not files:
        raise ConfigError("papertape import: name at least one capture file.")
    readings = _readings(make(), venue, files, instruments)
    return _Import(venue, make(), files, Path(out), readings, span or Span(), refuses).run()


class _Import:
    """The second pass."""

    def __init__(
        self, format: str, importer: Importer, files: Sequence[Place], out: Path, readings: Mapping[str, Reading], span: Span, refuses: bool
    ) -> None:
        self._refuses = refuses
        self._importer = importer
        self._files = files
        self._readings = readings
        self._unparsed: list[Unparsed] = []
        self._unparsed_count = 0
        self._frames = 0
        self._clamped = Tally()
        self._local_ns: Nanos = 0
        self._connections: dict[str, int] = {}
        source = f"{format} capture: " + ", ".join(path.name for path in files)
        instruments = [reading.instrument for reading in readings.values()]
        self._writer = SpanWriter(out, span, venue=importer.venue, instruments=instruments, connections=(), source=source)
        self._stamping = Stamping(self._writer)

    def run(self) -> ImportReport:
        with self._writer as writer:
            with suppress(SpanOver):
                for record in _in_order(self._importer.records(self._files)):
                    self._take(record)
            if self._stamping.waiting or writer.first_seen_ns is None:
                raise TapeError(self._nothing())
            writer.check_begun(self._files)
        header = writer.close()
        return ImportReport(
            out=writer.path,
            venue=writer.venue,
            content_hash=header.content_hash,
            rows=header.rows,
            frames=self._frames,
            counts=header.counts,
            skipped=dict(self._importer.skipped),
            adjusted={**self._clamped, **self._rounded()},
            unparsed=tuple(self._unparsed),
            unparsed_count=self._unparsed_count,
            instruments=writer.instruments,
            connections=header.connections,
            first_ns=header.first_ns,
            last_ns=header.last_ns,
            origin_ns=writer.first_seen_ns,
        )

    def _take(self, record: Record) -> None:
        if record.kind is Kind.BROKEN:
            self._reject(record, record.payload.decode("utf-8", "replace"))
            return
        if record.kind is Kind.OTHER or record.kind is Kind.ANSWER:
            return
        if record.local_ns < self._local_ns:
            # The recorder's clock was set back, as NTP does; the order of arrival is still that of the lines.
            self._clamped.add("lines from when the recorder's clock was set back, stamped with the time before")
            record = msgspec.structs.replace(record, local_ns=self._local_ns)
        self._local_ns = record.local_ns
        connection = self._connections.get(record.connection)
        if connection is None:
            connection = self._connections[record.connection] = self._writer.add_connection(record.connection)
        if record.kind is not Kind.FRAME:
            self._stamping.write(_connection_event(record), connection)
        else:
            self._frames += 1
        try:
            events = list(self._importer.events(record, self._readings))
        except _UNPARSEABLE as error:
            self._reject(record, f"no instrument is called {error}" if isinstance(error, KeyError) else str(error))
            return
        for event in events:
            self._stamping.write(event, connection)

    def _reject(self, record: Record, why: str) -> None:
        if self._refuses:
            raise refusal(f"{record.file}:{record.line}", why)
        self._unparsed_count += 1
        if len(self._unparsed) < UNPARSED_MAX:
            self._unparsed.append(Unparsed(record.file, record.line, why))

    def _rounded(self) -> dict[str, int]:
        count = sum(reading.lots.rounded for reading in self._readings.values())
        return {"amounts between two lots, rounded down": count} if count else {}

    def _nothing(self) -> str:
        names = ", ".join(str(path) for path in self._files)
        if self._unparsed:
            first = self._unparsed[0]
            where = f"{first.file}:{first.line}"
            return f"{names}: nothing to import: {self._unparsed_count} lines do not parse; the first is {where}: {first.why}."
        return f"{names}: nothing to import: no frame tells what happened and when. Is it a capture of another venue?"


def _connection_event(record: Record) -> ConnectionEvent:
    what = ConnectionKind.OPENED if record.kind is Kind.OPENED else ConnectionKind.DROPPED
    text = record.payload.decode("utf-8", "replace")
    return ConnectionEvent(venue_ns=UNTIMED, local_ns=record.local_ns, symbol="", connection=record.connection, what=what, text=text)


def _in_order(records: Iterator[Record]) -> Iterator[Record]:
    """The records, if no file begins before the file that precedes it."""
    previous, begun_ns = "", 0
    for file, group in groupby(records, key=lambda record: record.file):
        is_first = True
        for record in group:
            if is_first and record.kind is not Kind.BROKEN:
                if record.local_ns < begun_ns:
                    raise TapeError(f"{file}: begins before {previous}, which was named before it; name the files in the order of time.")
                previous, begun_ns, is_first = file, record.local_ns, False
            yield record


def _readings(importer: Importer, venue: str, files: Sequence[Place], given: Sequence[Instrument]) -> dict[str, Reading]:
    """The first pass: every instrument that the capture is about, by the venue's name, in the order of first mention."""
    known: dict[str, Instrument] = {instrument.venue_symbol: instrument for instrument in _table(importer.venue)}
    mentioned: dict[str, None] = {}
    for record in importer.records(files):
        try:
            if record.kind is Kind.ANSWER:
                known.update({instrument.venue_symbol: instrument for instrument in importer.listed(record)})
            elif record.kind is Kind.FRAME:
                mentioned.update(dict.fromkeys(importer.mentions(record)))
        except (ArithmeticError, *_UNPARSEABLE):
            continue  # the second pass reports it
    known.update({instrument.venue_symbol: instrument for instrument in given})
    mentioned.pop("", None)
    missing = [name for name in mentioned if name not in known]
    if missing:
        raise ConfigError(
            f"{files[0]}: the capture is about {', '.join(missing)}, whose tick and lot neither its product list nor the table of {venue} "
            "has. Say `--instrument SYMBOL=TICK,LOT`, such as `--instrument BTC/USD=0.01,0.00000001`."
        )
    if not mentioned:
        raise TapeError(f"{files[0]}: nothing to import: no frame names an instrument. Is it a capture of another venue than {venue}?")
    return {name: Reading(known[name]) for name in mentioned}


def _table(venue: str) -> tuple[Instrument, ...]:
    """What is known of a venue's markets without asking it."""
    from papertape.venues import VENUES

    rules = VENUES.get(venue)
    return rules.instruments if rules else ()


def _readable(path: Path) -> Path:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise TapeError(f"{path}: {what}; expected a capture.")
    return path
