"""Capture files as records: who received what, when, and on which line it stands."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from enum import Enum
from typing import IO, Any, Final

import msgspec

from papertape.importers.place import Place, magic_of
from papertape.model.errors import TapeError
from papertape.model.units import SECOND, Nanos

_CHUNK_BYTES: Final = 1 << 17

FEED: Final = "feed"
"""The connection of captures that do not name theirs."""


class Kind(Enum):
    """What a line of a capture is."""

    FRAME = "a frame as the venue sent it"
    ANSWER = "the answer to a REST request"
    OPENED = "the recorder connected"
    DROPPED = "the recorder's connection ended"
    OTHER = "nothing that a tape keeps"
    BROKEN = "a line that does not read"


class Record(msgspec.Struct, frozen=True):
    """One line of a capture.

    Attributes:
        file: its path, as given.
        line: counted from 1.
        local_ns: recorder's clock, nanoseconds since 1970-01-01 UTC.
        connection: the recorder's name for it.
        payload: the venue's bytes; for `BROKEN` lines what is wrong with them.
    """

    kind: Kind
    file: str
    line: int
    local_ns: Nanos = 0
    connection: str = FEED
    payload: bytes = b""


def stamped_lines(paths: Sequence[Place]) -> Iterator[Record]:
    """Captures of lines `<recv_ns> <frame>`."""
    for file, line, text in raw_lines(paths):
        stamp, space, payload = text.partition(b" ")
        if not space or not stamp.isdigit():
            why = b"expected `<recv_ns> <frame>`"
            yield Record(Kind.BROKEN, file, line, payload=why)
        else:
            yield Record(Kind.FRAME, file, line, int(stamp), FEED, payload)


class _Line(msgspec.Struct):
    t: str
    ts: Decimal = Decimal(0)  # a float would lose the last digits
    conn: str = FEED
    data: str = ""


_KINDS: Final = {
    "recv": Kind.FRAME,
    "http": Kind.ANSWER,
    "connect": Kind.OPENED,
    "disconnect": Kind.DROPPED,
    "close": Kind.DROPPED,
    "header": Kind.OTHER,
    "send": Kind.OTHER,
}


def json_lines(paths: Sequence[Place]) -> Iterator[Record]:
    """Captures of one JSON object a line: `t` says what, `ts` when (seconds), `conn` where, `data` what was said."""
    decoder = msgspec.json.Decoder(_Line)
    for file, line, text in raw_lines(paths):
        try:
            it = decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield Record(Kind.BROKEN, file, line, payload=str(error).encode())
            continue
        kind = _KINDS.get(it.t)
        if kind is None:
            why = f"no line of this format is of type {it.t!r}; known are {', '.join(_KINDS)}"
            yield Record(Kind.BROKEN, file, line, payload=why.encode())
        else:
            yield Record(kind, file, line, int(it.ts * SECOND), it.conn, it.data.encode())


def raw_lines(paths: Sequence[Place]) -> Iterator[tuple[str, int, bytes]]:
    """(file, number of the line, its text) of every line that is not empty; `TapeError` where a file does not read."""
    for path in paths:
        number = 0
        try:
            with open_bytes(path) as stream:
                for number, text in enumerate(stream, 1):
                    stripped = text.strip()
                    if stripped:
                        yield str(path), number, stripped
        except unreadable() as error:
            what = getattr(error, "strerror", None) or str(error) or type(error).__name__
            where = f" after line {number}" if number else ""
            raise TapeError(f"{path}: the capture does not read{where}: {what}. Fetch it again, or leave it out.") from error


def open_bytes(path: Place) -> IO[bytes]:
    """A file's content, whether plain, .gz or .zst; what is damaged raises one of `unreadable()` as it is read."""
    magic = magic_of(path)
    if magic[:2] == b"\x1f\x8b":
        return _Gzip(path.open("rb"))  # type: ignore[return-value]  # a GzipFile reads like any other file
    if magic == b"\x28\xb5\x2f\xfd":
        return io.BufferedReader(_Zstandard(path), _CHUNK_BYTES)
    return path.open("rb")


class _Gzip(gzip.GzipFile):
    """Closes what it reads from, as `gzip.open` of a path would."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._file = file

    def close(self) -> None:
        super().close()
        self._file.close()


class _Zstandard(io.RawIOBase):
    """Reads a .zst file of one or more frames. The library's own reader takes a file that is cut short for one that is done."""

    def __init__(self, path: Place) -> None:
        import zstandard

        self._context = zstandard.ZstdDecompressor()
        self._file = path.open("rb")
        self._frame: Any = None
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            packed = self._frame.unused_data if self._frame is not None and self._frame.eof else b""
            packed = packed or self._file.read(_CHUNK_BYTES)
            if not packed:
                if self._frame is not None and not self._frame.eof:
                    raise EOFError("it is cut short")
                return 0
            if self._frame is None or self._frame.eof:
                self._frame = self._context.decompressobj()
            self._left = memoryview(self._frame.decompress(packed))
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def unreadable() -> tuple[type[Exception], ...]:
    """What the readers raise for a file that is cut short or damaged."""
    import zstandard

    return (OSError, EOFError, zlib.error, zstandard.ZstdError)
