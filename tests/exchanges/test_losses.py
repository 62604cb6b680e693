"""Where a venue counts each market, a gap costs that market its book and nothing else anything."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.scripted import BTC, EPOCH_NS, ETH, RULES, World, play, trade
from papertape.model.event import BookSnapshot, BookUpdate
from papertape.model.notes import Mark
from papertape.model.public import PublicTrade
from papertape.model.request import Channel, Lane
from papertape.model.units import MILLISECOND
from papertape.model.venue import Numbering

EACH = msgspec.structs.replace(RULES, numbering=Numbering.INSTRUMENT)
SOL = msgspec.structs.replace(ETH, symbol="SOL/USD", venue_symbol="SOL-USD")
SYMBOLS = tuple(each.symbol for each in (BTC, ETH, SOL))

Step = tuple[str, str, bool, int]  # of which market, "book" or "trade", whether it is lost, milliseconds before the next
steps = st.lists(
    st.tuples(
        st.sampled_from(SYMBOLS), st.sampled_from(["book", "trade"]), st.sampled_from([False, False, True]), st.sampled_from([0, 5, 60])
    ),
    max_size=40,
)


def book(symbol: str, lots: int, at_ns: int) -> BookSnapshot:
    return BookSnapshot(venue_ns=at_ns, local_ns=at_ns, symbol=symbol, bids=((9_900, lots),), asks=((10_100, 5),))


class Markets:
    """What happens in three markets, and what a bot hears of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.link = world.link
        self.now_ns = EPOCH_NS
        self.heard: dict[str, list[str]] = {symbol: [] for symbol in SYMBOLS}
        self.shown: dict[str, list[Any]] = {symbol: [] for symbol in SYMBOLS}
        self.link.instruments, self.link.is_in_order = (BTC, ETH, SOL), True
        for symbol in SYMBOLS:
            self.link.snapshots[symbol] = book(symbol, 1, self.now_ns)

    async def begin(self) -> None:
        exchange = self.world.exchange
        await exchange.connect()
        for symbol in SYMBOLS:
            await exchange.subscribe_order_book(symbol, partial(self._saw, symbol))
            await exchange.subscribe_trades(symbol, partial(self._heard, symbol))
        await self.world.sleep(1)
        for symbol in SYMBOLS:
            await self.happens(symbol, "trade", False, 0)

    def _saw(self, symbol: str, seen: Any) -> None:
        self.shown[symbol].append(seen.best_bid)

    def _heard(self, symbol: str, each: PublicTrade) -> None:
        self.heard[symbol].append(each.event.trade_id)

    async def happens(self, symbol: str, what: str, is_lost: bool, pause_ms: int) -> None:
        self.now_ns += MILLISECOND
        if what == "trade":
            message: Any = trade(at_ns=self.now_ns, symbol=symbol, key=f"{symbol}-{len(self.link.traded)}")
            self.link.traded.append(message)
        else:
            lots = self.link.snapshots[symbol].bids[0][1] + 1
            self.link.snapshots[symbol] = book(symbol, lots, self.now_ns)
            message = BookUpdate(venue_ns=self.now_ns, local_ns=self.now_ns, symbol=symbol, bids=((9_900, lots),))
        if is_lost:
            self.link.skip(Lane.MARKET, symbol)
        else:
            self.link.push(Lane.MARKET, message)
        await self.world.sleep(pause_ms / 1000)

    def asked(self, symbol: str) -> int:
        return self.link.asked_for.count((Channel.BOOK, symbol))


