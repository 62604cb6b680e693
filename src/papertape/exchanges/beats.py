"""Taking heartbeats many at a time: where each would only be counted, and the venue's time is what it is held to be."""

from __future__ import annotations

from collections.abc import Callable

from papertape.exchanges.lanes import LaneKeeper
from papertape.exchanges.venue_time import VenueTime
from papertape.model.request import Lane
from papertape.model.units import Nanos


class BeatCounter:
    """The client's `model.beat.BeatTaker`: what it takes has done the same to a lane as if each had come by itself."""

    def __init__(self, keeper: Callable[[Lane], LaneKeeper], time: VenueTime) -> None:
        self._keeper = keeper
        self._time = time

    def may_take(self, lane: Lane, sequence: int, venue_ns: Nanos) -> bool:
        keeper = self._keeper(lane)
        return keeper.sequences is None and keeper.is_open and sequence == keeper.sequence.expected and self._time.agrees(venue_ns)

    def take(self, lane: Lane, sequence: int, count: int, venue_ns: Nanos, at_ns: Nanos) -> None:
        keeper = self._keeper(lane)
        keeper.heard += count
        keeper.sequence.expected = sequence + count
        self._time.hear_many(venue_ns, at_ns, count)
