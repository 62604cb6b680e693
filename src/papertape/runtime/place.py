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
_WAITING_MAX: Final = 10


def is_users(code: CodeType) -> bool:
    """Whether code belongs to neither papertape, nor Python, nor an installed library; our sample bots count as a user's."""
    file = code.co_filename
    return file.startswith(_BOTS) or not file.startswith((OURS, "<", *LIBRARIES))


def call_site() -> str:
    """The line of the user's code that led here; where there is none, the nearest line outside papertape."""
    nearest = ""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if is_users(code):
            return _line(frame)
        if not nearest and not code.co_filename.startswith((OURS, "<")):
            nearest = _line(frame)
        frame = frame.f_back
    return nearest or "an unknown line"


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


def _line(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
