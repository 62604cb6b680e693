"""Every request and message passes the Door, and a fault there does what its docstring says."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from papertape.faults import Disconnect, Gap, Latency, LostReply, RateLimit, Stall
from papertape.model.errors import ExchangeNotAvailable, NetworkError, RateLimitExceeded, RequestTimeout, never_sent, retry_after_ns
from papertape.model.event import BookSnapshot, BookUpdate, Heartbeat, Side
from papertape.model.order import NewOrder, OrderStatus, OrderType, OrderUpdate
from papertape.model.request import Channel, Lane
from papertape.model.units import MILLISECOND, SECOND
from sim.room import Room, change, in_room


def test_an_order_takes_its_time_there_and_its_answer_back() -> None:
    async def story(room: Room) -> None:
        order = await room.create()
        assert order.status is OrderStatus.OPEN
        assert order.created_ns == 15 * MILLISECOND
        assert room.loop.now_ns == 30 * MILLISECOND

    in_room(story)


def test_a_lost_reply_times_out_at_the_client_and_the_order_stands() -> None:
    async def story(room: Room) -> None:
        with pytest.raises(RequestTimeout) as raised:
            await room.create()
        assert not never_sent(raised.value)
        assert room.loop.now_ns == 10 * SECOND
        assert [order.client_order_id for order in room.door.truth().orders] == ["pt-1"]
        assert not room.door.is_whole
        assert (await room.create()).client_order_id == "pt-1"
        assert len(room.door.truth().orders) == 1
        assert room.door.is_whole

    in_room(story, LostReply())


def test_a_rate_limit_is_refused_before_the_venue_sees_it() -> None:
    async def story(room: Room) -> None:
        with pytest.raises(RateLimitExceeded) as raised:
            await room.create()
        assert retry_after_ns(raised.value) == 2 * SECOND
        assert room.door.truth().orders == ()
        await room.create()
        assert len(room.door.truth().orders) == 1

    in_room(story, RateLimit(retry_after="2s"))


def test_a_cut_rest_line_resets_open_calls_and_refuses_new_ones() -> None:
    """A request that has arrived is done although its answer is lost; one dialled later certainly never left."""

    async def story(room: Room) -> None:
        call = asyncio.ensure_future(room.create())
        with pytest.raises(NetworkError) as raised:
            await call
        assert not never_sent(raised.value)
        assert room.loop.now_ns == 20 * MILLISECOND
        assert len(room.door.truth().orders) == 1
        with pytest.raises(ExchangeNotAvailable) as refused:
            await room.create("pt-2")
        assert never_sent(refused.value)
        await asyncio.sleep(5)
        await room.create("pt-2")

    in_room(story, Disconnect(at="20ms", lasts="5s", connection=Lane.REST))


def test_a_request_cut_on_its_way_never_arrives() -> None:
    async def story(room: Room) -> None:
        with pytest.raises(NetworkError):
            await room.create()
        await asyncio.sleep(1)
        assert room.door.truth().orders == ()

    in_room(story, Disconnect(at="10ms", connection=Lane.REST))


@pytest.mark.parametrize(("clean", "words"), [(True, "1001"), (False, "reset")])
def test_a_cut_stream_closes_and_cannot_be_reopened_while_it_lasts(clean: bool, words: str) -> None:
    async def story(room: Room) -> None:
        await room.link.open(Lane.MARKET)
        await asyncio.sleep(2)
        assert [(at_ns, lane) for at_ns, lane, _ in room.closed] == [(SECOND, Lane.MARKET)]
        assert words in room.closed[0][2]
        with pytest.raises(ExchangeNotAvailable):
            await room.link.open(Lane.MARKET)
        await asyncio.sleep(5)
        await room.link.open(Lane.MARKET)

    in_room(story, Disconnect(at="1s", lasts="5s", connection=Lane.MARKET, clean=clean))


def test_a_new_connection_counts_from_nought_and_begins_with_the_whole_book() -> None:
    async def story(room: Room) -> None:
        for _ in range(2):
            await room.link.open(Lane.MARKET)
            await room.link.subscribe(Lane.MARKET, Channel.BOOK, "BTC/USD")
            await asyncio.sleep(1)
            room.market(change(7))
            assert room.sequences(Lane.MARKET) == [0, 1]
            assert isinstance(room.heard[0][3], BookSnapshot)
            room.heard.clear()
            await room.link.close(Lane.MARKET)

    in_room(story)


def test_a_gap_spends_the_number_of_what_it_takes() -> None:
    async def story(room: Room) -> None:
        await room.link.open(Lane.MARKET)
        await room.link.subscribe(Lane.MARKET, Channel.BOOK, "BTC/USD")
        for second in (2, 3, 4):
            room.market_at(second * SECOND, change(second))
        await asyncio.sleep(5)
        assert room.sequences(Lane.MARKET) == [0, 1, 3]
        assert not room.door.is_whole
        assert room.door.plan.faults[0].fired == 1
        await room.link.subscribe(Lane.MARKET, Channel.BOOK, "BTC/USD")
        await asyncio.sleep(1)
        assert room.door.is_whole

    in_room(story, Gap(at="2500ms", channel="book"))


def test_a_stalled_stream_says_nothing_and_then_everything() -> None:
    async def story(room: Room) -> None:
        await room.link.open(Lane.MARKET)
        await room.link.subscribe(Lane.MARKET, Channel.BOOK, "BTC/USD")
        await room.link.subscribe(Lane.MARKET, Channel.HEARTBEATS, "")
        room.market_at(2 * SECOND, change(2))
        await asyncio.sleep(5)
        assert all(at_ns < SECOND or at_ns >= 4 * SECOND for at_ns, *_ in room.heard)
        sequences = room.sequences(Lane.MARKET)
        assert sequences == list(range(len(sequences)))
        assert sum(at_ns == 4 * SECOND for at_ns, *_ in room.heard) >= 3

    in_room(story, Stall(at="1s", lasts="3s", connection=Lane.MARKET))


def test_a_stalled_rest_line_does_the_work_and_holds_the_answer() -> None:
    async def story(room: Room) -> None:
        await room.create()
        assert room.loop.now_ns == 4 * SECOND
        assert room.door.truth().orders[0].created_ns == 15 * MILLISECOND

    in_room(story, Stall(at="0s", lasts="4s", connection=Lane.REST))


def test_latency_delays_and_nothing_overtakes() -> None:
    async def story(room: Room) -> None:
        await room.link.open(Lane.MARKET)
        await room.link.subscribe(Lane.MARKET, Channel.BOOK, "BTC/USD")
        await room.link.subscribe(Lane.MARKET, Channel.HEARTBEATS, "")
        room.market_at(1900 * MILLISECOND, change(2))  # due 400 ms later, when the spike is over
        room.market_at(2050 * MILLISECOND, change(3))
        await asyncio.sleep(4)
        updates = [at_ns for at_ns, _, _, message in room.heard if isinstance(message, BookUpdate)]
        assert updates == [2300 * MILLISECOND, 2300 * MILLISECOND]
        sequences = room.sequences(Lane.MARKET)
        assert sequences == list(range(len(sequences)))

    in_room(story, Latency(at="1s", lasts="1s", add="400ms"))


def test_own_orders_are_told_in_order_after_the_answers_latency() -> None:
    async def story(room: Room) -> None:
        await room.link.open(Lane.USER)
        await room.link.subscribe(Lane.USER, Channel.ORDERS, "")
        await asyncio.sleep(1)
        await room.create(
            order=NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal("0.5"), price=Decimal("101"))
        )
        await asyncio.sleep(1)
        told = [message.order for _, _, _, message in room.heard if isinstance(message, OrderUpdate)]
        assert [order.filled for order in told] == sorted(order.filled for order in told)
        assert told[-1].status is OrderStatus.CLOSED
        assert {at_ns for at_ns, _, _, message in room.heard if isinstance(message, OrderUpdate)} == {
            SECOND + 2 * MILLISECOND + 30 * MILLISECOND
        }

    in_room(story)


def test_heartbeats_count_and_keep_coming() -> None:
    async def story(room: Room) -> None:
        await room.link.open(Lane.USER)
        await room.link.subscribe(Lane.USER, Channel.HEARTBEATS, "")
        await asyncio.sleep(5.5)
        counters = [message.counter for _, _, _, message in room.heard if isinstance(message, Heartbeat)]
        assert counters == [0, 1, 2, 3, 4]

    in_room(story)


def test_healing_ends_what_lasts_and_lets_nothing_begin() -> None:
    async def story(room: Room) -> None:
        await asyncio.sleep(1.5)
        assert not room.door.accepts(Lane.MARKET)
        room.door.plan.heal((Lane.MARKET,))
        assert room.door.accepts(Lane.MARKET)
        with pytest.raises(RequestTimeout):
            await room.create()  # that lane was not healed
        room.door.plan.heal(())
        await room.create("pt-2")

    in_room(story, Disconnect(at="1s", lasts="1h", connection=Lane.MARKET), LostReply(nth=1), LostReply(nth=2))


def test_a_fault_that_hit_nothing_has_not_fired() -> None:
    async def story(room: Room) -> None:
        await asyncio.sleep(3)
        assert [armed.fired for armed in room.door.plan.faults] == [0, 0]

    in_room(story, LostReply(nth=5), Disconnect(at="1s", lasts="1s", connection=Lane.USER))
