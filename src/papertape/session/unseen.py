"""What went wrong where nobody looked: tasks that died unseen, and what asyncio tells of in the background."""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from papertape.runtime.blame import users_line
from papertape.runtime.place import is_users
from papertape.session.blame import line_of


def died_unseen(loops: Sequence[asyncio.AbstractEventLoop]) -> list[BaseException]:
    """Exceptions of tasks on `loops` that somebody still holds and nobody asked; asyncio tells only of tasks that nobody holds."""
    if not loops:
        return []
    dead = sorted((task for task in _tasks() if task.get_loop() in loops and getattr(task, "_log_traceback", False)), key=hash)
    errors = [error for task in dead if (error := task.exception()) is not None]
    return [error for error in errors if not isinstance(error, (SystemExit, KeyboardInterrupt))]  # those have gone their way and are told


if sys.version_info >= (3, 12):

    def _tasks() -> list[asyncio.Task[Any]]:
        # In no register are those that were begun at once and ended so.
        return [each for each in gc.get_objects() if isinstance(each, asyncio.Task)]

else:

    def _tasks() -> list[asyncio.Task[Any]]:
        return list(asyncio.tasks._all_tasks)  # type: ignore[attr-defined]  # every one that somebody holds, done or not


@contextmanager
def forgotten_awaits(who: str) -> Iterator[list[str]]:
    """Notice coroutines of the user's that are thrown away unstarted; a sentence for each, once.

    Python itself only warns, on stderr, and an order that was never placed looks like a bot that had nothing to do. Whatever the user did
    not make and did not throw away is still Python's to warn of.
    """
    found: dict[str, None] = {}
    sentences: list[str] = []
    before = warnings._warn_unawaited_coroutine  # type: ignore[attr-defined]  # what the interpreter calls, in all versions we run on

    def noticed(coroutine: Any) -> None:
        line = users_line()
        if not line and not is_users(coroutine.cr_code):
            before(coroutine)
            return
        sentence = (
            f"{who} never awaited `{coroutine.__qualname__}(…)`{f' ({line})' if line else ''}, so it did nothing; write `await` before it"
        )
        if sentence not in found:
            found[sentence] = None
            sentences.append(sentence)

    warnings._warn_unawaited_coroutine = noticed  # type: ignore[attr-defined]  # as above
    try:
        yield sentences
    finally:
        warnings._warn_unawaited_coroutine = before  # type: ignore[attr-defined]  # as above


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
