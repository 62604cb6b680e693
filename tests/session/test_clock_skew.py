"""The date on the bot's machine is wrong, and the shell gets over it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.exchanges.base import BaseExchange
from papertape.faults import ClockSkew, Crash, Disconnect, Fault
from papertape.faults.base import checked
from papertape.model.errors import ConfigError
from papertape.model.interference import Moment
from papertape.model.request import Lane
from papertape.model.units import SECOND
from papertape.resilience.offset import TOLERANCE_NS, WINDOW, Offset
from papertape.runtime.clock import Bracket
from papertape.scenario.make import make_scenario
from papertape.session.result import RunResult, Status
from papertape.session.run import run_scenario
from papertape.session.spec import Depth
from papertape.session.world import VenueWorld

DEPTHS = [Depth.INTERFACE, Depth.WIRE]


def run(bot: Any, *faults: Fault, depth: Depth, end: str = "60s") -> tuple[RunResult, VenueWorld]:
    worlds: list[VenueWorld] = []
    raw = {
        "bot": bot,
        "depth": depth,
        "venue": {"coinbase": {"feed": {"tape": "builtin:btc-usd", "end": end}, "account": {"USD": "100000"}}},
    }
    result = run_scenario(make_scenario(raw, source="test", folder=Path.cwd(), more_faults=faults), inspect=worlds.extend)
    return result, worlds[0]


async def buys_now_and_then(exchange: BaseExchange) -> None:
    """An order every five seconds, and never a thought about the time."""
    await exchange.subscribe_trades("BTC/USD", lambda trade: None)
    for number in range(10):
        order = await exchange.place_order("BTC/USD", "limit", "buy", "0.001", str(60_000 + number))
        await asyncio.sleep(3)
        await exchange.cancel_order(order.id)
        await asyncio.sleep(2)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("by", ["3s", "30s", "5m", "2h"])
@pytest.mark.parametrize("direction", ["ahead", "behind"])
def test_a_wrong_date_costs_a_moment_and_no_order(depth: Depth, by: str, direction: Any) -> None:
    """Every order gets through, once; at wire depth the venue's clock is taken as soon as a token was turned away."""
    result, world = run(buys_now_and_then, ClockSkew(at="12s", lasts="20s", by=by, direction=direction), depth=depth)
    assert result.status is Status.PASSED, result.failures
    assert len(world.door.truth().orders) == 10
    assert by == "3s" or "clock_corrected" in result.marks


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_clock_that_is_wrong_from_the_start_and_drifts_is_no_matter(depth: Depth) -> None:
    skew = ClockSkew(at="0s", lasts="50s", by="10m", drift_ppm=100_000)
    result, world = run(buys_now_and_then, skew, Disconnect(at="20s", lasts="1s", connection=Lane.USER), depth=depth)
    assert result.status is Status.PASSED, result.failures
    assert len(world.door.truth().orders) == 10


def test_a_lost_order_is_found_although_our_date_is_hours_off() -> None:
    """Where recent orders are asked for since a date, that date is the venue's; else the order is taken for one that never was."""
    lives: list[int] = []

    async def bot(exchange: BaseExchange) -> None:
        lives.append(len(lives))
        await asyncio.sleep(15)
        if len(lives) == 1:
            await exchange.place_order("BTC/USD", "market", "buy", "0.01")
        await asyncio.sleep(600)

    faults = ClockSkew(at="1s", lasts="200s", by="3h", direction="ahead"), Crash(moment=Moment.EXECUTED)
    result, world = run(bot, *faults, depth=Depth.INTERFACE, end="200s")
    assert result.status is Status.PASSED, result.failures
    assert (len(lives), len(world.door.truth().orders)) == (2, 1)


def test_bars_are_cut_by_the_venues_time() -> None:
    """With a date that is 40 s ahead no bar ends before its last trades are in."""
    bars: list[list[Any]] = [[], []]

    def listens(to: list[Any]) -> Any:
        async def bot(exchange: BaseExchange) -> None:
            await asyncio.sleep(20)
            await exchange.subscribe_ohlcv("BTC/USD", "1m", to.append)
            await asyncio.sleep(250)

        return bot

    run(listens(bars[0]), depth=Depth.INTERFACE, end="240s")
    run(listens(bars[1]), ClockSkew(at="1s", lasts="230s", by="40s", direction="ahead"), depth=Depth.INTERFACE, end="240s")
    assert len(bars[0]) >= 3
    assert bars[0] == bars[1]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (ClockSkew(lasts="1s"), "`at`: is missing"),
        (ClockSkew(at="1s"), "`lasts`: is missing or 0"),
        (ClockSkew(at="1s", lasts="1s", by="0s"), "a clock that is right is no fault"),
        (ClockSkew(at="1s", lasts="1s", drift_ppm=-1), "expected 0 or more"),
        (ClockSkew(at="1s", lasts="1s", by="late"), '"late" is no duration'),
    ],
)
def test_settings_that_make_no_sense_are_named(fault: Fault, words: str) -> None:
    with pytest.raises(ConfigError, match="key") as raised:
        checked(fault)
    assert words in str(raised.value)


@given(off_s=st.integers(-10_000, 10_000), delays_ms=st.lists(st.integers(0, 2_000), min_size=WINDOW, max_size=40))
def test_heartbeats_tell_how_far_off_we_are(off_s: int, delays_ms: list[int]) -> None:
    """To within the tolerance and the line's delay, ten beats after the clock was set."""
    offset, now_ns = Offset(), 10**15
    for delay_ms in delays_ms:
        now_ns += SECOND
        offset.on_stamp(now_ns, now_ns + delay_ms * 10**6 - off_s * SECOND)
    assert abs(offset.ns - off_s * SECOND) <= TOLERANCE_NS + 2 * SECOND


@given(delays_ms=st.lists(st.one_of(st.integers(0, 2_000), st.integers(0, 90_000)), max_size=60))
def test_late_heartbeats_among_others_are_not_held_against_our_clock(delays_ms: list[int]) -> None:
    """A clock that is right stays so as long as one in ten comes in time."""
    offset, now_ns = Offset(), 10**15
    for number, delay_ms in enumerate(delays_ms):
        now_ns += SECOND
        late_ms = delay_ms if number % (WINDOW - 1) else min(delay_ms, 2_000)
        offset.on_stamp(now_ns, now_ns + late_ms * 10**6)
        assert offset.ns == 0


@given(
    off_ns=st.integers(-(10**13), 10**13), asks=st.lists(st.tuples(st.integers(0, 10**10), st.integers(0, 10**10)), min_size=1, max_size=9)
)
def test_a_bracket_never_leaves_what_can_be(off_ns: int, asks: list[tuple[int, int]]) -> None:
    """However long ways take, what is believed is consistent with the last answer; a slow answer takes back no better one."""
    bracket = Bracket()
    for there_ns, back_ns in asks:
        venue_ns = 10**15
        asked_ns, heard_ns = venue_ns - off_ns - there_ns, venue_ns - off_ns + back_ns
        bracket.on_answer(venue_ns, asked_ns, heard_ns, within_ns=SECOND)
        assert venue_ns - heard_ns - SECOND <= bracket.ns <= venue_ns - asked_ns + SECOND
