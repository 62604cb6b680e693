"""A market in another phase, from the venue's word to the bot, at both depths alike."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from papertape.exchanges.base import BaseExchange
from papertape.faults import LateRelease, MarketPhase
from papertape.model.errors import InsufficientFunds, MarketClosed
from papertape.model.order import OrderStatus
from papertape.model.phase import Phase
from papertape.scenario.make import make_scenario
from papertape.session.result import Status
from papertape.session.run import run_scenario
from papertape.session.spec import Depth


@pytest.mark.parametrize("depth", [Depth.INTERFACE, Depth.WIRE])
def test_a_bot_is_told_refused_and_served_again(depth: Depth) -> None:
    """An order that rests is not filled meanwhile and can be cancelled; its money may be free later, which is another story's no."""
    told: list[Phase] = []

    async def bot(exchange: BaseExchange) -> None:
        await exchange.subscribe_status("BTC/USD", lambda market: told.append(market.phase))
        resting = await exchange.place_order("BTC/USD", "limit", "buy", "1", "60000")
        await asyncio.sleep(12)
        assert exchange.markets["BTC/USD"].phase is Phase.POST_ONLY
        assert exchange.health.not_online == {"BTC/USD": Phase.POST_ONLY}
        with pytest.raises(MarketClosed, match="Post only mode"):
            await exchange.place_order("BTC/USD", "market", "buy", "0.001")
        assert (await exchange.cancel_order(resting.id)).status is OrderStatus.CANCELED
        with pytest.raises(InsufficientFunds):
            await exchange.place_order("BTC/USD", "limit", "buy", "1", "60000", post_only=True)
        while exchange.health.not_online:
            await asyncio.sleep(1)
        assert (await exchange.place_order("BTC/USD", "market", "buy", "0.001")).status is OrderStatus.CLOSED

    faults = (MarketPhase(at="4s", lasts="12s", phase="post_only"), LateRelease(held_for="4s"))
    venue = {"feed": {"tape": "builtin:btc-usd", "end": "30s"}, "account": {"USD": "70000"}}
    raw = {"bot": bot, "depth": depth, "venue": {"coinbase": venue}, "expect": {"must_happen": ["market_phase_changed"]}}
    result = run_scenario(make_scenario(raw, source="test", folder=Path.cwd(), more_faults=faults))
    assert result.status is Status.PASSED, result.failures
    assert told == [Phase.ONLINE, Phase.POST_ONLY, Phase.ONLINE]
    assert result.marks["market_phase_changed"] == 2
