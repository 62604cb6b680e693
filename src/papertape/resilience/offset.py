"""How far this machine's date is from the venue's, by what the venue says of the time."""

from __future__ import annotations

from collections import deque
from typing import Final

from papertape.model.units import MILLISECOND, Nanos

TOLERANCE_NS: Final[Nanos] = 2_500 * MILLISECOND
"""Less is as likely the line's delay as the clock's fault, and nothing here depends on it."""

WINDOW: Final = 10
"""So many heartbeats in a row must say that our clock is ahead, for each alone may just have been late."""


class Offset:
    """What to add to our date to have the venue's.

    A message is never early: where the venue's stamp is later than our date, our clock is behind by at least that, and it is believed at
    once. A stamp that is earlier may have been on its way for long; only if ten in a row are, the latest of them is believed.

    Attributes:
        ns: what to add; 0 until there is reason for more.
    """

    def __init__(self) -> None:
        self.ns: Nanos = 0
        self._seen: deque[Nanos] = deque(maxlen=WINDOW)

    def agrees(self, observed_ns: Nanos) -> bool:
        """Whether a stamp that is so much later than our date changes nothing, whatever came before it.

        >>> offset = Offset()
        >>> offset.agrees(0), offset.agrees(TOLERANCE_NS + 1), offset.agrees(-TOLERANCE_NS - 1)
        (True, False, False)
        """
        return abs(observed_ns - self.ns) <= TOLERANCE_NS

    def on_same(self, observed_ns: Nanos, count: int) -> None:
        """So many stamps in a row were that much later than our date, which `agrees`."""
        self._seen.extend([observed_ns] * min(count, WINDOW))

    def on_stamp(self, venue_ns: Nanos, wall_ns: Nanos) -> bool:
        """The venue said that it is `venue_ns` when our own clock, uncorrected, says `wall_ns`; returns whether that changes anything."""
        observed = venue_ns - wall_ns
        self._seen.append(observed)
        if observed <= self.ns + TOLERANCE_NS and (len(self._seen) < WINDOW or max(self._seen) >= self.ns - TOLERANCE_NS):
            return False
        self.ns = observed if observed > self.ns + TOLERANCE_NS else max(self._seen)
        if abs(self.ns) <= TOLERANCE_NS:
            self.ns = 0
        self._seen.clear()
        return True
