"""What a bot's market callbacks receive: an event together with its instrument, so that prices read as decimals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from papertape.model.event import Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.order import iso
from papertape.model.units import EXACT, MILLISECOND, Nanos


class PublicTrade(msgspec.Struct, frozen=True, gc=False):
    """One public trade as delivered; decimals are made when asked for.

    Attributes:
        side: the taker's side.
    """

    event: Trade
    instrument: Instrument

    @property
    def symbol(self) -> str:
        return self.event.symbol

    @property
    def price(self) -> Decimal:
        return self.instrument.price(self.event.price_ticks)

    @property
    def amount(self) -> Decimal:
        return self.instrument.amount(self.event.qty_lots)

    @property
    def side(self) -> Side:
        return self.event.taker

    @property
    def venue_ns(self) -> Nanos:
        return self.event.venue_ns

    def to_ccxt(self) -> dict[str, Any]:
        return {
            "id": self.event.trade_id, "timestamp": self.venue_ns // MILLISECOND, "datetime": iso(self.venue_ns), "symbol": self.symbol,
            "side": str(self.side), "takerOrMaker": "taker", "price": float(self.price), "amount": float(self.amount),
            "cost": float(EXACT.multiply(self.price, self.amount)), "info": {},
        }  # fmt: skip


class PublicTicker(msgspec.Struct, frozen=True, gc=False):
    """Best prices and last trade as delivered; None where the venue left one out."""

    event: Ticker
    instrument: Instrument

    @property
    def symbol(self) -> str:
        return self.event.symbol

    @property
    def bid(self) -> Decimal | None:
        return None if self.event.bid_ticks is None else self.instrument.price(self.event.bid_ticks)

    @property
    def ask(self) -> Decimal | None:
        return None if self.event.ask_ticks is None else self.instrument.price(self.event.ask_ticks)

    @property
    def last(self) -> Decimal | None:
        return None if self.event.last_ticks is None else self.instrument.price(self.event.last_ticks)

    @property
    def venue_ns(self) -> Nanos:
        return self.event.venue_ns

    def to_ccxt(self) -> dict[str, Any]:
        def number(value: Decimal | None) -> float | None:
            return None if value is None else float(value)

        return {
            "symbol": self.symbol, "timestamp": self.venue_ns // MILLISECOND, "datetime": iso(self.venue_ns),
            "bid": number(self.bid), "ask": number(self.ask), "last": number(self.last), "close": number(self.last), "info": {},
        }  # fmt: skip
