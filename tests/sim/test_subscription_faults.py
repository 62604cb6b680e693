"""What a Door does to subscriptions, to the snapshots that books begin with, and to connections as they age."""

from __future__ import annotations

import asyncio

import pytest

from papertape.faults import (
    Ban,
    CrossedSnapshot,
    Disconnect,
    ForeignOrder,
    LateSnapshot,
    LostSnapshot,
    LostSubscription,
    Mute,
    RefusedSubscription,
    ShortLived,
)
from papertape.model.errors import ExchangeNotAvailable, RateLimitExceeded, never_sent, retry_after_ns
from papertape.model.event import BookSnapshot, BookUpdate, Heartbeat, Side, Trade
from papertape.model.order import OrderUpdate
from papertape.model.request import Channel, Lane, Op, Request
from papertape.model.units import MILLISECOND, SECOND
from papertape.sim.latency import LognormalLatency
from sim.room import Room, change, in_room

BTC = "BTC/USD"


async def listen(room: Room, *channels: Channel) -> None:
    await room.link.open(Lane.MARKET)
    await room.link.subscribe(Lane.MARKET, Channel.HEARTBEATS, "")
    for channel in channels:
        await room.link.subscribe(Lane.MARKET, channel, BTC)


def trade(number: int) -> Trade:
    return Trade(venue_ns=0, local_ns=0, symbol=BTC, price_ticks=10_000, qty_lots=1, taker=Side.BUY, trade_id=str(number))


def busy_market(room: Room, seconds: int) -> None:
    """A change of the book and a trade in each second, half a second after each other; lots and ids count the seconds."""
    for second in range(1, seconds + 1):
        room.market_at(second * SECOND, change(second))
        room.market_at(second * SECOND + 500 * MILLISECOND, trade(second))


def lots(room: Room) -> list[int]:
    """What changes of the book were heard."""
    return [message.bids[0][1] for _, _, _, message in room.heard if isinstance(message, BookUpdate)]


def ids(room: Room) -> list[int]:
    return [int(message.trade_id) for _, _, _, message in room.heard if isinstance(message, Trade)]


def snapshots(room: Room) -> list[tuple[int, BookSnapshot]]:
    return [(at_ns, message) for at_ns, _, _, message in room.heard if isinstance(message, BookSnapshot)]


def beats(room: Room) -> int:
    return sum(isinstance(message, Heartbeat) for _, _, _, message in room.heard)


# ---- mute


def test_a_mute_channel_is_silent_and_the_rest_of_the_lane_lives() -> None:
    """Nothing is lost of what others get, no number is missing, and it does not come back by itself."""

    async def story(room: Room) -> None:
        busy_market(room, 9)
        await listen(room, Channel.BOOK, Channel.TRADES)
        await asyncio.sleep(9.9)
        assert lots(room) == [1, 2]
        assert ids(room) == list(range(1, 10))
        assert beats(room) == 9
        assert room.sequences(Lane.MARKET) == list(range(len(room.heard)))
        assert not room.door.is_whole
        assert room.door.plan.faults[0].fired == 1

    in_room(story, Mute(at="2500ms", lasts="2s"))


def test_a_mute_channel_speaks_again_to_who_asks_again_afterwards() -> None:
    """Asking while it is mute is of no use, although the venue takes the wish."""

    async def story(room: Room) -> None:
        busy_market(room, 9)
        await listen(room, Channel.BOOK)
        await asyncio.sleep(3)
        await room.link.subscribe(Lane.MARKET, Channel.BOOK, BTC)
        await asyncio.sleep(2.2)
        assert len(snapshots(room)) == 1
        await room.link.subscribe(Lane.MARKET, Channel.BOOK, BTC)
        await asyncio.sleep(2)
        assert len(snapshots(room)) == 2
        assert lots(room) == [1, 2, 6, 7]
        assert room.door.is_whole
        assert room.door.plan.faults[0].fired == 2

    in_room(story, Mute(at="2500ms", lasts="2s"))


