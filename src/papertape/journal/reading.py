"""A journal's file, read line by line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.journal.tail import TAIL
from papertape.model.errors import ConfigError

WRITES: Final = "`papertape run … --journal FILE` writes journals"


def journal_entries(path: Path) -> Iterator[dict[str, Any]]:
    """Every line of a journal's file, its tail too; a last line that was cut short is left out.

    Raises:
        ConfigError: it is missing, cannot be read, or is no journal.
    """
    for number, (line, entry) in enumerate(_lines(path), start=1):
        if entry is None:
            if number > 1 and not line.endswith(b"\n"):
                return  # whoever wrote it was killed
            raise _no_journal(path, number)
        yield entry


def whole_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Every line of a journal but its tail, each with its number `n`: for who wants to know whether two are the same.

    Raises:
        ConfigError: as of `journal_entries`, and where the last line was cut short.
    """
    for number, (_, entry) in enumerate(_lines(path), start=1):
        if entry is None or not isinstance(entry.get("n"), int):
            raise _no_journal(path, number)
        if entry["kind"] == TAIL:
            return
        yield entry


def _lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    """Each line, and what it says; None where it is no journal's."""
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    try:
        with path.open("rb") as lines:
            for line in lines:
                try:
                    entry: dict[str, Any] | None = decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    entry = None
                is_known = entry is not None and isinstance(entry.get("t"), int) and isinstance(entry.get("kind"), str)
                yield line, entry if is_known else None
    except FileNotFoundError:
        raise ConfigError(f"{path.as_posix()}: there is no such file; {WRITES}") from None
    except OSError as error:
        raise ConfigError(f"{path.as_posix()}: cannot be read: {error.strerror}; expected a journal, one file") from None


def _no_journal(path: Path, number: int) -> ConfigError:
    return ConfigError(f"{path.as_posix()}: line {number} is no journal line; {WRITES}")
