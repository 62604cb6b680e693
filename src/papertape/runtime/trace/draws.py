"""The randomness that a run hands to its program, with a word to the trace about every draw; what is drawn stays the same."""

from __future__ import annotations

import random
from collections.abc import Callable

from papertape.runtime.chance import Stream
from papertape.runtime.patch.active import Run

Note = Callable[[str, int, bytes], None]
"""(what was drawn from, how many bytes, the value)."""


class TracedStream(Stream):
    """What `os.urandom` and its kin draw from."""

    def __init__(self, real: Stream, note: Note) -> None:
        self._real = real
        self._note = note

    def bytes(self, count: int) -> bytes:
        drawn = self._real.bytes(count)
        self._note("entropy", count, drawn)
        return drawn


class TracedRandom(random.Random):  # noqa: TID251 - stands in for the run's own one
    """What is behind the functions of the module `random`: all of them draw through these two methods."""

    note: Note

    def random(self) -> float:
        drawn = super().random()
        self.note("random", 8, repr(drawn).encode())
        return drawn

    def getrandbits(self, count: int, /) -> int:
        drawn = super().getrandbits(count)
        self.note("random", (count + 7) // 8, str(drawn).encode())
        return drawn


def trace_draws(run: Run, note: Note) -> None:
    """From now on tell `note` of everything that the program of `run` draws."""
    run.entropy = TracedStream(run.entropy, note)
    traced = TracedRandom(0)
    traced.setstate(run.random.getstate())
    traced.note = note
    run.random = traced