@pytest.mark.parametrize(("symbol", "heard"), [("BTC/USD", [1]), ("ETH/USD", [1, 2, 3])])
def test_only_the_named_instrument_is_mute(symbol: str, heard: list[int]) -> None:
    async def story(room: Room) -> None:
        busy_market(room, 3)
        await listen(room, Channel.TRADES)
        await asyncio.sleep(3.9)
        assert ids(room) == heard

    in_room(story, Mute(at="2s", lasts="2s", channel="trades", symbol=symbol))


def test_of_a_dead_subscription_nobody_can_know_before_it_would_have_said_something() -> None:
    """Trades are mute from 2.5 s on, and the next would have come at 3.5 s. That a connection is gone shows at once."""

    async def story(room: Room) -> None:
        busy_market(room, 3)
        await listen(room, Channel.TRADES)
        broadcast = room.door.broadcast
        await asyncio.sleep(2)
        assert (room.door.is_whole, broadcast.is_waiting_for_news) == (True, False)
        await asyncio.sleep(1)
        assert (room.door.is_whole, broadcast.is_waiting_for_news) == (False, True)
        await asyncio.sleep(1)
        assert (room.door.is_whole, broadcast.is_waiting_for_news) == (False, False)
        await room.link.subscribe(Lane.MARKET, Channel.TRADES, BTC)
        await asyncio.sleep(1.1)
        assert broadcast.is_waiting_for_news  # mute again, for half a second
        broadcast.cut(Lane.MARKET, goodbye=0)
        assert (room.door.is_whole, broadcast.is_waiting_for_news) == (False, False)

    in_room(story, Mute(at="2500ms", lasts="4s", channel="trades"))


def test_a_book_that_never_begins_shows_and_own_orders_can_be_asked_for() -> None:
    """Neither has to wait for news to be found dead."""

    async def story(room: Room) -> None:
        await asyncio.sleep(0.5)
        await listen(room, Channel.BOOK)
        await room.link.open(Lane.USER)
        await room.link.subscribe(Lane.USER, Channel.ORDERS, "")
        await asyncio.sleep(1)
        assert (room.door.is_whole, room.door.broadcast.is_waiting_for_news) == (False, False)

    in_room(story, Mute(at="0s", lasts="9s"), Mute(at="0s", lasts="9s", channel="orders"))


def test_what_a_client_says_reaches_the_venue_in_the_order_in_which_it_was_said() -> None:
    """One connection carries it: however the latency of each wish is drawn, ending and beginning anew leaves it begun."""

    async def story(room: Room) -> None:
        room.door._order_law = LognormalLatency(median="5ms", p99="400ms")
        busy_market(room, 60)
        await listen(room, Channel.TRADES)
        for _ in range(50):
            await asyncio.sleep(0.5)
            await room.link.unsubscribe(Lane.MARKET, Channel.TRADES, BTC)
            await room.link.subscribe(Lane.MARKET, Channel.TRADES, BTC)
        await asyncio.sleep(15)
        assert ids(room)[-10:] == list(range(ids(room)[-1] - 9, ids(room)[-1] + 1))
        assert ids(room)[-1] >= 39

    in_room(story)


def test_own_orders_can_be_mute_too() -> None:
    async def story(room: Room) -> None:
        await room.link.open(Lane.USER)
        await room.link.subscribe(Lane.USER, Channel.HEARTBEATS, "")
        await room.link.subscribe(Lane.USER, Channel.ORDERS, "")
        await asyncio.sleep(1.5)
        await room.create()
        await asyncio.sleep(2)
        assert [message for _, _, _, message in room.heard if isinstance(message, OrderUpdate)] == []
        assert beats(room) == 3
        assert not room.door.is_whole
        await room.link.subscribe(Lane.USER, Channel.ORDERS, "")
        await asyncio.sleep(1)
        assert room.door.is_whole

    in_room(story, Mute(at="1s", lasts="2s", channel="orders"))


# ---- lost_subscription, refused_subscription


