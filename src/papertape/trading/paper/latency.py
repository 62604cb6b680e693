"""How long an order takes to the market: as long as the line to the real one takes there and back."""

from __future__ import annotations

from bisect import insort
from collections import deque
from typing import Final

import msgspec

from papertape.model.units import MILLISECOND, Nanos
from papertape.sim.latency.base import LatencyLaw

KEPT: Final = 100
"""Round trips that are remembered."""

UNMEASURED_NS: Final = 50 * MILLISECOND
"""What counts until one was measured."""


class RoundTrips(LatencyLaw, frozen=True, dict=True, tag="round_trips"):
    """One of the last hundred round trips to the venue, whichever is drawn.

    What a paper bot knows of the market is old already by the way to it, and its order has the way back before it: it meets the market that
    is a round trip younger than what the bot acted upon.

    >>> law = RoundTrips()
    >>> law.ns(draw=0)
    50000000
    >>> for ms in (30, 10, 20):
    ...     law.note(ms * MILLISECOND)
    >>> law.ns(draw=0), law.ns(draw=2**64 - 1)
    (10000000, 30000000)
    """

    latest: deque[Nanos] = msgspec.field(default_factory=lambda: deque(maxlen=KEPT))
    ordered: list[Nanos] = msgspec.field(default_factory=list)

    def note(self, took_ns: Nanos) -> None:
        """A question was answered after so long."""
        if len(self.latest) == KEPT:
            self.ordered.remove(self.latest[0])
        self.latest.append(took_ns)
        insort(self.ordered, took_ns)

    def ns(self, draw: int) -> Nanos:
        return self.ordered[draw * len(self.ordered) >> 64] if self.ordered else UNMEASURED_NS
