"""The randomness that a run hands to its program, with a word to the trace about every draw; what is drawn stays the same."""

from __future__ import annotations

from collections.abc import Callable

from papertape.runtime.chance import Stream
from papertape.runtime.patch.active import Generator, Own, Run

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


class TracedRandom(Own):
    """What is behind the functions of the module `random`, or a generator made before the run: all draw through these two methods."""

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
    make = run.generator

    def traced(plain: Generator) -> Generator:
        generator = TracedRandom(0)
        generator.setstate(plain.getstate())
        generator.note = note
        return generator

    run.random = traced(run.random)
    run.generator = lambda name: traced(make(name))  # type: ignore[method-assign] # from here on
