"""Tasks and futures that hash by the order in which a run first used them, not by their address in memory.

A set of tasks is then walked in the same order in every process; asyncio, aiohttp and many bots keep such sets.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

T = TypeVar("T")


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

    _sequence: int

    def __init__(self, coro: Any, *, loop: asyncio.AbstractEventLoop | None = None, name: str | None = None, **options: Any) -> None:
        if name is None:
            # asyncio's own numbers go on over all runs of a process.
            named_by = getattr(loop or asyncio.get_running_loop(), "next_task_name", None)
            name = named_by() if named_by is not None else None
        super().__init__(coro, loop=loop, name=name, **options)

    def __hash__(self) -> int:
        try:
            return self._sequence
        except AttributeError:
            self._sequence = _next_number(self)
            return self._sequence


def _next_number(future: asyncio.Future[Any]) -> int:
    number = getattr(future.get_loop(), "next_number", None)
    return number() if number is not None else object.__hash__(future)
