"""Where in whose code: file and line for messages to people."""

from __future__ import annotations

import asyncio
import sys
import sysconfig
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

IDLE_TASK: Final = "papertape: idle"
"""The name of tasks that wait for work of ours and that nobody needs to hear about."""

OURS: Final = str(Path(__file__).parent.parent) + "/"
_BOTS: Final = OURS + "bots/"
LIBRARIES: Final = tuple(dict.fromkeys(sysconfig.get_path(kind) + "/" for kind in ("purelib", "platlib", "stdlib", "platstdlib")))
_INSTALLED: Final = ("/site-packages/", "/dist-packages/")
_WAITING_MAX: Final = 10


def is_users(code: CodeType) -> bool:
    """Whether code belongs to neither papertape, nor Python, nor an installed library; our sample bots count as a user's."""
    return is_users_file(code.co_filename)


def is_users_file(file: str) -> bool:
    """Whether a file of code is a user's."""
    if file.startswith(_BOTS):
        return True
    return not file.startswith((OURS, "<", *LIBRARIES)) and not any(folder in file for folder in _INSTALLED)


def call_site() -> str:
    """The line of the user's code that led here, and the line of the installed library that it called, if any.

    Where no user's code is on the way, as in a callback of a library's own, it is the nearest line outside papertape.
    """
    nearest = through = ""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if is_users(code):
            return f"{_line(frame)} (through {through})" if through else _line(frame)
        if not code.co_filename.startswith((OURS, "<")):
            nearest = nearest or _line(frame)
            through = _installed(frame) or through
        frame = frame.f_back
    return nearest or "an unknown line"


def users_line() -> tuple[str, int] | None:
    """File and line of the user's code that led here; None where no user's code is on the way."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if is_users(frame.f_code):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None


def waiting_at(task: asyncio.Future[Any]) -> str:
    """Which line a suspended task waits at, and who: the innermost line of the user's code, else the innermost line at all."""
    if not isinstance(task, asyncio.Task):
        return repr(type(task).__name__)
    innermost = users = ""
    step: Any = task.get_coro()
    while step is not None:
        frame = getattr(step, "cr_frame", None) or getattr(step, "gi_frame", None) or getattr(step, "ag_frame", None)
        if frame is not None:
            innermost = _line(frame)
            if is_users(frame.f_code):
                users = innermost
        step = getattr(step, "cr_await", None) or getattr(step, "gi_yieldfrom", None) or getattr(step, "ag_await", None)
    return f"task {task.get_name()} at {users or innermost or 'an unknown line'}"


def who_waits(loop: asyncio.AbstractEventLoop) -> str:
    """All tasks of a loop that wait for something, one clause each, in the order they were made."""
    waiting = [task for task in asyncio.all_tasks(loop) if task.get_name() != IDLE_TASK]
    waiting.sort(key=hash)  # a virtual loop's tasks are numbered by their hash
    lines = [waiting_at(task) for task in waiting[:_WAITING_MAX]]
    if len(waiting) > _WAITING_MAX:
        lines.append(f"and {len(waiting) - _WAITING_MAX} more")
    return "; ".join(lines) or "no task at all"


def _installed(frame: FrameType) -> str:
    """A line of an installed library, by the file's path in it; empty for all other code."""
    for folder in _INSTALLED:
        _, found, file = frame.f_code.co_filename.rpartition(folder)
        if found:
            return f"{file}:{frame.f_lineno}"
    return ""


def _line(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
