"""Whose line it was: errors told by the user's own code."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import FrameType, TracebackType

from papertape.runtime.place import is_users


def line_of(error: BaseException) -> str:
    """The last line of the user's own code in a traceback, else the last at all, for people to click on."""
    found = _found(error)
    if found is None:
        return ""
    frame, number = found
    summary = traceback.FrameSummary(frame.f_code.co_filename, number, frame.f_code.co_name)
    source = f": {summary.line}" if is_users(frame.f_code) and summary.line else ""
    return f" ({Path(summary.filename).name}:{number}, in {summary.name}{source})"


def whole_line_of(error: BaseException) -> str:
    """The same with the whole path, for a suite in which many files have one name."""
    found = _found(error)
    if found is None:
        return ""
    frame, number = found
    return f" ({frame.f_code.co_filename}:{number} in {frame.f_code.co_qualname})"


def told_in_full(error: BaseException) -> str:
    """An error and its line, with the whole path."""
    return f"{type(error).__name__}: {error}{whole_line_of(error)}"


def _found(error: BaseException) -> tuple[FrameType, int] | None:
    found = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if is_users(frame.f_code) or found is None or not is_users(found[0].f_code):
            found = (frame, number)
    return found


def program_traceback(error: BaseException) -> str:
    """A traceback as Python itself would print it, from the first line of the user's code on."""
    start: TracebackType | None = error.__traceback__
    while start is not None and not is_users(start.tb_frame.f_code):
        start = start.tb_next
    return "".join(traceback.format_exception(type(error), error, start or error.__traceback__))
