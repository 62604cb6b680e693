"""What a bot and its exchange left behind, when all should be over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from papertape.runtime.life import Life
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.place import is_users, waiting_at
from papertape.session.world import VenueWorld


def note_left(worlds: Sequence[VenueWorld], loops: Sequence[VirtualLoop | Life], network: Network | None) -> None:
    """Write down for each venue what still goes on; what is no venue's is the first one's.

    Args:
        loops: the run's own, and the bot's where it has one.
    """
    for place, world in enumerate(worlds):
        left = [] if world.exchange is None else world.exchange.insight.left()
        left += [f"a connection of the {stream.lane} lane" for stream in world.door.broadcast.open_streams()]
        if place == 0:
            left += [task for loop in loops for task in _tasks(loop)] + _timers(loops[0])
            if network is not None:
                ours = (each for each in network.connections() if not _is_dead(each.client.loop))
                left += [f"an open connection to {each.host}" for each in ours if not each.client.is_closing()]
        world.left_behind = tuple(dict.fromkeys(left))


def _is_dead(loop: object) -> bool:
    """Whether it was a life's that a crash ended: what it had open went with it, and nothing of it ever happens."""
    return isinstance(loop, Life) and loop.is_over


def _tasks(loop: VirtualLoop | Life) -> list[str]:
    tasks = sorted(asyncio.all_tasks(loop), key=hash)
    current = asyncio.current_task()
    return [f"the task {waiting_at(task)}" for task in tasks if task is not current and not task.get_name().startswith("papertape")]


def _timers(loop: VirtualLoop | Life) -> list[str]:
    """Timers that would call the user's code or the shell."""
    found = []
    if isinstance(loop, Life):
        loop = loop.host
    for _, _, _, timer in sorted(loop.agenda, key=lambda entry: entry[:3]):
        callback: Any = timer._callback
        code = getattr(callback, "__code__", None)
        if timer.cancelled() or code is None or _is_dead(timer._loop):
            continue
        if is_users(code):
            found.append(f"a timer of the bot that calls {callback.__qualname__}")
        elif getattr(callback, "__module__", "").startswith("papertape.exchanges") and callback.__name__ != "_wake":
            found.append(f"a timer of the shell that calls {callback.__qualname__}")
    return found
