"""Every line of the user's code that runs, and what its names hold after it: taken only when two runs are known to differ.

The first step that differs is where the program itself noticed what it must not, often long before anything leaves it.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final

import msgspec

from papertape.runtime.place import is_users
from papertape.runtime.trace.value import changing, describe_named

STEPS_MAX: Final = 300_000
"""How many steps are taken down; a difference later than that is not found."""

RETURNED: Final = "return"
"""Stands for what a function returns, or hands on while it waits; no name can be this."""

_UNKNOWN: Final = object()


class Step(msgspec.Struct, frozen=True, array_like=True):
    """A line that ran.

    Attributes:
        changed: names of the function, or of `self`, that hold something else than before.
    """

    file: str
    line: int
    function: str
    changed: dict[str, str]


class Steps:
    """Takes down the user's lines of the calling thread, from `start` to `stop`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._count = 0
        self._encode = msgspec.json.Encoder().encode
        self._outer: Any = None

    def start(self) -> None:
        self._outer = sys.gettrace()
        sys.settrace(self._enter)

    def stop(self) -> None:
        if sys.gettrace() == self._enter:
            sys.settrace(self._outer)
        self._count = STEPS_MAX  # frames that are still being walked end here

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_trace is not None:  # a coroutine that goes on
            return frame.f_trace
        return _Walk(frame, self.write).walk if is_users(frame.f_code) else None

    def write(self, frame: FrameType, line: int, changed: dict[str, str]) -> bool:
        """Take down one step; False when it is enough."""
        if self._count >= STEPS_MAX:
            return False
        self._count += 1
        code = frame.f_code
        self._file.write(self._encode(Step(code.co_filename, line, code.co_qualname, changed)) + b"\n")
        return True


class _Walk:
    """One frame on its way."""

    __slots__ = ("_known", "_line", "_write")

    def __init__(self, frame: FrameType, write: Callable[[FrameType, int, dict[str, str]], bool]) -> None:
        self._line = frame.f_lineno
        self._known: dict[str, tuple[Any, str]] = {}
        self._write = write

    def walk(self, frame: FrameType, event: str, argument: Any) -> Any:
        changed = self._changes(frame)
        if event == "return" and argument is not None:
            changed[RETURNED] = describe_named(frame.f_code.co_name, argument)
        going_on = self._write(frame, self._line, changed)
        self._line = frame.f_lineno
        return self.walk if going_on else None

    def _changes(self, frame: FrameType) -> dict[str, str]:
        known, changed = self._known, {}
        for name, value in _names(frame):
            before, text = known.get(name, (_UNKNOWN, ""))
            if value is before:
                continue
            now = describe_named(name, value)
            known[name] = (_UNKNOWN if changing(value) else value, now)
            if now != text:
                changed[name] = now
        return changed


def _names(frame: FrameType) -> Iterator[tuple[str, Any]]:
    held = list(frame.f_locals.items())
    yield from ((name, value) for name, value in held if not name.startswith("__"))
    try:
        inside = object.__getattribute__(frame.f_locals["self"], "__dict__")  # past whatever its class makes of it
    except (KeyError, AttributeError):
        return
    if type(inside) is dict:
        yield from ((f"self.{name}", value) for name, value in list(inside.items()) if type(name) is str)


class Parting(msgspec.Struct, frozen=True):
    """The first step that is not the same.

    Attributes:
        before: the last that is.
        left, right: None where that run had no more.
    """

    before: Step | None
    left: Step | None
    right: Step | None

    @property
    def name(self) -> str | None:
        """The first name that holds something else, if the two ran the same line."""
        one, other = self.left, self.right
        if one is None or other is None or (one.file, one.line) != (other.file, other.line):
            return None
        return next((name for name in [*one.changed, *other.changed] if one.changed.get(name) != other.changed.get(name)), None)


def read_steps(path: Path) -> Iterator[Step]:
    """The steps of a file, one after another."""
    decode = msgspec.json.Decoder(Step).decode
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield decode(line)


def first_parting(left: Path, right: Path) -> Parting | None:
    """Where the user's code first did two things, or None."""
    before: Step | None = None
    for one, other in itertools.zip_longest(read_steps(left), read_steps(right)):
        if one != other:
            return Parting(before, one, other)
        before = one
    return None
