"""A spool: the file that a recording is written to before it is a tape, so that a process that is killed loses next to nothing.

One line each, first the head, then the messages as they arrive: a CRC-32 in eight hexadecimal digits, a space, JSON. Whatever a kill, a
full disk or a power cut did to its end, what stands before is read: everything up to the first line that is not whole.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from papertape.model.errors import TapeError
from papertape.model.event import MarketEvent
from papertape.model.instrument import Instrument
from papertape.model.units import Nanos

SUFFIX: Final = ".spool"
BUFFER_MAX: Final = 1 << 20
"""Bytes that wait to be written; more than this is written at once."""

_CRC_DIGITS: Final = 8

Row = tuple[int, int | None, MarketEvent]
"""(connection, the venue's number of the message, the message)"""


class SpoolHead(msgspec.Struct, frozen=True, kw_only=True, tag="spool", tag_field="papertape"):
    """What a spool's first line says: how to make a tape of it.

    Attributes:
        connections: names of the recorder's connections; a message names one by its index.
        source: for people.
        row_base: number of its first row, counted over the whole recording.
        reach_ns: the latest time of the venue's before it began; None where nothing had come yet.
    """

    venue: str
    instruments: tuple[Instrument, ...]
    connections: tuple[str, ...]
    source: str
    row_base: int = 0
    reach_ns: Nanos | None = None


class Spool:
    """Writes one. Messages are kept in memory until `flush`, at most `BUFFER_MAX` bytes of them.

    The file is locked for as long as this process lives, so that nobody repairs what is still being written.

    Raises `TapeError` where the file cannot be made or written; what `flush` has written before stays.
    """

    def __init__(self, path: Path, head: SpoolHead) -> None:
        self.path = path
        self.size_bytes = 0
        self._encoder = msgspec.json.Encoder(decimal_format="string")
        self._buffer = bytearray()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "xb", buffering=0)  # noqa: SIM115 - lives as long as the spool
        except OSError as error:
            raise TapeError(f"{path}: cannot record there: {error.strerror}. Choose another folder with `--out`.") from error
        lock(self._file)
        self._line(head)
        self.flush()

    def write(self, connection: int, sequence: int | None, event: MarketEvent) -> None:
        self._line((connection, sequence, event))
        if len(self._buffer) >= BUFFER_MAX:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system: from here on a kill of this process loses none of it."""
        rest = memoryview(bytes(self._buffer))
        self._buffer.clear()
        try:
            while rest:
                written = self._file.write(rest) or 0
                self.size_bytes += written
                rest = rest[written:]
        except OSError as error:
            raise TapeError(
                f"{self.path}: the recording ends here: {error.strerror or error}. What came before is kept: make room, then "
                f"`papertape tape repair {self.path}` makes a tape of it."
            ) from error

    def sync(self) -> None:
        """Hand everything that was flushed to the disk: from here on a power cut loses none of it. May be called in a thread of its own."""
        try:
            os.fsync(self._file.fileno())
        except ValueError:  # closed meanwhile: it became a tape
            return
        except OSError as error:
            raise TapeError(f"{self.path}: the disk does not take it: {error.strerror or error}.") from error

    def close(self) -> None:
        """Write nothing more; the file stays."""
        self._file.close()

    def discard(self) -> None:
        """What was in it is elsewhere now."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _line(self, content: object) -> None:
        text = self._encoder.encode(content)
        self._buffer += b"%08x %b\n" % (zlib.crc32(text), text)


class OpenedSpool:
    """A spool that somebody left behind.

    Attributes:
        head: what its first line says; None where not even that was written.
        torn_bytes: how much at its end is not whole; known once all rows were read.
        is_damaged: whether that is more than one line that was not finished; likewise.

    Raises `TapeError` where it is no spool, or nobody can say what its rows mean.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn_bytes = 0
        self.is_damaged = False
        self._decoder = msgspec.json.Decoder(Row)
        try:
            with path.open("rb") as file:
                text = next(_whole_lines(file), None)
                self.head = None if text is None else self._decoded(text, msgspec.json.Decoder(SpoolHead))
                file.seek(0)
                has_more = self.head is None and b"\n" in file.readline()
        except OSError as error:
            raise TapeError(f"{path}: the spool does not read: {error.strerror or error}.") from error
        if self.head is None and path.stat().st_size and not _begins_like_one(path):
            raise TapeError(
                f"{path}: no spool: it does not begin like one. `papertape tape repair` is for what `papertape record` left behind."
            )

        if has_more:
            raise TapeError(f"{path}: the spool's first line is damaged, so that nobody knows what the others mean; it is left as it is.")

    def rows(self) -> Iterator[Row]:
        """Every message up to the first line that is not whole."""
        good = 0
        try:
            with self.path.open("rb") as file:
                for number, text in enumerate(_whole_lines(file)):
                    if number:
                        yield self._decoded(text, self._decoder)
                    good += len(text) + _CRC_DIGITS + 2
                self.torn_bytes = self.path.stat().st_size - good
                file.seek(good)
                self.is_damaged = file.readline().endswith(b"\n")
        except OSError as error:
            raise TapeError(f"{self.path}: the spool does not read: {error.strerror or error}.") from error

    def _decoded(self, text: bytes, decoder: Any) -> Any:
        try:
            return decoder.decode(text)
        except msgspec.DecodeError as error:  # with the right checksum it is no damage
            raise TapeError(
                f"{self.path}: the spool was written by another version of papertape ({error}). Repair it with that; it is left as it is."
            ) from error


def _whole_lines(file: IO[bytes]) -> Iterator[bytes]:
    """What the lines say, up to the first that has no end or another checksum."""
    for line in file:
        text = line[_CRC_DIGITS + 1 : -1]
        if line[-1:] != b"\n" or line[: _CRC_DIGITS + 1] != b"%08x " % zlib.crc32(text):
            return
        yield text


def _begins_like_one(path: Path) -> bool:
    """Whether a file can be a spool that was torn in its very first line."""
    with path.open("rb") as file:
        start = file.read(_CRC_DIGITS + 2)
    digits, rest = start[:_CRC_DIGITS], start[_CRC_DIGITS:]
    return all(byte in b"0123456789abcdef" for byte in digits) and b" {".startswith(rest)


def lock(file: IO[bytes]) -> bool:
    """Take a file for this process; False where another has it. It is given back when the process ends, however it does."""
    try:
        import fcntl
    except ImportError:  # Windows keeps others from removing an open file, which serves as well
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
