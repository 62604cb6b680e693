"""Heartbeats of a connection that arrive as they should, many at a time: nobody but who counts them can tell."""

from __future__ import annotations

from typing import Protocol

from papertape.model.request import Lane
from papertape.model.units import Nanos


class BeatTaker(Protocol):
    """A client that may count heartbeats instead of being told each; numbers are those of its connection."""

    def may_take(self, lane: Lane, sequence: int, venue_ns: Nanos) -> bool:
        """Whether all that come from now on, `venue_ns` at the venue, would do nothing but be counted; the first has that number."""
        ...

    def take(self, lane: Lane, sequence: int, count: int, venue_ns: Nanos, at_ns: Nanos) -> None:
        """So many have come, the first of which has that number; the last is stamped `venue_ns` and came at `at_ns`, run time."""
        ...
