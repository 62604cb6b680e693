"""Import what another system keeps: files of a known format in, a tape out."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from papertape.importers.columns import ColumnsSource
from papertape.importers.hftbacktest import HftbacktestSource
from papertape.importers.importer import ImportReport
from papertape.importers.nautilus import NautilusSource
from papertape.importers.ohlcv import OhlcvSource
from papertape.importers.place import Place
from papertape.importers.source import Ledger, Source
from papertape.importers.span import Span, SpanOver, SpanWriter
from papertape.importers.tardis import TardisSource
from papertape.importers.vision import VisionSource
from papertape.model.errors import ConfigError, TapeError
from papertape.model.instrument import Instrument
from papertape.tape.stamping import Stamping

FORMATS: Final[dict[str, Callable[[Sequence[Place], str, Sequence[Instrument]], Source]]] = {
    "hftbacktest": HftbacktestSource,
    "nautilus": NautilusSource,
    "tardis": TardisSource,
    "binance-vision": VisionSource,
    "ohlcv": OhlcvSource,
}
"""What `papertape import --format` knows: made of (paths, venue, instruments that the user named)."""

COLUMNS: Final = "columns"
"""Any table, by a file that says which column is what."""

NAUTILUS: Final = "nautilus"

FOLDERS: Final[frozenset[str]] = frozenset((NAUTILUS,))
"""Those that keep a folder, not files."""


def import_foreign(
    format: str,
    paths: Sequence[str | os.PathLike[str] | Place],
    out: str | os.PathLike[str],
    *,
    venue: str,
    instruments: Sequence[Instrument] = (),
    columns: Path | Mapping[str, Any] | None = None,
    span: Span | None = None,
    refuses: bool = False,
) -> ImportReport:
    """Make a tape of files that are no capture.

    Args:
        format: one of `FORMATS`.
        paths: the files in the order of time.
        venue: whose market it was; any name.
        instruments: their steps, where the format does not tell them.
        columns: of format "columns", the file that says which column is what, or its table.
        span: only what lies in it, begun by the book as it is by then.
        refuses: a row that makes no sense is an error.

    Raises `ConfigError` for an unknown format or an instrument that is missing, `TapeError` where a file does not read or holds nothing. A
    row that makes no sense is counted and reported, nothing more.
    """
    make = partial(ColumnsSource, columns=columns, span=span) if format == COLUMNS else FORMATS.get(format)
    if make is None:
        near = difflib.get_close_matches(format, (*FORMATS, COLUMNS), 1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise ConfigError(f'--format: no format is called "{format}"; there are {", ".join((*FORMATS, COLUMNS))}.{hint}')
    if columns is not None and format != COLUMNS:
        raise ConfigError(f"--columns: goes with `--format {COLUMNS}`, and the format is {format}")
    places = [Path(path) if isinstance(path, str | os.PathLike) else path for path in paths]
    if not places:
        raise ConfigError("papertape import: name at least one file.")
    for place in places:
        if not isinstance(place, Path):
            continue
        if not place.exists():
            raise TapeError(f"{place}: there is no such file; expected data of {format}.")
        if place.is_dir() and format not in FOLDERS:
            raise TapeError(f"{place}: is a folder; expected files of {format}.")
    source = make(places, venue, instruments) if format != NAUTILUS else NautilusSource(places, venue, instruments, span=span)
    ledger = Ledger(refuses=refuses)
    made_from = f"{format}: " + ", ".join(place.name for place in places)
    writer = SpanWriter(out, span or Span(), venue=venue, instruments=source.instruments, connections=source.connections, source=made_from)
    with writer:
        stamping = Stamping(writer)
        with suppress(SpanOver):
            for told in source.events(ledger):
                stamping.write(told.event, told.connection)
        if stamping.waiting or writer.first_seen_ns is None:
            raise TapeError(_nothing(places, ledger))
        writer.check_begun(places)
    header = writer.close()
    return ImportReport(
        out=writer.path,
        venue=venue,
        content_hash=header.content_hash,
        rows=header.rows,
        frames=ledger.rows,
        counts=header.counts,
        skipped=dict(ledger.skipped),
        adjusted=dict(ledger.adjusted),
        unparsed=tuple(ledger.unparsed),
        unparsed_count=ledger.unparsed_count,
        instruments=writer.instruments,
        connections=header.connections,
        first_ns=header.first_ns,
        last_ns=header.last_ns,
        origin_ns=writer.first_seen_ns,
    )


def _nothing(places: Sequence[Place], ledger: Ledger) -> str:
    names = ", ".join(str(place) for place in places)
    if ledger.unparsed:
        first = ledger.unparsed[0]
        return (
            f"{names}: nothing to import: {ledger.unparsed_count:,} rows make no sense; the first is row {first.line} of {first.file}: "
            f"{first.why}."
        )
    left = "; ".join(f"{count:,} {why}" for why, count in ledger.skipped.items())
    return f"{names}: nothing to import: no row tells of a book or a trade" + (f" ({left})." if left else ".")
