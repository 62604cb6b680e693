"""Start-up of the command line, wall seconds of a process of its own, beside `python -c pass`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measure import beside

pytestmark = pytest.mark.timeout(600)

SMALLEST = """
title = "Nothing happens for a second"
bot = "bot.py:main"

[venue.coinbase]
feed = { tape = "builtin:btc-usd", end = "1s" }
account = { USD = "1000" }

[expect]
invariants = ["rate_respected"]
"""


def test_help(benchmark: BenchmarkFixture) -> None:
    """`papertape --help`."""
    measure(benchmark, "papertape --help", ["-m", "papertape", "--help"])


def test_smallest_scenario(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """`papertape run` of one virtual second, from start to verdict."""
    (tmp_path / "bot.py").write_text("async def main(exchange):\n    await exchange.fetch_balance()\n")
    scenario = tmp_path / "smallest.scenario.toml"
    scenario.write_text(SMALLEST)
    measure(benchmark, "papertape run, smallest scenario", ["-m", "papertape", "run", str(scenario)])


def measure(benchmark: BenchmarkFixture, name: str, words: list[str]) -> None:
    run(words)  # the first time compiles, and may generate the builtin market
    beside(benchmark, name, lambda: run(words), lambda: run(["-c", "pass"]), count=1, unit="start", timer=time.perf_counter)


def run(words: list[str]) -> None:
    done = subprocess.run([sys.executable, *words], capture_output=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
