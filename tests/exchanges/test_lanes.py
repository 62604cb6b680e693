"""Lanes come up, come back, and are believed only when they deserve it."""

from __future__ import annotations

import asyncio

import pytest

from exchanges.scripted import World, change, denied, play, snapshot, trade
from papertape.model.book import Book
from papertape.model.errors import AuthenticationError, ExchangeNotAvailable, NetworkError
from papertape.model.notes import Mark
from papertape.model.request import Channel, Lane, Op
from papertape.model.units import SECOND
from papertape.resilience.reconnect import LaneState

HEARTBEATS = (Channel.HEARTBEATS, "")


def test_connect_opens_every_lane_and_learns_the_markets() -> None:
    """After `connect` all lanes are live, heartbeats and own orders are subscribed, markets are known, and health says so once."""

    async def story(world: World) -> None:
        link, health = world.link, world.exchange.health
        assert [lane.state for lane in health.lanes] == [LaneState.LIVE] * 3
        assert health.is_healthy
        assert health.may_trade
        assert link.subscribed[Lane.USER] == [HEARTBEATS, (Channel.ORDERS, "")]
        assert link.subscribed[Lane.MARKET] == [HEARTBEATS]
        assert [market.symbol for market in await world.exchange.fetch_markets()] == ["BTC/USD", "ETH/USD"]
        assert [healthy for _, healthy, _ in world.notes.health].count(True) == 1

    play(story)


def test_connect_says_which_lane_is_missing() -> None:
    """A lane that cannot be opened in time makes `connect` fail, naming it; calling it again goes on waiting."""

    async def story(world: World) -> None:
        world.link.refuses[Lane.USER] = NetworkError("refused")
        with pytest.raises(ExchangeNotAvailable, match=r"not connected within 5s.*user lane"):
            await world.exchange.connect()
        world.link.refuses.clear()
        await world.exchange.connect()

    play(story, connect=False, connect_within_ns=5 * SECOND)


def test_a_venue_that_does_not_want_us_is_not_asked_for_a_minute() -> None:
    """Wrong keys are raised at once as what they are."""

    async def story(world: World) -> None:
        world.link.refuses[Lane.USER] = denied()
        with pytest.raises(AuthenticationError, match="who are you"):
            await world.exchange.connect()
        assert world.loop.now_ns < SECOND

    play(story, connect=False)


def test_redials_with_growing_waits() -> None:
    """While a lane is refused, each wait is longer than half of what doubling allows, and it comes back soon after the venue does."""

    async def story(world: World) -> None:
        link = world.link
        await world.sleep(20)
        link.refuses[Lane.MARKET] = NetworkError("refused")
        start_ns = world.loop.now_ns
        link.drop(Lane.MARKET)
        await world.sleep(20)
        dials = [at - start_ns for at, lane in link.opened if lane is Lane.MARKET and at >= start_ns]
        waits = [later - earlier for earlier, later in zip([0, *dials], dials, strict=False)]
        for number, wait in enumerate(waits[:5]):
            assert 0.125 * 2**number * SECOND <= wait <= (0.25 * 2**number + 0.1) * SECOND
        link.refuses.clear()
        await world.sleep(16)
        assert world.exchange.health.is_healthy
        assert world.notes.marks.count(Mark.RECONNECTED) == 1

    play(story)


def test_every_subscription_survives_a_reconnect() -> None:
    """What was subscribed before is subscribed after, once each, heartbeats first; what was given up is not."""

    async def story(world: World) -> None:
        exchange, link, heard = world.exchange, world.link, []
        await exchange.subscribe_trades("BTC/USD", heard.append)
        await exchange.subscribe_trades("BTC/USD", heard.append)
        await exchange.subscribe_order_book("BTC/USD", heard.append)
        ticker = await exchange.subscribe_ticker("ETH/USD", heard.append)
        assert len(link.subscribed[Lane.MARKET]) == 4
        await ticker.unsubscribe()
        await ticker.unsubscribe()
        link.drop(Lane.MARKET)
        await world.sleep(5)
        assert link.subscribed[Lane.MARKET] == [HEARTBEATS, (Channel.TRADES, "BTC/USD"), (Channel.BOOK, "BTC/USD")]
        heard.clear()
        link.push(Lane.MARKET, trade())
        assert len(heard) == 2
        assert Mark.RESUBSCRIBED in world.notes.marks

    play(story)


