"""A journal's file, read line by line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.model.errors import ConfigError

WRITES: Final = "`papertape run … --journal FILE` writes journals"


def journal_entries(path: Path) -> Iterator[dict[str, Any]]:
    """Every line of a journal's file, its tail too; a last line that was cut short is left out.

    Raises:
        ConfigError: it is missing, cannot be read, or is no journal.
    """
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    entry = decode(line)
                    if not (isinstance(entry["t"], int) and isinstance(entry["kind"], str)):
                        raise KeyError
                except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
                    if number > 1 and not line.endswith(b"\n"):
                        return  # whoever wrote it was killed
                    raise ConfigError(f"{path.as_posix()}: line {number} is no journal line; {WRITES}") from None
                yield entry
    except FileNotFoundError:
        raise ConfigError(f"{path.as_posix()}: there is no such file; {WRITES}") from None
    except OSError as error:
        raise ConfigError(f"{path.as_posix()}: cannot be read: {error.strerror}; expected a journal, one file") from None
