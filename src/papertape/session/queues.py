"""Queues that a bot holds somewhere, found by looking through its objects and tasks."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

QUEUES: Final = (asyncio.Queue, queue.Queue, queue.SimpleQueue)


def queues_of(roots: Sequence[Any]) -> Iterator[Any]:
    """Queues that objects hold by an attribute, and tasks by a variable or by an attribute of their `self`; each once."""
    seen: dict[int, None] = {}
    for root in roots:
        for holder in _holders(root):
            for each in holder.values():
                if isinstance(each, QUEUES) and id(each) not in seen:
                    seen[id(each)] = None
                    yield each


def _holders(root: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(root, asyncio.Task):
        return (getattr(root, "__dict__", {}),)
    frame = getattr(root.get_coro(), "cr_frame", None)
    if frame is None or _is_ours(frame.f_code.co_filename):
        return ()
    names = frame.f_locals
    return names, getattr(names.get("self"), "__dict__", {})


_OURS: Final = __file__.rpartition("session")[0]
"""The folder of papertape's own code; what its tasks hold is in other counts."""


@lru_cache(maxsize=1_000)
def _is_ours(filename: str) -> bool:
    return filename.startswith(_OURS) and not filename.startswith(_OURS + "bots")
