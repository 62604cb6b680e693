"""Where a tape's index is kept, and whether it is still the tape's: beside the tape, else in the user's cache folder."""

from __future__ import annotations

import os
import shutil
import zlib
from contextlib import suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from papertape.model.units import Nanos
from papertape.runtime.choice import chosen
from papertape.tape.block import BLOCK_ROWS, Block, read_blocks
from papertape.tape.builtin import cache_folder
from papertape.tape.index.block import OpenIndex, started
from papertape.tape.index.indexer import Indexer, indexed_meanwhile, is_left
from papertape.tape.index.layout import Unfit, read_directory
from papertape.tape.index.part import part_from
from papertape.tape.index.played import SUFFIX, key_of, make_room, note
from papertape.tape.reader import Tape

VARIABLE: Final = "PAPERTAPE_INDEX"
ROW_BYTES: Final = 56
"""What a row takes in an index, a little more than it does."""

FOOTER_MAX: Final = 1 << 26


class Tuning:
    """Which tapes are worth an index that nobody asked for, for tests to change: no result depends on it.

    Attributes:
        rows_min: a shorter tape is read sooner than its index is looked for.
        rows_max: a longer one's takes more of the disk than anybody would like to find taken.
        free_min: so many times what it takes must be free.
        block_rows: rows in a block.
        is_patient: the first run over a tape leaves no index yet.
        cached_max: so many bytes may all indexes in the cache folder take.
    """

    rows_min = 200_000
    rows_max = 40_000_000
    free_min = 4
    block_rows = BLOCK_ROWS
    is_patient = True
    cached_max = 8 << 30


class Wish(StrEnum):
    """What $PAPERTAPE_INDEX asks for: AUTO uses and makes indexes, OFF does neither."""

    AUTO = "auto"
    OFF = "off"


def wish() -> Wish:
    """What the environment asks for; AUTO if it does not say."""
    return chosen(VARIABLE, Wish.AUTO)


def first_block(tape: Tape, start_ns: Nanos, end_ns: Nanos) -> Block | None:
    """`read_blocks`, by the tape's index where it has one; else, in a second run over all of the tape, it is made meanwhile."""
    if wish() is Wish.OFF or tape.rows < Tuning.rows_min:
        return read_blocks(tape, start_ns, end_ns, rows_max=Tuning.block_rows)
    is_again = not Tuning.is_patient or note(tape)
    found = find(tape)
    is_whole = start_ns <= tape.first_ns and end_ns > tape.last_ns and is_again
    if found is not None:
        with suppress(Unfit):
            return found.first(end_ns) if start_ns <= tape.first_ns else started(partial(part_from, found, start_ns, end_ns))
    indexer = begin(tape) if found is None and is_whole and tape.rows <= Tuning.rows_max else None
    if indexer is None:
        return read_blocks(tape, start_ns, end_ns, rows_max=Tuning.block_rows)
    return read_blocks(tape, start_ns, end_ns, rows_max=Tuning.block_rows, around=lambda blocks: indexed_meanwhile(blocks, indexer))


def places(tape: Tape) -> tuple[Path, Path]:
    """Where its index may be: beside it, and in the cache folder."""
    return tape.path.with_name(tape.path.name + SUFFIX), cache_folder() / f"{key_of(tape)}{SUFFIX}"


_sound: Final[dict[tuple[int, int, int, int], None]] = {}
"""Files that this process has looked through already: a sweep plays one tape a thousand times."""


def find(tape: Tape) -> OpenIndex | None:
    """Its index, if there is one that is whole and made from this very file's content."""
    footer = footer_of(tape.path)
    for path in places(tape):
        with suppress(OSError, Unfit), path.open("rb") as file:
            found = OpenIndex(tape, path, file, read_directory(file))
            it = found.directory
            if (it.content_hash, it.footer, it.rows, it.instruments) != (tape.content_hash, footer, tape.rows, len(tape.instruments)):
                raise Unfit("it is of another tape")
            status = os.fstat(file.fileno())
            identity = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
            if identity not in _sound:
                found.check()
                _sound[identity] = None
            return found
    return None


def begin(tape: Tape, *, is_asked: bool = False) -> Indexer | None:
    """What makes its index; None where nothing takes it, or somebody else is at it. One that was asked for may take more of the disk."""
    footer = footer_of(tape.path)
    for path in places(tape):
        try:
            if path.parent == cache_folder():
                path.parent.mkdir(parents=True, exist_ok=True)
                make_room(tape.rows * ROW_BYTES, Tuning.cached_max, is_left)
            if shutil.disk_usage(path.parent).free > tape.rows * ROW_BYTES * (1 if is_asked else Tuning.free_min):
                return Indexer(tape, footer, path)
        except Unfit:
            return None
        except OSError:
            continue  # a folder that takes nothing
    return None


def make(tape: Tape) -> Path | None:
    """Read a tape for nothing but its index; where that is, None where there is none in the end. Raises as `read_blocks` does."""
    indexer = begin(tape, is_asked=True)
    if indexer is None:
        return None
    block = read_blocks(
        tape, tape.first_ns, tape.last_ns + 1, rows_max=Tuning.block_rows, around=lambda blocks: indexed_meanwhile(blocks, indexer)
    )
    while block is not None:
        block = block.following()
    found = find(tape)
    return None if found is None else found.path


def footer_of(path: Path) -> int:
    """The CRC-32 of a Parquet file's footer, which tells of every page where it is, how long, and what its least and greatest are."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - 8, 0))
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(size - 8 - min(length, FOOTER_MAX), 0))
        return zlib.crc32(file.read(), size)
