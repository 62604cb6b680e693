"""`papertape tape …`: look at tapes, check, cut, merge and make them."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from papertape.model.errors import ConfigError, TapeError
from papertape.model.instrument import Instrument
from papertape.model.order import iso
from papertape.model.units import MICROSECOND, Nanos, format_duration, parse_duration, plain
from papertape.recorder import Repaired, left_behind
from papertape.recorder import repair as repair_spool
from papertape.session.result import ExitCode
from papertape.session.spec import FeedSpec
from papertape.tape.builtin import BUILTIN, PREFIX, resolve
from papertape.tape.catalog import Catalog
from papertape.tape.check import check_tape
from papertape.tape.edit import cut_tape, merge_tapes
from papertape.tape.header import Header
from papertape.tape.info import InstrumentInfo, TapeInfo, tape_info
from papertape.tape.reader import Tape, open_tape
from papertape.tape.synth import write_synth

Flag = Annotated[bool, Parameter(negative="")]

GAPS_SHOWN_MAX: Final = 20


def info(path: str, /, *, json: Flag = False) -> int:
    """Say what a tape holds, or which tapes a folder has.

    Parameters
    ----------
    path
        A tape, builtin:NAME, or a folder.
    json
        JSON on stdout instead of text: one object, for a folder one a line.
    """
    place = _place(path)
    if place.is_dir():
        return _folder(Catalog(place), json=json)
    about = tape_info(place)
    print(msgspec.json.encode(about).decode() if json else "\n".join(_described(about)))
    return ExitCode.PASSED


def check(*paths: str) -> int:
    """Find every fault of tapes; exit 1 if there is one.

    Parameters
    ----------
    paths
        Tapes, builtin:NAME, or folders of tapes.
    """
    if not paths:
        raise ConfigError("tape check: name at least one tape")
    code = ExitCode.PASSED
    for place in _expanded(paths):
        faults = check_tape(place)
        print(f"{place}: {'faulty' if faults else 'sound'}")
        for fault in faults:
            print(f"  {fault}")
        if faults:
            code = ExitCode.FAILED
    return code


def cut(path: str, out: Path, /, *, start: str | None = None, end: str | None = None) -> int:
    """Write a part of a tape as a tape of its own: rows keep their numbers, books begin as they stood.

    Parameters
    ----------
    path
        The tape to cut, or builtin:NAME.
    out
        Where the part goes.
    start
        A duration from the tape's beginning, such as 90s, or an ISO 8601 time; the beginning if left out.
    end
        Likewise, exclusive; the end if left out.
    """
    place = _place(path)
    try:
        start_ns, end_ns = FeedSpec(tape=path, start=start, end=end).window(open_tape(place).first_ns)
    except ValueError as error:
        raise ConfigError(f"tape cut: {error}") from error
    return _written(out, cut_tape(place, out, start_ns=start_ns, end_ns=end_ns))


def merge(*paths: str, out: Path) -> int:
    """Make one tape of several of the same venue, in the order of arrival.

    Parameters
    ----------
    paths
        The tapes; no two may tell of one instrument at the same time.
    out
        Where the new tape goes.
    """
    if not paths:
        raise ConfigError("tape merge: name at least one tape")
    return _written(out, merge_tapes([_place(path) for path in paths], out))


def repair(*paths: Path) -> int:
    """Make tapes of what `papertape record` left behind when it was killed, or when its disk was full.

    Whatever was not written whole at a spool's very end is cut off, and said. A spool is removed once its tape is there.

    Parameters
    ----------
    paths
        Spools (*.spool), or folders of them.
    """
    if not paths:
        raise ConfigError("tape repair: name at least one spool, or a folder")
    code = ExitCode.PASSED
    for path in paths:
        spools = left_behind(path) if path.is_dir() else [path]
        if not spools:
            print(f"{path}: nothing to repair")
        for spool in spools:
            try:
                print(said_of(repair_spool(spool)))
            except TapeError as error:
                print(error, file=sys.stderr)
                code = ExitCode.DATA
    return code


def said_of(repaired: Repaired) -> str:
    """What became of a spool, in a line."""
    torn = f"; {repaired.torn_bytes:,} bytes at its end were not whole and are lost" if repaired.torn_bytes else ""
    if repaired.damaged is not None:
        torn = f"; a line is damaged, and the {repaired.torn_bytes:,} bytes from there on could not be used: {repaired.damaged} is kept"
    if repaired.header is None:
        return f"{repaired.spool}: held nothing that a tape can hold{torn}"
    if repaired.was_done:
        return f"{repaired.spool}: {repaired.path} had been finished before; the spool is removed"
    header = repaired.header
    return f"{repaired.path}: {sum(header.counts.values()):,} messages in {header.rows:,} rows, from {repaired.spool.name}{torn}"


def synth(out: Path, /, *, seed: int = 0, duration: str = "10m", events_per_second: int = 40, market: str = "btc-usd") -> int:
    """Make a market from a seed: book and trades agree, and the same seed makes the same market everywhere.

    Parameters
    ----------
    out
        Where the tape goes.
    seed
        Which market.
    duration
        How long it is open, such as 60s or 1h.
    events_per_second
        About how many messages come a second.
    market
        What is traded, and how: btc-usd or eth-usd.
    """
    if market not in BUILTIN:
        near = difflib.get_close_matches(market, BUILTIN, 1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise ConfigError(f'tape synth: --market "{market}": expected one of {", ".join(BUILTIN)}{hint}')
    if events_per_second < 1:
        raise ConfigError(f"tape synth: --events-per-second {events_per_second}: expected a whole number from 1")
    try:
        duration_ns = parse_duration(duration)
    except ValueError as error:
        raise ConfigError(f"tape synth: --duration {error}") from error
    settings = msgspec.structs.replace(BUILTIN[market], seed=seed, duration_ns=duration_ns, events_per_second=events_per_second)
    return _written(out, write_synth(settings, out))


def _place(path: str) -> Path:
    return resolve(path, Path()) if path.startswith(PREFIX) else Path(path).expanduser()


def _expanded(paths: Sequence[str]) -> Iterator[Path]:
    for path in paths:
        place = _place(path)
        if not place.is_dir():
            yield place
            continue
        found = sorted(each for each in place.rglob("*.parquet") if not each.name.startswith("."))
        if not found:
            raise ConfigError(f"tape check: {place}: the folder has no tapes (*.parquet)")
        yield from found


def _written(out: Path, header: Header) -> int:
    span = _seconds(header.last_ns - header.first_ns)
    print(f"{out}: {sum(header.counts.values()):,} messages in {header.rows:,} rows, {span}, content hash {header.content_hash[:16]}")
    return ExitCode.PASSED


def _folder(catalog: Catalog, *, json: bool) -> int:
    if json:
        for tape in catalog:
            print(msgspec.json.encode(tape_info(tape.path)).decode())
    else:
        rows = [("tape", "venue", "symbols", "from", "span", "messages"), *(_listed(tape, catalog.folder) for tape in catalog)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for _, why in catalog.faulty:
        print(why, file=sys.stderr)
    return ExitCode.DATA if catalog.faulty else ExitCode.PASSED


def _listed(tape: Tape, folder: Path) -> tuple[str, ...]:
    symbols = " ".join(instrument.symbol for instrument in tape.instruments)
    name = tape.path.relative_to(folder).as_posix()
    return name, tape.venue, symbols, iso(tape.first_ns), _seconds(tape.last_ns - tape.first_ns), f"{sum(tape.counts.values()):,}"


def _described(about: TapeInfo) -> Iterator[str]:
    yield f"{about.path}: a tape of {about.venue}, schema {about.schema_version}, {about.size_bytes:,} bytes"
    yield f"source        {about.source or '(not said)'}"
    yield f"content hash  {about.content_hash}"
    yield f"span          {iso(about.first_ns)} to {iso(about.last_ns)}: {_seconds(about.last_ns - about.first_ns)}"
    if about.row_base:
        yield f"cut           its first row is row {about.row_base:,} of the tape it was cut from"
    yield ""
    yield f"{'kind':<12}{'messages':>12}{'rows':>14}"
    for kind, messages in about.messages.items():
        yield f"{kind:<12}{messages:>12,}{about.rows.get(kind, 0):>14,}"
    yield ""
    for each in about.instruments:
        yield from _instrument(each)
    yield ""
    for line in about.connections:
        skew = _signed(line.skew_ns)
        yield f"connection {line.name}: {line.messages:,} messages, clock skew {skew}, longest lag beyond it {_short(line.lag_max_ns)}"
    yield f"longest silence {_short(about.silence_ns)}, from {iso(about.silence_at_ns)}"
    yield from _gaps(about)


def _instrument(each: InstrumentInfo) -> Iterator[str]:
    it: Instrument = each.instrument
    yield (
        f"{it.symbol} ({it.venue_symbol}): tick {plain(it.tick)}, lot {plain(it.lot)}, least amount {plain(it.amount_min)}, least value "
        + (f"{plain(it.cost_min)} {it.quote}")
    )
    if each.trades and each.low_ticks is not None and each.high_ticks is not None:
        prices = f"{plain(it.price(each.low_ticks))} to {plain(it.price(each.high_ticks))}"
        yield f"  {each.trades:,} trades at {prices}, {plain(it.amount(each.volume_lots))} {it.base} in all"
    book = f"book snapshots: {each.snapshots:,}" if each.snapshots else "no book snapshot"
    yield f"  {each.messages:,} messages, {book}" + (f", CROSSED after {each.crossed:,} of them" if each.crossed else "")


def _gaps(about: TapeInfo) -> Iterator[str]:
    yield "no gaps" if not about.gaps else f"{len(about.gaps):,} gaps:"
    for gap in about.gaps[:GAPS_SHOWN_MAX]:
        yield f"  {iso(gap.at_ns)} {gap.connection} {gap.what.value}" + (f": {gap.text}" if gap.text else "")
    if len(about.gaps) > GAPS_SHOWN_MAX:
        yield f"  and {len(about.gaps) - GAPS_SHOWN_MAX:,} more; --json shows all"


def _seconds(ns: Nanos) -> str:
    return format_duration(ns // 1_000_000 * 1_000_000)


def _short(ns: Nanos) -> str:
    return format_duration(ns // MICROSECOND * MICROSECOND)


def _signed(ns: Nanos) -> str:
    """A skew: behind the venue, the recorder's clock surely is; ahead of it may also mean that the way is never shorter."""
    return f"{_short(abs(ns))} behind the venue's" if ns < 0 else f"{_short(ns)} ahead of the venue's, or on the way"
