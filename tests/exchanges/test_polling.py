"""While a stream is away for long, REST is asked in its stead, politely; and back, without losing or repeating anything."""

from __future__ import annotations

import msgspec
import pytest

from exchanges.scripted import EPOCH_NS, RULES, Fate, World, change, play, snapshot, trade
from papertape.model.errors import ExchangeNotAvailable, NetworkError, OutcomeUnknown
from papertape.model.notes import Mark
from papertape.model.order import Order
from papertape.model.public import PublicTrade
from papertape.model.request import Channel, Lane, Op, Request
from papertape.model.units import SECOND
from papertape.model.venue import Quota
from papertape.resilience.feed import FeedState
from papertape.resilience.reconnect import LaneState

REFUSED = NetworkError("refused")


def prints(world: World, *numbers: int, is_streamed: bool = False) -> None:
    """The venue prints trades, one a second; REST tells them from now on, and the stream if it is up."""
    for number in numbers:
        each = trade(at_ns=EPOCH_NS + number * SECOND, ticks=number, key=f"t{number}")
        world.link.traded.append(each)
        if is_streamed:
            world.link.push(Lane.MARKET, each)


async def listen(world: World) -> list[int]:
    heard: list[int] = []

    def on_trade(trade: PublicTrade) -> None:
        heard.append(trade.event.price_ticks)

    await world.exchange.subscribe_trades("BTC/USD", on_trade)
    return heard


def take_away(world: World, lane: Lane) -> None:
    world.link.refuses[lane] = REFUSED
    world.link.drop(lane)


def test_trades_come_once_each_and_in_order_across_stream_rest_and_stream() -> None:
    """What is traded while the stream is away is polled; what was traded between last poll and first streamed trade is filled in."""

    async def story(world: World) -> None:
        heard = await listen(world)
        prints(world, 1, 2, is_streamed=True)
        take_away(world, Lane.MARKET)
        prints(world, 3)
        await world.sleep(15)
        assert heard == [1, 2, 3]
        assert world.exchange.health.lane(Lane.MARKET).feed is FeedState.POLLED
        prints(world, 4, 5)
        await world.sleep(3)
        assert heard == [1, 2, 3, 4, 5]
        world.link.refuses.clear()
        await world.sleep(15)
        assert world.exchange.health.lane(Lane.MARKET).feed is FeedState.STREAMED
        prints(world, 6)  # the venue prints it, and no stream tells
        prints(world, 7, is_streamed=True)
        assert heard == [1, 2, 3, 4, 5]
        await world.sleep(0.1)
        prints(world, 8, is_streamed=True)
        assert heard == [1, 2, 3, 4, 5, 6, 7, 8]
        marks = world.notes.marks
        assert [mark for mark in marks if mark in (Mark.POLLED, Mark.STREAMING_AGAIN, Mark.TRADES_FILLED_IN)] == [
            Mark.POLLED, Mark.STREAMING_AGAIN, Mark.TRADES_FILLED_IN,
        ]  # fmt: skip

    play(story)


def test_a_short_break_is_filled_in_as_well() -> None:
    """A lane that is back before anybody polls tells what it missed at once, and a gap does too."""

    async def story(world: World) -> None:
        heard = await listen(world)
        prints(world, 1, is_streamed=True)
        world.link.drop(Lane.MARKET)
        prints(world, 2, 3)
        await world.sleep(3)
        assert heard == [1, 2, 3]
        prints(world, 4, is_streamed=True)
        await world.sleep(0.1)
        prints(world, 5)
        world.link.skip(Lane.MARKET)
        prints(world, 6, is_streamed=True)
        await world.sleep(0.1)
        assert heard == [1, 2, 3, 4, 5, 6]
        assert Mark.POLLED not in world.notes.marks

    play(story)


def test_trades_that_rest_cannot_tell_do_not_keep_the_stream_back_for_ever() -> None:
    """After `hole_within_ns` the stream goes on, and it is said that something is missing."""

    async def story(world: World) -> None:
        heard = await listen(world)
        prints(world, 1, is_streamed=True)
        world.link.drop(Lane.MARKET)
        await world.sleep(3)
        world.link.fates[Op.TRADES_FETCH] = [Fate.RESET_AFTER] * 99
        prints(world, 2)
        prints(world, 3, 4, is_streamed=True)
        await world.sleep(4.9)
        assert heard == [1]
        await world.sleep(1)
        assert heard == [1, 3, 4]
        assert Mark.TRADES_MISSED in world.notes.marks

    play(story)


def test_a_trade_that_the_stream_repeats_is_told_once() -> None:
    """By the venue's own id, whatever its number on the connection."""

    async def story(world: World) -> None:
        heard = await listen(world)
        for _ in range(3):
            world.link.push(Lane.MARKET, trade(at_ns=EPOCH_NS + 1, ticks=7, key="t"))
        assert heard == [7]

    play(story)


