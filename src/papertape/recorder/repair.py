"""What a recorder left behind that was killed: spools become tapes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from papertape.model.errors import TapeError
from papertape.recorder.reel import writer_for
from papertape.recorder.spool import SUFFIX, OpenedSpool, lock
from papertape.tape.header import Header
from papertape.tape.reader import open_tape


class Repaired(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a spool.

    Attributes:
        path: the tape that is there now; None where the spool held nothing that a tape can hold.
        header: what its footer says.
        torn_bytes: what was cut off at the spool's end, because it was not whole.
        was_done: whether the tape had been finished already, and only the spool was left to be removed.
        damaged: where the spool is kept, since lines stand after one that is damaged.
    """

    spool: Path
    path: Path | None
    header: Header | None
    torn_bytes: int = 0
    was_done: bool = False
    damaged: Path | None = None


def left_behind(folder: Path) -> list[Path]:
    """The spools in a folder that no process is writing, oldest name first."""
    return [path for path in sorted(folder.glob(f"*{SUFFIX}")) if not is_being_written(path)]


def is_being_written(path: Path) -> bool:
    """Whether a process that lives has the spool."""
    try:
        with path.open("rb") as file:
            return not lock(file)
    except OSError:
        return False


def repair(path: Path) -> Repaired:
    """Make a tape of a spool, beside it and of its name, then remove the spool; one that was damaged in its middle is kept by another name.

    Raises `TapeError` where it does not read, is no spool, is being written by another process, or its tape cannot be written; the spool
    then stays.
    """
    if not path.is_file():
        raise TapeError(f"{path}: {'is a folder' if path.is_dir() else 'there is no such file'}; expected a spool (*{SUFFIX}).")
    if is_being_written(path):
        raise TapeError(f"{path}: a recorder is still writing it; stop that first.")
    spool = OpenedSpool(path)
    place = path.with_suffix(".parquet")
    _sweep_up(place)
    if spool.head is None:
        torn_bytes = path.stat().st_size
        path.unlink()
        return Repaired(spool=path, path=None, header=None, torn_bytes=torn_bytes)
    done = _finished(place)
    writer, stamping = writer_for(place if done is None else _beside(place), spool.head)
    try:
        for connection, sequence, event in spool.rows():
            stamping.write(event, connection, sequence)
        header = writer.close() if writer.rows else None
    except BaseException:
        writer.discard()
        raise
    if header is None:
        writer.discard()
        return Repaired(spool=path, path=None, header=None, torn_bytes=spool.torn_bytes, damaged=_put_away(path, spool.is_damaged))
    was_done = done is not None and done.content_hash == header.content_hash
    if was_done:  # killed between the tape's last byte and the spool's removal
        writer.path.unlink()
    damaged = _put_away(path, spool.is_damaged)
    return Repaired(
        spool=path, path=place if was_done else writer.path, header=header, torn_bytes=spool.torn_bytes, was_done=was_done, damaged=damaged
    )


def _put_away(spool: Path, is_damaged: bool) -> Path | None:
    """Remove a spool whose rows are a tape now; where it is kept instead."""
    if not is_damaged:
        spool.unlink()
        return None
    return spool.rename(spool.with_name(f"{spool.name}.damaged"))


def _finished(place: Path) -> Header | None:
    """What the tape of that name says, if there is one: tapes appear whole."""
    return open_tape(place).header if place.exists() else None


def _beside(place: Path) -> Path:
    number = 2
    while (path := place.with_stem(f"{place.stem}-repaired{number}")).exists():
        number += 1
    return path


def _sweep_up(place: Path) -> None:
    """Remove the beginnings of this tape that died with their process."""
    for part in place.parent.glob(f".{place.name}.*.part"):
        with suppress(OSError):
            part.unlink()