def test_what_is_subscribed_during_an_outage_is_asked_for_after_it() -> None:
    """Subscribing while the lane is down returns at once and takes effect with the lane."""

    async def story(world: World) -> None:
        heard: list[object] = []
        world.link.drop(Lane.MARKET)
        await world.exchange.subscribe_trades("BTC/USD", heard.append)
        await world.sleep(5)
        assert (Channel.TRADES, "BTC/USD") in world.link.subscribed[Lane.MARKET]

    play(story)


def test_no_bot_sees_a_book_from_before_the_outage() -> None:
    """From the drop until the next snapshot the book is empty and not delivered, and health names it."""

    async def story(world: World) -> None:
        seen: list[Book] = []
        await world.exchange.subscribe_order_book("BTC/USD", seen.append)
        await world.sleep(0.1)
        book = seen[0]
        assert book.best_bid == (9_900, 5)
        del world.link.snapshots["BTC/USD"]
        world.link.drop(Lane.MARKET)
        assert book.bid is None
        assert not book.is_complete
        await world.sleep(2)
        count = len(seen)
        world.link.push(Lane.MARKET, change(9_901, 3))
        assert len(seen) == count
        assert world.exchange.health.why == "book BTC/USD: waiting for its snapshot"
        world.link.push(Lane.MARKET, snapshot(bid=9_000))
        assert seen[-1] is book
        assert book.best_bid == (9_000, 5)
        assert world.exchange.health.is_healthy

    play(story)


def test_a_gap_voids_the_book_and_asks_for_it_again() -> None:
    """A skipped number makes the book invalid at once; it is subscribed anew on the same connection and comes back whole."""

    async def story(world: World) -> None:
        seen: list[Book] = []
        link = world.link
        await world.exchange.subscribe_order_book("BTC/USD", seen.append)
        await world.exchange.subscribe_trades("BTC/USD", seen.append)  # type: ignore[arg-type]  # a list of books that takes trades as well
        await world.sleep(0.1)
        link.asked_for.clear()
        dials = len(link.opened)
        link.skip(Lane.MARKET)
        link.push(Lane.MARKET, change(9_950, 1))
        assert seen[0].bid is None
        assert not world.exchange.health.is_healthy
        await world.sleep(0.1)
        assert link.asked_for == [(Channel.BOOK, "BTC/USD")]
        assert len(link.opened) == dials
        assert seen[0].best_bid == (9_900, 5)
        assert world.exchange.health.is_healthy
        assert world.notes.marks == [Mark.GAP_DETECTED, Mark.RESYNCED_AFTER_GAP]

    play(story)


def test_a_gap_in_the_own_orders_is_reconciled_over_rest() -> None:
    """A fill whose message was skipped is found by asking, and the bot is told."""

    async def story(world: World) -> None:
        told: list[object] = []
        await world.exchange.subscribe_orders(lambda order: told.append(order.filled))
        order = await world.buy()
        await world.sleep(0.1)
        world.link.mute[Lane.USER] = None
        world.link.fill(order.client_order_id, "0.5")
        await world.sleep(0.1)
        world.link.mute.clear()
        await world.sleep(2)
        assert told[-1] == pytest.approx(0.5)
        assert Mark.MISSED_FILL_FOUND in world.notes.marks
        assert Mark.RESYNCED_AFTER_GAP in world.notes.marks
        assert world.exchange.view().positions["BTC/USD"] == order.amount / 2

    play(story)


def test_an_old_message_is_ignored() -> None:
    """A number that was there already is a repetition and is not delivered."""

    async def story(world: World) -> None:
        heard: list[object] = []
        await world.exchange.subscribe_trades("BTC/USD", heard.append)
        await world.sleep(3.2)
        world.link.sequence[Lane.MARKET] -= 3
        world.link.push(Lane.MARKET, trade())
        assert heard == []

    play(story)


def test_a_silent_lane_is_dropped_and_believed_only_when_it_speaks() -> None:
    """A stalled stream is dropped within six heartbeats; the connection after it does not count as live until something was heard on it."""

    async def story(world: World) -> None:
        link = world.link
        link.mute[Lane.MARKET] = None
        await world.sleep(6.1)
        assert Mark.STALE_LANE_DROPPED in world.notes.marks
        await world.sleep(2)
        assert link.is_open[Lane.MARKET]
        assert not world.exchange.health.is_healthy
        link.mute.clear()
        await world.sleep(12)
        assert world.exchange.health.is_healthy

    play(story)


