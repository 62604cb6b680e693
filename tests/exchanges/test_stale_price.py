"""An order that had to wait is sent only into the market that it was meant for, in its turn, and not at all once nobody wants it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from exchanges.scripted import Fate, World, play, snapshot, trade
from papertape.model.errors import ExchangeNotAvailable, NetworkError, never_sent
from papertape.model.event import Ticker
from papertape.model.notes import Mark
from papertape.model.order import OrderStatus
from papertape.model.request import Lane, Op
from papertape.model.units import SECOND


def lose(world: World, *lanes: Lane) -> None:
    for lane in lanes:
        world.link.refuses[lane] = NetworkError("refused")
        world.link.drop(lane)


async def see(world: World, what: str) -> None:
    """The bot subscribes to something of BTC/USD that stands at 100."""
    await getattr(world.exchange, f"subscribe_{what}")("BTC/USD", lambda seen: None)
    await world.sleep(0.1)
    show(world, what, 10_000)
    await world.sleep(0.1)


def show(world: World, what: str, ticks: int) -> None:
    if what == "order_book":
        world.link.snapshots["BTC/USD"] = snapshot(ticks - 100, ticks + 100, at_ns=world.loop.wall_ns())
    elif what == "trades":
        world.link.push(Lane.MARKET, trade(ticks=ticks))
    else:
        world.link.push(Lane.MARKET, Ticker(venue_ns=0, local_ns=0, symbol="BTC/USD", last_ticks=ticks, bid_ticks=1, bid_lots=1))


@pytest.mark.parametrize("what", ["order_book", "trades", "ticker"])
@pytest.mark.parametrize(("ticks", "is_sent"), [(10_000, True), (10_050, True), (9_950, True), (10_051, False), (9_949, False)])
def test_it_is_sent_only_if_the_price_has_stayed(what: str, ticks: int, is_sent: bool) -> None:
    """Fifty basis points either way from what the bot saw when it wanted the order; the error names both prices."""

    async def story(world: World) -> None:
        await see(world, what)
        lose(world, Lane.USER, Lane.MARKET)
        placing = world.start_buy()
        await world.sleep(2)
        if what == "order_book":
            show(world, what, ticks)
        del world.link.refuses[Lane.MARKET]
        await world.sleep(8)
        if what != "order_book":
            show(world, what, ticks)
        assert world.link.creates() == []
        world.link.refuses.clear()
        if is_sent:
            assert (await placing).status is OrderStatus.OPEN
        else:
            with pytest.raises(
                ExchangeNotAvailable, match=rf"stood at 100(\.00)? when it was wanted and at {Decimal(ticks) / 100}"
            ) as raised:
                await placing
            assert never_sent(raised.value)
            assert Mark.ORDER_STALE_IN_OUTBOX in world.notes.marks
        assert len(world.link.creates()) == is_sent

    play(story)


def test_it_waits_until_its_book_is_whole_again() -> None:
    """Orders may go, and where the market stands nobody can see: so this one does not, until it can."""

    async def story(world: World) -> None:
        await see(world, "order_book")
        lose(world, Lane.USER, Lane.MARKET)
        placing = world.start_buy()
        await world.sleep(1)
        del world.link.refuses[Lane.USER]
        await world.sleep(10)
        assert world.exchange.health.may_trade
        assert world.link.creates() == []
        world.link.refuses.clear()
        assert (await placing).status is OrderStatus.OPEN

    play(story, poll_after_ns=60 * SECOND)  # nor by REST


def test_a_market_lost_while_the_budget_is_waited_for_keeps_it_back() -> None:
    """The venue has asked for quiet, the line is up, and when the quiet is over nobody can see where the market stands."""

    async def story(world: World) -> None:
        await see(world, "order_book")
        world.link.fates[Op.ORDER_CREATE] = [Fate.LIMITED]
        placing = world.start_buy()
        await world.sleep(1)
        lose(world, Lane.MARKET)
        await world.sleep(6)
        assert len(world.link.creates()) == 1
        world.link.refuses.clear()
        assert (await placing).status is OrderStatus.OPEN
        assert len(world.link.creates()) == 2

    play(story)


@pytest.mark.parametrize("settings", [{}, {"stale_price_bps": None}])
def test_who_has_subscribed_to_nothing_or_wants_no_guard_has_none(settings: dict[str, Any]) -> None:
    async def story(world: World) -> None:
        if settings:
            await see(world, "trades")
        lose(world, Lane.USER)
        placing = world.start_buy()
        await world.sleep(5)
        if settings:
            show(world, "trades", 20_000)
        world.link.refuses.clear()
        assert (await placing).status is OrderStatus.OPEN

    play(story, **settings)


def test_an_order_that_need_not_wait_is_not_held_against_its_market() -> None:
    """Whether the bot trades while its market lane is away is its own affair."""

    async def story(world: World) -> None:
        await see(world, "order_book")
        lose(world, Lane.MARKET)
        await world.sleep(2)
        assert (await world.buy()).status is OrderStatus.OPEN

    play(story)


def test_waiting_orders_go_after_the_repair_and_in_their_order() -> None:
    """Not one of them before the user lane knows what was missed."""

    async def story(world: World) -> None:
        await world.buy()
        lose(world, Lane.USER)
        placing = [world.start_buy(price=str(100 + number)) for number in range(5)]
        await world.sleep(3)
        world.link.fill("r-1", "1")
        world.link.refuses.clear()
        await asyncio.gather(*placing)
        assert [request.client_order_id for request in world.link.creates()] == [f"r-{number}" for number in range(1, 7)]
        ops = [request.op for _, request in world.link.requests]
        last_repair = max(place for place, op in enumerate(ops) if op is Op.ORDERS_OPEN)
        assert ops.index(Op.ORDER_CREATE, 1 + ops.index(Op.ORDER_CREATE)) > last_repair
        assert world.exchange.view().positions == {"BTC/USD": Decimal(1)}

    play(story)


def test_a_cancel_overtakes_what_waits() -> None:
    """It needs REST alone; orders wait for the user lane as well."""

    async def story(world: World) -> None:
        order = await world.buy()
        lose(world, Lane.USER)
        placing = [world.start_buy(price=str(100 + number)) for number in range(3)]
        await world.sleep(1)
        assert (await world.exchange.cancel_order(order.id)).status is OrderStatus.CANCELED
        assert len(world.link.creates()) == 1
        world.link.refuses.clear()
        await asyncio.gather(*placing)

    play(story)


def test_cancelling_what_waits_withdraws_it() -> None:
    """It is never sent; who waits for it is told so, and others are not touched."""

    async def story(world: World) -> None:
        lose(world, Lane.USER)
        first, second = world.start_buy(client_order_id="mine"), world.start_buy(price="101")
        await world.sleep(1)
        cancelled = await world.exchange.cancel_order("mine")
        assert (cancelled.status, cancelled.client_order_id, cancelled.filled) == (OrderStatus.CANCELED, "mine", 0)
        with pytest.raises(ExchangeNotAvailable, match="given up before it was sent") as raised:
            await first
        assert never_sent(raised.value)
        world.link.refuses.clear()
        await second
        assert [request.client_order_id for request in world.link.creates()] == ["r-1"]

    play(story)
