"""The market that is served: the venue of every run, at another time."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from papertape.faults import Disconnect, LostReply
from papertape.journal import Journal
from papertape.model.event import BookSnapshot, Side, Trade
from papertape.model.order import NewOrder, OrderType
from papertape.model.request import Channel, Lane, Op, ReplyLost, Request
from papertape.model.units import MINUTE, SECOND
from papertape.runtime.chance import Chance
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.world import run_virtual
from papertape.session.port import DoorPort
from papertape.session.replay import Replay
from papertape.session.spec import FeedSpec, Scenario, VenueSpec
from papertape.session.world import build_venue, cursors, open_feeds
from serving.stall import ROOT, TODAY_NS, Stall, at_a_stall


def order(side: Side, price: str) -> NewOrder:
    return NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=side, amount=Decimal("0.02"), price=Decimal(price))


async def trade_a_little(port: DoorPort) -> None:
    """A client that listens, and trades at fixed instants of the machine's clock."""
    heard: list[Any] = []
    handle = port.open_stream(Lane.MARKET, lambda sequence, message: heard.append((sequence, message)), lambda goodbye: None)
    handle.subscribe(Channel.BOOK, "BTC/USD")
    handle.subscribe(Channel.TRADES, "BTC/USD")
    own = port.open_stream(Lane.USER, lambda sequence, message: heard.append((sequence, message)), lambda goodbye: None)
    own.subscribe(Channel.ORDERS, "")
    for number in range(20):
        await asyncio.sleep(1)
        side, price = ((Side.BUY, "63990"), (Side.BUY, "64010"), (Side.SELL, "63990"), (Side.SELL, "64010"))[number % 4]
        request = Request(op=Op.ORDER_CREATE, client_order_id=f"c{number}", symbol="BTC/USD", order=order(side, price))
        answer = await port.request(request)
        if answer.order is not None and number % 3 == 0:
            await port.request(Request(op=Op.ORDER_CANCEL, order_id=answer.order.id, client_order_id=f"c{number}"))
    await asyncio.sleep(12)


def test_what_is_served_is_the_venue_of_every_run() -> None:
    """The same client at the same instants has the same journal at a served market as in a session: orders, fills, news, deliveries."""
    faults = (LostReply(nth=7), Disconnect(connection=Lane.USER, at="9s", lasts="2s"))

    async def swallow(port: DoorPort) -> None:
        try:
            await trade_a_little(port)
        except ReplyLost:
            await asyncio.sleep(20)

    async def served(stall: Stall) -> list[str]:
        await swallow(stall.market.port)
        stall.journal.close()
        return stall.journal.lines

    spec = VenueSpec(feed=(FeedSpec(tape="fixtures/btc-usd-30s.parquet"),), account={"USD": Decimal(100_000), "BTC": Decimal(1)})
    scenario = Scenario(title="as in a session", venues={"coinbase": spec}, faults=faults, folder=ROOT)
    feeds = open_feeds(scenario, spec, "the test")

    async def session(loop: VirtualLoop) -> list[str]:
        chance, journal = Chance(0), Journal({})
        world = build_venue(scenario, "coinbase", spec, feeds, loop=loop, journal=journal, chance=chance)
        loop.feed = Replay(loop, [cursors(world, spec, 0, feeds[0], loop=loop, chance=chance)])
        await swallow(DoorPort(world.door, world.rules, loop))
        journal.close()
        return journal.lines

    def gist(lines: list[str]) -> list[str]:
        return [line.partition(',"t"')[2] for line in lines if '"kind":"header"' not in line and '"what":"added"' not in line]

    in_session = gist(run_virtual(session, epoch_ns=feeds[0].start_ns, patch=False))
    at_stall = gist(at_a_stall(served, faults=faults, has_magic=False))
    assert at_stall == in_session
    kinds = " ".join(in_session)
    assert all(f'"kind":"{kind}"' in kinds for kind in ("command", "order", "told", "delivered", "fault", "stream"))


def test_a_faster_market_has_the_same_rows_sooner() -> None:
    """Ten times as fast, half a minute of tape takes three seconds; then the market stands still, is told to be over, and still answers."""

    async def story(stall: Stall) -> None:
        await asyncio.sleep(2.9)
        assert not stall.market.is_over
        await asyncio.sleep(0.2)
        stall.market.time.catch_up()
        assert stall.market.is_over
        assert stall.market.time.now_ns == 31 * SECOND
        assert "the tape is over after" in stall.told[0]
        rows = stall.market.standing(0).rows
        assert (await stall.buy("after the end")).order is not None
        await asyncio.sleep(10)
        assert stall.market.standing(0).rows == rows

    at_a_stall(story, speed=Fraction(10))


