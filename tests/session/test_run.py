"""One run, from tapes to verdict: the same every time, judged honestly, and never ahead of its own time."""

from __future__ import annotations

import asyncio
import contextlib
import decimal
import os
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

import papertape
from papertape.exchanges.base import BaseExchange
from papertape.exchanges.factory import ExchangeFactory
from papertape.model.book import Book
from papertape.model.errors import ConfigError, InsufficientFunds, InvalidOrder
from papertape.model.event import BookSnapshot, BookUpdate, MarketEvent, Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.public import PublicTrade
from papertape.model.units import MILLISECOND, SECOND, Nanos
from papertape.session.result import RunResult, Status
from papertape.tape.writer import TapeWriter

BTC = Instrument(
    symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"), amount_min=Decimal("0.001"), cost_min=Decimal(1)
)
EPOCH: Nanos = 1_700_000_000 * SECOND
FREE = {"fees": {"kind": "flat", "maker_bps": 0, "taker_bps": 0}}
MINUTE_OF_BUILTIN = {"feed": {"tape": "builtin:btc-usd", "end": "60s"}, "account": {"USD": "100000", "BTC": "1"}}


def at(second: float) -> dict[str, int]:
    ns = EPOCH + int(second * 1000) * MILLISECOND
    return {"venue_ns": ns, "local_ns": ns}


def book(second: float, bid: int, ask: int, lots: int = 1_000) -> BookSnapshot:
    return BookSnapshot(**at(second), symbol="BTC/USD", bids=((bid, lots),), asks=((ask, lots),))


def tape_of(folder: Path, events: list[MarketEvent]) -> Path:
    path = folder / "small.parquet"
    with TapeWriter(path, venue="coinbase", instruments=[BTC]) as writer:
        for event in events:
            writer.write(event)
    return path


def run(main: Callable[..., Any], tape: Path | None = None, **more: Any) -> RunResult:
    account = more.pop("account", {"USD": "1000000", "BTC": "100"})
    venue = MINUTE_OF_BUILTIN if tape is None else {"feed": {"tape": str(tape)}, "account": account, "model": FREE}
    return papertape.simulate(main, venues={"coinbase": venue}, **more)


def test_the_same_scenario_gives_the_same_digest_twice_in_one_process() -> None:
    """And whether or not another one ran in between."""
    scenario = "scenarios/lost_reply.scenario.toml"
    first = papertape.simulate(scenario)
    papertape.simulate("scenarios/missing_message.scenario.toml")
    assert papertape.simulate(scenario).digest == first.digest


def test_another_seed_is_another_run() -> None:
    scenario = "scenarios/market_line_resets.scenario.toml"  # its redialling draws jitter
    assert papertape.simulate(scenario, seed=1).digest != papertape.simulate(scenario, seed=2).digest


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_the_digest_does_not_depend_on_the_hash_seed(hash_seed: str) -> None:
    scenario = "scenarios/user_line_drops_on_a_buy.scenario.toml"
    code = f"import papertape; print(papertape.simulate({scenario!r}).digest)"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == papertape.simulate(scenario).digest


def test_an_order_from_a_slow_callback_meets_the_price_of_its_arrival(tmp_path: Path) -> None:
    """The callback thinks for three seconds; meanwhile the world goes on, and the book it saw is not the book it trades with."""
    moved = [book(second, 100_00 + 100 * second, 100_01 + 100 * second) for second in range(10)]
    seen: dict[str, Any] = {}

    async def main(exchange: BaseExchange) -> None:
        async def on_book(seen_book: Book) -> None:
            if "asked at" not in seen and seen_book.ask is not None:
                seen["asked at"] = seen_book.ask
                await asyncio.sleep(3)
                seen["order"] = await exchange.place_order("BTC/USD", "market", "buy", "0.5")

        await exchange.subscribe_order_book("BTC/USD", on_book)
        await asyncio.sleep(8)

    result = run(main, tape_of(tmp_path, moved))
    assert result.status is Status.PASSED, result.failures
    sent = seen["asked at"] + 3
    assert seen["order"].average in (sent, sent + 1)  # the latency may take it into the next second
    assert seen["order"].average > seen["asked at"]


