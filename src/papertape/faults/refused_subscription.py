"""The venue will not let a client listen."""

from __future__ import annotations

from typing import Any

from papertape.faults.drawing import Draw
from papertape.faults.on_subscription import OnSubscription
from papertape.model.interference import RefusedBecause, Thwarted
from papertape.model.request import Channel


class RefusedSubscription(OnSubscription, frozen=True, kw_only=True, tag="refused_subscription"):
    """The next `count` subscriptions are answered with an error, and bring nothing; the venue leaves the connection open.

    interface: the link ends the connection, as the real one does: an error does not say which subscription it is about, so that nothing
    on the connection can be relied on any more.
    wire: a Coinbase's frame `{"type": "error", "message": …}` in its own words for the reason, without a number.

    Attributes:
        channel: which channel; by default whichever is asked for, heartbeats excepted.
        symbol: of which instrument; by default any.
        count: how many are refused.
        reason: why: too many of them on one connection, no authentication where the venue wants one, or too many in too short a time.
    """

    reason: RefusedBecause = "too_many_streams"

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        return {**cls.counted(draw), "reason": draw.one_of("too_many_streams", "rate_limited")}

    def thwarts(self, channel: Channel, symbol: str, done: int) -> Thwarted | None:
        return Thwarted(is_acknowledged=False, refusal=self.reason) if self.is_about(channel, symbol, done) else None
