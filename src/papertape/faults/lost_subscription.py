"""A wish that nobody heard."""

from __future__ import annotations

from papertape.faults.on_subscription import OnSubscription
from papertape.model.interference import Thwarted
from papertape.model.request import Channel


class LostSubscription(OnSubscription, frozen=True, kw_only=True, tag="lost_subscription"):
    """The next `count` subscriptions vanish: no answer, no snapshot, no message, as when a venue throws away what comes too fast.

    The connection lives, and whatever else was asked for on it comes. A subscription that stood before and was asked for again is gone too.

    interface: nothing comes.
    wire: not even Coinbase's `subscriptions` frame.

    Attributes:
        channel: which channel; by default whichever is asked for, heartbeats excepted.
        symbol: of which instrument; by default any.
        count: how many vanish.
    """

    def thwarts(self, channel: Channel, symbol: str, done: int) -> Thwarted | None:
        return Thwarted(is_acknowledged=False) if self.is_about(channel, symbol, done) else None
