"""The clock that the shell goes by: run time is the machine's, the date is put right by the venue's own heartbeats."""

from __future__ import annotations

from papertape.model.notes import Mark, Notes
from papertape.model.units import Nanos, format_duration
from papertape.resilience.offset import Offset
from papertape.runtime.clock import Clock
from papertape.runtime.rounds import SchedulesRounds


class VenueTime:
    """A `Clock`. What waits goes by run time and never by the date; the date is for what a venue or a later life must understand."""

    def __init__(self, clock: Clock, notes: Notes) -> None:
        self._clock = clock
        self._notes = notes
        self._offset = Offset()
        self.now_ns = clock.now_ns
        self.call_at_ns = clock.call_at_ns
        self.sleep_ns = clock.sleep_ns
        self.rounds: SchedulesRounds | None = getattr(clock, "rounds", None)

    def hear(self, venue_ns: Nanos) -> None:
        """The venue says what time it is."""
        if venue_ns > 0 and self._offset.on_stamp(venue_ns, self._clock.wall_ns()):
            off = self._offset.ns
            what = f"{format_duration(abs(off))} {'behind' if off > 0 else 'ahead of'} the venue's" if off else "right again"
            self._notes.mark(Mark.CLOCK_CORRECTED, f"this machine's clock is {what}")

    def agrees(self, venue_ns: Nanos) -> bool:
        """Whether it changes nothing that the venue says that it is `venue_ns` now, and right ever after by our own clock."""
        return self._offset.agrees(venue_ns - self._clock.wall_ns())

    def hear_many(self, venue_ns: Nanos, at_ns: Nanos, count: int) -> None:
        """It has said so `count` times, each as right as the other; the last time at `at_ns`, run time."""
        self._offset.on_same(venue_ns - (self._clock.wall_ns() + at_ns - self._clock.now_ns()), count)

    def wall_ns(self) -> Nanos:
        return self._clock.wall_ns() + self._offset.ns
