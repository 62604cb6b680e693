"""How often a venue may be dialled, over all lanes and all lives of a client."""

from __future__ import annotations

from typing import Final

from papertape.model.units import Nanos
from papertape.model.venue import Quota

AT_ONCE: Final = 2
"""Stream lanes that may be dialled at one instant, as after a cut that took both."""


class Pace:
    """When the next connection may be tried: at most `quota.count` in any window of `quota.per_ns`, stretched by `margin_ns`.

    Credit for one dial comes every `every_ns`, and at most `AT_ONCE` of it is kept. A client that starts has none, because it cannot know
    what an earlier life of it did a moment ago: whatever was dialled before `start_ns` would have left the bucket at least as full. So the
    quota holds over any number of lives, one after another, without a log that all of them could trust.

    >>> pace = Pace(Quota(count=5, per_ns=100), start_ns=0)
    >>> pace.every_ns, [pace.book(now_ns) for now_ns in (0, 0, 200, 200, 200)]
    (25, [25, 50, 200, 200, 225])
    """

    def __init__(self, quota: Quota, *, start_ns: Nanos, margin_ns: Nanos = 0) -> None:
        at_once = min(AT_ONCE, quota.count)
        self.every_ns: Nanos = -(-(quota.per_ns + margin_ns) // (quota.count - at_once + 1))
        self._kept_ns = (at_once - 1) * self.every_ns
        self._full_at_ns = start_ns + at_once * self.every_ns  # when all credit is back

    def book(self, now_ns: Nanos) -> Nanos:
        """Spend one dial; returns when it may go (run time, `now_ns` or later). Who books and stays away has only waited for nothing."""
        at_ns = max(now_ns, self._full_at_ns - self._kept_ns)
        self._full_at_ns = max(at_ns, self._full_at_ns) + self.every_ns
        return at_ns
