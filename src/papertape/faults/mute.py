"""A channel that says nothing while all else goes on."""

from __future__ import annotations

from typing import Any

from papertape.faults.drawing import Draw
from papertape.faults.on_subscription import OverSubscriptions
from papertape.model.interference import Thwarted
from papertape.model.request import Channel


class Mute(OverSubscriptions, frozen=True, kw_only=True, tag="mute"):
    """Subscriptions of a channel go dead, and the connection lives: heartbeats and all other channels come as always.

    Dead is each that stands as the window begins, and each that is asked for in it, although the venue acknowledges it. None comes back to
    life by itself: a client must ask again once the window is over. No sequence number is spent on what is not sent, so that nothing but
    the silence tells.

    interface: no message of the channel comes, nor the snapshot of a book.
    wire: the same; a subscription is answered with Coinbase's `subscriptions` frame, and with nothing after it.

    Attributes:
        channel: which channel.
        symbol: of which instrument; by default any.
    """

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        return {**draw.moment(), "channel": draw.one_of("book", "book", "trades", "orders")}

    def mutes(self, channel: Channel, symbol: str) -> bool:
        return self.is_about(channel, symbol)

    def thwarts(self, channel: Channel, symbol: str, done: int) -> Thwarted | None:
        return Thwarted(is_acknowledged=True) if self.is_about(channel, symbol) else None