def test_a_lost_subscription_brings_nothing_and_the_next_one_does() -> None:
    async def story(room: Room) -> None:
        busy_market(room, 6)
        await listen(room, Channel.BOOK, Channel.TRADES)
        await asyncio.sleep(2.2)
        assert (lots(room), ids(room)) == ([], [1])
        assert not room.door.is_whole
        await room.link.subscribe(Lane.MARKET, Channel.BOOK, BTC)
        await asyncio.sleep(1)
        assert lots(room) == [3]
        assert room.door.is_whole

    in_room(story, LostSubscription(at="0s"))


def test_heartbeats_are_never_lost() -> None:
    """They are not what a client wants to hear, but how it knows that it hears."""

    async def story(room: Room) -> None:
        await listen(room)
        await asyncio.sleep(3.5)
        assert beats(room) == 3
        assert room.door.plan.faults[0].fired == 0

    in_room(story, LostSubscription(at="0s", count=9))


def test_a_refused_subscription_ends_the_connection_with_the_venues_reason() -> None:
    async def story(room: Room) -> None:
        await listen(room, Channel.TRADES, Channel.BOOK)
        await asyncio.sleep(1)
        ((at_ns, lane, why),) = room.closed
        assert (at_ns, lane) == (17 * MILLISECOND, Lane.MARKET)
        assert why == "coinbase says: unauthenticated"
        assert not room.door.is_whole
        await listen(room, Channel.TRADES, Channel.BOOK)
        await asyncio.sleep(1)
        assert room.door.is_whole
        assert len(room.closed) == 1

    in_room(story, RefusedSubscription(at="0s", channel="book", reason="unauthenticated"))


# ---- snapshots


def test_a_lost_snapshot_leaves_changes_without_a_book() -> None:
    async def story(room: Room) -> None:
        busy_market(room, 4)
        await listen(room, Channel.BOOK)
        await asyncio.sleep(2.2)
        assert (snapshots(room), lots(room)) == ([], [1, 2])
        assert room.sequences(Lane.MARKET) == list(range(4))
        assert not room.door.is_whole
        await room.link.subscribe(Lane.MARKET, Channel.BOOK, BTC)
        await asyncio.sleep(1)
        assert len(snapshots(room)) == 1
        assert room.door.is_whole

    in_room(story, LostSnapshot(at="0s"))


@pytest.mark.parametrize(("shows", "stamp_ns", "size"), [("asked", 17 * MILLISECOND, 5), ("sent", 2517 * MILLISECOND, 2)])
def test_changes_come_before_a_late_snapshot(shows: str, stamp_ns: int, size: int) -> None:
    async def story(room: Room) -> None:
        busy_market(room, 4)
        await listen(room, Channel.BOOK)
        await asyncio.sleep(2.3)
        assert (snapshots(room), lots(room)) == ([], [1, 2])
        assert not room.door.is_whole
        await asyncio.sleep(1)
        ((at_ns, snapshot),) = snapshots(room)
        assert at_ns == 2517 * MILLISECOND
        assert snapshot.venue_ns == stamp_ns
        assert snapshot.bids[0] == (9900, size)
        assert room.door.is_whole

    in_room(story, LateSnapshot(at="0s", delay="2500ms", shows=shows))


def test_who_asks_again_does_not_get_the_late_snapshot_on_top() -> None:
    async def story(room: Room) -> None:
        busy_market(room, 4)
        await listen(room, Channel.BOOK)
        await asyncio.sleep(1.2)
        await room.link.subscribe(Lane.MARKET, Channel.BOOK, BTC)
        await asyncio.sleep(3)
        ((at_ns, snapshot),) = snapshots(room)
        assert at_ns < 2 * SECOND
        assert snapshot.bids[0] == (9900, 1)

    in_room(story, LateSnapshot(at="0s", delay="2500ms"))