def tell(steps: Sequence[Step]) -> None:
    hit = {symbol: None for symbol, _, is_lost, _ in steps if is_lost}

    async def story(world: World) -> None:
        markets = Markets(world)
        await markets.begin()
        for step in steps:
            await markets.happens(*step)
            assert set(world.exchange.health.stale_books) <= set(hit)
            assert all(lane.state.name == "LIVE" for lane in world.exchange.health.lanes)
        for symbol in SYMBOLS:
            await markets.happens(symbol, "book", False, 0)  # nothing but more of it shows that the last was lost
        await world.sleep(30)
        assert world.exchange.health.is_healthy
        for symbol in SYMBOLS:
            told = sum(each[0] == symbol and each[1] == "book" for each in steps) + 2  # the first, and the last
            assert markets.shown[symbol][-1] == (9_900, told)
            assert markets.heard[symbol] == [each.trade_id for each in world.link.traded if each.symbol == symbol]
            if symbol in hit:
                assert markets.asked(symbol) > 1
            else:
                assert markets.asked(symbol) == 1
                assert [lots for _, lots in markets.shown[symbol]] == list(range(1, told + 1))
        assert len(world.link.opened) == 3
        assert (Mark.GAP_DETECTED in world.notes.marks) is bool(hit)
        assert (Mark.RESYNCED_AFTER_GAP in world.notes.marks) is bool(hit)
        assert Mark.TRADES_MISSED not in world.notes.marks

    play(story, connect=False, rules=EACH)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_only_the_markets_that_lost_something_are_asked_for_anew(steps: list[Step]) -> None:
    """Every other book is valid throughout and shows each change once; every trade is told once and in order, the lost ones by REST."""
    tell(steps)


def test_a_burst_of_losses_is_asked_about_once_and_its_trades_are_filled_in() -> None:
    tell([("BTC/USD", what, is_lost, 0) for what in ("trade", "book") for is_lost in (True, False) * 5])


def test_the_book_of_the_market_that_lost_something_is_hidden_at_once_and_no_other() -> None:
    async def story(world: World) -> None:
        markets = Markets(world)
        await markets.begin()
        await markets.happens("BTC/USD", "book", True, 0)
        await markets.happens("ETH/USD", "book", False, 0)
        assert world.exchange.health.stale_books == ()
        await markets.happens("BTC/USD", "book", False, 0)
        assert world.exchange.health.stale_books == ("BTC/USD",)
        await markets.happens("ETH/USD", "book", False, 0)
        assert markets.shown["ETH/USD"][-1] == (9_900, 3)

    play(story, connect=False, rules=EACH)


def test_a_lost_heartbeat_of_such_a_venue_costs_nothing() -> None:
    """It is of no market, and what it would have told is over."""

    async def story(world: World) -> None:
        markets = Markets(world)
        await markets.begin()
        world.link.skip(Lane.MARKET)
        await world.sleep(3)
        assert world.exchange.health.is_healthy
        assert Mark.GAP_DETECTED not in world.notes.marks

    play(story, connect=False, rules=EACH)


def test_a_connection_counts_anew_for_every_market() -> None:
    """After a drop each counter begins at 0 again: nothing of the new connection is taken for old, nor for a gap."""

    async def story(world: World) -> None:
        markets = Markets(world)
        await markets.begin()
        for _ in range(9):
            await markets.happens("BTC/USD", "book", False, 0)
        world.link.drop(Lane.MARKET)
        await world.sleep(5)
        await markets.happens("BTC/USD", "book", False, 0)
        assert markets.shown["BTC/USD"][-1] == (9_900, 11)
        assert Mark.GAP_DETECTED not in world.notes.marks

    play(story, connect=False, rules=EACH)


def test_where_a_connection_is_counted_every_book_is_in_doubt() -> None:
    """The number that is missing says nothing of whose message it was."""

    async def story(world: World) -> None:
        markets = Markets(world)
        await markets.begin()
        await markets.happens("BTC/USD", "book", True, 0)
        await markets.happens("ETH/USD", "book", False, 0)
        assert set(world.exchange.health.stale_books) == set(SYMBOLS)
        await world.sleep(5)
        assert world.exchange.health.is_healthy
        assert [markets.asked(symbol) for symbol in SYMBOLS] == [2, 2, 2]

    play(story, connect=False)
