"""The shell's own budget of requests, so that the venue never has to refuse one."""

from __future__ import annotations

from collections import deque
from typing import Final

from papertape.model.units import SECOND, Nanos
from papertape.model.venue import Quota


class Lot:
    """At most `count` bookings in any window of `per_ns`, by remembering when the last ones were.

    A window that slides is what venues promise and what `rate_respected` judges; a leaky bucket would either allow too many across two
    windows or waste half of the quota.
    """

    def __init__(self, count: int, per_ns: Nanos) -> None:
        self.count = count
        self.per_ns = per_ns
        self._booked: deque[Nanos] = deque(maxlen=count)

    def free_at(self, now_ns: Nanos) -> Nanos:
        """The earliest time from now on that is not one too many."""
        if len(self._booked) < self.count:
            return max(now_ns, self._booked[-1]) if self._booked else now_ns
        return max(now_ns, self._booked[0] + self.per_ns, self._booked[-1])

    def book(self, at_ns: Nanos) -> None:
        self._booked.append(at_ns)

    def left(self, now_ns: Nanos) -> int:
        """How many could go at once, now."""
        return self.count - sum(1 for at in self._booked if at > now_ns - self.per_ns)


LONG_NS: Final = 2 * SECOND
"""A window as long as that is not waited out by a client that starts again."""


class Limiter:
    """When the next request may go.

    `reserve` of the quota is kept for urgent requests (cancels, reconciliation), which may use the rest as well; so they go through while
    ordinary ones queue. As much, and at least one, is kept from those urgent ones that must wait; so no flood of them holds up an ordinary
    request for longer than one window, and those ordinary ones that wait before it. The venue's own "wait" stops both.

    >>> limiter = Limiter(Quota(count=2, per_ns=100), reserve=0, margin_ns=0)
    >>> [limiter.book(now_ns) for now_ns in (0, 10, 20)]
    [0, 10, 100]
    """

    def __init__(self, quota: Quota, *, reserve: int, margin_ns: Nanos) -> None:
        per_ns = quota.per_ns + margin_ns
        reserve = max(0, min(reserve, quota.count - 1))
        kept = min(max(reserve, 1), quota.count - reserve)
        shared = quota.count - reserve - kept
        self._kept = Lot(kept, per_ns)
        self._shared = [Lot(shared, per_ns)] if shared else []
        self._urgent = [Lot(reserve, per_ns)] if reserve else []
        self.paused_until_ns: Nanos = 0

    def book(self, now_ns: Nanos, *, urgent: bool = False, until_ns: Nanos | None = None) -> Nanos | None:
        """Spend one request; returns when it may go (run time, `now_ns` or later).

        Nothing is spent and None returned if that would be after `until_ns`. Whoever waited asks `is_paused` before going.
        """
        start_ns = max(now_ns, self.paused_until_ns)
        lots = [*self._shared, self._kept] if urgent else [self._kept, *self._shared]  # of equal ones the first
        if urgent and self._urgent and all(lot.free_at(start_ns) > start_ns for lot in lots):
            lots = [*self._shared, *self._urgent]
        lot = min(lots, key=lambda lot: lot.free_at(start_ns))
        at_ns = lot.free_at(start_ns)
        if until_ns is not None and at_ns > until_ns:
            return None
        lot.book(at_ns)
        return at_ns

    def is_paused(self, now_ns: Nanos) -> bool:
        """Whether the venue asked for silence meanwhile; then book anew."""
        return now_ns < self.paused_until_ns

    def pause(self, until_ns: Nanos) -> None:
        """The venue refused and asked us to wait; a shorter wait never shortens a longer one."""
        self.paused_until_ns = max(self.paused_until_ns, until_ns)

    def follow_on(self, now_ns: Nanos) -> None:
        """Begin as if all had been spent by an earlier life, of which nothing is known: a venue's quota does not forget a crash.

        All of it just now, so that the first request may go once a window is over, and the quota holds whatever the earlier life did. Where
        a window is `LONG_NS` or more, as it is at venues that count by the minute, evenly over the one just gone: nobody can wait for so
        long to see to open orders, and a life that asked evenly, as one that polls does, is followed by one that goes on as evenly.
        """
        for lot in (*self._shared, self._kept, *self._urgent):
            apart_ns = lot.per_ns // lot.count if lot.per_ns >= LONG_NS else 0
            for nth in reversed(range(lot.count)):
                lot.book(now_ns - nth * apart_ns)

    def left(self, now_ns: Nanos) -> int:
        """How many ordinary requests could go at once, now; 0 while paused."""
        return 0 if self.is_paused(now_ns) else sum(lot.left(now_ns) for lot in (*self._shared, self._kept))
