"""A market that takes no orders, or not every order: what is refused, what fills, and who is told."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.faults import Fault, MarketPhase
from papertape.faults.base import checked
from papertape.model.errors import BaseError, ConfigError, MarketClosed
from papertape.model.event import BookUpdate, MarketStatus, Side, Trade
from papertape.model.order import NewOrder, OrderStatus, OrderType, TimeInForce
from papertape.model.phase import Phase
from papertape.model.request import Channel, Lane, Op, Request
from papertape.model.units import SECOND
from sim.room import BUY, Room, in_room

KINDS = {
    "market": NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=Side.BUY, amount=Decimal("0.01")),
    "ioc": msgspec.structs.replace(BUY, time_in_force=TimeInForce.IOC),
    "resting": BUY,
    "post-only": msgspec.structs.replace(BUY, post_only=True),
}

TAKEN = {
    "limit_only": ["ioc", "resting", "post-only"],
    "post_only": ["post-only"],
    "auction": ["resting", "post-only"],
    "cancel_only": [],
    "offline": [],
}


async def is_taken(room: Room, name: str, wanted: NewOrder) -> bool:
    phase = Phase(phase_of(room))
    if phase.takes(wanted):
        return await room.create(name, wanted) is not None
    with pytest.raises(MarketClosed, match=phase.words):
        await room.create(name, wanted)
    return False


def phase_of(room: Room) -> str:
    return room.venue.phases.get("BTC/USD", Phase.ONLINE)


def trade(room: Room, ticks: int, taker: Side) -> Trade:
    at_ns = room.loop.wall_ns()
    return Trade(venue_ns=at_ns, local_ns=at_ns, symbol="BTC/USD", price_ticks=ticks, qty_lots=10**9, taker=taker)


@pytest.mark.parametrize("phase", TAKEN)
def test_each_phase_takes_what_it_says_and_cancels_always(phase: str) -> None:
    """What is refused is MarketClosed and made no order; an edit is as the order that it makes; once it is over all is as ever."""

    async def story(room: Room) -> None:
        await room.create("before")
        await asyncio.sleep(1)
        assert [name for name, wanted in KINDS.items() if await is_taken(room, name, wanted)] == TAKEN[phase]
        change = Request(op=Op.ORDER_EDIT, client_order_id="before", order=msgspec.structs.replace(BUY, price=Decimal("98.00")))
        if "resting" in TAKEN[phase]:
            await room.link.request(change)
        else:
            with pytest.raises(MarketClosed):
                await room.link.request(change)
        market, *_ = (await room.link.request(Request(op=Op.MARKETS_FETCH))).markets
        assert (market.phase, market.active, market.to_ccxt()["active"]) == (phase, bool(TAKEN[phase]), bool(TAKEN[phase]))
        answer = await room.link.request(Request(op=Op.ORDER_CANCEL, client_order_id="before"))
        assert answer.order is not None
        assert answer.order.status is OrderStatus.CANCELED
        armed = room.door.plan.faults[0]
        assert armed.fired == len(KINDS) - len(TAKEN[phase]) + ("resting" not in TAKEN[phase]) + 1
        await asyncio.sleep(10)
        assert await is_taken(room, "after", KINDS["market"])
        assert room.venue.phases == {}

    in_room(story, MarketPhase(at="1s", lasts="10s", phase=phase))  # type: ignore[arg-type]  # one of those there are


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.matches])
def test_nothing_fills_while_a_market_does_not_match_and_then_it_does(phase: Phase) -> None:
    """Neither a trade through an order nor a level at it; the level that still stands there when the market opens fills it."""

    async def story(room: Room) -> None:
        order = await room.create()
        await asyncio.sleep(1)
        room.market(trade(room, 9800, Side.SELL))
        room.market(BookUpdate(venue_ns=0, local_ns=0, symbol="BTC/USD", bids=((9900, 0),), asks=((9900, 10**7),)))
        assert room.venue.truth_fills() == ()
        await asyncio.sleep(10)
        assert room.venue.truth_fills() == ()
        room.market(BookUpdate(venue_ns=0, local_ns=0, symbol="BTC/USD", asks=((10300, 5),)))
        (fill,) = room.venue.truth_fills()
        assert (fill.order_id, fill.price, fill.amount) == (order.id, Decimal("99.00"), Decimal("0.1"))

    in_room(story, MarketPhase(at="500ms", lasts="10s", phase=phase.value))  # type: ignore[arg-type]  # all but "online" and "limit_only"


def test_no_stop_is_set_off_by_what_others_trade_meanwhile() -> None:
    """The trade that reaches it is another market's; the first after the halt sets it off."""

    async def story(room: Room) -> None:
        stop = NewOrder(
            symbol="BTC/USD", type=OrderType.LIMIT, side=Side.SELL, amount=Decimal("0.5"), price=Decimal(90), trigger_price=Decimal(95)
        )
        order = await room.create("pt-1", stop)
        await asyncio.sleep(1)
        room.market(trade(room, 9400, Side.SELL))
        await asyncio.sleep(10)
        assert room.venue.truth_open()[0].id == order.id
        room.market(trade(room, 9400, Side.SELL))
        assert room.venue.truth_fills()[0].order_id == order.id

    in_room(story, MarketPhase(at="500ms", lasts="10s"))


