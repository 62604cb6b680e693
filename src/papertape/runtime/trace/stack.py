"""Which lines were being run: stacks as they are taken, kept once each, and shown to people."""

from __future__ import annotations

import asyncio
import linecache
import os
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, FrameType
from typing import IO, Final

import msgspec

from papertape.runtime.place import LIBRARIES, OURS, is_users
from papertape.runtime.trace.secret import mask

FRAMES_MAX: Final = 60
KEPT_MAX: Final = 50_000
"""How many different stacks are remembered at a time."""

USERS_SHOWN: Final = 8
OTHERS_SHOWN: Final = 3

_MACHINERY: Final = tuple(f"{OURS}runtime/{part}" for part in ("trace/", "patch/", "stepper.py", "place.py"))
_LOOPS: Final = tuple(f"{OURS}runtime/{part}" for part in ("loop.py", "guest.py", "world.py"))

_TURN: Final = asyncio.Handle._run.__code__

Key = tuple[tuple[CodeType, int], ...]


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One line of a stack: in which file, where, in what, and whether the user wrote it."""

    file: str
    number: int
    name: str
    users: bool

    def render(self) -> str:
        """For a person: `bot.py:7 in main: …` with the source, if it is the user's."""
        source = mask(linecache.getline(self.file, self.number).strip()) if self.users else ""
        return f"{short(self.file)}:{self.number} in {self.name}" + (f": {source}" if source else "")


class Stacks:
    """Writes each stack once, and knows it by its number."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._numbers: dict[Key, int] = {}
        self._count = 0
        self._encode = msgspec.json.Encoder().encode

    def take(self, frame: FrameType | None) -> int:
        """The number of the stack that ends in `frame`: what papertape does to look, and what turns the loop, left out."""
        key = _key(frame)
        number = self._numbers.get(key)
        if number is None:
            if len(self._numbers) >= KEPT_MAX:
                self._numbers.clear()
            number = self._numbers[key] = self._count
            self._count += 1
            lines = [Line(code.co_filename, at, code.co_qualname, is_users(code)) for code, at in key]
            self._file.write(self._encode(lines) + b"\n")
        return number


def _key(frame: FrameType | None) -> Key:
    found: list[tuple[CodeType, int]] = []
    while frame is not None and len(found) < FRAMES_MAX:
        code = frame.f_code
        file = code.co_filename
        if code is _TURN or file.startswith(_LOOPS):
            break
        if not file.startswith(_MACHINERY):
            found.append((code, frame.f_lineno))
        frame = frame.f_back
    return tuple(found)


def read_stack(path: Path, number: int) -> list[Line]:
    """A stack of a file that `Stacks` wrote, innermost line first."""
    with path.open("rb") as lines:
        for index, line in enumerate(lines):
            if index == number:
                return msgspec.json.decode(line, type=list[Line])
    return []


def render(stack: list[Line]) -> list[str]:
    """For a person: the user's own lines first, outermost first and marked; then the innermost others."""
    users = [line for line in stack if line.users][:USERS_SHOWN]
    others = [line for line in stack if not line.users and not line.file.startswith("<")]
    inner = ([line for line in others if not line.file.startswith(OURS)] or others)[:OTHERS_SHOWN]
    rows = [f"> {line.render()}" for line in reversed(users)]
    if not users:
        rows.append("no line of the program's own: a task of a library, or the venue")
    return rows + [f"  {line.render()}" for line in reversed(inner)]


def short(file: str) -> str:
    """A file as people know it: from the current folder, or by its package.

    >>> short(__file__)
    'papertape/runtime/trace/stack.py'
    """
    if file.startswith(OURS):
        return "papertape/" + file.removeprefix(OURS)
    return next((file.removeprefix(folder) for folder in LIBRARIES if file.startswith(folder)), _from_here(file))


def _from_here(file: str) -> str:
    near = os.path.relpath(file) if os.path.isabs(file) else file
    return near if not near.startswith("..") else Path(file).name


def users(stack: Iterable[Line]) -> Line | None:
    """The innermost line that the user wrote."""
    return next((line for line in stack if line.users), None)
