"""Whether a user lane that lives still tells of our orders."""

from __future__ import annotations

from enum import Enum
from typing import Final

from papertape.model.units import Nanos

DOUBLINGS_MAX: Final = 6
"""A venue that tells late, or not of everything, is asked ever less often on that account, up to so many doublings."""


class Doubt(Enum):  # the value is the sentence people read
    """Why it may be deaf."""

    QUIET = "nothing was told of any order for long"
    UNTOLD = "REST knows of an order what was not told"


class Hearing:
    """Watches what is told of our own orders, against what REST says of them.

    A lane whose heartbeats come may have lost the one subscription that matters most, and nothing but the silence tells. So it is doubted
    when REST has shown a change (an order that is there, filled further, or closed) which the lane does not tell within `untold_ns`, and
    when it told nothing at all for `quiet_ns`, for an account may be quiet. A doubt is no alarm: whoever asks the venue for our orders
    anew, and is answered, calls `restart`.

    >>> hearing = Hearing(quiet_ns=30, untold_ns=5)
    >>> hearing.restart(now_ns=0)
    >>> hearing.learnt("a", now_ns=10)
    >>> hearing.doubt(now_ns=14), hearing.doubt(now_ns=15)
    (None, <Doubt.UNTOLD: 'REST knows of an order what was not told'>)
    """

    def __init__(self, *, quiet_ns: Nanos, untold_ns: Nanos) -> None:
        self._quiet_ns = quiet_ns
        self._untold_ns = untold_ns
        self._heard_ns: Nanos = 0
        self._untold: dict[str, Nanos] = {}  # what REST showed of which order first, and when
        self._in_vain = 0  # doubts in a row that an untold order raised, and that the venue dispelled

    def restart(self, now_ns: Nanos, dispelled: Doubt | None = None) -> None:
        """The venue has listed our orders, and what it did not list was asked for: nothing is owed to us; it may have dispelled a doubt."""
        self._in_vain = min(self._in_vain + (dispelled is Doubt.UNTOLD), DOUBLINGS_MAX)
        self._heard_ns = now_ns
        self._untold.clear()

    def told(self, key: str, now_ns: Nanos, *, is_all: bool) -> None:
        """The lane spoke of an order; `is_all`: it told as much as is known."""
        self._heard_ns = now_ns
        since_ns = self._untold.pop(key, None) if is_all else None
        if since_ns is not None and now_ns - since_ns < self._untold_ns:
            self._in_vain = 0

    def learnt(self, key: str, now_ns: Nanos) -> None:
        """REST showed a change of an order that the lane had not told by then."""
        self._untold.setdefault(key, now_ns)

    @property
    def trusted_until_ns(self) -> Nanos:
        """Before which there is no doubt, if nothing is told or learnt."""
        untold_ns = next(iter(self._untold.values()), None)
        quiet_ns = self._heard_ns + self._quiet_ns
        return quiet_ns if untold_ns is None else min(quiet_ns, untold_ns + (self._untold_ns << self._in_vain))

    def doubt(self, now_ns: Nanos) -> Doubt | None:
        """Why the venue should be asked for our orders anew; None while there is no reason."""
        for since_ns in self._untold.values():  # the first has waited longest
            if now_ns - since_ns >= self._untold_ns << self._in_vain:
                return Doubt.UNTOLD
            break
        return Doubt.QUIET if now_ns - self._heard_ns >= self._quiet_ns else None
