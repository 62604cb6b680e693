"""What went wrong where nobody looked: tasks that died unseen, and what asyncio tells of in the background."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from papertape.session.blame import line_of


def died_unseen(loops: Sequence[asyncio.AbstractEventLoop]) -> list[BaseException]:
    """Exceptions of tasks on `loops` that somebody still holds and nobody asked; asyncio tells only of tasks that nobody holds."""
    if not loops:
        return []
    ours = (each for each in gc.get_objects() if isinstance(each, asyncio.Task) and each.get_loop() in loops)
    dead = sorted((task for task in ours if getattr(task, "_log_traceback", False)), key=hash)
    return [error for task in dead if (error := task.exception()) is not None]


def tell_of_task(error: BaseException, of_whom: str = "", line: Callable[[BaseException], str] = line_of) -> str:
    """The sentence for a task that died unseen; `of_whom` is such as " of the bot"."""
    return f"a task{of_whom} ended unseen with {type(error).__name__}: {error}{line(error)}; await it, or ask for its exception"


def tell_of_context(context: Mapping[str, Any], line: Callable[[BaseException], str] = line_of) -> str:
    """The sentence for what a loop's exception handler was given."""
    error = context.get("exception")
    told = context.get("message", "something went wrong")
    if isinstance(error, BaseException):
        return f"unhandled in the background: {told}: {type(error).__name__}: {error}{line(error)}"
    return f"unhandled in the background: {told}"
