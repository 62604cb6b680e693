"""The gate's log: append-only, one JSON object a line, each with the hash of the one before, on the disk before what it tells of is done.

It is what the gate knows after a restart, so a line that was changed, left out or torn away is an error and not a guess. Only a last line
without its end is cut off: it was never on the disk whole, so nothing was sent for it.

A chain of hashes does not show that its end is missing. So a small file beside the log, its count, holds how many lines there are and
the hash of the last; it is overwritten after each line, and a log that has fewer is refused. It is not forced onto the disk: a kill
takes nothing of it, and after a power cut it may be some lines behind, which then is how far it vouches.
"""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from papertape.exchanges.intent_file import sync_folder
from papertape.model.errors import ConfigError
from papertape.model.units import Nanos

FIRST: Final = "0" * 16
"""What the first line holds instead of a hash."""

COUNT: Final = ".count"
"""How the name of the count ends."""


class Audit:
    """One log, open for one process.

    Attributes:
        records: what it held when it was opened, oldest first.

    Raises `ConfigError` where the file is damaged, or is open in another process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last = FIRST
        self._lines = self._size = 0
        self._is_torn = False
        self._count = -1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b", buffering=0)
            os.chmod(path, 0o600)
        except OSError as error:
            raise ConfigError(f"{path}: the gate's log cannot be opened: {error.strerror}; nothing is sent without it") from None
        try:
            _lock(self._file.fileno(), path)
            self.records = self._read()
        except BaseException:
            self.close()
            raise

    def write(self, wall_ns: Nanos, kind: str, **facts: Any) -> dict[str, Any]:
        """One line; on the disk when this returns. Raises `ConfigError` where it cannot be written: then nothing may be done."""
        record = {"at": wall_ns, "kind": kind, **facts}
        line = _line(self._last, record)
        try:
            if self._is_torn:
                self._mend()
            self._is_torn = True
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
            self._is_torn = False
            self._last, self._lines, self._size = _hash(line), self._lines + 1, self._size + len(line)
            self._note_count()
        except (OSError, ValueError) as error:  # ValueError: it was closed
            with suppress(OSError, ValueError):
                self._mend()
            why = getattr(error, "strerror", None) or str(error)
            raise ConfigError(f"{self.path}: the gate's log cannot be written: {why}; nothing more is sent") from None
        return msgspec.json.decode(line)  # type: ignore[no-any-return]  # as it will be read

    def close(self) -> None:
        """Let go of the file; doing so twice changes nothing."""
        self._file.close()
        if self._count >= 0:
            os.close(self._count)
            self._count = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _read(self) -> list[dict[str, Any]]:
        self._file.seek(0)
        content = self._file.readall()
        whole, newline, torn = content.rpartition(b"\n")
        records: list[dict[str, Any]] = []
        hashes = [FIRST]
        for number, line in enumerate(whole.split(b"\n") if newline else (), start=1):
            try:
                record = msgspec.json.decode(line)
                before, _, _ = record["before"], record["at"] + 0, record["kind"] + ""
            except (msgspec.DecodeError, KeyError, TypeError):
                raise self._damaged(number, "is no line of it") from None
            if before != hashes[-1]:
                raise self._damaged(number, "does not follow the line before it: something was changed or taken out")
            hashes.append(_hash(line + b"\n"))
            records.append(record)
        self._check_count(hashes)
        self._last, self._lines, self._size = hashes[-1], len(records), len(content) - len(torn)
        if torn:
            self._file.truncate(self._size)
        if records:
            self._note_count()
        return records

    def _check_count(self, hashes: list[str]) -> None:
        """Whether what the count knows of is there; `hashes` begins with that of nothing."""
        path = self._count_path
        try:
            words = path.read_text(encoding="ascii").split()
            count, last = int(words[0]), words[1]
        except FileNotFoundError:
            if len(hashes) > 1:
                raise self._damaged(
                    len(hashes) - 1, f"may have lost its end: {path.name}, which says how long it is, is not there"
                ) from None
            return
        except (OSError, ValueError, IndexError):
            raise self._damaged(len(hashes) - 1, f"may have lost its end: {path.name}, which says how long it is, cannot be read") from None
        if count >= len(hashes):
            raise self._damaged(len(hashes) - 1, f"has lost its end: {count} lines were written, and {len(hashes) - 1} are there")
        if count < 0 or hashes[count] != last:
            raise self._damaged(max(count, 0), f"is not the one that {path.name} counts")

    def _note_count(self) -> None:
        if self._count < 0:
            is_new = not self._count_path.exists()
            self._count = os.open(self._count_path, os.O_RDWR | os.O_CREAT, 0o600)
            if is_new:  # from now on a power cut may take its last words, and not the file
                os.write(self._count, f"{0:012d} {FIRST}\n".encode())
                os.fsync(self._count)
                sync_folder(self.path.parent)
        os.lseek(self._count, 0, os.SEEK_SET)
        os.write(self._count, f"{self._lines:012d} {self._last}\n".encode())  # as long each time: it is replaced at once

    def _mend(self) -> None:
        """Take back what was written of a line."""
        self._file.truncate(self._size)
        self._is_torn = False

    @property
    def _count_path(self) -> Path:
        return self.path.with_suffix(COUNT)

    def _damaged(self, number: int, why: str) -> ConfigError:
        return ConfigError(
            f"{self.path}:{number}: the gate's log {why}. Look at the account at the venue, put {self.path.name} and "
            f"{self._count_path.name} aside, and arm anew"
        )


def is_in_use(path: Path) -> bool:
    """Whether a process has that log open: a bot trades live with it, or is being armed."""
    try:
        with path.open("rb") as file:
            _lock(file.fileno(), path)
    except OSError:
        return False  # there is none
    except ConfigError:
        return True
    return False


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
