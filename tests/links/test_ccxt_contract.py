"""The contract holds for the generic adapter: ccxt's own Coinbase, REST and streams, against our Coinbase on the in-memory network."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

import pytest

import papertape.session.run
from papertape.exchanges.base import BaseExchange, Number
from papertape.exchanges.ccxt import CcxtExchange
from papertape.links.ccxt.link import CcxtLink
from papertape.links.permits import Ungated
from papertape.model.order import Order
from papertape.runtime.clock import Clock
from papertape.testing.contract import ExchangeContract, Subject
from papertape.venues.coinbase.auth import secret_for_ccxt


def generic_link(world: Any, served: Any, clock: Clock) -> tuple[CcxtLink, type]:
    """As `session.wire.live_link`, by nothing but ccxt."""
    key = {"apiKey": served.credentials.name, "secret": secret_for_ccxt(served.credentials.secret)}
    return CcxtLink("coinbase", clock=clock, key=key, permits=Ungated()), CcxtExchange.of("coinbase")


class Generic(Subject):
    """The session's own exchange, which is the generic one here; so the session's invariants judge it as well."""

    depth: ClassVar[str] = "wire"
    can: ClassVar[frozenset[str]] = Subject.can - {"edit", "gtd", "stop_limit", "bracket"}


class TestCcxtExchange(ExchangeContract):
    """At depth wire."""

    subject = Generic()

    async def buy(self, exchange: BaseExchange, amount: Number | None = None) -> Order:
        """By a limit far above that does not rest: ccxt's Coinbase sends market buys by cost only, and the adapter says so."""
        bars = await exchange.fetch_ohlcv(self.symbol, "1m")
        price = (bars[-1].close * 2).quantize(Decimal("0.01"))
        return await exchange.place_order(self.symbol, "limit", "buy", amount or self.amount, price, time_in_force="IOC")

    @pytest.fixture(autouse=True)
    def by_ccxt(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(papertape.session.run, "live_link", generic_link)
