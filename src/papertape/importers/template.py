"""Which files a path template names: one for each day and symbol, in the order of the days."""

from __future__ import annotations

import difflib
import glob
import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from papertape.importers.bucket import Bucket, Remote, settings
from papertape.importers.foreign import FOLDERS
from papertape.importers.nautilus_table import tables_in
from papertape.importers.place import Place
from papertape.importers.span import Span
from papertape.model.errors import TapeError
from papertape.model.units import DAY, Nanos
from papertape.tape.files import BUCKETS, Files, Lack

FIELDS: Final = ("symbol", "date")
DAYS_MAX: Final = 20_000

_FIELD: Final = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Found(msgspec.Struct, frozen=True):
    """What a template names.

    Attributes:
        lacking: days of which there is no file, as they are written in a message.
    """

    places: list[Place]
    lacking: tuple[str, ...]


def check_template(path: str, symbols: Sequence[str], span: Span) -> None:
    """Raise ValueError, with what is to be mended, for a template that cannot be filled in."""
    for name, written in _FIELD.findall(path):
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, 1)
            raise ValueError(f"there is no {{{name}}}" + (f"; did you mean {{{near[0]}}}?" if near else "; there are {symbol} and {date}"))
        if name == "symbol" and written:
            raise ValueError("{symbol} takes no format; `symbol` is put in as it stands")
        if name == "symbol" and not symbols:
            raise ValueError("has {symbol}, and no key `symbol` says what stands for it")
        if name == "date" and None in span.known:
            raise ValueError('has {date}, which wants `start` and `end` as dates, such as start = "2026-01-05", end = "2026-01-07"')
        if written and "%" not in written:
            raise ValueError(f"{{date:{written}}} says no part of a date; expected something like {{date:%Y-%m-%d}}")
    if "{" in _FIELD.sub("", path) or "}" in _FIELD.sub("", path):
        raise ValueError("has a brace without its other half")
    start_ns, end_ns = span.known
    if start_ns is not None and end_ns is not None and "{date" in path and end_ns - start_ns > DAYS_MAX * DAY:
        raise ValueError(f"start and end are more than {DAYS_MAX:,} days apart")


def find_files(files: Files, span: Span, folder: Path, environment: Mapping[str, str] = os.environ) -> Found:
    """The files, each once.

    Args:
        folder: what relative paths are relative to.

    Raises:
        ConfigError: a bucket wants keys, and there are none.
        TapeError: there are none at all, or some are missing and may not be.
    """
    stores: dict[str, Bucket] = {}
    places: dict[str, Place] = {}
    had: dict[str, bool] = {}  # each day, or "" where the template has none
    for _, day, pattern in sorted(filled(files, span), key=lambda each: each[0]):
        if pattern.startswith(BUCKETS):
            name, _, rest = pattern.removeprefix(BUCKETS).partition("/")
            if name not in stores:
                stores[name] = Bucket(name, settings(files.endpoint, files.region, files.anonymous, environment), environment)
            found: Sequence[Place] = _of_format(stores[name].find(rest, takes_folders=files.format in FOLDERS), files.format)
        else:
            found = _on_disk(folder, Path(pattern).expanduser(), files.format)
        if not found and not day:
            raise TapeError(f"{pattern}: there is no such file; expected data of {files.format}.")
        had[day] = had.get(day, False) or bool(found)
        places.update((str(place), place) for place in found)
    lacking = tuple(day for day, is_there in had.items() if not is_there)
    if not places:
        raise TapeError(f"{files.name}: there is no file of any day from {lacking[0]} to {lacking[-1]}; expected data of {files.format}.")
    if lacking and files.missing is Lack.REFUSE:
        raise TapeError(
            f"{files.name}: there is no file of {_listed(lacking)}, and a market with a hole in it is no market. Fetch what is missing, or "
            'let the feed be played without: missing = "skip".'
        )
    return Found(list(places.values()), lacking)


def filled(files: Files, span: Span) -> list[tuple[int, str, str]]:
    """(the place of its day, its day, a path with nothing left to be filled in), of every path, symbol and day."""
    found: dict[str, tuple[int, str, str]] = {}
    for path in files.path:
        names = [name for name, _ in _FIELD.findall(path)]
        for number, moment in enumerate(_days(*span.known) if "date" in names else [None]):
            for symbol in files.symbol if "symbol" in names else ("",):
                made = _FIELD.sub(_filler(symbol, moment), path)
                found.setdefault(made, (number, "" if moment is None else f"{moment:%Y-%m-%d}", made))
    return list(found.values())


def _filler(symbol: str, moment: datetime | None) -> Callable[[re.Match[str]], str]:
    def fill(field: re.Match[str]) -> str:
        return symbol if field[1] == "symbol" or moment is None else moment.strftime(field[2] or "%Y-%m-%d")

    return fill


def _days(start_ns: Nanos | None, end_ns: Nanos | None) -> list[datetime]:
    """Every day of a span, UTC."""
    assert start_ns is not None
    assert end_ns is not None
    return [_EPOCH + timedelta(days=day) for day in range(start_ns // DAY, (end_ns - 1) // DAY + 1)]


def _on_disk(folder: Path, pattern: Path, format: str) -> list[Path]:
    wild = os.path.join(glob.escape(str(folder)), pattern)
    found = [folder / pattern] if (folder / pattern).exists() else [Path(each) for each in sorted(glob.glob(wild, recursive=True))]
    if format in FOLDERS:
        return [each for path in found for each in (tables_in(path) if path.is_dir() else [path])]
    for path in found:
        if path.is_dir() and len(found) == 1:
            raise TapeError(f"{path}: is a folder; expected files of {format}, such as {path}/*.")
    return [path for path in found if path.is_file()]


def _of_format(found: Sequence[Remote], format: str) -> list[Remote]:
    """Of a catalog's folder its tables alone."""
    return [each for each in found if each.suffix == ".parquet"] if format in FOLDERS else list(found)


def _listed(days: Sequence[str]) -> str:
    return ", ".join(days) if len(days) <= 5 else f"{', '.join(days[:4])} and {len(days) - 4} more days"
