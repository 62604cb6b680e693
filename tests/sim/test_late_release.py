"""Money that a cancelled order goes on holding: who has little must wait for it, and nothing of it is lost."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import msgspec
import pytest

from papertape.faults import LateRelease
from papertape.faults.base import checked
from papertape.model.account import Balance
from papertape.model.errors import ConfigError, InsufficientFunds, OrderNotFound
from papertape.model.event import Side
from papertape.model.order import NewOrder, OrderStatus
from papertape.model.request import Op, Request
from sim.room import BUY, Room, in_room

LARGE = msgspec.structs.replace(BUY, amount=Decimal(10), price=Decimal(90))
SELL = msgspec.structs.replace(BUY, side=Side.SELL, amount=Decimal(1), price=Decimal(200))


async def balance(room: Room, currency: str = "USD") -> Balance:
    answer = await room.link.request(Request(op=Op.BALANCE_FETCH))
    assert answer.balances is not None
    return answer.balances[currency]


async def cancel(room: Room, client_order_id: str) -> OrderStatus:
    answer = await room.link.request(Request(op=Op.ORDER_CANCEL, client_order_id=client_order_id))
    assert answer.order is not None
    return answer.order.status


@pytest.mark.parametrize(("wanted", "currency", "amount"), [(LARGE, "USD", 900), (SELL, "BTC", 1)])
def test_what_a_cancelled_order_held_is_free_only_later(wanted: NewOrder, currency: str, amount: int) -> None:
    """The cancel itself is done and answered; a new order for the same money is refused until then, and taken after it."""

    async def story(room: Room) -> None:
        opening = await balance(room, currency)
        await room.create("pt-1", wanted)
        assert await cancel(room, "pt-1") is OrderStatus.CANCELED
        assert (await balance(room, currency)).used == amount
        with pytest.raises(InsufficientFunds):
            await room.create("pt-2", wanted)
        await asyncio.sleep(5)
        assert await balance(room, currency) == opening
        await room.create("pt-3", wanted)
        assert await cancel(room, "pt-3") is OrderStatus.CANCELED  # the second cancel, and the fault was about the first
        assert await balance(room, currency) == opening
        assert room.door.plan.faults[0].fired == 1

    in_room(story, LateRelease())


def test_healing_frees_it_at_once_and_only_once() -> None:
    async def story(room: Room) -> None:
        opening = await balance(room)
        await room.create("pt-1", LARGE)
        await cancel(room, "pt-1")
        room.door.plan.heal(())
        assert await balance(room) == opening
        await asyncio.sleep(30)
        assert await balance(room) == opening
        assert room.venue.truth_balances()["USD"] == opening

    in_room(story, LateRelease(at="0s", lasts="60s", held_for="20s"))


def test_an_order_that_was_filled_meanwhile_holds_nothing_back() -> None:
    """What is no cancelled order is none of its business: the fault has hit nothing."""

    async def story(room: Room) -> None:
        await room.create("pt-1", msgspec.structs.replace(BUY, price=Decimal(102), amount=Decimal("0.5")))
        with pytest.raises(OrderNotFound):
            await cancel(room, "pt-1")
        assert (await balance(room)).used == 0
        assert room.door.plan.faults[0].fired == 0

    in_room(story, LateRelease())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (LateRelease(on=Op.ORDER_CREATE), '`on`: holds "order.create"; only "order.cancel" sets free what an order held'),
        (LateRelease(held_for="0s"), '`held_for`: holds "0s"; money that is free at once is as always'),
        (LateRelease(held_for="long"), '"long" is no duration'),
    ],
)
def test_settings_that_make_no_sense_are_named(fault: LateRelease, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        checked(fault)
    assert words in str(raised.value)
