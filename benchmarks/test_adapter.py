"""The live adapter beside ccxt.pro: the same venue, the same network, the same three streams of a quiet market, a request a minute.

Both hear a message a second or so (and ours a heartbeat a second on each of two lanes, which ccxt.pro does without), for an hour: so what
is compared is what it costs to have an exchange, libraries and the venue's own server included.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import papertape
from benchmarks.bots import SYMBOL
from benchmarks.measure import beside
from benchmarks.test_wire import quiet_tape
from papertape.exchanges.base import BaseExchange
from papertape.model.units import HOUR, MINUTE, SECOND
from papertape.scenario.make import make_scenario
from papertape.session.result import RunResult, Status
from papertape.session.run import run_scenario
from papertape.session.world import KeptRows

pytestmark = pytest.mark.timeout(3_600)

SEEDS = 20

SCENARIO = """title = "benchmark"
depth = "wire"
program = "{program}"

[venue.coinbase]
feed = {{ tape = "{tape}", end = "{end}" }}
account = {{ USD = "1000" }}
"""

PROGRAM = str(Path(__file__).with_name("ccxt_pro.py"))


async def ours(exchange: BaseExchange) -> None:
    """Three streams, and a request a minute."""
    await exchange.subscribe_trades(SYMBOL, lambda trade: None)
    await exchange.subscribe_order_book(SYMBOL, lambda book: None)
    await exchange.subscribe_ticker(SYMBOL, lambda ticker: None)
    while True:
        await exchange.fetch_balance()
        await asyncio.sleep(60)


def play(seconds: int, folder: Path | None = None) -> RunResult:
    """Ours; or, with a folder for its scenario, ccxt.pro's."""
    feed = {"tape": quiet_tape(), "end": f"{seconds}s"}
    if folder is None:
        result = papertape.simulate(ours, title="benchmark", venues={"coinbase": {"feed": feed, "account": {"USD": "1000"}}}, depth="wire")
    else:
        path = folder / "ccxt_pro.scenario.toml"
        path.write_text(SCENARIO.format(program=PROGRAM, **feed), encoding="utf-8")
        result = papertape.simulate(path)
    assert result.status in (Status.PASSED, Status.VACUOUS), result.failures
    return result


@pytest.mark.parametrize(("what", "seconds"), [("an hour", HOUR // SECOND), ("three minutes", 3 * MINUTE // SECOND)])
def test_adapter(what: str, seconds: int, benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    play(2)
    play(2, tmp_path)
    results = [play(seconds)]
    heard = results[0].events + 2 * seconds
    name = f"our adapter, {what} of three quiet streams, beside ccxt.pro"
    beside(benchmark, name, lambda: results.append(play(seconds)), lambda: play(seconds, tmp_path), count=heard, unit="messages")
    assert len({result.wire_digest for result in results}) == 1


def test_seeds(benchmark: BenchmarkFixture) -> None:
    """Seed after seed in one process, as a sweep plays them: the tape kept in memory."""
    kept, seeds = KeptRows(), itertools.count()

    def sweep(depth: str) -> None:
        for _ in range(SEEDS):
            feed = {"tape": quiet_tape(), "end": "180s"}
            raw = {
                "title": "benchmark", "seed": next(seeds), "depth": depth, "bot": ours,
                "venue": {"coinbase": {"feed": feed, "account": {"USD": "1000"}}},
            }  # fmt: skip
            result = run_scenario(make_scenario(raw, source="benchmark", folder=Path()), kept=kept)
            assert result.status in (Status.PASSED, Status.VACUOUS), result.failures

    sweep("interface")
    sweep("wire")
    name = "three-minute seeds of our adapter, as a sweep plays them, beside interface depth"
    beside(benchmark, name, lambda: sweep("wire"), lambda: sweep("interface"), count=SEEDS, unit="seeds")
