"""A bot that stops waiting has not taken its order back."""

from __future__ import annotations

import asyncio

import pytest

import papertape
from papertape.exchanges.base import BaseExchange
from papertape.model.errors import ExchangeNotAvailable, never_sent
from papertape.session.result import Status

MARKET = {"coinbase": {"feed": {"tape": "builtin:btc-usd", "end": "60s"}, "account": {"USD": "100000", "BTC": "1"}}}


def test_the_same_order_again_is_refused_while_the_first_is_on_its_way() -> None:
    """The classic: no answer in time, so buy again. Until somebody knows, nothing new is sent in that market."""
    told: list[str] = []

    async def main(exchange: BaseExchange) -> None:
        def buy() -> object:
            return exchange.place_order("BTC/USD", "limit", "buy", "0.01", "63000")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(buy(), 0.01)
        with pytest.raises(ExchangeNotAvailable) as refused:
            await buy()
        assert never_sent(refused.value)
        told.append(str(refused.value))
        await asyncio.sleep(1)  # by now it is known to rest
        await buy()

    result = papertape.simulate(main, venues=MARKET)
    assert result.status is Status.PASSED, result.failures
    assert result.orders == 2
    assert "which nobody waited for" in told[0]
