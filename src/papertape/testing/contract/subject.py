"""What is put to the test: how to get a connected adapter, and what it says it can do."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final

import pytest

from papertape.exchanges.base import BaseExchange, Number
from papertape.model.errors import ConfigError, NotSupported
from papertape.model.order import Order
from papertape.testing.fixtures import SimVenue

CAPABILITIES: Final[dict[str, str]] = {
    "markets": "fetch_markets, and with it ticks and lots",
    "balances": "fetch_balance",
    "positions": "fetch_positions",
    "ohlcv": "fetch_ohlcv",
    "edit": "edit_order",
    "post_only": "place_order(post_only=True)",
    "ioc": 'place_order(time_in_force="IOC")',
    "market_by_cost": "market buys by cost",
    "gtd": 'place_order(time_in_force="GTD", expires_at=…)',
    "stop_limit": "place_order(trigger_price=…)",
    "bracket": "place_order(stop_loss_price=…)",
    "client_order_ids": "place_order(client_order_id=…), which is safe to repeat",
    "trades": "subscribe_trades",
    "order_book": "subscribe_order_book",
    "ticker": "subscribe_ticker",
    "own_orders": "subscribe_orders",
    "recovers": "getting over lost answers and dropped lines by itself",
}
"""What an adapter may declare, and what that means."""


class Subject:
    """One adapter. Subclass it; all that has to be given is `connect`.

    Attributes:
        can: what it declares, of `CAPABILITIES`; everything if left out.
        symbol, amount: what to trade; the amount must be one that the market takes.
        depth: "interface", or "wire" for an adapter that brings its own connections.
        session: more settings of the marker @pytest.mark.papertape, such as `feed` or `account`.
    """

    can: ClassVar[frozenset[str]] = frozenset(CAPABILITIES)
    symbol: ClassVar[str] = "BTC/USD"
    amount: ClassVar[str] = "0.01"
    depth: ClassVar[str] = "interface"
    session: ClassVar[Mapping[str, Any]] = {}

    async def connect(self, exchange: BaseExchange) -> BaseExchange:
        """A connected adapter; `exchange` is the session's own, connected, for adapters that stand on one."""
        return exchange

    async def disconnect(self, adapter: BaseExchange) -> None:
        """End what `connect` began."""
        await adapter.disconnect()

    def check(self) -> None:
        """Raises `ConfigError` for a capability that there is none of."""
        for name in sorted(self.can):
            if name not in CAPABILITIES:
                near = difflib.get_close_matches(name, CAPABILITIES, n=1)
                hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(CAPABILITIES)}"
                raise ConfigError(f'{type(self).__name__}, key `can`: there is no capability "{name}"; {hint}')

    def settings(self) -> dict[str, Any]:
        """For the marker."""
        return {"depth": self.depth, "must_hit": False, **self.session}


class Contract:
    """What every part of the contract is made with."""

    subject: ClassVar[Subject] = Subject()

    async def opened(self, exchange: BaseExchange) -> BaseExchange:
        """The subject's adapter, connected."""
        return await self.subject.connect(exchange)

    def need(self, *capabilities: str) -> None:
        """Skip where the subject does not say that it can do this."""
        for name in capabilities:
            if name not in self.subject.can:
                pytest.skip(f'{type(self.subject).__name__} does not declare "{name}": {CAPABILITIES[name]}')

    async def need_or_refuse(self, capability: str, attempt: Any) -> None:
        """Where the subject does not say that it can do this, trying it must raise NotSupported; then skip."""
        if capability not in self.subject.can:
            with pytest.raises(NotSupported):
                await attempt()
            pytest.skip(f'{type(self.subject).__name__} does not declare "{capability}", and refuses it')

    @property
    def symbol(self) -> str:
        return self.subject.symbol

    @property
    def amount(self) -> Decimal:
        return Decimal(self.subject.amount)

    def far(self, venue: SimVenue) -> Decimal:
        """A price for a buy that will not be filled, on the tick."""
        return on_tick(venue, self.symbol, venue.bid(self.symbol) / 2)

    async def rest(self, exchange: BaseExchange, venue: SimVenue, **terms: Any) -> Order:
        """An order that rests far from the market."""
        return await exchange.place_order(self.symbol, "limit", "buy", self.amount, self.far(venue), **terms)

    async def buy(self, exchange: BaseExchange, amount: Number | None = None) -> Order:
        """A market order, which is filled at once."""
        return await exchange.place_order(self.symbol, "market", "buy", self.amount if amount is None else amount)


def on_tick(venue: SimVenue, symbol: str, price: Decimal) -> Decimal:
    """The price of the market's grid at or just below this one."""
    tick = tick_of(venue, symbol)
    return price // tick * tick


def tick_of(venue: SimVenue, symbol: str) -> Decimal:
    """The least step of a price."""
    return venue.instrument(symbol).tick
