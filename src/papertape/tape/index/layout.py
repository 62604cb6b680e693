"""How an index lies in its file: parts of whole numbers, one after the other, then a directory that says where what is, then a seal.

    magic · parts of block 0 · parts of block 1 · … · directory (MessagePack) · seal

All numbers are little-endian. A part is 8-byte words; it begins where memory can be mapped from, and the directory has the sum of its
words, so that a part that was damaged since is not taken for a good one. The seal says where the directory is and what its checksum
is, and comes last: a file that was cut short has none.
"""

from __future__ import annotations

import struct
import sys
import zlib
from typing import Any, BinaryIO, Final

import msgspec

from papertape.model.units import Nanos
from papertape.tape.strand import Bar

VERSION: Final = 1
"""Of all this; another one makes another index."""

MAGIC: Final = b"papertape index\n"
ALIGNED: Final = 65_536
"""Where parts begin: every system can map memory from multiples of it."""

WORD: Final = 8
SEAL: Final = struct.Struct("<QQI16s")
"""Where the directory begins, how long it is, its CRC-32, and the magic again."""


class Unfit(Exception):
    """No index of this tape: the file is damaged, stale, of another version, or not there. Never seen outside: the tape is read instead."""


class Part(msgspec.Struct, array_like=True, frozen=True):
    """Where some words are.

    Attributes:
        total: their sum, without what exceeds 64 bits.
    """

    offset: int
    words: int
    total: int


class StrandEntry(msgspec.Struct, array_like=True, frozen=True):
    """One strand of a block.

    Attributes:
        least_ns: the earliest stamp; 0 where it is empty.
        text: bytes of its trades' ids.
    """

    count: int
    least_ns: Nanos
    text: int = 0


class BookEntry(msgspec.Struct, array_like=True, frozen=True):
    """One instrument in a block: how many levels its book has as that begins, its four strands, its trades as bars and the last minute."""

    bids: int
    asks: int
    strands: tuple[StrandEntry, StrandEntry, StrandEntry, StrandEntry]
    bars: list[Bar]
    minute: int


class BlockEntry(msgspec.Struct, array_like=True, frozen=True):
    """One block: see `tape.block.Block`.

    Attributes:
        first_row, rows: its rows in the tape.
        times: when its messages reach the venue, then when they arrive.
        rest: where its barriers are; the last row of each message, if any message has more than one; then by instrument: the strands, and
            the book as the block begins.
        ends: 0, or how many messages.
    """

    first_row: int
    rows: int
    first: int
    count: int
    times: Part
    rest: Part
    barriers: int
    ends: int
    books: list[BookEntry]


class Directory(msgspec.Struct, frozen=True):
    """The whole tape.

    Attributes:
        content_hash, footer: of the tape that it was made from: what its header says, and the CRC-32 of its footer, which a file that
            says otherwise does not share.
    """

    version: int
    content_hash: str
    footer: int
    rows: int
    instruments: int
    blocks: list[BlockEntry]


def pad(count: int, to: int) -> int:
    """How many bytes are missing to a multiple."""
    return -count % to


def total(words: Any) -> int:
    """The sum of a buffer of 8-byte words, without what exceeds 64 bits."""
    import pyarrow as pa
    import pyarrow.compute as pc

    count = len(memoryview(words).cast("B")) // WORD
    if not count:
        return 0
    return int(pc.sum(pa.Array.from_buffers(pa.uint64(), count, [None, pa.py_buffer(words)])).as_py())


def seal(file: BinaryIO, directory: Directory) -> None:
    """Write what makes a file of parts an index."""
    said = msgspec.msgpack.encode(directory)
    offset = file.tell()
    file.write(said)
    file.write(SEAL.pack(offset, len(said), zlib.crc32(said), MAGIC))


def read_directory(file: BinaryIO) -> Directory:
    """The directory of an index; raises `Unfit` where this is none, or not whole."""
    if sys.byteorder != "little":
        raise Unfit("numbers lie the other way round on this machine")
    size = file.seek(0, 2)
    if size < len(MAGIC) + SEAL.size:
        raise Unfit("it is cut short")
    file.seek(0)
    begins = file.read(len(MAGIC))
    file.seek(size - SEAL.size)
    offset, length, checksum, ends = SEAL.unpack(file.read(SEAL.size))
    if begins != MAGIC or ends != MAGIC or offset + length + SEAL.size != size:
        raise Unfit("it is cut short, or none at all")
    file.seek(offset)
    said = file.read(length)
    if zlib.crc32(said) != checksum:
        raise Unfit("its directory is damaged")
    try:
        directory = msgspec.msgpack.decode(said, type=Directory)
    except msgspec.DecodeError as error:
        raise Unfit("its directory is of another version") from error
    if directory.version != VERSION:
        raise Unfit("it is of another version")
    for block in directory.blocks:
        for part in (block.times, block.rest):
            if part.offset % ALIGNED or part.offset + part.words * WORD > offset:
                raise Unfit("its directory tells of more than there is")
    return directory