def test_a_post_only_order_is_weighed_against_the_book_that_stands() -> None:
    """In post-only mode nothing matches, and an order that would take is refused all the same."""

    async def story(room: Room) -> None:
        await asyncio.sleep(1)
        with pytest.raises(BaseError, match="would take"):
            await room.create("pt-1", msgspec.structs.replace(BUY, post_only=True, price=Decimal("101.00")))
        assert (await room.create("pt-2", msgspec.structs.replace(BUY, post_only=True, price=Decimal("100.99")))).filled == 0

    in_room(story, MarketPhase(at="500ms", lasts="10s", phase="post_only"))


def test_the_strictest_of_several_counts_and_healing_ends_them() -> None:
    async def story(room: Room) -> None:
        seen = []
        for _ in range(4):
            seen.append(phase_of(room))
            await asyncio.sleep(2)
        room.door.plan.heal((Lane.REST,))
        assert [*seen, phase_of(room)] == ["online", "limit_only", "cancel_only", "limit_only", "online"]

    faults = (
        MarketPhase(at="1s", lasts="100s", phase="limit_only"),
        MarketPhase(at="3s", lasts="2s", phase="cancel_only", symbol="BTC/USD"),
        MarketPhase(at="1s", lasts="100s", phase="offline", symbol="ETH/USD"),
    )
    in_room(story, *faults)


def test_who_asked_is_told_how_the_market_stands_now_and_then() -> None:
    """At once and every five seconds, in words that change with the phase; asked anew it is told no oftener, and unasked nobody is."""

    async def story(room: Room) -> None:
        await room.link.open(Lane.MARKET)
        for _ in range(2):
            await room.link.subscribe(Lane.MARKET, Channel.STATUS, "BTC/USD")
        await asyncio.sleep(16)
        told = [(at_ns // SECOND, m.status, m.text) for at_ns, _, _, m in room.heard if isinstance(m, MarketStatus)]
        assert told[1:] == [
            (0, "online", ""), (5, "online", "Cancel only mode"), (10, "offline", "Trading is disabled"), (15, "online", ""),
        ]  # fmt: skip
        assert len(told) == 5
        assert room.sequences(Lane.MARKET) == list(range(5))
        await room.link.unsubscribe(Lane.MARKET, Channel.STATUS, "BTC/USD")
        await asyncio.sleep(20)
        assert len(room.heard) == 5
        assert [armed.fired for armed in room.door.plan.faults] == [1, 1]

    in_room(story, MarketPhase(at="2s", lasts="6s"), MarketPhase(at="8s", lasts="4s", phase="offline"))


@settings(max_examples=40)
@given(
    rows=st.lists(st.tuples(st.sampled_from([9850, 9900, 9950]), st.sampled_from(Side), st.booleans()), max_size=12),
    start=st.integers(0, 11),
    length=st.integers(1, 12),
    phase=st.sampled_from([phase.value for phase in Phase if not phase.matches]),
)
def test_no_fill_is_made_within_a_halt(rows: list[tuple[int, Side, bool]], start: int, length: int, phase: str) -> None:
    """Whatever the market does: fills are stamped before it or after it."""

    async def story(room: Room) -> None:
        await room.create()
        for ticks, side, is_trade in rows:
            await asyncio.sleep(1)
            room.market(
                trade(room, ticks, side)
                if is_trade
                else BookUpdate(venue_ns=0, local_ns=0, symbol="BTC/USD", asks=((ticks, 10**7 if side is Side.BUY else 0),))
            )
        begin_ns, end_ns = (start * SECOND + SECOND // 2, (start + length) * SECOND + SECOND // 2)
        stamps = [fill.venue_ns - room.loop.epoch_ns for fill in room.venue.truth_fills()]
        assert not [each for each in stamps if begin_ns <= each < end_ns]

    fault = MarketPhase(at=f"{start * 1000 + 500}ms", lasts=f"{length}s", phase=phase)  # type: ignore[arg-type]  # all but two
    in_room(story, fault)


def test_a_symbol_that_is_none_is_named() -> None:
    fault: Fault = MarketPhase(at="1s", lasts="1s", symbol="BTC-USD")
    with pytest.raises(ConfigError, match=r'`symbol`: holds "BTC-USD"; expected an instrument as ccxt writes it'):
        checked(fault)
