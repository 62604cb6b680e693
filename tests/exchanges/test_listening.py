"""A user lane that lives and tells nothing of our orders is found, by what REST knows and by asking anew; a quiet account is no alarm."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.scripted import RULES, World, play
from papertape.exchanges.lanes import LaneState
from papertape.model.notes import Mark
from papertape.model.order import Order, OrderStatus
from papertape.model.request import Channel, Lane, Op
from papertape.model.units import MINUTE, SECOND

LISTS = msgspec.structs.replace(RULES, lists_own_orders=True)
"""As Coinbase does."""


def told(world: World) -> list[tuple[str, str]]:
    """What the bot has been told so far: (filled, status)."""
    return world.heard  # type: ignore[attr-defined]  # `listen` put it there


async def listen(world: World) -> None:
    heard: list[tuple[str, str]] = []

    def hear(order: Order) -> None:
        heard.append((str(order.filled), str(order.status)))

    world.heard = heard  # type: ignore[attr-defined]  # the world keeps it for the test
    await world.exchange.subscribe_orders(hear)


def user_state(world: World) -> LaneState:
    return next(lane.state for lane in world.exchange.health.lanes if lane.lane is Lane.USER)


def dials(world: World) -> int:
    return sum(lane is Lane.USER for _, lane in world.link.opened)


def test_a_quiet_account_is_asked_about_and_left_alone() -> None:
    """Ten minutes without an order: a fresh subscription now and then, no request, no alarm, no reconnect, and trading all the while."""

    async def story(world: World) -> None:
        subscriptions: list[Channel] = []
        subscribe = world.link.subscribe

        async def counted(lane: Lane, channel: Channel, symbol: str, span_ns: int = 0) -> None:
            subscriptions.append(channel)
            await subscribe(lane, channel, symbol, span_ns)

        world.link.subscribe = counted  # type: ignore[method-assign]  # on this one link
        health, requests = len(world.notes.health), len(world.link.requests)
        await world.sleep(600)
        assert 15 <= subscriptions.count(Channel.ORDERS) <= 20
        assert set(subscriptions) == {Channel.ORDERS}
        assert (len(world.notes.health), len(world.link.requests), dials(world)) == (health, requests, 1)
        assert Mark.MUTE_FOUND not in world.notes.marks

    play(story, rules=LISTS)


def test_a_lane_that_went_mute_in_a_quiet_account_is_found() -> None:
    """Within the silence, a look and the time to list; then it is dialled anew until it lists again."""

    async def story(world: World) -> None:
        await world.sleep(20)
        world.link.mute_orders()
        await world.sleep(30 + 2.5 + 10)
        assert world.notes.marks.count(Mark.MUTE_FOUND) == 1
        assert user_state(world) is not LaneState.LIVE
        await world.sleep(60)
        assert user_state(world) is not LaneState.LIVE
        world.link.is_mute = False
        await world.sleep(10 + 15 + 1)
        assert user_state(world) is LaneState.LIVE
        assert world.exchange.health.is_healthy
        assert world.notes.marks.count(Mark.MUTE_FOUND) == 1

    play(story, rules=LISTS)


def test_an_order_that_the_lane_does_not_tell_of_is_reason_enough() -> None:
    """REST has acknowledged it: five seconds and a look later our orders are asked for anew, and ten more are all that is waited for."""

    async def story(world: World) -> None:
        await world.sleep(20)
        world.link.mute_orders()
        await world.buy()
        await world.sleep(5 + 2.5 + 10.5)
        assert world.notes.marks.count(Mark.MUTE_FOUND) == 1

    play(story, rules=LISTS)


@pytest.mark.parametrize("rules", [RULES, LISTS], ids=["lists nothing", "lists"])
def test_a_fill_while_the_lane_is_mute_for_a_moment_is_told_once(rules: object) -> None:
    """The mute is over before anybody looks; a new subscription hears again, and what happened meanwhile is told, once."""

    async def story(world: World) -> None:
        await listen(world)
        await world.buy()
        await world.sleep(1)
        world.link.mute_orders()
        world.link.fill("r-1", "0.4")
        await world.sleep(1)
        world.link.is_mute = False
        await world.sleep(36)
        assert told(world) == [("0", "open"), ("0.4", "open")]
        world.link.fill("r-1", "0.6")
        await world.sleep(1)
        assert told(world) == [("0", "open"), ("0.4", "open"), ("1.0", "closed")]
        assert dials(world) == 1

    play(story, rules=rules)  # type: ignore[arg-type]  # rules, by name


def test_what_closes_between_two_subscriptions_is_asked_for() -> None:
    """It is in no list and no message: the one order that should have been listed is looked up."""

    async def story(world: World) -> None:
        await listen(world)
        await world.buy()
        await world.sleep(1)
        unsubscribe = world.link.unsubscribe

        async def and_fill(lane: Lane, channel: Channel, symbol: str, span_ns: int = 0) -> None:
            await unsubscribe(lane, channel, symbol, span_ns)
            if len(told(world)) == 1:
                tell, world.link.tell = world.link.tell, lambda key: None  # type: ignore[method-assign]  # on this one link
                world.link.fill("r-1", "1")
                world.link.tell = tell  # type: ignore[method-assign]  # on this one link

        world.link.unsubscribe = and_fill  # type: ignore[method-assign]  # on this one link
        world.link.requests.clear()
        await world.sleep(30 + 2.5 + 2.5)
        assert told(world) == [("0", "open"), ("1", "closed")]
        assert [request.op for _, request in world.link.requests] == [Op.ORDERS_OPEN, Op.ORDER_FETCH]

    play(story, rules=LISTS, confirm_after_ns=10 * MINUTE)


def test_a_long_list_comes_in_parts_and_asks_rest_for_nothing() -> None:
    async def story(world: World) -> None:
        world.link.list_size = 2
        for _ in range(5):
            await world.buy(amount="0.1")
        await world.sleep(1)
        world.link.requests.clear()
        await world.sleep(100)
        assert world.link.requests == []

    play(story, rules=LISTS, confirm_after_ns=10 * MINUTE)


def test_a_lane_is_not_up_before_our_orders_were_listed() -> None:
    """However well its heartbeats come; the bot trades by REST meanwhile."""

    async def story(world: World) -> None:
        world.link.mute_orders()
        connecting = asyncio.ensure_future(world.exchange.connect())
        await world.sleep(5)
        assert user_state(world) is LaneState.SYNCING
        await connecting
        assert user_state(world) is not LaneState.LIVE
        await world.buy()

    play(story, rules=LISTS, connect=False)


def test_a_list_that_is_lost_on_the_way_is_asked_for_once_more() -> None:
    """A number is missing before any list came: that may have been it. No reconnect is needed."""

    async def story(world: World) -> None:
        pushed = world.link._list

        def lose(orders: list[Order]) -> None:
            world.link.skip(Lane.USER)
            world.link._list = pushed  # type: ignore[method-assign]  # on this one link

        world.link._list = lose  # type: ignore[method-assign]  # on this one link
        await world.exchange.connect()
        assert world.loop.now_ns < 5 * SECOND
        assert (user_state(world), dials(world)) == (LaneState.LIVE, 1)
        assert Mark.GAP_DETECTED in world.notes.marks

    play(story, rules=LISTS, connect=False)


def test_a_venue_that_tells_nothing_of_creates_is_asked_ever_less_often() -> None:
    """Its list says that the lane hears; so nothing is dropped, and no storm of questions follows from orders that it never tells of."""

    async def story(world: World) -> None:
        asked: list[int] = []
        unsubscribe = world.link.unsubscribe

        async def noted(lane: Lane, channel: Channel, symbol: str, span_ns: int = 0) -> None:
            asked.append(world.loop.now_ns)
            await unsubscribe(lane, channel, symbol, span_ns)

        world.link.unsubscribe = noted  # type: ignore[method-assign]  # on this one link
        world.link.tell = lambda key: None  # type: ignore[method-assign]  # on this one link
        for _ in range(60):
            await world.buy(amount="0.1")
            await world.sleep(5)
        assert 8 <= len(asked) <= 300 / 20
        assert Mark.MUTE_FOUND not in world.notes.marks
        assert dials(world) == 1

    play(story, rules=LISTS, rate_reserve=0)


steps = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["fill", "mute", "unmute", "drop", "gap"])), min_size=1, max_size=10,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(steps, st.booleans())
def test_whatever_goes_mute_and_when_the_bot_is_told_each_thing_once_and_the_last_in_time(
    steps: list[tuple[int, str]], does_list: bool
) -> None:
    """Fills and mutes, losses and cuts in any order: what the bot hears only ever goes on, and a minute after the last it knows all."""

    async def story(world: World) -> None:
        await listen(world)
        await world.buy()
        for wait, what in steps:
            await world.sleep(wait)
            order = world.link.orders["r-1"]
            if what == "fill" and order.status is OrderStatus.OPEN:
                world.link.fill("r-1", "0.1")
            elif what == "mute":
                world.link.mute_orders()
            elif what == "unmute":
                world.link.is_mute = False
            elif what == "drop":
                world.link.drop(Lane.USER)
            elif what == "gap":
                world.link.skip(Lane.USER)
        world.link.is_mute = False
        await world.sleep(60)
        filled = [amount for amount, _ in told(world)]
        assert filled == sorted(set(filled))
        assert filled[-1] == str(world.link.orders["r-1"].filled)
        assert user_state(world) is LaneState.LIVE
        last = len(filled)
        if world.link.orders["r-1"].status is OrderStatus.OPEN:
            world.link.fill("r-1", "0.01")
            await world.sleep(1)
            assert len(told(world)) == last + 1  # it hears again, by itself

    play(story, rules=LISTS if does_list else RULES)
