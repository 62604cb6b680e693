"""The gate's log: append-only, one JSON object a line, each with the hash of the one before, on the disk before what it tells of is done.

It is what the gate knows after a restart, so a line that was changed, left out or torn away is an error and not a guess. Only a last line
without its end is cut off: it was never on the disk whole, so nothing was sent for it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from papertape.model.errors import ConfigError
from papertape.model.units import Nanos

FIRST: Final = "0" * 16
"""What the first line holds instead of a hash."""


class Audit:
    """One log, open for one process.

    Attributes:
        records: what it held when it was opened, oldest first.

    Raises `ConfigError` where the file is damaged, or is open in another process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last = FIRST
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        os.chmod(path, 0o600)
        try:
            _lock(self._file.fileno(), path)
            self.records = self._read()
        except BaseException:
            self._file.close()
            raise

    def write(self, wall_ns: Nanos, kind: str, **facts: Any) -> dict[str, Any]:
        """One line; on the disk when this returns. Raises `ConfigError` where it cannot be written: then nothing may be done."""
        record = {"at": wall_ns, "kind": kind, **facts}
        line = _line(self._last, record)
        try:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise ConfigError(f"{self.path}: the gate's log cannot be written: {error.strerror}; nothing more is sent") from None
        self._last = _hash(line)
        return msgspec.json.decode(line)  # type: ignore[no-any-return]  # as it will be read

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _read(self) -> list[dict[str, Any]]:
        self._file.seek(0)
        content = self._file.read()
        whole, newline, torn = content.rpartition(b"\n")
        records: list[dict[str, Any]] = []
        for number, line in enumerate(whole.split(b"\n") if newline else (), start=1):
            try:
                record = msgspec.json.decode(line)
                before = record["before"]
            except (msgspec.DecodeError, KeyError, TypeError):
                raise self._damaged(number, "is no line of it") from None
            if before != self._last:
                raise self._damaged(number, "does not follow the line before it: something was changed or taken out")
            self._last = _hash(line + b"\n")
            records.append(record)
        if torn:
            self._file.truncate(len(content) - len(torn))
        return records

    def _damaged(self, number: int, why: str) -> ConfigError:
        return ConfigError(
            f"{self.path}:{number}: the gate's log {why}. Look at the account at the venue, put this file aside, and arm anew"
        )


def _line(before: str, record: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"before": before, **record}) + b"\n"


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()[: len(FIRST)]


def _lock(descriptor: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # no such thing on Windows; there a second process is not noticed
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ConfigError(f"{path}: another process trades live with this state; stop it first") from None
