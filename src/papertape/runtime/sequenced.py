"""Tasks and futures that hash by the order in which a run first used them, not by their address in memory.

A set of tasks is then walked in the same order in every process; asyncio, aiohttp and many bots keep such sets.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeVar

T = TypeVar("T")

real_all_tasks: Final = asyncio.all_tasks
"""What a run replaces, under whatever name it is held but this."""


def tasks_on(loop: asyncio.AbstractEventLoop) -> set[asyncio.Task[Any]]:
    """Those of a loop that are not done, in no order: for who only counts."""
    return real_all_tasks(loop)


class SequencedFuture(asyncio.Future[T]):
    """A future whose hash is its number in its loop."""

    __slots__ = ("_sequence",)
    _sequence: int

    def __hash__(self) -> int:
        try:
            return self._sequence
        except AttributeError:
            self._sequence = _next_number(self)
            return self._sequence


class SequencedTask(asyncio.Task[T]):
    """A task whose hash, and whose name unless it is given one, is its number in its loop."""

    __slots__ = ("_sequence",)

    def __init__(
        self, coro: Any, *, loop: asyncio.AbstractEventLoop | None = None, name: str | None = None, context: Any = None, **options: Any
    ) -> None:
        if loop is None:
            loop = asyncio.get_running_loop()
        try:
            self._sequence: int = loop.next_number()  # type: ignore[attr-defined]  # a loop that has none is told apart below
            if name is None:
                name = loop.next_task_name()  # type: ignore[attr-defined] # asyncio's own numbers go on over all runs of a process
        except AttributeError:  # another thread's loop
            self._sequence = object.__hash__(self)
        super().__init__(coro, loop=loop, name=name, context=context, **options)

    def __hash__(self) -> int:
        return self._sequence


# What a program prints and logs should read as it always does: "Task exception was never retrieved".
SequencedFuture.__name__ = SequencedFuture.__qualname__ = "Future"
SequencedTask.__name__ = SequencedTask.__qualname__ = "Task"


def _next_number(future: asyncio.Future[Any]) -> int:
    number = getattr(future.get_loop(), "next_number", None)
    return number() if number is not None else object.__hash__(future)
