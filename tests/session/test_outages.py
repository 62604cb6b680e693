"""A tape that tells of outages makes them: the client loses what the recorder lost, where the recorder lost it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import papertape
from papertape.exchanges.base import BaseExchange
from papertape.model import errors as ccxt
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, ConnectionKind, MarketEvent, Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.request import Channel, Lane
from papertape.model.units import MILLISECOND, SECOND
from papertape.session.result import RunResult, Status
from papertape.tape import TapeWriter
from papertape.tape.edit import cut_tape
from papertape.venues.coinbase.rules import RULES
from serving.stall import Stall, at_a_stall

BTC: Instrument = RULES.instruments[0]
ERA_NS = 1_790_000_000 * SECOND
LATE_NS = 10 * MILLISECOND
LENGTH_S = 40
OPENED, DROPPED, GAP = ConnectionKind.OPENED, ConnectionKind.DROPPED, ConnectionKind.GAP
LIMITED, ERROR = ConnectionKind.RATE_LIMITED, ConnectionKind.ERROR

Line = tuple[float, str, ConnectionKind, str]
"""(second, the recorder's connection, what happened to it, the venue's words)"""


def tape(path: Path, *line: Line, snapshots: Sequence[float] = (0,), down: Sequence[tuple[float, float]] = ()) -> Path:
    """Two changes of the book and a trade each second, but while the recorder was `down`; books at `snapshots`; and what the line did."""
    found: list[tuple[float, int, MarketEvent]] = []

    def add(second: float, rank: int, make: Any, **facts: Any) -> None:
        at_ns = ERA_NS + int(second * SECOND)
        found.append((second, rank, make(venue_ns=at_ns, local_ns=at_ns + LATE_NS, **facts)))

    for second, connection, what, text in line:
        add(second, 1, ConnectionEvent, symbol="", connection=connection, what=what, text=text)
    for second in snapshots:
        add(second, 2, BookSnapshot, symbol="BTC/USD", bids=((999_000, 10**9), (990_000, 10**9)), asks=((1_001_000, 10**9),))
    for half in range(1, 2 * LENGTH_S):
        second = half / 2
        if any(since <= second < until for since, until in down):
            continue
        add(second, 0, BookUpdate, symbol="BTC/USD", bids=((900_000 + half, 10**8),))
        if half % 2:
            add(second, 0, Trade, symbol="BTC/USD", price_ticks=1_000_000, qty_lots=10**6, taker=Side.BUY, trade_id=str(half))
    with TapeWriter(path, venue="coinbase", instruments=[BTC], connections=("market", "rest", "ws-1", "ws-2")) as writer:
        names = ("market", "rest", "ws-1", "ws-2")
        for _, _, event in sorted(found, key=lambda each: each[:2]):
            writer.write(event, names.index(event.connection) if isinstance(event, ConnectionEvent) else 0)
    return path


class Seen:
    """A bot that looks at the market, buys a little, and notes what the lane was like."""

    def __init__(self, until_s: int = LENGTH_S - 2, buys_s: int = 0) -> None:
        self.until_s = until_s
        self.buys_s = buys_s
        self.states: list[tuple[int, str]] = []  # (second, what the market lane said of itself), when it changed
        self.trades: list[int] = []

    async def __call__(self, exchange: BaseExchange) -> None:
        loop = asyncio.get_running_loop()
        await exchange.subscribe_trades("BTC/USD", lambda trade: self.trades.append(int(trade.event.trade_id)))
        await exchange.subscribe_order_book("BTC/USD", lambda book: None)
        has_bought = False
        while loop.time() < self.until_s:
            if loop.time() >= self.buys_s and not has_bought:
                await exchange.place_order("BTC/USD", "market", "buy", "0.001")
                has_bought = True
            await asyncio.sleep(0.1)
            market = next(lane for lane in exchange.health.lanes if lane.lane == "market")
            if not self.states or self.states[-1][1] != market.state.name:
                self.states.append((int(loop.time()), market.state.name))

    def downs(self) -> list[int]:
        """In which seconds the lane stood no more."""
        states = self.states
        return [second for (_, before), (second, _) in itertools.pairwise(states) if before == "LIVE"]


def run(bot: Any, path: Path | list[Path], **more: Any) -> RunResult:
    feed: Any = [{"tape": str(each)} for each in path] if isinstance(path, list) else {"tape": str(path), **more.pop("feed", {})}
    venues = {"coinbase": {"feed": feed, "account": {"USD": "100000", "BTC": "1"}}}
    return papertape.simulate(bot, venues=venues, **more)


def hits(result: RunResult) -> dict[str, int]:
    return {fault.kind: fault.fired for fault in result.faults}


DOWN = ((10, "market", DROPPED, "no close frame received or sent"), (15, "market", OPENED, ""))
UP_AGAIN = {"snapshots": (0, 15.2), "down": ((10, 15.2),)}


def test_a_drop_is_a_drop_and_is_recovered_from(tmp_path: Path) -> None:
    """The lane goes down when the recorder's did and stands when it stood again; that is told of like a fault, and timed."""
    seen = Seen()
    result = run(seen, tape(tmp_path / "a.parquet", *DOWN, **UP_AGAIN), expect={"recovers_within": "10s"})
    assert result.is_passed, result.failures
    assert seen.downs() == [10]
    assert 15 <= next(second for second, state in seen.states if state == "LIVE" and second > 10) <= 19
    (fault,) = result.faults
    assert fault.kind == "recorded_drop"
    assert fault.fired > 1  # the connection, and each attempt while the line was down
    assert fault.recovery_ns is not None
    assert "reconnected" in result.marks


