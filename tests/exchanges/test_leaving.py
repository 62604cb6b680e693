"""Disconnecting: nothing new goes out, nothing of ours stays behind, and it ends."""

from __future__ import annotations

import asyncio

import pytest

from exchanges.scripted import Fate, World, play, trade
from papertape.model.errors import ExchangeNotAvailable, NetworkError, OutcomeUnknown, never_sent
from papertape.model.order import OrderStatus
from papertape.model.request import Lane, Op
from papertape.model.units import SECOND


def test_own_open_orders_are_cancelled() -> None:
    """Only ours, only open ones, and the client knows."""

    async def story(world: World) -> None:
        first, second = await world.buy(), await world.buy("ETH/USD")
        world.link.fill(first.client_order_id, "1")
        await world.sleep(0.1)
        await world.exchange.disconnect()
        assert world.link.orders[second.client_order_id].status is OrderStatus.CANCELED
        assert len(world.link.asked(Op.ORDER_CANCEL)) == 1
        assert all(intent.is_settled for intent in world.exchange.view().intents)

    play(story)


def test_own_orders_stay_where_the_settings_say_so() -> None:
    """With cancel_on_disconnect off nothing is cancelled."""

    async def story(world: World) -> None:
        order = await world.buy()
        await world.exchange.disconnect()
        assert world.link.orders[order.client_order_id].status is OrderStatus.OPEN

    play(story, cancel_on_disconnect=False)


def test_waiting_orders_are_given_back_unsent() -> None:
    """What is still in the outbox raises as never sent, at once."""

    async def story(world: World) -> None:
        world.link.refuses[Lane.USER] = NetworkError("refused")
        world.link.drop(Lane.USER)
        placing = world.start_buy()
        await world.sleep(1)
        await world.exchange.disconnect()
        with pytest.raises(ExchangeNotAvailable, match="before it was sent") as caught:
            await placing
        assert never_sent(caught.value)
        assert world.link.creates() == []
        with pytest.raises(ExchangeNotAvailable, match="disconnecting"):
            await world.buy()

    play(story)


def test_an_order_that_was_held_back_is_not_sent_again() -> None:
    """Refused for haste while the exchange leaves, it is given back unsent: sent once more, it could come after the last cancel."""

    async def story(world: World) -> None:
        rested = await world.buy("ETH/USD")
        world.link.fates[Op.ORDER_CREATE] = [Fate.LIMITED]
        world.link.fates[Op.ORDER_CANCEL] = [Fate.LOST_BEFORE]
        placing = world.start_buy()
        await world.sleep(0.005)
        await world.exchange.disconnect()
        with pytest.raises(ExchangeNotAvailable, match="before it was sent") as caught:
            await placing
        assert never_sent(caught.value)
        assert [request.client_order_id for request in world.link.creates()] == [rested.client_order_id, "r-2"]
        assert list(world.link.orders) == [rested.client_order_id]

    play(story, drain_within_ns=60 * SECOND)


def test_leaving_ends_even_when_the_line_is_dead() -> None:
    """With REST away and an order in doubt, disconnect is over within its limits, and the waiting bot learns of the doubt."""

    async def story(world: World) -> None:
        link = world.link
        await world.buy("ETH/USD")
        link.fates[Op.ORDER_CREATE] = [Fate.LOST_BEFORE] * 9
        placing = world.start_buy()
        await world.sleep(15)
        link.refuses[Lane.REST] = NetworkError("refused")
        link.receiver.on_closed(Lane.REST, "reset")  # type: ignore[union-attr]  # the shell has bound one
        before_ns = world.loop.now_ns
        await world.exchange.disconnect()
        assert world.loop.now_ns - before_ns <= 13 * SECOND
        with pytest.raises(OutcomeUnknown):
            await placing
        with pytest.raises(OutcomeUnknown):
            await world.exchange.resolve("r-2")
        states = {intent.client_order_id: intent.state for intent in world.exchange.view().intents}
        assert states == {"r-1": "open", "r-2": "unknown"}

    play(story)


def test_a_request_on_its_way_is_waited_for() -> None:
    """An order whose answer is due is acknowledged, then cancelled."""

    async def story(world: World) -> None:
        placing = world.start_buy()
        await world.sleep(0.005)
        await world.exchange.disconnect()
        assert (await placing).client_order_id == "r-1"
        assert world.link.orders["r-1"].status is OrderStatus.CANCELED

    play(story)


def test_disconnecting_twice_or_at_once_is_one_leaving() -> None:
    """Bot and session may both say goodbye."""

    async def story(world: World) -> None:
        await world.buy()
        await asyncio.gather(world.exchange.disconnect(), world.exchange.disconnect())
        await world.exchange.disconnect()
        assert len(world.link.asked(Op.ORDER_CANCEL)) == 1
        assert not any(world.link.is_open[lane] for lane in (Lane.MARKET, Lane.USER))
        assert world.exchange.health.why == "disconnected"
        with pytest.raises(ExchangeNotAvailable, match="make a new exchange"):
            await world.exchange.connect()
        with pytest.raises(ExchangeNotAvailable):
            await world.exchange.fetch_balance()

    play(story)


def test_nothing_is_delivered_after_leaving() -> None:
    """Market data stops at once, own orders when the lanes close."""

    async def story(world: World) -> None:
        heard: list[object] = []
        told: list[OrderStatus] = []
        await world.exchange.subscribe_trades("BTC/USD", heard.append)
        await world.exchange.subscribe_orders(lambda order: told.append(order.status))
        await world.buy()
        leaving = asyncio.ensure_future(world.exchange.disconnect())
        await world.sleep(0.001)
        world.link.push(Lane.MARKET, trade())
        await leaving
        assert heard == []
        assert told[0] is OrderStatus.OPEN
        assert not world.exchange.is_subscribed

    play(story)


def test_an_exchange_that_never_connected_can_be_left() -> None:
    """`disconnect` without `connect` does nothing."""

    async def story(world: World) -> None:
        assert world.link.opened == []

    play(story, connect=False)


def test_the_block_leaves_even_if_connecting_failed() -> None:
    """`async with` disconnects whether or not the body was reached."""

    async def story(world: World) -> None:
        world.link.refuses[Lane.REST] = NetworkError("refused")
        with pytest.raises(ExchangeNotAvailable):
            async with world.exchange:
                raise AssertionError("not connected")
        assert world.exchange.health.why == "disconnected"

    play(story, connect=False)