def test_a_slow_callback_does_not_stop_the_world(tmp_path: Path) -> None:
    """While one subscription's callback sleeps, another hears every trade at its own time."""
    trades = [Trade(**at(second), symbol="BTC/USD", price_ticks=100_00, qty_lots=1, taker=Side.BUY) for second in range(1, 9)]
    heard: list[float] = []

    async def main(exchange: BaseExchange) -> None:
        async def slow(book: Book) -> None:
            await asyncio.sleep(5)

        def on_trade(trade: PublicTrade) -> None:
            heard.append(asyncio.get_running_loop().time())

        await exchange.subscribe_order_book("BTC/USD", slow)
        await exchange.subscribe_trades("BTC/USD", on_trade)

    run(main, tape_of(tmp_path, [book(0, 99_00, 101_00), *trades]), expect={"invariants": ["rate_respected"]})
    assert [round(second) for second in heard] == list(range(1, 9))


def test_time_is_the_venues_own(tmp_path: Path) -> None:
    """The wall clock of a run shows the tape's date, and its loop counts from nought."""
    clocks: list[float] = []

    async def main(exchange: BaseExchange) -> None:
        clocks.append(
            time.time()  # noqa: TID251 - it is the run's clock that is looked at
            - asyncio.get_running_loop().time()
        )

    run(main, tape_of(tmp_path, [book(0, 99_00, 101_00), book(5, 99_00, 101_00)]))
    assert clocks == [pytest.approx(EPOCH / SECOND)]


def test_a_draw_does_not_shift_when_the_tape_is_cut() -> None:
    """Latency is drawn by the row's number: what comes after the cut arrives at the very same nanosecond."""
    late = {"market": {"kind": "lognormal", "median": "20ms", "p99": "180ms"}}

    def arrivals(start: str | None) -> dict[str, int]:
        heard: dict[str, int] = {}

        async def main(exchange: BaseExchange) -> None:
            def on_trade(trade: PublicTrade) -> None:
                heard.setdefault(trade.event.trade_id, time.time_ns() - trade.venue_ns)  # noqa: TID251 - likewise

            await exchange.subscribe_trades("BTC/USD", on_trade)

        feed = {"tape": "builtin:btc-usd", "end": "60s"} | ({"start": start} if start else {})
        papertape.simulate(main, venues={"coinbase": {"feed": feed, "account": {"USD": "1"}, "model": {"latency": late}}})
        return heard

    whole, cut = arrivals(None), arrivals("30s")
    both = [trade for trade in cut if trade in whole]
    assert len(both) > 100
    same = sum(cut[trade] == whole[trade] for trade in both)
    assert same >= len(both) - 3  # right after the cut nothing earlier can hold a row back


def test_the_session_hands_its_exchange_to_the_factory() -> None:
    found: list[bool] = []

    async def main(exchange: BaseExchange) -> None:
        found.append(ExchangeFactory.get_exchange("coinbase") is exchange)

    run(main)
    assert found == [True]


def test_ccxts_own_classes_catch_what_goes_wrong() -> None:
    caught: list[str] = []

    async def main(exchange: BaseExchange) -> None:
        attempts = [("limit", "buy", "1000", "60000"), ("limit", "buy", "0.01", "60000.001"), ("limit", "buy", "0.00001", "60000")]
        for attempt in attempts:
            try:
                await exchange.place_order("BTC/USD", *attempt)
            except ccxt.ExchangeError as error:
                caught.append(type(error).__name__)

    run(main)
    assert caught == [InsufficientFunds.__name__, InvalidOrder.__name__, InvalidOrder.__name__]


def test_a_bot_that_raises_fails_the_run_and_its_line_is_named() -> None:
    async def main(exchange: BaseExchange) -> None:
        def on_trade(trade: PublicTrade) -> None:
            raise KeyError("position")

        await exchange.subscribe_trades("BTC/USD", on_trade)

    result = run(main)
    assert result.status is Status.FAILED
    assert "KeyError" in result.failures[0]
    assert "test_run.py" in result.failures[0]


def test_a_bot_that_never_returns_is_stopped_at_the_end_and_that_is_fine() -> None:
    async def main(exchange: BaseExchange) -> None:
        while True:
            await asyncio.sleep(1)
            await exchange.fetch_balance()

    assert run(main, expect={"invariants": ["rate_respected", "nothing_left_behind"]}).status is Status.PASSED


def test_a_bot_that_will_not_be_stopped_fails_and_is_told_where_it_waits() -> None:
    async def main(exchange: BaseExchange) -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue

    result = run(main)
    assert result.status is Status.FAILED
    assert any("goes on although it was cancelled" in failure and "test_run.py" in failure for failure in result.failures)


def test_a_bot_that_spins_without_waiting_is_found_out() -> None:
    async def main(exchange: BaseExchange) -> None:
        while True:
            await asyncio.sleep(0)

    result = run(main)
    assert result.status is Status.FAILED
    assert "stuck" in result.failures[0]


