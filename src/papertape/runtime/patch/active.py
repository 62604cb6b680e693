"""Which simulated run, if any, the calling thread is in. Everything that a run replaces asks here, so that other threads notice nothing."""

from __future__ import annotations

import random
from threading import get_ident
from typing import TYPE_CHECKING

from papertape.runtime.chance import Chance, Stream

if TYPE_CHECKING:
    from papertape.runtime.loop import VirtualLoop


class Run:
    """One run, as the replaced functions see it.

    Attributes:
        entropy: what the program gets when it asks the machine for randomness.
        random: behind the functions of the module `random`.
    """

    def __init__(self, loop: VirtualLoop, seed: int | str) -> None:
        self.loop = loop
        self.chance = Chance(seed)
        self.entropy: Stream = self.chance.stream("entropy")
        self.random = random.Random(self.chance.keyed("random", 0))  # noqa: TID251, S311 - seeded, and what the program expects


_runs: dict[int, Run] = {}


def active() -> Run | None:
    """The run of the calling thread."""
    return _runs.get(get_ident())


def enter(run: Run) -> Run | None:
    """Make `run` the calling thread's; returns the one it was in."""
    outer = _runs.get(get_ident())
    _runs[get_ident()] = run
    return outer


def leave(outer: Run | None) -> None:
    """Undo `enter`."""
    if outer is None:
        _runs.pop(get_ident(), None)
    else:
        _runs[get_ident()] = outer