def test_a_book_by_rest_is_valid_while_it_is_fresh() -> None:
    """It is replaced with each answer, and empty within `poll_fresh_ns` of the last; the stream's, once it is back, is the better one."""

    async def story(world: World) -> None:
        bids: list[object] = []
        link = world.link
        await world.exchange.subscribe_order_book("BTC/USD", lambda book: bids.append(book.best_bid))
        await world.sleep(1)
        take_away(world, Lane.MARKET)
        assert world.exchange.health.stale_books == ("BTC/USD",)
        await world.sleep(11)
        assert world.exchange.health.stale_books == ()
        link.snapshots["BTC/USD"] = snapshot(bid=9_850, at_ns=EPOCH_NS + 30)
        await world.sleep(2.1)
        assert bids[-1] == (9_850, 5)
        count = len(bids)
        link.fates[Op.BOOK_FETCH] = [Fate.NEVER_SENT] * 999
        link.refuses[Lane.REST] = REFUSED
        await world.sleep(11)
        assert world.exchange.health.stale_books == ("BTC/USD",)
        assert len(bids) == count
        link.refuses.clear()
        link.snapshots["BTC/USD"] = snapshot(bid=9_700, at_ns=EPOCH_NS + 40)
        await world.sleep(20)
        assert bids[-1] == (9_700, 5)
        link.push(Lane.MARKET, change(9_750, 2, at_ns=EPOCH_NS + 41))
        assert bids[-1] == (9_750, 2)
        assert Mark.SNAPSHOT_DOUBTED not in world.notes.marks

    play(story)


def test_no_update_of_the_stream_is_put_on_a_book_by_rest() -> None:
    """Between the return of the connection and its snapshot the book is REST's, whole and without the stream's changes."""

    async def story(world: World) -> None:
        bids: list[object] = []
        link = world.link
        await world.exchange.subscribe_order_book("BTC/USD", lambda book: bids.append(book.best_bid))
        take_away(world, Lane.MARKET)
        await world.sleep(13)
        kept = link.snapshots.pop("BTC/USD")
        link.refuses.clear()
        while not link.is_open[Lane.MARKET]:
            await world.sleep(0.05)
        link.push(Lane.MARKET, change(9_999, 1))
        assert bids[-1] == kept.bids[0]
        assert world.exchange.health.stale_books == ()

    play(story, backoff_max_ns=SECOND)


def test_a_book_by_rest_grows_no_younger_because_the_stream_is_back() -> None:
    """Without the stream's snapshot it is shown for as long as it is fresh, counted from when REST was asked."""

    async def story(world: World) -> None:
        link = world.link
        await world.exchange.subscribe_order_book("BTC/USD", lambda book: None)
        take_away(world, Lane.MARKET)
        await world.sleep(16)
        del link.snapshots["BTC/USD"]
        assert world.exchange.health.stale_books == ()
        link.refuses.clear()
        while not link.is_open[Lane.MARKET]:
            await world.sleep(0.05)
        await world.sleep(6)
        assert world.exchange.health.stale_books == ("BTC/USD",)

    play(story, backoff_max_ns=SECOND, poll_every_ns=9 * SECOND)


def test_a_ticker_by_rest_is_made_of_the_best_prices() -> None:
    """With the last trade beside them."""

    async def story(world: World) -> None:
        told: list[tuple[object, ...]] = []
        await world.exchange.subscribe_ticker(
            "BTC/USD", lambda it: told.append((it.event.bid_ticks, it.event.ask_ticks, it.event.last_ticks))
        )
        prints(world, 5)
        take_away(world, Lane.MARKET)
        await world.sleep(11)
        assert told[-1] == (9_900, 10_100, 5)

    play(story)


def test_polling_leaves_half_of_the_quota_to_others() -> None:
    """However much is subscribed to: books and trades of two instruments at two requests a second."""

    async def story(world: World) -> None:
        for symbol in ("BTC/USD", "ETH/USD"):
            await world.exchange.subscribe_trades(symbol, lambda item: None)
            await world.exchange.subscribe_order_book(symbol, lambda item: None)
        take_away(world, Lane.MARKET)
        await world.sleep(10)
        before = len(world.link.requests)
        await world.sleep(40)
        assert 30 <= len(world.link.requests) - before <= 40 + 4

    play(story, rules=msgspec.structs.replace(RULES, public_quota=Quota(count=2)))


def test_fills_are_found_while_the_user_lane_is_away_and_told_once() -> None:
    """By the same reconciliation that a reconnect makes, every two seconds."""

    async def story(world: World) -> None:
        told: list[tuple[str, str]] = []

        def on_order(order: Order) -> None:
            told.append((str(order.status), str(order.filled)))

        await world.exchange.subscribe_orders(on_order)
        order = await world.buy()
        await world.sleep(1)
        take_away(world, Lane.USER)
        world.link.fill(order.client_order_id, "0.5")
        await world.sleep(14)
        assert told == [("open", "0"), ("open", "0.5")]
        world.link.fill(order.client_order_id, "0.5")
        await world.sleep(3)
        world.link.refuses.clear()
        await world.sleep(20)
        assert told == [("open", "0"), ("open", "0.5"), ("closed", "1.0")]
        assert world.notes.marks.count(Mark.POLLED) == world.notes.marks.count(Mark.STREAMING_AGAIN) == 1

    play(story)


