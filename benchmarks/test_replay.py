"""Events a second through the whole product: tape, venue, Door with armed faults, streams, shell, bot, fees, journal and digest.

The baseline is a bare loop over the rows of the same Parquet file: decode, make Python numbers, touch each row.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import papertape
from benchmarks.bots import SYMBOL, Keeper, Watcher, nothing
from benchmarks.measure import beside
from papertape.bots import MarketMaker, PatientMaker
from papertape.session.result import RunResult, Status
from papertape.tape.reader import open_tape

pytestmark = pytest.mark.timeout(3_600)

COLUMNS: Final = ("kind", "venue_ns", "local_ns", "side", "price_ticks", "qty_lots")


def test_reader(benchmark: BenchmarkFixture, tape: Path) -> None:
    """Events out of the tape alone, with no run around them."""
    beside(
        benchmark,
        "tape reader alone",
        lambda: sum(1 for _ in open_tape(tape).messages()),
        lambda: bare(tape),
        count=events_of(tape),
        unit="events",
    )


def test_bot_that_does_nothing(benchmark: BenchmarkFixture, tape: Path) -> None:
    """The venue follows the tape; nobody listens."""
    measure(benchmark, "bot that does nothing", tape, nothing)


def test_callback_for_each_trade_with_the_book_kept(benchmark: BenchmarkFixture, tape: Path) -> None:
    """An async callback for each trade that looks at the best prices of a book that is kept meanwhile."""
    measure(benchmark, "async callback per trade, book kept", tape, Keeper)


def test_callback_for_each_trade_and_change(benchmark: BenchmarkFixture, tape: Path) -> None:
    """The same, and a plain callback for each change of the book."""
    measure(benchmark, "async callback per trade, one per change", tape, Watcher)


def test_market_maker(benchmark: BenchmarkFixture, tape: Path) -> None:
    """The sample market maker, which quotes both sides and moves its quotes twice a second."""
    measure(benchmark, "market maker", tape, MarketMaker, {"symbol": SYMBOL})


def test_market_maker_that_waits(benchmark: BenchmarkFixture, tape: Path) -> None:
    """The same quotes by one that is not shown each change: it waits until a best price has moved, or a quote has ended."""
    measure(benchmark, "market maker that waits for a move", tape, PatientMaker, {"symbol": SYMBOL})


def measure(benchmark: BenchmarkFixture, name: str, tape: Path, bot: Callable[..., Any], config: dict[str, Any] | None = None) -> None:
    results: list[RunResult] = []
    figures = beside(
        benchmark, name, lambda: results.append(play(tape, bot, config)), lambda: bare(tape), count=events_of(tape), unit="events"
    )
    assert len({result.digest for result in results}) == 1
    result = results[0]
    assert result.status in (Status.PASSED, Status.VACUOUS), result.failures
    assert result.events == figures["count"]
    faults = {fault.kind: fault.fired for fault in result.faults}
    benchmark.extra_info.update(digest=result.digest, orders=result.orders, fills=result.fills, faults=faults)


def play(tape: Path, bot: Callable[..., Any], config: dict[str, Any] | None) -> RunResult:
    """One run of the whole tape with every kind of fault armed; those about orders hit only bots that send some."""
    opened = open_tape(tape)
    span_ms = (opened.last_ns - opened.first_ns) // 1_000_000

    def at(percent: int) -> str:
        return f"{span_ms * percent // 100}ms"

    return papertape.simulate(
        bot,
        bot_config=config,
        title="benchmark",
        seed=1,
        venues={"coinbase": {"feed": {"tape": str(tape)}, "account": {"USD": "1000000", "BTC": "10"}}},
        faults=[
            {"kind": "disconnect", "at": at(20), "connection": "market", "lasts": "2s"},
            {"kind": "latency", "at": at(35), "connection": "market", "add": "300ms", "lasts": "2s"},
            {"kind": "gap", "at": at(50), "connection": "market", "channel": "book"},
            {"kind": "stall", "at": at(65), "connection": "user", "lasts": "2s"},
            {"kind": "lost_reply", "on": "order.create", "nth": 3},
            {"kind": "rate_limit", "on": "order.create", "nth": 9},
        ],
    )


def bare(tape: Path) -> int:
    import pyarrow.parquet as pq

    total = 0
    for batch in pq.ParquetFile(tape).iter_batches(16_384, columns=list(COLUMNS)):
        for _, _, _, _, price, _ in zip(*(batch.column(name).to_pylist() for name in COLUMNS), strict=True):
            if price:
                total += price
    return total


def events_of(tape: Path) -> int:
    return sum(open_tape(tape).counts.values())
