"""Orders and fills, as a venue knows them and as a bot sees them. Amounts and prices are exact decimals of base and quote."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Context, Decimal
from enum import StrEnum
from typing import Any, Final

import msgspec

from papertape.model.event import Event, Side
from papertape.model.units import EXACT, MILLISECOND, SECOND, Nanos

_MEAN: Final = Context(prec=28)  # not the current one, which is the bot's to change


class OrderType(StrEnum):
    """ccxt's words for what an order does."""

    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(StrEnum):
    """How long an order stays: until cancelled, at once or not at all, whole or not at all, until a time."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"

    @property
    def rests(self) -> bool:
        """Whether what is not executed at once stays in the book."""
        return self in (TimeInForce.GTC, TimeInForce.GTD)


class StopDirection(StrEnum):
    """Which way the last trade must go to set a stop off: at its price or above, at its price or below."""

    UP = "up"
    DOWN = "down"


class Extra(StrEnum):
    """What not every venue can do with an order."""

    GTD = "good till date"
    STOP_LIMIT = "stop-limit"
    BRACKET = "bracket"


class OrderStatus(StrEnum):
    """ccxt's words for where an order stands. `open` is the only one that may still change."""

    OPEN = "open"
    CLOSED = "closed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_final(self) -> bool:
        return self is not OrderStatus.OPEN


