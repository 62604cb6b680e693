"""A trace on disk: one line for each draw, call, piece and event of a run, in order; and where two of them part."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from papertape.model.units import Nanos

_DIGEST_BYTES: Final = 8


class Kind(StrEnum):
    """What a record is of; the value is the word people read."""

    DRAW = "draw"
    CALL = "call"
    WRITTEN = "piece written"
    DELIVERED = "piece delivered"
    EVENT = "event"


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing that happened.

    Attributes:
        ns: run time.
        what: which function, method, connection or kind of event.
        size: bytes that were drawn, written or delivered; 0 for what has none.
        digest: of the value.
        stack: number of the stack in the stacks of the same trace; says nothing in another.
    """

    kind: Kind
    ns: Nanos
    what: str
    size: int
    digest: str
    stack: int = 0

    @property
    def essence(self) -> tuple[Kind, Nanos, str, int, str]:
        """What must be the same in two runs that are the same."""
        return self.kind, self.ns, self.what, self.size, self.digest


def digest(data: bytes) -> str:
    """A short fingerprint.

    >>> digest(b"") == digest(b""), digest(b"") == digest(b"0")
    (True, False)
    """
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Record).decode


def encode(record: Record) -> bytes:
    """The line of a record, its end included."""
    return _encode(record) + b"\n"


def decode(line: bytes) -> Record:
    """The record of a line."""
    return _decode(line)


def read(path: Path) -> Iterator[Record]:
    """The records of a file, one after another; a last line that was never finished is none."""
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield decode(line)


class Difference(msgspec.Struct, frozen=True):
    """Where two traces part.

    Attributes:
        index: how many records are the same.
        left, right: the first that are not; None where that trace had ended.
    """

    index: int
    left: Record | None
    right: Record | None


def first_difference(left: Path, right: Path) -> Difference | None:
    """The first record in which two trace files differ, or None; reads no further than that."""
    for index, (one, other) in enumerate(itertools.zip_longest(read(left), read(right))):
        if one is None or other is None or one.essence != other.essence:
            return Difference(index, one, other)
    return None
