"""One seed of a sweep, ten virtual minutes of the builtin market, in a process that has run some already.

The baseline is the bare replay of the same span: the same session without faults, and a bot that asks for nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.bots import nothing
from benchmarks.measure import beside
from papertape.bots import MarketMaker, MomentumTaker, twap
from papertape.scenario.make import make_scenario
from papertape.scenario.quick import DEFAULT_VENUE, DEFAULT_VENUE_TABLE
from papertape.scenario.swarm import span_of, swarm
from papertape.session.coverage import Coverage
from papertape.session.run import run_scenario
from papertape.session.spec import Scenario
from papertape.session.world import KeptRows

pytestmark = pytest.mark.timeout(3_600)

SEEDS = 10
"""In one round, the same in all rounds: some are busier than others."""

FIRST = 1_000


@pytest.mark.parametrize("bot", [twap, MomentumTaker, MarketMaker], ids=lambda bot: bot.__name__)
def test_seed(benchmark: BenchmarkFixture, bot: Callable[..., object]) -> None:
    """Drawing the plan, building the world, ten minutes under faults, judging, coverage, and taking the world down."""
    kept = KeptRows()
    base, bare = scenario(bot), scenario(nothing)
    span_ns = span_of(base)
    for seed in range(3):
        one_seed(base, seed, span_ns, kept)
    replay = partial(run_scenario, bare, kept=kept)
    replay()
    figures = beside(
        benchmark,
        f"a seed of {bot.__name__}, beside the bare replay",
        lambda: [one_seed(base, seed, span_ns, kept) for seed in range(FIRST, FIRST + SEEDS)],
        lambda: [replay() for _ in itertools.repeat(None, SEEDS)],
        count=SEEDS,
        unit="seeds",
    )
    assert figures["times_bare"] > 0


def scenario(bot: Callable[..., object]) -> Scenario:
    venue = DEFAULT_VENUE_TABLE | {"feed": {"tape": "builtin:btc-usd", "start": "0s", "end": "10m"}}
    return make_scenario({"bot": bot, "venue": {DEFAULT_VENUE: venue}}, source="benchmark", folder=Path())


def one_seed(base: Scenario, seed: int, span_ns: int, kept: KeptRows) -> int:
    result = run_scenario(swarm(base, seed, span_ns), listen=Coverage(), kept=kept)
    return result.events
