"""What a Door does to requests and to news of orders when it is told to: the rest of the faults of meaning."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import msgspec
import pytest

from papertape.faults import (
    Disconnect,
    Drop,
    Duplicate,
    EmptySnapshot,
    Fault,
    Gap,
    LateReply,
    LostReply,
    Outage,
    Reject,
    Reorder,
    StaleSnapshot,
)
from papertape.faults.reject import REASONS
from papertape.links.refusal import ERROR_OF
from papertape.model.errors import ExchangeNotAvailable, InsufficientFunds, OrderNotFound, RequestTimeout, never_sent
from papertape.model.event import BookSnapshot, BookUpdate, Side
from papertape.model.order import NewOrder, Order, OrderStatus, OrderType, OrderUpdate
from papertape.model.request import Channel, Lane, Op, RefusalCode, Request
from papertape.model.units import MILLISECOND, SECOND
from sim.room import BUY, Room, change, in_room

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


def edit(order: Order, price: str) -> Request:
    changed = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=order.amount, price=Decimal(price))
    return Request(op=Op.ORDER_EDIT, client_order_id=order.client_order_id, order_id=order.id, symbol="BTC/USD", order=changed)


def test_an_edit_whose_answer_was_lost_is_owed_until_it_is_asked_for() -> None:
    """The client has heard of the order, but not of its new price."""

    async def story(room: Room) -> None:
        order = await room.create()
        assert room.door.is_whole
        with pytest.raises(RequestTimeout):
            await room.link.request(edit(order, "98.00"))
        assert list(room.door.broadcast.untold) == ["pt-1"]
        await room.link.request(Request(op=Op.ORDER_FETCH, order_id=order.id, symbol="BTC/USD"))
        assert room.door.is_whole

    in_room(story, LostReply(on=Op.ORDER_EDIT))


def test_a_refused_edit_whose_answer_was_lost_leaves_nothing_owed() -> None:
    async def story(room: Room) -> None:
        order = await room.create()
        with pytest.raises(RequestTimeout):
            await room.link.request(edit(order, "98.001"))
        assert room.door.is_whole

    in_room(story, LostReply(on=Op.ORDER_EDIT))


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


# ---- single messages of a stream


async def listen(room: Room) -> None:
    await room.link.open(Lane.USER)
    await room.link.subscribe(Lane.USER, Channel.ORDERS, "")
    await room.link.subscribe(Lane.USER, Channel.HEARTBEATS, "")
    await asyncio.sleep(1.2)


def told(room: Room) -> list[tuple[int | None, str, OrderStatus]]:
    """News of own orders as they were heard: number, whose, and where it stands."""
    heard = [(sequence, message.order) for _, _, sequence, message in room.heard if isinstance(message, OrderUpdate)]
    return [(sequence, order.client_order_id, order.status) for sequence, order in heard]


def numbers(room: Room) -> list[int | None]:
    return room.sequences(Lane.USER)


async def open_and_cancel(room: Room) -> None:
    order = await room.create()
    await room.link.request(cancel(order.id))


OPEN, CANCELED = OrderStatus.OPEN, OrderStatus.CANCELED


def test_a_dropped_message_leaves_no_hole_in_the_numbers() -> None:
    async def story(room: Room) -> None:
        await listen(room)
        await open_and_cancel(room)
        await asyncio.sleep(3)
        assert [status for _, _, status in told(room)] == [CANCELED]
        assert numbers(room) == list(range(len(numbers(room))))
        assert room.door.plan.faults[0].fired == 1

    in_room(story, Drop(at="0s"))


def test_what_was_dropped_is_missed_until_it_is_asked_for() -> None:
    async def story(room: Room) -> None:
        await listen(room)
        await open_and_cancel(room)
        await asyncio.sleep(3)
        assert told(room) == []
        assert room.door.plan.faults[0].fired == 2
        assert room.door.is_whole  # the answers told as much

    in_room(story, Drop(at="0s", count=2))


def test_a_gap_differs_from_a_drop_by_its_number() -> None:
    async def story(room: Room) -> None:
        await listen(room)
        await open_and_cancel(room)
        await asyncio.sleep(3)
        heard = numbers(room)
        assert len(set(range(heard[-1] + 1)) - set(heard)) == 1

    in_room(story, Gap(at="0s", connection=Lane.USER, channel="orders"))


@pytest.mark.parametrize(("number", "apart"), [("fresh", 1), ("kept", 0)])
def test_a_duplicate_is_the_same_message_again(number: str, apart: int) -> None:
    async def story(room: Room) -> None:
        await listen(room)
        await open_and_cancel(room)
        await asyncio.sleep(2)
        assert [status for _, _, status in told(room)] == [OPEN, OPEN, CANCELED, CANCELED]
        (first, *_), (second, *_), (third, *_), _ = told(room)
        assert second - first == apart
        assert third == second + 1
        assert room.door.plan.faults[0].fired == 2

    in_room(story, Duplicate(at="0s", count=2, number=number))


def test_a_duplicate_can_come_much_later_and_out_of_date() -> None:
    async def story(room: Room) -> None:
        await listen(room)
        await open_and_cancel(room)
        await asyncio.sleep(9)
        assert [status for _, _, status in told(room)] == [OPEN, CANCELED, OPEN]
        assert numbers(room) == list(range(len(numbers(room))))

    in_room(story, Duplicate(at="0s", after="5s"))


def test_a_copy_dies_with_its_connection() -> None:
    async def story(room: Room) -> None:
        await listen(room)
        await open_and_cancel(room)
        await asyncio.sleep(2)
        await listen(room)
        await asyncio.sleep(9)
        assert [status for _, _, status in told(room)] == [OPEN, CANCELED]

    in_room(story, Duplicate(at="0s", after="5s"), Disconnect(at="2s", connection=Lane.USER))


def test_a_market_message_comes_twice_and_once_counts_for_the_book() -> None:
    async def story(room: Room) -> None:
        await room.link.open(Lane.MARKET)
        await room.link.subscribe(Lane.MARKET, Channel.BOOK, "BTC/USD")
        await asyncio.sleep(2)
        room.market(change(3))
        room.market(change(4))
        await asyncio.sleep(1)
        heard = [message.bids[0][1] for *_, message in room.heard if isinstance(message, BookUpdate)]
        assert heard == [3, 4, 3]
        assert room.sequences(Lane.MARKET) == [0, 1, 2, 3]

    in_room(story, Duplicate(at="1s", connection=Lane.MARKET))


def test_two_neighbours_change_places() -> None:
    async def story(room: Room) -> None:
        await listen(room)
        await open_and_cancel(room)
        await asyncio.sleep(2)
        assert [status for _, _, status in told(room)] == [CANCELED, OPEN]
        assert numbers(room) == list(range(len(numbers(room))))
        assert room.door.plan.faults[0].fired == 1
        assert room.door.is_whole

    in_room(story, Reorder(at="0s"))


def test_neighbours_that_keep_their_numbers_show_a_hole_and_then_fill_it() -> None:
    async def story(room: Room) -> None:
        await listen(room)
        await open_and_cancel(room)
        await asyncio.sleep(2)
        (second, *_), (first, *_) = told(room)
        assert second == first + 1

    in_room(story, Reorder(at="0s", number="kept"))


def test_a_message_without_a_neighbour_goes_alone_and_that_was_no_hit() -> None:
    async def story(room: Room) -> None:
        await listen(room)
        await room.create()
        now_ns = room.loop.now_ns
        await asyncio.sleep(3)
        assert [status for _, _, status in told(room)] == [OPEN]
        (at_ns,) = [at_ns for at_ns, _, _, message in room.heard if isinstance(message, OrderUpdate)]
        assert at_ns == now_ns + 500 * MILLISECOND
        assert room.door.plan.faults[0].fired == 0

    in_room(story, Reorder(at="0s", within="500ms"))


def test_a_wait_that_is_over_ends_no_other() -> None:
    async def story(room: Room) -> None:
        await listen(room)
        await open_and_cancel(room)
        await asyncio.sleep(0.6)
        await room.create("pt-2")
        now_ns = room.loop.now_ns
        await asyncio.sleep(3)
        assert [name for _, name, _ in told(room)] == ["pt-1", "pt-1", "pt-2"]
        at_ns = [at_ns for at_ns, _, _, message in room.heard if isinstance(message, OrderUpdate)][-1]
        assert at_ns == now_ns + SECOND

    in_room(story, Reorder(at="0s", count=2))


def test_what_was_kept_back_is_owed_when_the_line_is_cut() -> None:
    async def story(room: Room) -> None:
        await listen(room)
        room.venue.execute(Request(op=Op.ORDER_CREATE, client_order_id="pt-1", symbol="BTC/USD", order=BUY), room.loop.now_ns)
        assert room.door.is_whole
        await asyncio.sleep(1.5)
        assert told(room) == []
        assert list(room.door.broadcast.untold) == ["pt-1"]  # the line was cut, and the message with it

    in_room(story, Reorder(at="0s", within="5s"), Disconnect(at="2s", connection=Lane.USER))


# ---- outage


async def lanes_up(room: Room) -> dict[Lane, bool]:
    """Which lanes work now."""
    asks = {Lane.REST: room.link.request(Request(op=Op.BALANCE_FETCH))} | {lane: room.link.open(lane) for lane in (Lane.MARKET, Lane.USER)}
    errors = {lane: (await asyncio.gather(ask, return_exceptions=True))[0] for lane, ask in asks.items()}
    for lane, error in errors.items():
        if isinstance(error, BaseException):
            assert isinstance(error, ExchangeNotAvailable)
            assert never_sent(error) is (lane is not Lane.REST)
        await room.link.close(lane)
    return {lane: not isinstance(error, BaseException) for lane, error in errors.items()}


@pytest.mark.parametrize("away", [(Lane.REST,), (Lane.MARKET, Lane.USER), (Lane.USER,), tuple(Lane)], ids=str)
def test_an_outage_takes_the_lanes_it_names_and_no_other(away: tuple[Lane, ...]) -> None:
    async def story(room: Room) -> None:
        await room.link.open(Lane.MARKET)
        await room.link.open(Lane.USER)
        await asyncio.sleep(2)
        assert sorted(lane for _, lane, _ in room.closed) == sorted(lane for lane in away if lane is not Lane.REST)
        for lane in (Lane.MARKET, Lane.USER):
            await room.link.close(lane)
        assert await lanes_up(room) == {lane: lane not in away for lane in Lane}
        await asyncio.sleep(5)
        assert await lanes_up(room) == dict.fromkeys(Lane, True)

    in_room(story, Outage(at="1s", lasts="5s", connections=away))


def test_an_outage_of_rest_does_nothing_or_does_it_and_says_the_same() -> None:
    async def story(room: Room) -> None:
        with pytest.raises(ExchangeNotAvailable):
            await room.create()
        assert room.door.truth().orders == ()
        assert room.door.is_whole
        await asyncio.sleep(2)
        with pytest.raises(ExchangeNotAvailable):
            await room.create()
        assert len(room.door.truth().orders) == 1
        assert not room.door.is_whole

    in_room(
        story,
        Outage(at="0s", lasts="1s", connections=(Lane.REST,)),
        Outage(at="2s", lasts="1s", connections=(Lane.REST,), executes=True),
    )


def test_an_outage_that_a_request_starts_is_about_every_request() -> None:
    async def story(room: Room) -> None:
        await room.create()
        for op in (Op.ORDER_CREATE, Op.BALANCE_FETCH, Op.MARKETS_FETCH):
            with pytest.raises(ExchangeNotAvailable):
                await room.link.request(Request(op=op, client_order_id="pt-2", symbol="BTC/USD", order=BUY))
        await asyncio.sleep(3)
        await room.create("pt-2")
        await room.create("pt-3")

    in_room(story, Outage(on=Op.ORDER_CREATE, nth=2, lasts="2s", connections=(Lane.REST,)))


# ---- snapshots


def last_snapshot(room: Room) -> BookSnapshot:
    return [message for *_, message in room.heard if isinstance(message, BookSnapshot)][-1]


async def ask_for_the_book(room: Room) -> BookSnapshot:
    await room.link.unsubscribe(Lane.MARKET, Channel.BOOK, "BTC/USD")
    await room.link.subscribe(Lane.MARKET, Channel.BOOK, "BTC/USD")
    await asyncio.sleep(1)
    return last_snapshot(room)


@pytest.mark.parametrize("fault", [EmptySnapshot(at="2s"), StaleSnapshot(at="2s")], ids=lambda fault: fault.kind)
def test_a_wrong_snapshot_is_followed_by_changes_and_only_another_question_brings_the_right_one(fault: Fault) -> None:
    async def story(room: Room) -> None:
        await room.link.open(Lane.MARKET)
        await room.link.subscribe(Lane.MARKET, Channel.BOOK, "BTC/USD")
        room.market(change(6))
        await asyncio.sleep(3)
        old_ns = room.loop.epoch_ns + 2 * SECOND
        room.market(change(7))
        wrong = await ask_for_the_book(room)
        is_empty = isinstance(fault, EmptySnapshot)
        assert (wrong.bids, bool(wrong.asks)) == ((), False) if is_empty else (((9900, 6),), True)
        assert (wrong.venue_ns > old_ns) if is_empty else (wrong.venue_ns == old_ns)
        assert not room.door.is_whole
        room.market(change(8))
        assert isinstance(room.heard[-1][3], BookUpdate)
        assert not room.door.is_whole
        right = await ask_for_the_book(room)
        assert right.bids == ((9900, 8),)
        assert room.door.is_whole
        assert room.sequences(Lane.MARKET) == list(range(len(room.heard)))
        assert room.door.plan.faults[0].fired == 1

    in_room(story, fault)


def test_a_book_that_has_not_changed_is_no_old_one() -> None:
    """Nobody could tell it from the right one, so that it neither counts nor leaves the book wrong."""

    async def story(room: Room) -> None:
        await room.link.open(Lane.MARKET)
        room.market(change(6))
        await asyncio.sleep(3)
        assert (await ask_for_the_book(room)).bids == ((9900, 6),)
        assert room.door.is_whole
        assert room.door.plan.faults[0].fired == 0
        room.market(change(7))
        assert (await ask_for_the_book(room)).bids == ((9900, 6),)
        assert room.door.plan.faults[0].fired == 1

    in_room(story, StaleSnapshot(at="2s"))


def test_a_wrong_snapshot_that_comes_twice_is_wrong_twice() -> None:
    """What is doubled is no better for it."""

    async def story(room: Room) -> None:
        await room.link.open(Lane.MARKET)
        room.market(change(6))
        assert (await ask_for_the_book(room)).bids == ()
        assert [message for *_, message in room.heard if isinstance(message, BookSnapshot)] == [last_snapshot(room)] * 2
        assert not room.door.is_whole

    in_room(story, EmptySnapshot(at="0s"), Duplicate(at="0s", connection=Lane.MARKET))


def test_only_so_many_snapshots_are_wrong() -> None:
    async def story(room: Room) -> None:
        await room.link.open(Lane.MARKET)
        found = [bool((await ask_for_the_book(room)).bids) for _ in range(4)]
        assert found == [False, False, True, True]

    in_room(story, EmptySnapshot(at="0s", count=2))


def test_who_gives_a_wrong_book_up_has_nothing_wrong_any_more() -> None:
    """And the observer looks again: nothing else may ever come on that connection."""

    async def story(room: Room) -> None:
        looks: list[bool] = []
        room.door.on_progress = lambda: looks.append(room.door.is_whole)
        await room.link.open(Lane.MARKET)
        await room.link.subscribe(Lane.MARKET, Channel.BOOK, "BTC/USD")
        await asyncio.sleep(1)
        assert not room.door.is_whole
        await room.link.unsubscribe(Lane.MARKET, Channel.BOOK, "BTC/USD")
        await asyncio.sleep(1)
        assert room.door.is_whole
        assert looks[-1]

    in_room(story, EmptySnapshot(at="0s"))