def test_too_slow_a_recovery_from_a_recorded_drop_fails(tmp_path: Path) -> None:
    """`recovers_within` holds for the tape's own outages as for any other."""
    result = run(Seen(), tape(tmp_path / "a.parquet", *DOWN, **UP_AGAIN), expect={"recovers_within": "10ms"})
    assert result.status is Status.FAILED
    assert any("recorded_drop took" in failure for failure in result.failures)


def test_a_feed_can_be_played_without_its_outages(tmp_path: Path) -> None:
    """`outages = false`: the same rows on a line that stands, which is another run with another digest."""
    path, seen = tape(tmp_path / "a.parquet", *DOWN, **UP_AGAIN), Seen()
    result = run(seen, path, feed={"outages": False}, title="Once")
    assert (seen.downs(), result.faults) == ([], ())
    assert result.digest != run(Seen(), path, title="Once").digest


def test_the_same_tape_makes_the_same_run(tmp_path: Path) -> None:
    """Outages are part of what is repeated."""
    path = tape(tmp_path / "a.parquet", *DOWN, (20, "market", GAP, ""), (30, "rest", LIMITED, "2s: slow down"), **UP_AGAIN)
    assert run(Seen(), path, title="Twice").digest == run(Seen(), path, title="Twice").digest


def test_nobody_demands_that_a_recorded_outage_hits(tmp_path: Path) -> None:
    """A bot that asks for nothing while the venue wants quiet, and hears nothing of the market, has missed nothing."""

    async def main(exchange: BaseExchange) -> None:
        await exchange.place_order("BTC/USD", "market", "buy", "0.001")
        await asyncio.sleep(20)

    path = tape(tmp_path / "a.parquet", (10, "rest", LIMITED, "1s: Too many requests"), (11, "market", GAP, ""), snapshots=(0, 12))
    result = run(main, path)
    assert result.is_passed, result.failures
    assert hits(result) == {"recorded_limit": 0, "recorded_gap": 0}


def test_a_gap_is_missing_numbers(tmp_path: Path) -> None:
    """The client sees that something is missing, asks for its book anew, and is whole again; no connection ends."""
    seen = Seen()
    result = run(seen, tape(tmp_path / "a.parquet", (12, "market", GAP, "number 7 came where 5 was due"), snapshots=(0, 12.3)))
    assert result.is_passed, result.failures
    assert hits(result) == {"recorded_gap": 1}
    assert seen.downs() == []
    assert result.marks.get("resynced_after_gap") == 1


def test_a_limit_refuses_for_as_long_as_the_venue_wanted(tmp_path: Path) -> None:
    """Whoever asks meanwhile is told 429 and how long to wait; nobody who asks later is."""
    refused: list[tuple[float, float]] = []

    async def main(exchange: BaseExchange) -> None:
        loop = asyncio.get_running_loop()
        await exchange.place_order("BTC/USD", "market", "buy", "0.001")
        while loop.time() < 30:
            began = loop.time()
            await exchange.fetch_balance()
            if loop.time() - began > 0.5:
                refused.append((began, loop.time() - began))
            await asyncio.sleep(0.5)

    path = tape(tmp_path / "a.parquet", (10, "rest", LIMITED, "3s: Too many requests"))
    result = run(main, path)
    assert result.is_passed, result.failures
    assert hits(result)["recorded_limit"] >= 1
    assert all(9.98 < began < 13 for began, _ in refused)  # the first was on its way
    assert refused
    assert result.marks.get("retried_after_rate_limit")


def test_the_rest_lane_has_outages_of_its_own(tmp_path: Path) -> None:
    """The recorder's REST connection was lost: the client's is, and its market lane and its books are none the worse."""
    seen = Seen()

    async def main(exchange: BaseExchange) -> None:
        looking = asyncio.ensure_future(seen(exchange))
        while not looking.done():
            await exchange.fetch_balance()
            await asyncio.sleep(0.5)
        await looking

    result = run(main, tape(tmp_path / "a.parquet", (10, "rest", DROPPED, "reset"), (13, "rest", OPENED, "")))
    assert result.is_passed, result.failures
    assert seen.downs() == []
    assert result.marks.get("reconnected") == 1