class NewOrder(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a client asks for, before any venue agreed.

    Attributes:
        amount: base; None only for a market buy by `cost`.
        price: quote per base; None for a market order.
        cost: quote to spend, market buys only.
        expires_ns: when a GTD order ends, nanoseconds since 1970-01-01 UTC; None for all others.
        trigger_price: a stop: the order comes to the book as a limit order once a trade reaches this price.
        stop_direction: from which side; None is that of a stop that protects, up for a buy and down for a sell.
        stop_loss_price: a bracket: the order rests at `price`, where it takes a profit, until a trade reaches this price on the losing
            side; then it is a limit order beyond that, to get out.
    """

    symbol: str
    type: OrderType
    side: Side
    amount: Decimal | None = None
    price: Decimal | None = None
    cost: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    expires_ns: Nanos | None = None
    trigger_price: Decimal | None = None
    stop_direction: StopDirection | None = None
    stop_loss_price: Decimal | None = None

    @property
    def extras(self) -> tuple[Extra, ...]:
        """What a venue must be able to do with it, beyond limit and market orders."""
        wanted = {
            Extra.GTD: self.time_in_force is TimeInForce.GTD or self.expires_ns is not None,
            Extra.STOP_LIMIT: self.trigger_price is not None,
            Extra.BRACKET: self.stop_loss_price is not None,
        }
        return tuple(extra for extra, is_wanted in wanted.items() if is_wanted)


class Preview(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What an order would come to if it reached the venue now; nobody has placed it.

    Attributes:
        side: of the order.
        amount: base that is left to execute; of a market order what it would take.
        cost: quote for all of `amount`: what it would take at the prices of the book, the rest at its limit.
        fee: quote, a taker's for what it would take and a maker's for the rest.
        slippage: how much worse than the best price the mean of what it would take is, as a fraction of the best price; 0 where it takes
            nothing.
    """

    side: Side
    amount: Decimal
    cost: Decimal
    fee: Decimal
    slippage: Decimal = Decimal(0)


class Liquidity(StrEnum):
    """Whether a fill rested in the book or came to it, in ccxt's words."""

    MAKER = "maker"
    TAKER = "taker"


class Fill(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One execution of one of our orders.

    Attributes:
        venue_ns: venue clock, nanoseconds since 1970-01-01 UTC.
        amount: base, above zero.
        cost: amount times price, quote, exact.
        fee: quote (`fee_currency`), above zero where we paid.
    """

    trade_id: str
    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    price: Decimal
    amount: Decimal
    cost: Decimal
    fee: Decimal
    fee_currency: str
    liquidity: Liquidity
    venue_ns: Nanos

    @property
    def moved(self) -> Decimal:
        """What it did to our holding: base, below zero where we sold."""
        return self.amount if self.side is Side.BUY else self.amount.copy_negate()

    def to_ccxt(self) -> dict[str, Any]:
        """The fill in ccxt's trade shape; floats, as ccxt has them."""
        return {
            "id": self.trade_id, "order": self.order_id, "clientOrderId": self.client_order_id, **_times(self.venue_ns),
            "symbol": self.symbol, "type": None, "side": str(self.side), "takerOrMaker": str(self.liquidity),
            "price": float(self.price), "amount": float(self.amount), "cost": float(self.cost),
            "fee": {"cost": float(self.fee), "currency": self.fee_currency}, "info": {},
        }  # fmt: skip


class Order(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One order at one instant, as the venue tells it.

    Attributes:
        amount: base asked for; 0 for a market buy by cost until it is done.
        filled: base executed so far.
        cost: quote executed so far, fees apart.
        fee: quote paid so far.
        created_ns, updated_ns: venue clock, nanoseconds since 1970-01-01 UTC.
        reason: the venue's words for a rejection or a cancellation it made itself.
        expires_ns, trigger_price, stop_direction, stop_loss_price: as it was asked for; see `NewOrder`.
        is_triggered: a trade has set off its stop. Until then a stop order is in no book, and a bracket rests at `price`.
    """

    id: str
    client_order_id: str
    symbol: str
    type: OrderType
    side: Side
    amount: Decimal
    price: Decimal | None
    time_in_force: TimeInForce
    post_only: bool
    status: OrderStatus
    created_ns: Nanos
    updated_ns: Nanos
    filled: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    fills_count: int = 0
    reason: str = ""
    expires_ns: Nanos | None = None
    trigger_price: Decimal | None = None
    stop_direction: StopDirection | None = None
    stop_loss_price: Decimal | None = None
    is_triggered: bool = False

    @property
    def is_dormant(self) -> bool:
        """Whether it waits for its stop, and nothing can execute it."""
        return self.trigger_price is not None and not self.is_triggered

    @property
    def remaining(self) -> Decimal:
        return EXACT.subtract(self.amount, self.filled) if self.amount else Decimal(0)

    @property
    def average(self) -> Decimal | None:
        """Mean price of what was filled, to 28 digits; None before the first fill."""
        return _MEAN.divide(self.cost, self.filled) if self.filled else None

    def to_ccxt(self) -> dict[str, Any]:
        """The order in ccxt's unified shape; floats, as ccxt has them."""
        average = self.average
        fee = {"cost": float(self.fee), "currency": self.symbol.split("/")[1].split(":")[0]}
        return {
            "id": self.id, "clientOrderId": self.client_order_id, **_times(self.created_ns), "lastTradeTimestamp": None,
            "lastUpdateTimestamp": self.updated_ns // MILLISECOND, "symbol": self.symbol, "type": str(self.type),
            "timeInForce": "PO" if self.post_only else str(self.time_in_force), "postOnly": self.post_only, "reduceOnly": False,
            "side": str(self.side), "price": _float(self.price), "triggerPrice": _float(self.trigger_price),
            "stopPrice": _float(self.trigger_price), "takeProfitPrice": None if self.stop_loss_price is None else _float(self.price),
            "stopLossPrice": _float(self.stop_loss_price), "amount": float(self.amount), "cost": float(self.cost),
            "average": None if average is None else float(average), "filled": float(self.filled), "remaining": float(self.remaining),
            "status": str(self.status), "fee": fee, "fees": [fee], "trades": [], "info": {},
        }  # fmt: skip


class OrderUpdate(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="order"):
    """A message of the user lane: an order's cumulative state, and the fill that brought it there if the venue says so."""

    venue_ns: Nanos
    order: Order
    fill: Fill | None = None


class OpenOrders(Event, frozen=True, gc=False, kw_only=True, tag="open_orders"):
    """What a subscription to own orders begins with, where the venue's rules say so: those that are open, in one message or in several."""

    orders: tuple[Order, ...] = ()


def iso(ns: Nanos) -> str:
    """RFC 3339 with milliseconds, as ccxt writes it.

    >>> iso(1_523_926_504_358_000_000)
    '2018-04-17T00:55:04.358Z'
    """
    moment = datetime.fromtimestamp(ns // SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns % SECOND // MILLISECOND:03d}Z"


def _float(number: Decimal | None) -> float | None:
    return None if number is None else float(number)


def _times(ns: Nanos) -> dict[str, Any]:
    return {"timestamp": ns // MILLISECOND, "datetime": iso(ns)}