def test_a_crossed_snapshot_has_a_bid_that_cannot_be() -> None:
    async def story(room: Room) -> None:
        room.market(BookSnapshot(venue_ns=0, local_ns=0, symbol=BTC, bids=((9900, 5),), asks=((10_000, 1), (10_010, 1), (10_020, 1))))
        await listen(room, Channel.BOOK)
        await asyncio.sleep(0.1)
        await room.link.subscribe(Lane.MARKET, Channel.BOOK, BTC)
        await asyncio.sleep(0.1)
        (_, wrong), (_, right) = snapshots(room)
        assert wrong.bids == ((10_021, 5), (9900, 5))
        assert wrong.asks == right.asks
        assert right.bids == ((9900, 5),)

    in_room(story, CrossedSnapshot(at="0s"))


# ---- connections that end


@pytest.mark.parametrize(
    ("clean", "code", "why"),
    [
        (False, 1001, "connection reset by peer"),
        (True, 1001, "closed by the venue (1001, going away)"),
        (True, 1000, "closed by the venue (1000, normal closure)"),
        (True, 1012, "closed by the venue (1012, service restart)"),
    ],
)
def test_a_goodbye_says_why(clean: bool, code: int, why: str) -> None:
    async def story(room: Room) -> None:
        await listen(room)
        await asyncio.sleep(2)
        assert room.closed == [(SECOND, Lane.MARKET, why)]

    in_room(story, Disconnect(at="1s", clean=clean, code=code))


def test_no_connection_gets_older_than_it_may() -> None:
    """Each counts from its own start, what was open before from the window's; afterwards they live as long as they like."""

    async def story(room: Room) -> None:
        await listen(room)
        await asyncio.sleep(4)
        await listen(room)
        await asyncio.sleep(2.5)
        await listen(room)
        await asyncio.sleep(9)
        assert [at_ns for at_ns, _, _ in room.closed] == [3 * SECOND, 6004 * MILLISECOND]
        assert room.door.plan.faults[0].fired == 2

    in_room(story, ShortLived(at="1s", lasts="6s", lives="2s"))


# ---- ban


def test_who_is_banned_is_heard_nowhere_and_is_to_keep_quiet_for_a_minute() -> None:
    async def story(room: Room) -> None:
        await listen(room)
        await asyncio.sleep(2)
        assert room.closed == [(SECOND, Lane.MARKET, "connection reset by peer")]
        with pytest.raises(RateLimitExceeded) as raised:
            await room.create()
        assert retry_after_ns(raised.value) == 60 * SECOND
        assert not never_sent(raised.value)
        assert room.door.truth().orders == ()
        for lane in (Lane.MARKET, Lane.USER):
            with pytest.raises(ExchangeNotAvailable):
                await room.link.open(lane)
        await asyncio.sleep(5)
        await room.create()
        await listen(room)
        assert len(room.door.truth().orders) == 1

    in_room(story, Ban(at="1s", lasts="5s"))


# ---- what is owed to a client that was cut off


def test_what_happened_to_an_order_while_its_owner_was_cut_off_is_owed_until_it_is_asked_for() -> None:
    """Listening again tells nothing of what was before; and of a stranger's order nothing is owed."""

    async def story(room: Room) -> None:
        await room.link.open(Lane.USER)
        await room.link.subscribe(Lane.USER, Channel.ORDERS, "")
        order = await room.create()
        await asyncio.sleep(1.5)
        assert room.closed
        at_ns = room.loop.wall_ns()
        room.market(Trade(venue_ns=at_ns, local_ns=at_ns, symbol=BTC, price_ticks=9_800, qty_lots=10**9, taker=Side.SELL, trade_id="1"))
        assert room.venue.truth_fills()
        await asyncio.sleep(2)
        await room.link.open(Lane.USER)
        await room.link.subscribe(Lane.USER, Channel.ORDERS, "")
        await asyncio.sleep(1)
        assert list(room.door.broadcast.untold) == ["pt-1"]
        answer = await room.link.request(Request(op=Op.ORDER_FETCH, client_order_id="pt-1", order_id=order.id, symbol=BTC))
        assert answer.order is not None
        assert answer.order.status.is_final
        assert room.door.is_whole

    stranger = ForeignOrder(at="2s", side="sell", type="market", amount="0.00000001")
    in_room(story, Disconnect(at="1s", lasts="1s", connection=Lane.USER), stranger)
