"""Where the news of a lane comes from: its stream, or REST in its stead."""

from __future__ import annotations

from enum import Enum
from typing import Final

from papertape.model.errors import IllegalMove


class FeedState(Enum):  # the value is the sentence people read in the monitor
    """How a lane's news reaches us."""

    STREAMED = "streaming"
    AWAITED = "waiting for the stream"
    ASKING = "asking by REST; no answer yet"
    POLLED = "polling by REST"


class FeedSignal(Enum):
    """What can happen to a feed."""

    LOST = "the stream is away, or what it missed is not made good yet"
    OVERDUE = "it has been away for longer than anybody should wait"
    ANSWERED = "REST has told how everything stands"
    STALE = "what REST told last may be gone by no longer"
    BACK = "the stream is here again, and whole"


NEXT: Final = {  # every legal move; any other is a bug and raises
    (FeedState.STREAMED, FeedSignal.LOST): FeedState.AWAITED,
    (FeedState.AWAITED, FeedSignal.OVERDUE): FeedState.ASKING,
    (FeedState.AWAITED, FeedSignal.BACK): FeedState.STREAMED,
    (FeedState.ASKING, FeedSignal.ANSWERED): FeedState.POLLED,
    (FeedState.ASKING, FeedSignal.BACK): FeedState.STREAMED,
    (FeedState.POLLED, FeedSignal.ANSWERED): FeedState.POLLED,
    (FeedState.POLLED, FeedSignal.STALE): FeedState.ASKING,
    (FeedState.POLLED, FeedSignal.BACK): FeedState.STREAMED,
}


class Feed:
    """One stream lane's source of news; it begins without one."""

    def __init__(self) -> None:
        self.state = FeedState.AWAITED

    @property
    def is_polled(self) -> bool:
        """REST has told how things stand, and not long ago."""
        return self.state is FeedState.POLLED

    def on(self, signal: FeedSignal) -> FeedState:
        """Where the news come from now; raises IllegalMove for what the table lacks."""
        if (self.state, signal) not in NEXT:
            raise IllegalMove(f"{signal.name} while {self.state.name}")
        self.state = NEXT[self.state, signal]
        return self.state
