"""`papertape import`: a venue's recorded frames, or what another system keeps, in; a tape out."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from papertape.importers import COLUMNS, FORMATS, IMPORTERS, ImportReport, import_foreign
from papertape.importers import import_capture as run_import
from papertape.importers.instrument import parse_instrument
from papertape.importers.span import Span
from papertape.model.errors import ConfigError
from papertape.model.units import format_duration, moment_ns
from papertape.venues import VENUES

UNPARSED_SHOWN_MAX: Final = 20


def import_capture(
    *captures: Path,
    venue: str,
    out: Path,
    format: str | None = None,
    instrument: Annotated[list[str] | None, Parameter(negative="")] = None,
    columns: Path | None = None,
    start: str | None = None,
    end: str | None = None,
) -> int:
    """Make a tape from a venue's recorded frames, or from files of another system.

    Lines that do not parse are left out, counted, and shown on stderr with their numbers.

    Parameters
    ----------
    captures
        The recording's files in the order of time: lines `<recv_ns> <frame>` or JSON lines; plain, .gz or .zst. With `--format` what that
        system keeps: tables of hftbacktest (.npz, .npy), a catalog of nautilus (its folder, or some of its files), CSV files of tardis
        or of Binance's archive (binance-vision), plain or packed.
    venue
        Whose frames: coinbase, coinbase-exchange, binance, binanceusdm or kraken. With `--format` any venue's name.
    out
        Where the tape goes.
    format
        Of which system the files are: hftbacktest, nautilus, tardis, binance-vision, ohlcv (bars as ccxt has them), or columns: any CSV
        or Parquet, by the file of `--columns`. A venue's own frames if left out.
    instrument
        SYMBOL=TICK,LOT, such as BTC/USD=0.01,0.00000001, for an instrument whose steps are in no product list; with `--format` the SYMBOL
        alone where papertape has a table of the venue. May be given several times.
    columns
        With `--format columns`, a TOML file that says which column is what; docs/importing.md shows some.
    start
        Only what reached the venue from then on, begun by the books as they are by then: an ISO 8601 time, or a duration from the first
        message.
    end
        Only what reached the venue before then, likewise.
    """
    span = Span(_moment("--start", start), _moment("--end", end))
    if format is not None:
        formats = [*FORMATS, COLUMNS]
        if format not in formats:
            raise ConfigError(f'--format: no format is called "{format}"; there are {", ".join(formats)}{_near(format, formats)}')
        known = [*IMPORTERS, *VENUES]
        if venue not in known and (hint := _near(venue, known)):
            raise ConfigError(f'--venue: no venue is called "{venue}"{hint}')
        given = [parse_instrument(text, venue, may_be_known=True) for text in instrument or []]
        _say(import_foreign(format, captures, out, venue=venue, instruments=given, columns=columns, span=span), "rows")
        return 0
    if columns is not None:
        raise ConfigError(f"--columns: goes with `--format {COLUMNS}`")
    if venue not in IMPORTERS:
        raise ConfigError(f'--venue: no importer is called "{venue}"; there are {", ".join(IMPORTERS)}{_near(venue, IMPORTERS)}')
    given = [parse_instrument(text, venue) for text in instrument or []]
    _say(run_import(venue, captures, out, instruments=given, span=span), "frames")
    return 0


def _moment(option: str, text: str | None) -> str | None:
    try:
        if text is not None:
            moment_ns(text, 0)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None
    return text


def _near(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return f'; did you mean "{near[0]}"?' if near else ""


def _say(report: ImportReport, unit: str) -> None:
    counts = ", ".join(f"{count:,} {kind}" for kind, count in report.counts.items())
    span = format_duration((report.last_ns - report.first_ns) // 1_000_000 * 1_000_000)
    print(f"{report.out}: {counts} from {report.frames:,} {unit}; {report.rows:,} rows, {span}, content hash {report.content_hash[:16]}")
    for instrument in report.instruments:
        print(f"  {instrument.symbol}: tick {instrument.tick:f}, lot {instrument.lot:f}")
    for connection in report.connections:
        print(f"  connection {connection.name}: clock skew {format_duration(connection.skew_ns)}")
    for reason, count in report.skipped.items():
        print(f"  left out: {count:,} {reason}")
    for reason, count in report.adjusted.items():
        print(f"  adjusted: {count:,} {reason}")
    if report.unparsed_count:
        print(
            f"papertape: {report.unparsed_count:,} {'lines do not parse' if unit == 'frames' else 'rows make no sense'} and were left out:",
            file=sys.stderr,
        )
        for line in report.unparsed[:UNPARSED_SHOWN_MAX]:
            print(f"  {line.file}:{line.line}: {line.why}", file=sys.stderr)
        if report.unparsed_count > UNPARSED_SHOWN_MAX:
            print(f"  and {report.unparsed_count - UNPARSED_SHOWN_MAX:,} more", file=sys.stderr)
