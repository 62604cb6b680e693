"""Bars as ccxt has them, `[ms of the open, open, high, low, close, volume]`: a JSON list of such lists, one a line, or CSV.

What they hold that one might not expect:
- Nobody says how long a bar is: the shortest time between two of a file. Where one is missing there was no trade, or nobody looked.
- A bar is known when it is over, not when it opens. The last may not have been over when it was fetched; so it is left out, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec

from papertape.importers.capture import open_bytes, unreadable
from papertape.importers.place import Place
from papertape.importers.rows import column_of, csv_rows, in_order
from papertape.importers.source import Ledger, TextLots, TextSteps, Told
from papertape.model.errors import ConfigError, TapeError
from papertape.model.event import CandleEvent, MarketEvent
from papertape.model.instrument import Instrument
from papertape.model.units import MICROSECOND, MILLISECOND, SECOND, Nanos
from papertape.tape.header import Connection

_LOOK_AT: Final = 1_000
"""From how many bars their length is told."""

_UNITS: Final = {10: SECOND, 13: MILLISECOND, 16: MICROSECOND, 19: 1}
"""The unit of a time, by how many digits it has."""

_NAMES: Final = ("time", "open", "high", "low", "close", "volume")

Fields = tuple[str, ...]


class OhlcvSource:
    """One instrument's bars, in the order of time."""

    def __init__(self, paths: Sequence[Place], venue: str, instruments: Sequence[Instrument]) -> None:
        if len(instruments) != 1:
            raise ConfigError(
                "papertape import: bars do not say what they are about: say it by exactly one `--instrument`, such as "
                f"`--instrument BTC/USDT=0.01,0.00001`; {len(instruments)} were given."
            )
        self.instruments = instruments
        self.connections: Sequence[Connection | str] = (Connection("bars", 0),)
        self._paths = paths

    def events(self, ledger: Ledger) -> Iterator[Told]:
        lots = TextLots(self.instruments[0].lot)
        for path in self._paths:
            for _, _, event in in_order(path, self._of(path, lots, path == self._paths[-1], ledger), 0, ledger):
                yield Told(event)
        if lots.rounded:
            ledger.adjusted.add("amounts between two lots, rounded down", lots.rounded)

    def _of(self, path: Place, lots: TextLots, is_last: bool, ledger: Ledger) -> Iterator[tuple[int, MarketEvent]]:
        (instrument,) = self.instruments
        span_ns = _span(path)
        ticks = TextSteps(instrument.tick)
        held: tuple[int, MarketEvent] | None = None
        for number, fields in _bars(path):
            ledger.rows += 1
            try:
                if len(fields) < 6:
                    raise ValueError(f"{len(fields)} numbers; expected 6: time, open, high, low, close, volume")
                open_ns = _time(fields[0])
                first, high, low, last = map(ticks, fields[1:5])
                if not low <= min(first, last) <= max(first, last) <= high:
                    raise ValueError(f"low {fields[3]}, open {fields[1]}, close {fields[4]} and high {fields[2]} are in no order")
                event = CandleEvent(
                    venue_ns=open_ns + span_ns, local_ns=open_ns + span_ns, symbol=instrument.symbol, open_ns=open_ns, span_ns=span_ns,
                    open_ticks=first, high_ticks=high, low_ticks=low, close_ticks=last, volume_lots=lots(fields[5]),
                )  # fmt: skip
            except ValueError as error:
                ledger.reject(path, number, column_of(error, _NAMES, fields))
                continue
            if held is not None:
                yield held
            held = number, event
        if held is not None and is_last:
            ledger.skipped.add("bar: the last, which may not have been over when it was fetched")
        elif held is not None:
            yield held


def _span(path: Place) -> Nanos:
    """The shortest time between two bars."""
    opens = []
    for number, fields in _bars(path):
        try:
            opens.append(_time(fields[0]))
        except (ValueError, IndexError):
            continue  # told of when it is read
        if number > _LOOK_AT:
            break
    gaps = [later - earlier for earlier, later in pairwise(opens) if later > earlier]
    if not gaps:
        raise TapeError(f"{path}: {len(opens)} bars; expected at least two, since the time between them is how long a bar is.")
    return min(gaps)


def _bars(path: Place) -> Iterator[tuple[int, Fields]]:
    """Each bar's numbers as text, and which it is, counted from 1."""
    if any(suffix == ".json" or suffix == ".jsonl" for suffix in path.suffixes):
        yield from enumerate(_json_bars(path), 1)
        return
    for number, row in csv_rows(path):
        if number == 1 and not row[0].strip().replace(".", "").isdecimal():
            continue  # a header; the columns are in this order whatever they are called
        yield number, tuple(field.strip() for field in row)


def _json_bars(path: Place) -> Iterator[Fields]:
    decode = msgspec.json.Decoder(float_hook=str).decode  # a price keeps the digits that were written
    damaged: tuple[type[Exception], ...] = (*unreadable(), msgspec.DecodeError, UnicodeDecodeError)
    try:
        with open_bytes(path) as stream:
            data: Any = stream.read()
            whole = decode(data) if data.lstrip().startswith(b"[[") else [decode(line) for line in data.splitlines() if line.strip()]
    except damaged as error:
        raise TapeError(f"{path}: does not read as bars: {error}. Expected [[ms, open, high, low, close, volume], …].") from error
    for bar in whole:
        yield tuple("" if number is None else str(number) for number in bar) if isinstance(bar, list) else ()


def _time(text: str) -> Nanos:
    whole = text.removesuffix(".0")
    unit = _UNITS.get(len(whole)) if whole.isascii() and whole.isdecimal() else None
    if unit is None:
        raise ValueError(f'"{text}" is no time in seconds, milliseconds, microseconds or nanoseconds since 1970-01-01')
    return int(whole) * unit
