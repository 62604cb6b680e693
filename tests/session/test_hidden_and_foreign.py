"""The shell over orders that cannot be seen, and beside somebody else's."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from papertape.exchanges.base import BaseExchange
from papertape.faults import Drop, Fault, ForeignOrder, LateVisibility, LostReply
from papertape.model.order import Order
from papertape.scenario.make import make_scenario
from papertape.session.result import RunResult, Status
from papertape.session.run import run_scenario
from papertape.session.spec import Depth
from papertape.session.world import VenueWorld

DEPTHS = [Depth.INTERFACE, Depth.WIRE]


def run(bot: Any, *faults: Fault, depth: Depth, end: str = "20s", venue: str = "coinbase") -> tuple[RunResult, VenueWorld]:
    worlds: list[VenueWorld] = []
    feed = {"tape": "builtin:btc-usd", "end": end}
    raw = {"bot": bot, "depth": depth, "venue": {venue: {"feed": feed, "account": {"USD": "100000", "BTC": "1"}}}}
    result = run_scenario(make_scenario(raw, source="test", folder=Path.cwd(), more_faults=faults), inspect=worlds.extend)
    return result, worlds[0]


@pytest.mark.parametrize("depth", DEPTHS)
def test_somebody_elses_orders_are_seen_and_left_alone(depth: Depth) -> None:
    """They are in the lists, and neither among our callbacks' orders nor in our position; at our end they stand."""
    seen: list[str] = []
    told: list[Order] = []

    async def bot(exchange: BaseExchange) -> None:
        await exchange.subscribe_orders(told.append)
        await asyncio.sleep(2)
        await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "60000")
        seen.extend(order.client_order_id for order in await exchange.fetch_open_orders())
        assert await exchange.fetch_positions() == []
        await asyncio.sleep(60)

    result, world = run(bot, ForeignOrder(at="1s", away_bps=500), ForeignOrder(at="3s", type="market"), depth=depth)
    assert result.status is Status.PASSED, result.failures
    assert seen == ["foreign-1", "pt0-1"]
    assert {order.client_order_id for order in told} == {"pt0-1"}
    orders = {order.client_order_id: str(order.status) for order in world.door.truth().orders}
    assert orders == {"foreign-1": "open", "pt0-1": "canceled", "foreign-2": "closed"}


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_hidden_order_whose_answer_was_lost_is_still_found(depth: Depth) -> None:
    """No word of it over any lane: repeating the same request is what finds it, and nothing else was made."""

    async def bot(exchange: BaseExchange) -> None:
        order = await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "60000")
        assert order.client_order_id == "pt0-1"
        await asyncio.sleep(60)

    faults = LostReply(), LateVisibility(hides_for="60s"), Drop(at="0s", count=3)
    result, world = run(bot, *faults, depth=depth, end="30s")
    assert [failure for failure in result.failures if "hit nothing" not in failure] == []
    assert [order.client_order_id for order in world.door.truth().orders] == ["pt0-1"]


def test_where_a_venue_refuses_a_repeated_id_hidden_is_not_dead() -> None:
    """The hunt goes on until the order shows, within the time that it may take."""
    found: list[Order] = []

    async def bot(exchange: BaseExchange) -> None:
        found.append(await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "60000"))
        await asyncio.sleep(60)

    faults = LostReply(), LateVisibility(hides_for="20s"), Drop(at="0s", count=3)
    result, world = run(bot, *faults, depth=Depth.INTERFACE, end="90s", venue="binance")
    assert result.status is Status.PASSED, result.failures
    assert [order.amount for order in found] == [Decimal("0.01")]
    assert len(world.door.truth().orders) == 1


def test_a_venue_that_shows_an_order_no_more_has_not_closed_it() -> None:
    """Asked about by name, it stands as we know it; a bot that took "not found" for dead would place it anew."""
    stands: list[Order] = []

    async def bot(exchange: BaseExchange) -> None:
        order = await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "60000")
        stands.append(await exchange.fetch_order_status(order.id))
        stands.append(await exchange.cancel_order(order.id))
        await asyncio.sleep(60)

    result, _ = run(bot, LateVisibility(hides_for="10s"), depth=Depth.INTERFACE)
    assert result.status is Status.PASSED, result.failures
    assert [str(order.status) for order in stands] == ["open", "canceled"]
