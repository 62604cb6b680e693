"""Which line of a program is behind what happens now, also where a library has put a task of its own in between."""

from __future__ import annotations

import sys
from contextvars import Context, ContextVar, copy_context
from pathlib import Path
from types import FrameType
from typing import Final

from papertape.runtime.place import is_users

_MADE_AT: Final[ContextVar[str]] = ContextVar("the program's line that the current task was made at", default="")
_TURNING: Final = ("guest.py", "_run")
"""Where the loop calls a task or a callback: what lies further out is whoever runs the loop, and not to blame."""


def users_line() -> str:
    """The innermost line of the program, such as "bot.py:31"; for a library's own task, the line that made it; "" where there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if is_users(code):
            return f"{Path(code.co_filename).name}:{frame.f_lineno}"
        if code.co_name == _TURNING[1] and code.co_filename.endswith(_TURNING[0]):
            return _MADE_AT.get()
        frame = frame.f_back
    return ""


def with_line(context: Context | None) -> Context:
    """The context for a new task, which remembers the line that made it."""
    context = copy_context() if context is None else context
    context.run(_MADE_AT.set, users_line())
    return context
