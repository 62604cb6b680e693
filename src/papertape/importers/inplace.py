"""A feed of somebody else's files, read where they lie: what a run plays is the tape that an import of its span makes, in the user's cache.

The same events give the same tape, whatever they were read from, so its content hash is what such a feed is known by. It is found again by
what it was made from: each file's address, size and version (an ETag in a bucket; else when it was written), the keys of the scenario, and
how papertape reads. A kept tape that is not as it was written is made anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.importers.bucket import Remote
from papertape.importers.foreign import COLUMNS, FORMATS, import_foreign
from papertape.importers.importer import ImportReport
from papertape.importers.instrument import parse_instrument
from papertape.importers.mapping import read_columns
from papertape.importers.place import Place
from papertape.importers.run import IMPORTERS, import_capture
from papertape.importers.span import Span
from papertape.importers.template import Found, find_files
from papertape.model.errors import ConfigError, TapeError
from papertape.model.instrument import Instrument
from papertape.model.units import Nanos
from papertape.tape.builtin import cache_folder
from papertape.tape.files import Files, Lack

READ_AS: Final = 1
"""How files are read; another number wherever the same files would make another tape."""

KEPT_BYTES_MAX: Final = 20 << 30
"""The most that is kept of all feeds together; the newest stays however large it is."""

IN_USE_NS: Final = 6 * 3600 * 1_000_000_000
"""A tape that was asked for no longer ago than this, counted from when the newest was, may be in use, and stays."""

KINDS: Final = (*FORMATS, COLUMNS, *IMPORTERS)
"""Every format: other systems', and venues' frames as they came over the wire."""


class InPlace(msgspec.Struct, frozen=True):
    """What a run plays of some files.

    Attributes:
        path: of the tape that was made of them.
        origin_ns: when the first message was, be it in the span or before.
        notes: what is worth knowing of how they were read, a sentence each.
    """

    path: Path
    origin_ns: Nanos
    notes: tuple[str, ...]


class _Kept(msgspec.Struct, frozen=True):
    """What stands beside a kept tape."""

    sha256: str
    origin_ns: Nanos
    notes: tuple[str, ...]


def read_in_place(files: Files, span: Span, *, folder: Path, tell: Callable[[str], object] | None = None) -> InPlace:
    """The tape of a span of files: the kept one, or one that is made now and kept.

    Args:
        folder: what relative paths are relative to.
        tell: told in a sentence before anything is read.

    Raises:
        ConfigError: a key makes no sense together with what is there.
        TapeError: files are missing, do not read, hold nothing of the span, or change while they are read.
    """
    venue = files.venue
    instruments = [parse_instrument(text, venue, may_be_known=True, called="key `instrument`:") for text in files.instrument]
    twice = [each.symbol for at, each in enumerate(instruments) if any(each.symbol == other.symbol for other in instruments[:at])]
    if twice:
        raise ConfigError(f"key `instrument`: says twice what {twice[0]} is; expected each once")
    columns = _columns(files, folder)
    try:
        found = find_files(files, span, folder)
        key = _key(files, span, venue, instruments, columns, found.places)
        path = cache_folder() / "feeds" / f"{key}.parquet"
        kept = _found(path)
        if kept is None:
            with _alone(path):
                kept = _found(path)
                if kept is None and tell is not None:
                    tell(f"reading {files.name} ({len(found.places):,} files); the next run finds what is read now")
                kept = kept or _made(files, span, venue, instruments, columns, found, path)
                if _key(files, span, venue, instruments, columns, found.places) != key:
                    _side(path).unlink(missing_ok=True)
                    raise TapeError(f"{files.name}: changed while it was read; run it again when nobody writes there.")
            _make_room(path)
    except ConfigError as error:
        raise ConfigError(_in_keys(str(error))) from None
    with suppress(OSError):  # when it was used last
        os.utime(path)
    return InPlace(path, kept.origin_ns, kept.notes)


def _columns(files: Files, folder: Path) -> Mapping[str, Any] | Path | None:
    if files.format != COLUMNS:
        return None
    if files.columns is None:
        raise ConfigError(f'key `columns`: is missing; the format "{COLUMNS}" wants a file or a table that says which column is what')
    told = folder / Path(files.columns).expanduser() if isinstance(files.columns, str) else files.columns
    read_columns(told)
    return told


def _key(
    files: Files,
    span: Span,
    venue: str,
    instruments: Sequence[Instrument],
    columns: Mapping[str, Any] | Path | None,
    places: Sequence[Place],
) -> str:
    """By what a kept tape is found."""
    told = columns.read_text(encoding="utf-8") if isinstance(columns, Path) else columns
    facts = [READ_AS, files.format, files.missing, files.broken, span, venue, instruments, told, [_identity(place) for place in places]]
    return hashlib.sha256(msgspec.json.encode(facts, order="deterministic", enc_hook=str)).hexdigest()[:40]


def _identity(place: Place) -> tuple[str, int, str | int, int]:
    """A source's address, size and version."""
    if isinstance(place, Remote):
        return str(place), place.size, place.version(), place.changed_ns
    path = Path(str(place))
    try:
        status = path.stat()
    except OSError as error:
        raise TapeError(f"{path}: cannot be read: {error.strerror}.") from None
    return str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _made(
    files: Files,
    span: Span,
    venue: str,
    instruments: Sequence[Instrument],
    columns: Mapping[str, Any] | Path | None,
    found: Found,
    path: Path,
) -> _Kept:
    refuses = files.broken is Lack.REFUSE
    if files.format in IMPORTERS:
        report = import_capture(files.format, found.places, path, instruments=instruments, span=span, refuses=refuses)
    else:
        report = import_foreign(
            files.format, found.places, path, venue=venue, instruments=instruments, columns=columns, span=span, refuses=refuses
        )
    kept = _Kept(_hash(path), report.origin_ns, tuple(_notes(files, found, report)))
    side = _side(path)
    half = side.with_name(f".{side.name}.{os.getpid()}")
    half.write_bytes(msgspec.json.encode(kept))
    half.replace(side)
    return kept


