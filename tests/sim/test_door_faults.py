"""What a Door does to requests and to news of orders when it is told to: the rest of the faults of meaning."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from papertape.faults import LateReply, LostReply, Reject
from papertape.faults.reject import REASONS
from papertape.links.refusal import ERROR_OF
from papertape.model.errors import ExchangeNotAvailable, InsufficientFunds, OrderNotFound, RequestTimeout, never_sent
from papertape.model.order import NewOrder
from papertape.model.request import Op, RefusalCode, Request
from papertape.model.units import MILLISECOND, SECOND
from sim.room import BUY, Room, in_room

DEAR = msgspec.structs.replace(BUY, amount=BUY.amount * 1000)


def cancel(order_id: str) -> Request:
    return Request(op=Op.ORDER_CANCEL, client_order_id="pt-1", order_id=order_id, symbol="BTC/USD")


# ---- late_reply


def test_a_late_reply_finds_nobody_and_the_order_stands() -> None:
    async def story(room: Room) -> None:
        with pytest.raises(RequestTimeout) as raised:
            await room.create()
        assert not never_sent(raised.value)
        assert room.loop.now_ns == 10 * SECOND
        (order,) = room.door.truth().orders
        assert order.created_ns == 15 * MILLISECOND
        assert not room.door.is_whole
        await asyncio.sleep(30)  # the answer goes by
        assert not room.door.is_whole
        assert not room.door.is_busy
        assert (await room.create()).id == order.id
        assert room.door.is_whole

    in_room(story, LateReply())


def test_a_reply_within_the_clients_patience_is_only_slow() -> None:
    async def story(room: Room) -> None:
        order = await room.create()
        assert order.created_ns == 15 * MILLISECOND
        assert room.loop.now_ns == 30 * MILLISECOND + 4 * SECOND
        assert room.door.is_whole

    in_room(story, LateReply(delay="4s"))


def test_every_reply_in_a_window_is_late_or_lost() -> None:
    """Such a window needs no op."""

    async def story(room: Room) -> None:
        for each in ("pt-1", "pt-2"):
            with pytest.raises(RequestTimeout):
                await room.create(each)
        await asyncio.sleep(10)
        assert [armed.fired for armed in room.door.plan.faults] == [1, 1]
        await room.create("pt-3")
        assert len(room.door.truth().orders) == 3

    in_room(story, LateReply(at="0s", lasts="5s"), LostReply(at="9s", lasts="5s"))


def test_a_refusal_that_was_lost_leaves_nothing_owed() -> None:
    """It changed nothing, so whoever asks again and hears it is whole."""

    async def story(room: Room) -> None:
        with pytest.raises(RequestTimeout):
            await room.create(order=DEAR)
        with pytest.raises(InsufficientFunds):
            await room.create(order=DEAR)
        assert room.door.is_whole

    in_room(story, LostReply())


# ---- reject


@pytest.mark.parametrize("reason", REASONS[Op.ORDER_CREATE])
def test_a_rejected_create_is_refused_for_that_reason_and_not_done(reason: RefusalCode) -> None:
    async def story(room: Room) -> None:
        with pytest.raises(ERROR_OF[reason]) as raised:
            await room.create()
        assert not never_sent(raised.value)
        assert room.door.truth().orders == ()
        await room.create()
        assert len(room.door.truth().orders) == 1

    in_room(story, Reject(reason=str(reason)))


def test_a_rejected_cancel_leaves_the_order_open() -> None:
    async def story(room: Room) -> None:
        order = await room.create()
        with pytest.raises(OrderNotFound):
            await room.link.request(cancel(order.id))
        assert not room.door.truth().orders[0].status.is_final
        answer = await room.link.request(cancel(order.id))
        assert answer.order is not None
        assert answer.order.status.is_final

    in_room(story, Reject(on=Op.ORDER_CANCEL, reason="order_not_open"))


def test_in_a_window_everything_is_rejected() -> None:
    async def story(room: Room) -> None:
        for op in (Op.BALANCE_FETCH, Op.MARKETS_FETCH):
            with pytest.raises(ExchangeNotAvailable):
                await room.link.request(Request(op=op))
        await asyncio.sleep(2)
        await room.link.request(Request(op=Op.BALANCE_FETCH))

    in_room(story, Reject(at="0s", lasts="2s", reason="unavailable"))


def test_where_narrows_what_is_rejected() -> None:
    async def story(room: Room) -> None:
        await room.create()
        sell = NewOrder(symbol="BTC/USD", type=BUY.type, side="sell", amount=BUY.amount, price=BUY.price + 5)
        with pytest.raises(InsufficientFunds):
            await room.create("pt-2", sell)

    in_room(story, Reject(where={"side": "sell"}))
