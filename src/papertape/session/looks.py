"""What the observer looks at again and again: rounds of the loop that may be passed over while there is nothing to see."""

from __future__ import annotations

from typing import Final, Protocol

from papertape.model.units import SECOND, Nanos

COUNT_EVERY_NS: Final = 5 * SECOND
COMPARE_EVERY_NS: Final = 30 * SECOND


class Looking(Protocol):
    """Who looks; see `session.watching`."""

    @property
    def is_over(self) -> bool: ...

    @property
    def has_books(self) -> bool: ...

    def count(self, times: int, last_ns: Nanos) -> None: ...

    def compared_nothing(self, at_ns: Nanos) -> None: ...


class Looks:
    """The observer's looks at one thing, until run time `until_ns`; rounds that may be passed over (`runtime.rounds.Passing`)."""

    is_ordered = False
    every_ns: Nanos

    def __init__(self, watching: Looking, until_ns: Nanos) -> None:
        self.until_ns = until_ns
        self._watching = watching

    def passed(self, count: int, last_ns: Nanos) -> None:
        """See `runtime.rounds.Passing`."""
        raise NotImplementedError

    def quiet_until_ns(self, due_ns: Nanos) -> Nanos:
        """The last one is none of them, for there is no other after it."""
        return due_ns if self._watching.is_over else self.until_ns - self.every_ns + 1


class Counts(Looks):
    """How much there is: while nothing happens there is no more of it and no less."""

    every_ns = COUNT_EVERY_NS

    def passed(self, count: int, last_ns: Nanos) -> None:
        self._watching.count(count, last_ns)


class Comparisons(Looks):
    """Of the client's books with the venue's, which move all the time."""

    every_ns = COMPARE_EVERY_NS

    def quiet_until_ns(self, due_ns: Nanos) -> Nanos:
        return due_ns if self._watching.has_books else super().quiet_until_ns(due_ns)

    def passed(self, count: int, last_ns: Nanos) -> None:
        self._watching.compared_nothing(last_ns)