def _notes(files: Files, found: Found, report: ImportReport) -> Iterator[str]:
    if found.lacking:
        yield f"{files.name}: played without the days that it has no file of: {', '.join(found.lacking)}"
    if report.unparsed_count:
        first = report.unparsed[0]
        yield (
            f"{files.name}: left out {report.unparsed_count:,} rows that make no sense; the first is row {first.line} of {first.file}: "
            f"{first.why}"
        )
    for verb, tally in (("left out", report.skipped), ("adjusted", report.adjusted)):
        for why, count in tally.items():
            yield f"{files.name}: {verb}: {count:,} {why}"


def _side(path: Path) -> Path:
    return path.with_suffix(".json")


def _found(path: Path) -> _Kept | None:
    """What is kept under a path, if it is as it was written."""
    try:
        kept = msgspec.json.decode(_side(path).read_bytes(), type=_Kept)
        return kept if _hash(path) == kept.sha256 else None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """As long as it lasts no other process makes this tape: a sweep's workers fetch what they share once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_suffix(".lock").open("wb")
    except OSError as error:
        raise ConfigError(
            f"{path.parent}: nothing can be kept there: {error.strerror}. Let PAPERTAPE_CACHE name a folder that may be written to."
        ) from None
    with file:
        with suppress(ImportError):  # no such thing on Windows; there several may make the same tape, and the last stays
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
            for half in path.parent.glob(f".{path.name}.*.part"):
                half.unlink(missing_ok=True)  # of a process that was killed
        yield


def _make_room(newest: Path) -> None:
    """Forget what was used longest ago, until all that is kept is within bounds."""
    kept = []
    for path in newest.parent.glob("*.parquet"):
        with suppress(OSError):
            status = path.stat()
            kept.append((status.st_mtime_ns, status.st_size, path))
    kept.sort(reverse=True)
    total = 0
    for used_ns, size, path in kept:
        total += size
        if total > KEPT_BYTES_MAX and path != newest and kept[0][0] - used_ns > IN_USE_NS:
            for each in (_side(path), path):
                each.unlink(missing_ok=True)


def _in_keys(text: str) -> str:
    """A sentence for the command line in the words of a scenario."""
    words = {
        "papertape import: ": "",
        "--format columns: ": "",
        "by exactly one `--instrument`, such as `--instrument BTC/USDT=0.01,0.00001`": 'by one instrument = "BTC/USDT=0.01,0.00001"',
        "such as `--instrument BTC/USDT=0.01,0.00001`": 'such as instrument = "BTC/USDT=0.01,0.00001"',
        "`--instrument`": "`instrument`",
        "`--instrument ": "`instrument = ",
    }
    for ours, theirs in words.items():
        text = text.replace(ours, theirs)
    return text
