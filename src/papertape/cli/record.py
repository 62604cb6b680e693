"""`papertape record`: a venue's public streams in, tapes out, until somebody says stop."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from papertape.cli.progress import Tally
from papertape.cli.tape import Flag, said_of
from papertape.exchanges.factory import ExchangeFactory
from papertape.model.errors import ConfigError, TapeError
from papertape.model.instrument import Instrument
from papertape.model.units import MILLISECOND, SECOND, Nanos, format_duration, parse_duration
from papertape.recorder import Recorder, RecorderSettings, Reel, Rotation, left_behind, repair
from papertape.recorder.recorder import CHANNELS, Recording
from papertape.recorder.reel import Finished
from papertape.runtime.chance import Chance
from papertape.runtime.clock import Clock, LoopClock, wall_seconds

DEFAULT_CHANNELS: Final = ("book", "trades")
SCHEMES: Final = {"rest": ("http", "https"), "stream": ("ws", "wss")}


def record(
    venue: str,
    /,
    *symbols: str,
    out: Path = Path(),
    rotate: str = "1h",
    channel: list[str] | None = None,
    lasts: str | None = None,
    probe: str = "10s",
    rest: str = "",
    stream: str = "",
    json: Flag = False,
) -> int:
    """Record a venue's public streams into tapes: what came, when, and every outage on the way. No key is needed.

    Ctrl-C or SIGTERM ends it and finishes the tape. If it is killed, at most the last second is lost: the next `papertape record` into the
    same folder, or `papertape tape repair`, makes a tape of what is there.

    Parameters
    ----------
    venue
        Whose streams, such as coinbase.
    symbols
        Of what, such as BTC/USD.
    out
        The folder for the tapes; this one if left out.
    rotate
        When a tape is full and the next begins: 1h, 256MB, or both as 1h,256MB.
    channel
        book, trades, ticker or candles; book and trades if left out. May be given several times.
    lasts
        Stop after so long, such as 10m, counted from the beginning of the first tape; never if left out.
    probe
        How often REST is asked for the time, so that its latency and its rate limits are on the tape; 0s is never.
    rest
        Another URL than the venue's own for requests, such as the "http" that `papertape serve` says.
    stream
        Another URL for the stream, such as the "ws" that it says.
    json
        On stdout one JSON object for each finished tape instead of a line of text.
    """
    kind: Any = ExchangeFactory.kind(venue)
    if not hasattr(kind, "public_link"):
        able = [name for name in ExchangeFactory.known() if hasattr(ExchangeFactory.kind(name), "public_link")]
        raise ConfigError(f'record: "{venue}" has no public streams that can be recorded; {", ".join(able)} can')
    if not symbols:
        raise ConfigError(f"record: say what to record, such as `papertape record {venue} BTC/USD`")
    for symbol in symbols:
        if "/" not in symbol:
            hint = f'; did you mean "{symbol.replace("-", "/")}"?' if "-" in symbol else ", such as BTC/USD"
            raise ConfigError(f'record: "{symbol}" is no instrument as ccxt writes it{hint}')
    settings = _settings(channel or list(DEFAULT_CHANNELS), probe)
    rotation = _read(Rotation.parse, "rotate", rotate)
    lasts_ns = None if lasts is None else _read(parse_duration, "lasts", lasts)
    if lasts_ns == 0:
        raise ConfigError(f'record: --lasts "{lasts}": expected more than nothing')
    for name, url in (("rest", rest), ("stream", stream)):
        _check_url(name, url)
    _check_folder(out)
    _repair_all(out)

    def make_link(clock: Clock) -> Any:
        return kind.public_link(clock, rest=rest, stream=stream)

    print(
        f"recording {', '.join(symbols)} ({', '.join(settings.channels)}) at {venue} into {out}; a tape is full after {rotation}; "
        "Ctrl-C ends it",
        file=sys.stderr,
    )
    asyncio.run(_record(venue, symbols, make_link, settings, rotation, out, lasts_ns, _Printer(json=json)))
    return 0


async def _record(
    venue: str,
    symbols: Sequence[str],
    make_link: Callable[[Clock], Any],
    settings: RecorderSettings,
    rotation: Rotation,
    folder: Path,
    lasts_ns: Nanos | None,
    printer: _Printer,
) -> None:
    clock = LoopClock()

    def make_reel(instruments: Sequence[Instrument]) -> Reel:
        if lasts_ns is not None:
            clock.call_at_ns(clock.now_ns() + lasts_ns, recorder.stop)
        return Reel(
            folder, venue=venue, instruments=instruments, rotation=rotation, wall_ns=clock.wall_ns(), now_ns=clock.now_ns(),
            on_finished=printer.finished,
        )  # fmt: skip

    chance = Chance(clock.wall_ns())  # for the jitter of redials alone
    recorder = Recorder(make_link(clock), symbols, clock=clock, chance=chance, make_reel=make_reel, settings=settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt, and the spool stays
            loop.add_signal_handler(number, recorder.stop)
    watching = asyncio.ensure_future(_watch(recorder, printer))
    try:
        await recorder.run()
    finally:
        watching.cancel()
        printer.end(recorder.recording())


async def _watch(recorder: Recorder, printer: _Printer) -> None:
    while True:
        await asyncio.sleep(0.5)
        printer.show(recorder.recording())


class _Printer:
    """Tapes on stdout, how it goes on stderr."""

    def __init__(self, *, json: bool) -> None:
        self._json = json
        self._tally = Tally("rows")
        self._last = (wall_seconds(), 0)

    def finished(self, tape: Finished) -> None:
        header = tape.header
        if self._json:
            about = {"tape": str(tape.path), "rows": header.rows, "messages": header.counts, "content_hash": header.content_hash}
            about |= {"first_ns": header.first_ns, "last_ns": header.last_ns}
            print(msgspec.json.encode(about).decode(), flush=True)
        else:
            span = format_duration((header.last_ns - header.first_ns) // MILLISECOND * MILLISECOND)
            print(f"{tape.path}: {sum(header.counts.values()):,} messages in {header.rows:,} rows, {span}", flush=True)

    def show(self, recording: Recording) -> None:
        now_s, (then_s, rows) = wall_seconds(), self._last
        rate = (recording.rows - rows) / max(now_s - then_s, 1e-9)
        self._last = now_s, recording.rows
        lag = "" if recording.lag_ns is None else f", lag {format_duration(recording.lag_ns // MILLISECOND * MILLISECOND)}"
        state = "up" if recording.is_up else "DOWN"
        into = f"; {Path(recording.path).name}" if recording.path else ""
        self._tally.say(f"{recording.rows:,} rows, {rate:,.0f} a second{lag}, line {state}, {_losses(recording)}{into}")

    def end(self, recording: Recording) -> None:
        self._tally.say(f"{recording.rows:,} rows in all, {_losses(recording)}", is_last=True)
        self._tally.end()


def _losses(recording: Recording) -> str:
    """What was lost on the way."""
    return f"{recording.drops:,} dropped connection{'s' * (recording.drops != 1)}, {recording.gaps:,} gap{'s' * (recording.gaps != 1)}"


def _repair_all(folder: Path) -> None:
    """What an earlier recorder left in the folder becomes tapes; what cannot is said, and keeps nobody from recording."""
    for spool in left_behind(folder):
        try:
            print(said_of(repair(spool)), file=sys.stderr)
        except TapeError as error:
            print(f"papertape: {error}", file=sys.stderr)


def _settings(channels: Sequence[str], probe: str) -> RecorderSettings:
    for name in channels:
        if name not in CHANNELS:
            raise ConfigError(f'record: --channel "{name}": expected one of {", ".join(CHANNELS)}')
    probe_ns = _read(parse_duration, "probe", probe)
    if 0 < probe_ns < SECOND:
        raise ConfigError(f'record: --probe "{probe}": expected 1s or more, or 0s for never')
    return RecorderSettings(channels=tuple(CHANNELS[name] for name in dict.fromkeys(channels)), probe_every_ns=probe_ns)


def _read(read: Callable[[str], Any], name: str, text: str) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise ConfigError(f"record: --{name} {error}") from error


def _check_url(name: str, url: str) -> None:
    if not url:
        return
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        has_host = False
    if not has_host or parts.scheme not in SCHEMES[name]:
        example = f"{SCHEMES[name][0]}://127.0.0.1:8080"
        raise ConfigError(f'record: --{name} "{url}": expected a URL such as {example}')
    if parts.username is not None or parts.query:
        raise ConfigError(f"record: --{name}: a URL with a name, password or query in it is not taken, so that none gets onto a tape")


def _check_folder(folder: Path) -> None:
    """Find out before anything is recorded whether there is a place for it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise TapeError(f"record: --out {folder}: cannot write there: {error.strerror or error}. Choose another folder.") from error
