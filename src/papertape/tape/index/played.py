"""Which tapes were played before, and when last: a mark for each in the user's cache folder, by which its indexes come and go.

An index pays from the second run over it on, and many a tape is played once. So a first run leaves a mark and the second an index. An index
that lies in the cache folder, because its tape's own folder takes nothing, is nobody's to tidy up: those whose tapes were played least
lately make room for a new one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from papertape.tape.builtin import cache_folder
from papertape.tape.reader import Tape

SUFFIX: Final = ".index"

MARKS: Final = "played"
"""The folder of marks, in the cache folder."""

MARKS_MAX: Final = 2_000
"""So many tapes are remembered; when there are more, half of them are forgotten, the longest ago first."""


def key_of(tape: Tape) -> str:
    """What its files in the cache folder are called: what it holds, not where it lies."""
    return tape.content_hash[:32]


def note(tape: Tape) -> bool:
    """A tape is played now. Whether it surely was before: where no mark can be left, the answer is yes."""
    folder = cache_folder() / MARKS
    mark = folder / key_of(tape)
    try:
        os.utime(mark)
    except FileNotFoundError:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            mark.touch()
        except OSError:
            return True
        _forget_some(folder)
        return False
    except OSError:
        return True
    return True


def _forget_some(folder: Path) -> None:
    with suppress(OSError):
        marks = list(folder.iterdir())
        if len(marks) > MARKS_MAX:
            for mark in sorted(marks, key=_last_ns)[: len(marks) // 2]:
                mark.unlink(missing_ok=True)


def make_room(wanted: int, bytes_max: int, is_left: Callable[[Path], bool]) -> None:
    """Remove indexes from the cache folder until there and `wanted` bytes take no more than `bytes_max`: the longest not played first.

    What a writer has left there unfinished goes too; of that, `is_left` says whether it is so.
    """
    folder = cache_folder()
    with suppress(OSError):
        files = [
            path for path in folder.iterdir() if path.name.endswith((SUFFIX, SUFFIX + ".part")) and len(path.name.partition(".")[0]) == 32
        ]
        kept: list[tuple[int, int, str]] = []
        for path in files:
            if path.name.endswith(SUFFIX):
                kept.append((_last_ns(folder / MARKS / path.name.removesuffix(SUFFIX)), path.stat().st_size, path.name))
            elif is_left(path):
                path.unlink(missing_ok=True)
        room = bytes_max - wanted - sum(size for _, size, _ in kept)
        for _, size, name in sorted(kept):
            if room >= 0:
                return
            with suppress(OSError):  # where a file that is mapped cannot be removed, another is
                (folder / name).unlink()
                room += size


def _last_ns(path: Path) -> int:
    """When it was last touched; 0 where it is not there."""
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return 0
