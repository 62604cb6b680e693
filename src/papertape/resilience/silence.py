"""Whether a stream that says nothing is dead: quiet markets show their heartbeat, dead lines show nothing."""

from __future__ import annotations

from papertape.model.units import Nanos


class Silence:
    """Counts instead of reading a clock for each message: the shell asks now and then, and a count that stood still is silence.

    >>> silence = Silence(limit_ns=5)
    >>> silence.restart(now_ns=0)
    >>> silence.is_dead(heard=1, now_ns=3), silence.is_dead(heard=1, now_ns=7), silence.is_dead(heard=1, now_ns=8)
    (False, False, True)
    """

    def __init__(self, *, limit_ns: Nanos) -> None:
        self.limit_ns = limit_ns
        self.quiet_since_ns: Nanos = 0
        self._heard = 0

    def restart(self, now_ns: Nanos, heard: int = 0) -> None:
        """A connection opened; its silence counts from now."""
        self.quiet_since_ns = now_ns
        self._heard = heard

    def is_dead(self, heard: int, now_ns: Nanos) -> bool:
        """Whether `heard`, the number of messages so far, has stood still for the limit; asked at least once in each heartbeat."""
        if heard != self._heard:
            self._heard = heard
            self.quiet_since_ns = now_ns
            return False
        return now_ns - self.quiet_since_ns >= self.limit_ns