def test_leaving_the_simulation_is_an_error_even_if_the_bot_swallows_it() -> None:
    import socket

    async def main(exchange: BaseExchange) -> None:
        with contextlib.suppress(Exception):
            socket.socket()

    result = run(main)
    assert result.status is Status.ERROR
    assert result.exit_code == 5
    assert "test_run.py" in result.failures[0]


def test_a_fault_that_hits_nothing_makes_the_run_vacuous() -> None:
    async def main(exchange: BaseExchange) -> None:
        await exchange.fetch_balance()

    result = run(main, faults=["lost_reply"])
    assert result.status is Status.VACUOUS
    assert any("hit nothing" in failure for failure in result.failures)


def test_what_must_happen_and_does_not_makes_the_run_vacuous() -> None:
    async def main(exchange: BaseExchange) -> None:
        await exchange.fetch_balance()

    result = run(main, expect={"must_happen": ["reconnected"]})
    assert result.status is Status.VACUOUS


def test_a_position_over_the_limit_fails_on_the_venues_word_alone() -> None:
    async def main(exchange: BaseExchange) -> None:
        await exchange.place_order("BTC/USD", "market", "buy", "0.2")

    expect = {"venue": {"max_position": "0.1 BTC"}}
    result = run(main, expect=expect)
    assert any("0.1 BTC is the most" in failure or "0.1 is the most" in failure for failure in result.failures), result.failures


def test_settings_that_a_bot_does_not_take_are_named() -> None:
    async def main(exchange: BaseExchange) -> None: ...

    with pytest.raises(ConfigError, match="bot_config"):
        run(main, bot_config={"colour": "red"})


def test_two_cursors_show_the_venue_ahead_of_the_client(tmp_path: Path) -> None:
    """With a market latency of two seconds, a market order pays what the venue has, not what the client has been told."""
    events: list[MarketEvent] = [book(0, 100_00, 100_01)]
    events += [BookUpdate(**at(5), symbol="BTC/USD", bids=(), asks=((100_01, 0), (200_00, 1_000))), book(12, 100_00, 200_00)]
    path = tape_of(tmp_path, events)
    seen: dict[str, Any] = {}

    async def main(exchange: BaseExchange) -> None:
        books: list[Book] = []
        await exchange.subscribe_order_book("BTC/USD", books.append)
        await asyncio.sleep(6)
        seen["told"] = books[-1].ask
        seen["paid"] = (await exchange.place_order("BTC/USD", "market", "buy", "0.5")).average

    latency = {"latency": {"market": {"kind": "constant", "value": "2s"}}}
    account = {"USD": "1000000"}
    papertape.simulate(main, venues={"coinbase": {"feed": {"tape": str(path)}, "account": account, "model": {**FREE, **latency}}})
    assert seen == {"told": Decimal("100.01"), "paid": Decimal("200.00")}


def test_the_precision_that_a_bot_sets_for_its_decimals_is_its_own_affair() -> None:
    """Prices, balances and verdict are the same; and a run that comes after does not inherit it."""

    def with_precision(precision: int) -> RunResult:
        async def main(exchange: BaseExchange) -> None:
            decimal.getcontext().prec = precision
            for _ in range(3):
                await exchange.place_order("BTC/USD", "market", "buy", "0.01234567")
                await asyncio.sleep(5)
            await exchange.place_order("BTC/USD", "limit", "sell", "0.01234567", "70000.01")

        return papertape.simulate(main)

    before = decimal.getcontext().prec
    coarse, fine = with_precision(3), with_precision(28)
    assert coarse.status is Status.PASSED, coarse.failures
    assert (coarse.digest, coarse.pnl, coarse.fees) == (fine.digest, fine.pnl, fine.fees)
    assert decimal.getcontext().prec == before


def test_a_recovery_that_nobody_could_see_is_not_taken_for_one() -> None:
    """A fault that is still on when the bot ends leaves `recovers_within` unjudged: that proves nothing."""
    fault = {"kind": "disconnect", "at": "10s", "lasts": "1h", "connection": "user"}

    async def main(exchange: BaseExchange) -> None:
        await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "60000")
        await asyncio.sleep(20)

    assert papertape.simulate(main, faults=[fault]).status is Status.PASSED
    result = papertape.simulate(main, faults=[fault], expect={"recovers_within": "5s"})
    assert result.status is Status.VACUOUS
    assert "`recovers_within` was not judged" in result.failures[0]
