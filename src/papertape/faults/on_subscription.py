"""What faults of subscriptions have in common: which, and how many."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.faults.on_stream import Counted
from papertape.model.request import Channel, Lane

CHANNELS: Final = {"book": Channel.BOOK, "trades": Channel.TRADES, "ticker": Channel.TICKER, "orders": Channel.ORDERS}


class OnSubscription(Counted, frozen=True, kw_only=True):
    """Happens to the next `count` subscriptions that are asked for from the start on.

    Attributes:
        channel: which channel; by default whichever is asked for, heartbeats excepted.
        symbol: of which instrument; by default any.
        count: how many.
    """

    channel: Literal["book", "trades", "ticker", "orders"] | None = None
    symbol: str = ""

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        return {**cls.counted(draw), "channel": "book"}

    def lanes(self) -> tuple[Lane, ...]:
        return lanes_of(self.channel)

    def problems(self) -> list[tuple[str, str]]:
        return super().problems() + symbol_problems(self.channel, self.symbol)

    def is_about(self, channel: Channel, symbol: str, done: int) -> bool:
        """Whether this subscription is one of them, when `done` were before."""
        return done < self.count and concerns(self.channel, self.symbol, channel, symbol)


class OverSubscriptions(Fault, frozen=True, kw_only=True):
    """Happens to every subscription of a kind while the window lasts.

    Attributes:
        channel: which channel.
        symbol: of which instrument; by default any.
    """

    channel: Literal["book", "trades", "ticker", "orders"] = "book"
    symbol: str = ""

    needs_start: ClassVar[bool] = True

    def lanes(self) -> tuple[Lane, ...]:
        return lanes_of(self.channel)

    def problems(self) -> list[tuple[str, str]]:
        return super().problems() + symbol_problems(self.channel, self.symbol)

    def is_about(self, channel: Channel, symbol: str) -> bool:
        return concerns(self.channel, self.symbol, channel, symbol)


def lanes_of(channel: str | None) -> tuple[Lane, ...]:
    """Whose subscriptions these are."""
    return (Lane.MARKET, Lane.USER) if channel is None else (Lane.USER,) if channel == "orders" else (Lane.MARKET,)


def symbol_problems(channel: str | None, symbol: str) -> list[tuple[str, str]]:
    """What is wrong with a symbol, as (key, complaint); empty if nothing."""
    if symbol and channel == "orders":
        return [("symbol", f'holds "{symbol}", but own orders are subscribed to once, for all instruments')]
    if symbol and "/" not in symbol:
        return [("symbol", f'holds "{symbol}"; expected an instrument as ccxt writes it, such as "BTC/USD"')]
    return []


def concerns(name: str | None, wanted: str, channel: Channel, symbol: str) -> bool:
    """Whether a subscription is of the channel called `name`, and of the instrument `wanted`."""
    if channel is Channel.HEARTBEATS or (wanted and symbol != wanted):
        return False
    return name is None or channel is CHANNELS[name]