@pytest.mark.parametrize("name", ["ws-1", "market"])
def test_another_connection_may_be_the_one_that_stands_again(tmp_path: Path, name: str) -> None:
    """Captures give each connection a name of its own; the lane stands again with the next that is opened."""
    seen = Seen()
    line = ((10, name, DROPPED, ""), (14, "ws-2", OPENED, ""))
    result = run(seen, tape(tmp_path / "a.parquet", *line, snapshots=(0, 14.2), down=((10, 14.2),)))
    assert result.is_passed, result.failures
    assert seen.downs() == [10]
    assert seen.states[-1][1] == "LIVE"


def test_a_book_shows_that_the_line_stands_again(tmp_path: Path) -> None:
    """A capture that never says when it was connected again cannot keep the client out for ever."""
    seen = Seen()
    result = run(seen, tape(tmp_path / "a.parquet", DOWN[0], snapshots=(0, 14), down=((10, 14),)))
    assert result.is_passed, result.failures
    assert seen.states[-1][1] == "LIVE"


def test_healing_heals_what_the_tape_breaks(tmp_path: Path) -> None:
    """From [heal]'s time on lanes work, whatever happened to the recorder."""
    seen = Seen()
    result = run(seen, tape(tmp_path / "a.parquet", *DOWN, **UP_AGAIN), heal={"at": "8s"})
    assert seen.downs() == []
    assert hits(result).get("recorded_drop", 0) == 0


def test_a_run_may_begin_in_the_middle_of_an_outage(tmp_path: Path) -> None:
    """Played from then on, or cut there: the line is down from the start, and nothing is known of the book until the tape tells it."""
    path = tape(tmp_path / "a.parquet", *DOWN, **UP_AGAIN)
    late, cut = (Seen(until_s=20, buys_s=15) for _ in range(2))
    one = run(late, path, feed={"start": "12s"})
    cut_tape(path, tmp_path / "b.parquet", start_ns=ERA_NS + 12 * SECOND)
    other = run(cut, tmp_path / "b.parquet")
    for seen, result in ((late, one), (cut, other)):
        assert result.is_passed, result.failures
        assert min(seen.trades) > 30
        assert seen.states[0][0] >= 3  # until then nobody could connect


def test_errors_and_signs_of_life_change_nothing(tmp_path: Path) -> None:
    """A row on a failed attempt, or on how long a heartbeat took, is for people who look at the tape."""
    seen = Seen()
    line = [(float(second), "market", ConnectionKind.LATENCY, "") for second in range(1, 30)] + [(5.0, "rest", ERROR, "no connection")]
    result = run(seen, tape(tmp_path / "a.parquet", *line))
    assert result.is_passed, result.failures
    assert (seen.downs(), result.faults) == ([], ())


def test_at_wire_depth_the_goodbye_is_the_one_that_was_said(tmp_path: Path) -> None:
    """The live adapter hears the code that the recorder heard, or a reset where it heard none."""
    seen = Seen()
    line = ((10, "market", DROPPED, "received 1012 (service restart); then sent 1012"), (12, "market", OPENED, ""))
    path = tape(tmp_path / "a.parquet", *line, snapshots=(0, 12.2), down=((10, 12.2),))
    reasons: list[str] = []

    async def main(exchange: BaseExchange) -> None:
        watching = asyncio.ensure_future(seen(exchange))
        while not watching.done():
            await asyncio.sleep(0.1)
            reasons.extend(lane.reason for lane in exchange.health.lanes if lane.lane == "market" and lane.reason)
        await watching

    result = run(main, path, depth="wire")
    assert result.is_passed, result.failures
    assert seen.downs()[:1] == [10]
    assert "received 1012" in reasons[0]


def test_a_bot_without_orders_meets_them_too(tmp_path: Path) -> None:
    """What happens to the line is not about orders."""

    async def main(exchange: BaseExchange) -> None:
        await asyncio.sleep(12)
        with pytest.raises(ccxt.BaseError):
            await exchange.place_order("BTC/USD", "limit", "buy", "0.001", "9000")

    path = tape(tmp_path / "a.parquet", (10, "rest", DROPPED, ""), snapshots=(0,))
    result = run(main, path)
    assert hits(result)["recorded_drop"] >= 1


def test_a_served_tape_has_its_outages_too(tmp_path: Path) -> None:
    """On loopback as in a run, and each time that the tape goes round; that it begins anew is no outage by itself."""
    ended: list[tuple[int, int]] = []

    async def story(stall: Stall) -> None:
        loop = asyncio.get_running_loop()
        port = stall.market.port

        def connect() -> None:
            handle = port.open_stream(
                Lane.MARKET, lambda sequence, message: None, lambda goodbye: ended.append((int(loop.time()), goodbye))
            )
            handle.subscribe(Channel.TRADES, "BTC/USD")

        connect()
        await asyncio.sleep(11)
        assert not port.accepts(Lane.MARKET)
        await asyncio.sleep(5)
        assert port.accepts(Lane.MARKET)
        connect()
        await asyncio.sleep(2 * LENGTH_S)

    at_a_stall(story, feeds=(str(tape(tmp_path / "a.parquet", *DOWN, **UP_AGAIN)),), loop=True)
    assert ended == [(10, 0), (LENGTH_S + 9, 0)]
