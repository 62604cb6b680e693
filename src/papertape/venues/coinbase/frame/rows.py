"""What stream frames are made of, field by field."""

from __future__ import annotations

from typing import Final

import msgspec

from papertape.model.units import MINUTE
from papertape.venues.coinbase.order import UserOrder

CANDLE_SPAN_NS: Final = 5 * MINUTE
"""The stream knows bars of five minutes only."""

SNAPSHOT_ORDERS_MAX: Final = 50
"""A message of the user channel's snapshot holds no more orders than this."""


class Envelope(msgspec.Struct, frozen=True):
    """What every frame is wrapped in; `type` and `message` are those of an error, which has nothing else."""

    channel: str = ""
    timestamp: str = ""
    sequence_num: int | None = None
    events: msgspec.Raw = msgspec.Raw(b"[]")
    type: str = ""
    message: str = ""


class LevelRow(msgspec.Struct, frozen=True, gc=False):
    """One level of a book; a quantity of 0 takes it away."""

    side: str
    event_time: str
    price_level: str
    new_quantity: str


class LevelsEvent(msgspec.Struct, frozen=True):
    """One product's levels: all of them in a snapshot."""

    type: str
    product_id: str
    updates: list[LevelRow]


class TradeRow(msgspec.Struct, frozen=True, gc=False):
    """One trade; `side` is the maker's."""

    product_id: str
    trade_id: str
    price: str
    size: str
    time: str
    side: str


class TradesEvent(msgspec.Struct, frozen=True):
    """Trades, newest first: history in a snapshot."""

    type: str
    trades: list[TradeRow]


class TickerRow(msgspec.Struct, frozen=True, gc=False):
    """A last price and the best ones; other figures of the last day are not read."""

    product_id: str
    price: str = ""
    best_bid: str = ""
    best_bid_quantity: str = ""
    best_ask: str = ""
    best_ask_quantity: str = ""


class TickersEvent(msgspec.Struct, frozen=True):
    """Tickers of one or several products."""

    type: str
    tickers: list[TickerRow]


class CandleRow(msgspec.Struct, frozen=True, gc=False):
    """A bar of five minutes; `start` in seconds."""

    start: str
    high: str
    low: str
    open: str
    close: str
    volume: str
    product_id: str


class CandlesEvent(msgspec.Struct, frozen=True):
    """Bars, oldest first."""

    type: str
    candles: list[CandleRow]


class StatusRow(msgspec.Struct, frozen=True, gc=False):
    """How a product's market stands; its steps and names are not read."""

    id: str
    status: str = ""
    status_message: str = ""


class StatusEvent(msgspec.Struct, frozen=True):
    """Products, all that were asked for."""

    type: str
    products: list[StatusRow]


class Beat(msgspec.Struct, frozen=True, gc=False):
    """A sign of life."""

    heartbeat_counter: int | str  # a number in production, text in old manuals
    current_time: str = ""


class OrdersEvent(msgspec.Struct, frozen=True):
    """Own orders as they stand."""

    type: str
    orders: list[UserOrder]


class SubscriptionsEvent(msgspec.Struct, frozen=True):
    """Everything that is subscribed to, by channel."""

    subscriptions: dict[str, list[str]]
