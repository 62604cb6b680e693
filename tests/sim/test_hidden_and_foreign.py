"""Orders that are there and cannot be seen, and orders of somebody else."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from papertape.faults import Fault, ForeignOrder, LateVisibility
from papertape.faults.base import checked
from papertape.model.errors import ConfigError, OrderNotFound
from papertape.model.event import Side
from papertape.model.order import NewOrder, OrderStatus, OrderType, OrderUpdate
from papertape.model.request import Channel, Lane, Op, Request
from sim.room import BUY, Room, in_room

MARKET_BUY = NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=Side.BUY, amount=Decimal("0.01"))


async def shown(room: Room) -> list[int]:
    """How many open orders, recent orders and fills the venue shows."""
    answers = [await room.link.request(Request(op=op)) for op in (Op.ORDERS_OPEN, Op.ORDERS_FETCH, Op.FILLS_FETCH)]
    return [len(answers[0].orders), len(answers[1].orders), len(answers[2].fills)]


def test_a_hidden_order_is_in_no_answer_until_its_time() -> None:
    """It lives all the while, and the answer to its own create names it."""

    async def story(room: Room) -> None:
        order = await room.create()
        assert order.status is OrderStatus.OPEN
        assert await shown(room) == [0, 0, 0]
        for names in ({"order_id": order.id}, {"client_order_id": "pt-1"}):
            with pytest.raises(OrderNotFound):
                await room.link.request(Request(op=Op.ORDER_FETCH, **names))
        assert room.door.plan.faults[0].fired == 4
        await asyncio.sleep(5)
        assert await shown(room) == [1, 1, 0]
        assert room.door.plan.faults[0].fired == 4

    in_room(story, LateVisibility())


def test_a_hidden_order_fills_and_is_told_of_and_can_be_cancelled() -> None:
    async def story(room: Room) -> None:
        await room.link.open(Lane.USER)
        await room.link.subscribe(Lane.USER, Channel.ORDERS, "")
        await asyncio.sleep(1)
        filled = await room.create("pt-1", MARKET_BUY)
        resting = await room.create("pt-2")
        assert filled.status is OrderStatus.CLOSED
        assert await shown(room) == [0, 0, 0]
        assert [message.order.client_order_id for _, _, _, message in room.heard if isinstance(message, OrderUpdate)][-1] == "pt-2"
        answer = await room.link.request(Request(op=Op.ORDER_CANCEL, order_id=resting.id))
        assert answer.order is not None
        assert answer.order.status is OrderStatus.CANCELED
        await asyncio.sleep(30)
        assert await shown(room) == [0, 2, 1]

    in_room(story, LateVisibility(at="0s", lasts="10s", hides_for="30s"))


def test_a_repeated_create_finds_the_hidden_order() -> None:
    """A repetition asks nothing and makes nothing; the venue knows the id."""

    async def story(room: Room) -> None:
        order = await room.create()
        assert (await room.create()).id == order.id
        assert await shown(room) == [0, 0, 0]
        assert len(room.door.truth().orders) == 1

    in_room(story, LateVisibility())


def test_healing_shows_what_was_hidden() -> None:
    async def story(room: Room) -> None:
        await room.create()
        room.door.plan.heal(())
        assert await shown(room) == [1, 1, 0]

    in_room(story, LateVisibility(hides_for="1h"))


def test_a_foreign_order_stands_behind_the_best_price_and_is_told_of() -> None:
    async def story(room: Room) -> None:
        await room.link.open(Lane.USER)
        await room.link.subscribe(Lane.USER, Channel.ORDERS, "")
        await asyncio.sleep(2)
        (order,) = room.door.truth().orders
        assert (order.price, order.status, order.side) == (Decimal("98.81"), OrderStatus.OPEN, Side.BUY)
        assert room.door.truth().foreign == (order.client_order_id,)
        assert [message.order.id for _, _, _, message in room.heard if isinstance(message, OrderUpdate)] == [order.id]
        assert await shown(room) == [1, 1, 0]
        assert room.door.plan.faults[0].fired == 1

    in_room(story, ForeignOrder(at="1s"))


def test_a_foreign_market_order_takes_the_accounts_money() -> None:
    async def story(room: Room) -> None:
        await asyncio.sleep(2)
        truth = room.door.truth()
        assert truth.balances["BTC"].total == Decimal("1.01")
        assert [fill.client_order_id for fill in truth.fills] == list(truth.foreign)

    in_room(story, ForeignOrder(at="1s", type="market"))


def test_a_foreign_order_that_the_account_cannot_pay_hits_nothing() -> None:
    async def story(room: Room) -> None:
        await asyncio.sleep(2)
        assert room.door.truth().orders == ()
        assert room.door.plan.faults[0].fired == 0

    in_room(story, ForeignOrder(at="1s", amount="1000"))


def test_a_request_can_bring_it_about() -> None:
    """Somebody is quicker than we are: their order is there when ours arrives."""

    async def story(room: Room) -> None:
        await room.create()
        assert [order.client_order_id for order in room.door.truth().orders] == ["foreign-1", "pt-1"]
        assert BUY.amount == room.door.truth().orders[1].amount

    in_room(story, ForeignOrder(on=Op.ORDER_CREATE))


def test_a_lost_word_of_a_foreign_order_is_owed_to_nobody() -> None:
    async def story(room: Room) -> None:
        await room.link.open(Lane.USER)
        await room.link.subscribe(Lane.USER, Channel.ORDERS, "")
        await asyncio.sleep(1.01)
        room.door.broadcast.cut(Lane.USER, 0)
        room.door.broadcast.forget_lost()
        assert room.door.is_whole

    in_room(story, ForeignOrder(at="1s"))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (LateVisibility(hides_for="soon"), '"soon" is no duration'),
        (LateVisibility(on=Op.ORDER_CANCEL), 'only "order.create" makes an order'),
        (ForeignOrder(), "`at`: is missing"),
        (ForeignOrder(at="1s", amount="much"), "expected an amount above zero"),
        (ForeignOrder(at="1s", amount="-1"), "expected an amount above zero"),
        (ForeignOrder(at="1s", lasts="2s"), "has no place here"),
        (ForeignOrder(at="1s", away_bps=10_000), "which is the whole price"),
    ],
)
def test_settings_that_make_no_sense_are_named(fault: Fault, words: str) -> None:
    with pytest.raises(ConfigError, match="key") as raised:
        checked(fault)
    assert words in str(raised.value)
