"""Microseconds a message at wire depth: the live adapter, ccxt and websockets over the in-memory network.

The baseline is the same run at interface depth. A message is whatever the client heard: frames with market data, and heartbeats.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import papertape
from benchmarks.bots import Watcher
from benchmarks.measure import beside
from papertape.model.units import HOUR, SECOND
from papertape.session.result import RunResult, Status
from papertape.tape.builtin import cache_folder
from papertape.tape.synth import GENERATOR_VERSION, Synth, write_synth

pytestmark = pytest.mark.timeout(3_600)


def test_message(benchmark: BenchmarkFixture) -> None:
    """Ten minutes of the builtin market, 40 messages a second."""
    measure(benchmark, "wire depth, ten minutes of the builtin market", "builtin:btc-usd")


def test_hour_at_one_message_a_second(benchmark: BenchmarkFixture) -> None:
    """An hour of a quiet market: what heartbeats and timers cost is in it."""
    measure(benchmark, "wire depth, an hour at a message a second", quiet_tape())


def quiet_tape() -> str:
    """An hour with a message a second, made on first use."""
    path = cache_folder() / f"bench-quiet-{GENERATOR_VERSION}.parquet"
    if not path.exists():
        write_synth(Synth(seed=3, duration_ns=HOUR, events_per_second=1), path)
    return str(path)


def measure(benchmark: BenchmarkFixture, name: str, tape: str) -> None:
    play(tape, "wire", end="2s")  # imports ccxt
    results = [play(tape, "wire")]
    heard = results[0].events + 2 * results[0].virtual_ns // SECOND
    beside(benchmark, name, lambda: results.append(play(tape, "wire")), lambda: play(tape, "interface"), count=heard, unit="messages")
    assert len({result.digest for result in results}) == 1
    benchmark.extra_info.update(digest=results[0].digest, virtual_s=results[0].virtual_ns / SECOND)


def play(tape: str, depth: str, end: str | None = None) -> RunResult:
    feed = {"tape": tape} if end is None else {"tape": tape, "end": end}
    venues = {"coinbase": {"feed": feed, "account": {"USD": "1000"}}}
    result = papertape.simulate(Watcher, title="benchmark", venues=venues, depth=depth)
    assert result.status in (Status.PASSED, Status.VACUOUS), result.failures
    return result
