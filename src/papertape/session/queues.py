"""Queues that a bot holds somewhere, found by looking through its objects and tasks."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

QUEUES: Final = (asyncio.Queue, queue.Queue, queue.SimpleQueue)


class Queues:
    """Finds them; remembers which kinds of things are none, for it is asked every few seconds, mostly of the same."""

    def __init__(self) -> None:
        self._is_queue: dict[type, bool] = {}

    def of(self, roots: Iterable[Any]) -> list[Any]:
        """Queues that objects hold by an attribute, and tasks by a variable or by an attribute of their `self`; each once."""
        found: dict[int, Any] = {}
        is_queue = self._is_queue
        for names in _held_by(roots):
            for each in names.values():
                kind = type(each)
                if kind not in is_queue:
                    is_queue[kind] = issubclass(kind, QUEUES)
                if is_queue[kind]:
                    found[id(each)] = each
        return list(found.values())


def _held_by(roots: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    for root in roots:
        if not isinstance(root, asyncio.Task):
            yield getattr(root, "__dict__", {})
            continue
        coroutine: Any = root.get_coro()
        code = getattr(coroutine, "cr_code", None)
        if code is None or _is_ours(code.co_filename) or coroutine.cr_frame is None:
            continue
        names = coroutine.cr_frame.f_locals  # a dict made for who asks: not for the many that are ours
        yield names
        yield getattr(names.get("self"), "__dict__", {})


_OURS: Final = __file__.rpartition("session")[0]
"""The folder of papertape's own code; what its tasks hold is in other counts."""


@lru_cache(maxsize=1_000)
def _is_ours(filename: str) -> bool:
    return filename.startswith(_OURS) and not filename.startswith(_OURS + "bots")