def test_orders_leave_once_a_poll_has_reconciled_and_wait_again_when_it_is_stale() -> None:
    """Not before, not after: health says so, and it says that this is not how it should be."""

    async def story(world: World) -> None:
        exchange, link = world.exchange, world.link
        take_away(world, Lane.USER)
        await world.sleep(9.9)
        assert not exchange.health.may_trade
        await world.sleep(0.5)
        assert exchange.health.may_trade
        assert not exchange.health.is_healthy
        assert "user lane: no connection; waiting to dial (polling by REST)" in exchange.health.why or "dialled" in exchange.health.why
        assert (await world.buy()).client_order_id == "r-1"
        link.fates[Op.ORDERS_OPEN] = [Fate.RESET_AFTER] * 999
        await world.sleep(11)
        assert not exchange.health.may_trade
        assert exchange.health.lane(Lane.USER).feed is FeedState.ASKING
        with pytest.raises(ExchangeNotAvailable, match="never sent"):
            await world.buy()
        assert len(link.creates()) == 1

    play(story)


def test_no_order_leaves_by_a_poll_from_before_a_connection_ended() -> None:
    """However fresh it is: what that connection told last is lost, and REST is asked at once. A dial that is refused ends nothing."""

    async def story(world: World) -> None:
        exchange, link = world.exchange, world.link
        link.mute[Lane.USER] = None
        await world.sleep(18)
        assert exchange.health.may_trade
        assert exchange.health.lane(Lane.USER).state is LaneState.SYNCING
        link.fates[Op.ORDERS_OPEN] = [Fate.RESET_AFTER] * 999
        take_away(world, Lane.USER)
        assert not exchange.health.may_trade
        link.fates.clear()
        await world.sleep(2.1)
        assert exchange.health.may_trade
        for _ in range(100):
            await world.sleep(0.1)
            assert exchange.health.may_trade
        assert exchange.health.lane(Lane.USER).failures > 3

    play(story)


def test_a_poll_under_way_while_a_connection_ends_does_not_count() -> None:
    """Its answer may be from before what was lost, so it is asked again at once."""

    async def story(world: World) -> None:
        exchange, link = world.exchange, world.link
        link.mute[Lane.USER] = None
        await world.sleep(18)
        asked_ns: list[int] = []

        def on_request(request: Request) -> None:
            if request.op is Op.ORDERS_OPEN:
                asked_ns.append(world.loop.now_ns)
                take_away(world, Lane.USER)

        link.on_request = on_request
        while not asked_ns:
            await world.sleep(0.001)
        await world.sleep(0.05)
        assert not exchange.health.may_trade
        await world.sleep(0.05)
        assert exchange.health.may_trade
        assert len(asked_ns) == 2

    play(story)


def test_an_unknown_outcome_holds_its_symbol_back_while_polled() -> None:
    """Polling lets orders leave, and no order for which it is not known what became of the one before."""

    async def story(world: World) -> None:
        take_away(world, Lane.USER)
        await world.sleep(11)
        world.link.fates[Op.ORDER_CREATE] = [Fate.LOST_BEFORE] * 9
        with pytest.raises(OutcomeUnknown):
            await world.buy()
        with pytest.raises(ExchangeNotAvailable, match="unknown"):
            await world.buy()
        world.link.fates.clear()
        assert (await world.buy("ETH/USD")).symbol == "ETH/USD"

    play(story, resolve_within_ns=15 * SECOND)


def test_a_venue_whose_streams_are_down_all_day_can_be_connected_to() -> None:
    """`connect` is content with what REST tells; the lanes are dialled all the while."""

    async def story(world: World) -> None:
        world.link.refuses = {Lane.MARKET: REFUSED, Lane.USER: REFUSED}
        await world.exchange.connect()
        assert [lane.state is LaneState.LIVE for lane in world.exchange.health.lanes] == [True, False, False]
        assert (await world.buy()).client_order_id == "r-1"
        world.link.refuses.clear()
        await world.sleep(20)
        assert world.exchange.health.is_healthy
        assert world.link.subscribed[Lane.USER] == [(Channel.HEARTBEATS, ""), (Channel.ORDERS, "")]

    play(story, connect=False)


def test_a_poll_that_took_longer_than_it_is_good_for_lets_no_order_leave() -> None:
    """The list of open orders is answered at once, and what belongs to it only ten seconds later: much may have happened since."""

    async def story(world: World) -> None:
        was_polled: list[bool] = []  # when open orders were asked for, whether an answer had been good enough to trade on

        def note(request: Request) -> None:
            if request.op is Op.ORDERS_OPEN:
                was_polled.append(any("polling by REST" in why for _, _, why in world.notes.health))

        world.link.on_request = note
        take_away(world, Lane.USER)
        world.link.fates[Op.BALANCE_FETCH] = [Fate.LOST_BEFORE]
        await world.sleep(25)
        assert was_polled[:3] == [False, False, True]

    play(story)
