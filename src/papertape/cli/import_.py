"""`papertape import`: a venue's recorded frames in, a tape out."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from papertape.importers import IMPORTERS, ImportReport
from papertape.importers import import_capture as run_import
from papertape.model.errors import ConfigError
from papertape.model.instrument import Instrument
from papertape.model.units import exact, format_duration

UNPARSED_SHOWN_MAX: Final = 20


def import_capture(*captures: Path, venue: str, out: Path, instrument: Annotated[list[str] | None, Parameter(negative="")] = None) -> int:
    """Make a tape from a venue's recorded frames.

    Lines that do not parse are left out, counted, and shown on stderr with their numbers.

    Parameters
    ----------
    captures
        The recording's files in the order of time: lines `<recv_ns> <frame>` or JSON lines; plain, .gz or .zst.
    venue
        Whose frames: coinbase, coinbase-exchange or binance.
    out
        Where the tape goes.
    instrument
        SYMBOL=TICK,LOT, such as BTC/USD=0.01,0.00000001, for an instrument whose steps are in no product list. May be given several times.
    """
    if venue not in IMPORTERS:
        raise ConfigError(f'--venue: no importer is called "{venue}"; there are {", ".join(IMPORTERS)}')
    given = [parse_instrument(text, venue) for text in instrument or []]
    report = run_import(venue, captures, out, instruments=given)
    _say(report)
    return 0


def parse_instrument(text: str, venue: str) -> Instrument:
    """The instrument that `SYMBOL=TICK,LOT` describes.

    >>> parse_instrument("BTC/USDT=0.01,0.00001", "binance").venue_symbol
    'BTCUSDT'
    """
    symbol, equals, steps = text.partition("=")
    tick, comma, lot = steps.partition(",")
    try:
        if not equals or not comma or symbol.count("/") != 1:
            raise ValueError("expected SYMBOL=TICK,LOT, such as BTC/USD=0.01,0.00000001")
        venue_symbol = IMPORTERS[venue]().venue_symbol(symbol)
        return Instrument(symbol=symbol, venue_symbol=venue_symbol, tick=_step(tick), lot=_step(lot))
    except ValueError as error:
        raise ConfigError(f'--instrument "{text}": {error}') from error


def _step(text: str) -> Decimal:
    step = exact(text)
    if step <= 0:
        raise ValueError(f"a step must be above zero, not {text}")
    return step


def _say(report: ImportReport) -> None:
    counts = ", ".join(f"{count:,} {kind}" for kind, count in report.counts.items())
    span = format_duration((report.last_ns - report.first_ns) // 1_000_000 * 1_000_000)
    print(f"{report.out}: {counts} from {report.frames:,} frames; {report.rows:,} rows, {span}, content hash {report.content_hash[:16]}")
    for instrument in report.instruments:
        print(f"  {instrument.symbol}: tick {instrument.tick:f}, lot {instrument.lot:f}")
    for connection in report.connections:
        print(f"  connection {connection.name}: clock skew {format_duration(connection.skew_ns)}")
    for reason, count in report.skipped.items():
        print(f"  left out: {count:,} {reason}")
    for reason, count in report.adjusted.items():
        print(f"  adjusted: {count:,} {reason}")
    if report.unparsed_count:
        print(f"papertape: {report.unparsed_count:,} lines do not parse and were left out:", file=sys.stderr)
        for line in report.unparsed[:UNPARSED_SHOWN_MAX]:
            print(f"  {line.file}:{line.line}: {line.why}", file=sys.stderr)
        if report.unparsed_count > UNPARSED_SHOWN_MAX:
            print(f"  and {report.unparsed_count - UNPARSED_SHOWN_MAX:,} more", file=sys.stderr)
