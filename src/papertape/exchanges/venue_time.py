"""The clock that the shell goes by: run time is the machine's, the date is put right by the venue's own heartbeats."""

from __future__ import annotations

from papertape.model.notes import Mark, Notes
from papertape.model.units import Nanos, format_duration
from papertape.resilience.offset import Offset
from papertape.runtime.clock import Clock


class VenueTime:
    """A `Clock`. What waits goes by run time and never by the date; the date is for what a venue or a later life must understand."""

    def __init__(self, clock: Clock, notes: Notes) -> None:
        self._clock = clock
        self._notes = notes
        self._offset = Offset()
        self.now_ns = clock.now_ns
        self.call_at_ns = clock.call_at_ns
        self.sleep_ns = clock.sleep_ns

    def hear(self, venue_ns: Nanos) -> None:
        """The venue says what time it is."""
        if venue_ns > 0 and self._offset.on_stamp(venue_ns, self._clock.wall_ns()):
            off = self._offset.ns
            what = f"{format_duration(abs(off))} {'behind' if off > 0 else 'ahead of'} the venue's" if off else "right again"
            self._notes.mark(Mark.CLOCK_CORRECTED, f"this machine's clock is {what}")

    def wall_ns(self) -> Nanos:
        return self._clock.wall_ns() + self._offset.ns
