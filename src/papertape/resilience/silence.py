"""Whether a stream that says nothing is dead: quiet markets show their heartbeat, dead lines show nothing."""

from __future__ import annotations

from typing import Final

from papertape.model.units import Nanos

PART: Final = 4096
"""Bytes that are surely a part of a message; fewer may be a word of the protocol's own, which a line without a venue behind it has too."""


class Silence:
    """Counts instead of reading a clock for each message: the shell asks now and then, and a count that stood still is silence.

    A large message on a slow line is no silence: while parts of it come, heartbeats stand in line behind it.

    >>> silence = Silence(limit_ns=5)
    >>> silence.restart(now_ns=0)
    >>> silence.is_dead(heard=1, now_ns=3), silence.is_dead(heard=1, now_ns=7), silence.is_dead(heard=1, now_ns=8)
    (False, False, True)

    Attributes:
        quiet_since_ns: when anything had last come, as far as was looked.
        receiving_since_ns: since when a message has been coming in parts; None while none is.
    """

    def __init__(self, *, limit_ns: Nanos) -> None:
        self.limit_ns = limit_ns
        self.quiet_since_ns: Nanos = 0
        self.receiving_since_ns: Nanos | None = None
        self._heard = 0
        self._volume = 0  # when a sign of life was last seen

    def restart(self, now_ns: Nanos, heard: int = 0) -> None:
        """A connection opened; its silence counts from now."""
        self.quiet_since_ns = now_ns
        self.receiving_since_ns = None
        self._heard = heard
        self._volume = 0  # when a sign of life was last seen

    @property
    def lives_until_ns(self) -> Nanos:
        """Before which it is not dead, whatever comes or does not."""
        return self.quiet_since_ns + self.limit_ns

    def is_dead(self, heard: int, now_ns: Nanos, volume: int = 0) -> bool:
        """Whether `heard`, the number of messages so far, has stood still for the limit; asked at least once in each heartbeat.

        `volume` is how many bytes the connection has brought, where that is known.
        """
        if heard != self._heard:
            self._heard = heard
            self._volume = volume
            self.quiet_since_ns = now_ns
            self.receiving_since_ns = None
            return False
        if volume - self._volume >= PART:
            self._volume = volume
            if self.receiving_since_ns is None:
                self.receiving_since_ns = now_ns
            self.quiet_since_ns = now_ns
            return False
        return now_ns - self.quiet_since_ns >= self.limit_ns
