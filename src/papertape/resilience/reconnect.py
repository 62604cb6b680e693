"""What a lane needs next: dial, repair, deliver or wait."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

import msgspec

from papertape.model.errors import IllegalMove
from papertape.model.units import Nanos


class LaneState(Enum):  # the value is the sentence people read in the monitor
    """Where a lane stands."""

    DOWN = "no connection; waiting to dial"
    DIALLING = "dialled; no answer yet"
    SYNCING = "connected; repairing what was missed"
    LIVE = "up"
    CLOSED = "closed by us"


class Signal(Enum):
    """What can happen to a lane."""

    RETRY_DUE = "the wait is over"
    OPENED = "the venue took the connection"
    REPAIRED = "subscribed, and nothing is missing any more"
    MISSED = "something was lost on the way; the connection still stands"
    DROPPED = "the connection is gone, or never came to be"
    CLOSED = "we want no connection any more"


class Dial(msgspec.Struct, frozen=True):
    """Open the lane; answer with OPENED or DROPPED."""


class Repair(msgspec.Struct, frozen=True):
    """Subscribe everything and learn what was missed; answer with REPAIRED, MISSED or DROPPED."""


class Deliver(msgspec.Struct, frozen=True):
    """Nothing to do until the lane is DROPPED or something was MISSED."""


class Wait(msgspec.Struct, frozen=True):
    """Do nothing until then; run time in nanoseconds."""

    until_ns: Nanos


class Rest(msgspec.Struct, frozen=True):
    """The lane is closed; nothing to do ever again."""


Action = Dial | Repair | Deliver | Wait | Rest

NEXT: Final = {  # every legal move; any other is a bug and raises
    (LaneState.DOWN, Signal.RETRY_DUE): LaneState.DIALLING,
    (LaneState.DIALLING, Signal.OPENED): LaneState.SYNCING,
    (LaneState.DIALLING, Signal.DROPPED): LaneState.DOWN,
    (LaneState.SYNCING, Signal.REPAIRED): LaneState.LIVE,
    (LaneState.SYNCING, Signal.MISSED): LaneState.SYNCING,
    (LaneState.SYNCING, Signal.DROPPED): LaneState.DOWN,
    (LaneState.LIVE, Signal.MISSED): LaneState.SYNCING,
    (LaneState.LIVE, Signal.DROPPED): LaneState.DOWN,
    (LaneState.DOWN, Signal.CLOSED): LaneState.CLOSED,
    (LaneState.DIALLING, Signal.CLOSED): LaneState.CLOSED,
    (LaneState.SYNCING, Signal.CLOSED): LaneState.CLOSED,
    (LaneState.LIVE, Signal.CLOSED): LaneState.CLOSED,
}


class Reconnect:
    """Decide what a lane needs next.

    A lane that was LIVE for `stable_after_ns` starts with a clean sheet when it drops; one that dropped sooner waits longer each time.
    """

    def __init__(self, backoff: Callable[[int], Nanos], *, stable_after_ns: Nanos) -> None:
        self.state = LaneState.DOWN
        self.failures = 0  # in a row
        self.times_live = 0
        self._live_since_ns: Nanos | None = None
        self._stable_after_ns = stable_after_ns
        self._backoff = backoff

    def on(self, signal: Signal, now_ns: Nanos) -> Action:
        """What to do after `signal` at run time `now_ns`; raises IllegalMove for one that the table lacks."""
        if (self.state, signal) not in NEXT:
            raise IllegalMove(f"{signal.name} while {self.state.name}, after {self.failures} failures in a row")
        before, self.state = self.state, NEXT[self.state, signal]
        match self.state:
            case LaneState.DIALLING:
                return Dial()
            case LaneState.SYNCING:
                return Repair()
            case LaneState.LIVE:
                if self._live_since_ns is None:
                    self._live_since_ns = now_ns
                    self.times_live += 1
                return Deliver()
            case LaneState.DOWN:
                if self._live_since_ns is not None and now_ns - self._live_since_ns >= self._stable_after_ns:
                    self.failures = 0
                self._live_since_ns = None
                self.failures += 1
                return Wait(until_ns=now_ns + self._backoff(self.failures))
            case LaneState.CLOSED:
                return Rest()
        raise IllegalMove(f"{before.name} leads nowhere")
