"""The log of intents in a file: one JSON object a line, on the disk before a request leaves."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from papertape.model.errors import ConfigError
from papertape.resilience.intents import Record

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Record)


class IntentFile:
    """An `IntentStore` that survives the process and the machine.

    A last line that a crash tore is cut off: its request never left, because a request leaves only after its line is whole on the disk.
    Damage anywhere else is an error, because guessing here could send an order twice. One process at a time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        self._file = path.open("a+b")
        try:
            _lock(self._file.fileno(), path)
            self._records = self._read()
        except BaseException:
            self._file.close()
            raise
        if is_new:
            sync_folder(path.parent)

    def append(self, record: Record, *, durable: bool) -> None:
        self._file.write(_ENCODER.encode(record) + b"\n")
        if durable:
            self._file.flush()
            os.fsync(self._file.fileno())

    def load(self) -> Iterable[Record]:
        return tuple(self._records)

    def close(self) -> None:
        """Write out and let go of the file."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _read(self) -> list[Record]:
        self._file.seek(0)
        content = self._file.read()
        whole, newline, torn = content.rpartition(b"\n")
        records: list[Record] = []
        for number, line in enumerate(whole.split(b"\n") if newline else (), start=1):
            try:
                records.append(_DECODER.decode(line))
            except msgspec.DecodeError as error:
                raise ConfigError(
                    f"{self.path}:{number}: not a record of this log ({error}); restore the file, or settle its orders by hand"
                ) from error
        if torn:
            self._file.truncate(len(content) - len(torn))
        return records


def _lock(descriptor: int, path: Path) -> None:
    """Two bots on one log would give two orders one id."""
    try:
        import fcntl
    except ImportError:  # no such thing on Windows; there a second process is not noticed
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ConfigError(f"{path}: another process uses this log of intents; stop it, or give this bot a log of its own") from error


def sync_folder(folder: Path) -> None:
    """From here on a power cut loses no name in this folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
