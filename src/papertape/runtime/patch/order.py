"""asyncio's own sets, walked in the order of insertion.

`asyncio.wait`, `as_completed`, `TaskGroup` and `all_tasks` walk sets of tasks: in another order in every process, because tasks hash by
address. Their modules get an ordered `set`; tasks and futures get hashes by number (`runtime.sequenced`).
"""

from __future__ import annotations

import asyncio
import asyncio.taskgroups
import asyncio.tasks
import sys
from typing import Any, Final

from papertape.runtime.ordered import OrderedSet
from papertape.runtime.sequenced import SequencedTask, real_all_tasks


def _all_tasks(loop: asyncio.AbstractEventLoop | None = None) -> Any:
    tasks = real_all_tasks(loop)
    return OrderedSet(sorted(tasks, key=hash)) if all(isinstance(task, SequencedTask) for task in tasks) else tasks


def replaced() -> list[tuple[object, object]]:
    """(what asyncio has, what a run has)."""
    pairs: list[tuple[object, object]] = [(real_all_tasks, _all_tasks), (asyncio.Task, SequencedTask)]
    if sys.version_info >= (3, 12):
        pairs.append((asyncio.eager_task_factory, _eager_task_factory))
    return pairs


if sys.version_info >= (3, 12):
    _eager_task_factory: Any = asyncio.create_eager_task_factory(SequencedTask)


WITH_SETS: Final[list[dict[str, Any]]] = [vars(asyncio.tasks), vars(asyncio.taskgroups)]
"""The namespaces in which `set` is to be ordered."""
