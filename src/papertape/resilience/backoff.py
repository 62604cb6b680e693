"""How long to wait before trying again."""

from __future__ import annotations

from typing import Protocol

from papertape.model.units import Nanos


class Draws(Protocol):
    """Where jitter comes from; `runtime.chance.Stream` is one."""

    def below(self, count: int) -> int: ...


class Backoff:
    """Doubles from `first_ns` up to `max_ns`; half of each wait is drawn, so that many clients do not come back at one instant.

    >>> class Most:
    ...     def below(self, count): return count - 1
    >>> backoff = Backoff(first_ns=100, max_ns=1_000, draws=Most())
    >>> [backoff(failures) for failures in (1, 2, 3, 4, 5, 400)]
    [100, 200, 400, 800, 1000, 1000]
    """

    def __init__(self, *, first_ns: Nanos, max_ns: Nanos, draws: Draws) -> None:
        self._first_ns = first_ns
        self._max_ns = max_ns
        self._draws = draws

    def __call__(self, failures: int) -> Nanos:
        """Nanoseconds to wait after so many failures in a row, counted from 1."""
        longest = min(self._max_ns, self._first_ns << min(failures - 1, 62))
        sure = longest // 2
        return sure + self._draws.below(longest - sure + 1)