def test_a_book_that_never_gets_its_snapshot_has_the_lane_dialled_anew() -> None:
    """A lane that talks but does not deliver the snapshot it owes is no good (snapshot_too_big_silent)."""

    async def story(world: World) -> None:
        kept = world.link.snapshots.pop("BTC/USD")
        await world.exchange.subscribe_order_book("BTC/USD", lambda book: None)
        await world.sleep(9)
        dials = len(world.link.opened)
        world.link.snapshots["BTC/USD"] = kept
        await world.sleep(4)
        assert len(world.link.opened) == dials + 1
        assert world.exchange.health.is_healthy

    play(story)


def test_leftovers_of_a_dead_connection_are_ignored() -> None:
    """What still trickles in from a connection that ended is not delivered."""

    async def story(world: World) -> None:
        heard: list[object] = []
        await world.exchange.subscribe_trades("BTC/USD", heard.append)
        number = world.link.sequence[Lane.MARKET]
        world.link.drop(Lane.MARKET)
        assert world.link.receiver is not None
        world.link.receiver.on_message(Lane.MARKET, number, trade())
        world.link.receiver.on_message(Lane.MARKET, None, trade())
        world.link.receiver.on_closed(Lane.MARKET, "again")
        assert heard == []

    play(story)


def test_the_lane_that_drops_while_it_is_repaired_is_dialled_anew() -> None:
    """A drop in the middle of reconciliation neither hangs nor counts as live."""

    async def story(world: World) -> None:
        link = world.link
        link.drop(Lane.USER)
        drops = []

        def drop_in_repair(request: object) -> None:
            if len(drops) < 3:
                drops.append(request)
                world.loop.call_later(0.005, link.drop, Lane.USER)

        link.on_request = drop_in_repair
        await world.sleep(10)
        assert len(drops) == 3
        assert world.exchange.health.is_healthy
        assert world.notes.marks.count(Mark.RECONNECTED) == 1

    play(story)


def test_rest_coming_back_late_does_not_stop_reconciliation() -> None:
    """While REST is away the user lane stays in repair; when it is back, orders are asked for and trading goes on."""

    async def story(world: World) -> None:
        link = world.link
        link.refuses[Lane.REST] = NetworkError("refused")
        link.drop(Lane.REST)
        link.drop(Lane.USER)
        asked = len(link.asked(Op.ORDERS_OPEN))
        await world.sleep(60)
        assert len([lane for _, lane in link.opened if lane is Lane.USER]) == 2
        assert not world.exchange.health.may_trade
        link.refuses.clear()
        await world.sleep(20)
        assert len(link.asked(Op.ORDERS_OPEN)) == asked + 1
        assert world.exchange.health.may_trade

    play(story)


@pytest.mark.parametrize("what", ["open", "close", "request"])
def test_a_link_that_never_comes_back_hangs_nobody(what: str) -> None:
    """Whatever a link does not finish is given up after its limit, and everything is well once it works again."""

    async def story(world: World) -> None:
        link = world.link
        link.hangs[what] = None
        for lane in Lane:
            link.receiver.on_closed(lane, "reset")  # type: ignore[union-attr]  # the shell has bound one
        await world.sleep(100)
        if what != "close":
            assert not world.exchange.health.is_healthy
        link.hangs.clear()
        await world.sleep(80)
        assert world.exchange.health.is_healthy
        link.hangs["close"] = None

    play(story)


@pytest.mark.parametrize("where", ["open", "close", "request"])
def test_a_library_that_gives_up_takes_no_lane_with_it(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that a lane waits for is cancelled, by nobody of ours: the lane is dropped, and dialled again."""

    async def story(world: World) -> None:
        real, times = getattr(world.link, where), iter(range(3))

        async def given_up(*args: object) -> object:
            if next(times, None) is not None:
                raise asyncio.CancelledError
            return await real(*args)

        monkeypatch.setattr(world.link, where, given_up)
        for lane in Lane:
            world.link.drop(lane)
        await world.sleep(20)
        assert world.exchange.health.is_healthy, world.exchange.health.why
        assert next(times, None) is None

    play(story)