def test_a_client_trades_on_through_the_laps() -> None:
    """A tape that is played again is a market that goes on: time, trades and their ids go up, and each lap begins with a snapshot."""

    async def story(stall: Stall) -> None:
        heard: list[Any] = []
        handle = stall.market.port.open_stream(Lane.MARKET, lambda sequence, message: heard.append(message), lambda goodbye: None)
        handle.subscribe(Channel.BOOK, "BTC/USD")
        handle.subscribe(Channel.TRADES, "BTC/USD")
        await asyncio.sleep(100)
        assert not stall.market.is_over
        assert sum(isinstance(message, BookSnapshot) for message in heard) == 4
        trades = [message for message in heard if isinstance(message, Trade)]
        ids = [int(trade.trade_id) for trade in trades]
        assert ids == sorted(dict.fromkeys(ids))
        assert [trade.venue_ns for trade in trades] == sorted(trade.venue_ns for trade in trades)
        assert (await stall.buy("late", price="70000")).order.filled == Decimal("0.01")

    at_a_stall(story, loop=True)


def test_a_market_of_today_shows_today() -> None:
    """Its clock, its trades and its candles have the machine's date."""

    async def story(stall: Stall) -> None:
        await asyncio.sleep(20)
        assert stall.market.port.wall_ns() == TODAY_NS + 20 * SECOND
        trades = stall.market.port.recent_trades("BTC/USD")
        assert all(0 <= trade.venue_ns - TODAY_NS <= 20 * SECOND for trade in trades)
        bars = (await stall.ask(Op.OHLCV_FETCH, symbol="BTC/USD", span_ns=MINUTE)).candles
        assert [bar.open_ns for bar in bars] == [TODAY_NS // MINUTE * MINUTE]

    at_a_stall(story, dates="now")


def test_a_market_shows_the_tapes_date_otherwise() -> None:
    """The tape's clock is the venue's."""

    async def story(stall: Stall) -> None:
        await asyncio.sleep(5)
        assert stall.market.standing(0).date == "2026-01-05T00:00:05.000Z"

    at_a_stall(story)


def test_a_market_can_wait_for_its_first_client() -> None:
    """Time stands still until somebody asks for something."""

    async def story(stall: Stall) -> None:
        await asyncio.sleep(50)
        assert stall.market.time.now_ns == 0
        assert not stall.market.standing(0).started
        await stall.buy("first")
        await asyncio.sleep(1)
        stall.market.time.catch_up()
        assert SECOND <= stall.market.time.now_ns < 2 * SECOND

    at_a_stall(story, waits=True)


def test_several_tapes_are_one_market(tmp_path: Any) -> None:
    """Each brings its instruments."""

    async def story(stall: Stall) -> None:
        answer = await stall.ask(Op.MARKETS_FETCH)
        assert [market.symbol for market in answer.markets] == ["BTC/USD", "ETH/USD"]

    at_a_stall(story, feeds=("fixtures/btc-usd-30s.parquet", "builtin:eth-usd"))


def test_a_fault_is_armed_counted_and_lifted() -> None:
    """By hand, while the market goes on; a lifted one acts no more."""

    async def story(stall: Stall) -> None:
        market = stall.market
        number = market.arm(LostReply(nth=2)).number
        assert (await stall.buy("a")).order is not None
        with pytest.raises(ReplyLost):
            await stall.buy("b")
        assert [(each.number, each.fired, each.lifted) for each in market.faults()] == [(number, 1, False)]
        other = market.arm(LostReply()).number
        market.lift(other)
        assert (await stall.buy("c")).order is not None
        assert market.fault(other).lifted
        assert not market.fault(other).fired

    at_a_stall(story)


def test_what_happened_is_forgotten_in_time() -> None:
    """A server may stand for weeks: the door keeps a minute of facts, not all of them."""

    async def story(stall: Stall) -> None:
        for number in range(50):
            await stall.buy(f"c{number}")
        assert stall.market.door.facts
        await asyncio.sleep(61)
        stall.market.time.catch_up()
        assert not stall.market.door.facts
        assert not stall.market.door.executed

    at_a_stall(story)
