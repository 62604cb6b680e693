"""Which simulated run, if any, the calling thread is in. Everything that a run replaces asks here, so that other threads notice nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import TYPE_CHECKING, Any

import msgspec

from papertape.runtime.blame import users_line
from papertape.runtime.chance import Chance, Stream
from papertape.runtime.place import call_site

if TYPE_CHECKING:
    from papertape.runtime.loop import VirtualLoop


Generator = random.Random  # noqa: TID251 - a run makes them, seeded


class Own(Generator):
    """A generator that is a run's own."""

    __slots__ = ()


class Interception(msgspec.Struct, frozen=True):
    """Something that the program asked of the machine and that the run answered in its place.

    Attributes:
        what: as the program knows it: `time.time`, `os.urandom`, `executor`, …
        count: how often.
        first: the line that asked first.
    """

    what: str
    count: int
    first: str


class Run:
    """One run, as the replaced functions see it.

    Attributes:
        entropy: what the program gets when it asks the machine for randomness.
        random: behind the functions of the module `random`.
        kept: what a replacement keeps for this run alone, by a key of its own.
        counts: how often each thing was intercepted; `intercepted` reads better.
    """

    def __init__(self, loop: VirtualLoop, seed: int | str) -> None:
        self.loop = loop
        self.chance = Chance(seed)
        self.entropy: Stream = self.chance.stream("entropy")
        self.random = self.generator("random")
        self.kept: dict[object, Any] = {}
        self.counts: dict[str, int] = {}
        self._first: dict[str, str] = {}
        self._has_host = hasattr(loop, "guests")

    def generator(self, name: str) -> Generator:
        """A new pseudo-random generator; what it draws depends on the seed and `name` alone."""
        return Own(self.chance.keyed(name, 0))

    def count(self, what: str) -> None:
        """Take down that the program asked for `what`; where there is a program, what the world around it asks for does not count."""
        if self._has_host and asyncio._get_running_loop() is self.loop:
            return
        if what in self.counts:
            self.counts[what] += 1
        else:
            self.counts[what] = 1
            self._first[what] = users_line() if self._has_host else call_site()

    @property
    def intercepted(self) -> tuple[Interception, ...]:
        """All that was intercepted so far, by name."""
        return tuple(Interception(what, count, self._first[what]) for what, count in sorted(self.counts.items()))

    @contextmanager
    def importing(self, name: str, is_users: bool) -> Iterator[None]:
        """While module `name` is executed: it draws by its name, and what it asks for counts only if it is the user's.

        Whether a library is imported by this run or was by an earlier one must make no difference to what follows.
        """
        before = self.entropy, self.random, self.counts, self._first
        self.entropy, self.random = self.chance.stream(f"import/{name}"), self.generator(f"random/import/{name}")
        if not is_users:
            self.counts, self._first = {}, {}
        try:
            yield
        finally:
            self.entropy, self.random, self.counts, self._first = before


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


@contextmanager
def aside() -> Iterator[None]:
    """The calling thread is in no run while this lasts: for what papertape itself has to settle with the machine."""
    run = _runs.pop(get_ident(), None)
    try:
        yield
    finally:
        if run is not None:
            _runs[get_ident()] = run
