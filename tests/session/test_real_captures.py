"""The market maker over real recordings, with the line dropping, the venue saying no and data coming late; the same everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import papertape
from papertape.importers import import_capture
from papertape.session.result import Status

SCENARIO = """
title = "A real market, a dropped line, a rate limit and slow data"
seed = 7
bot = "papertape.bots:MarketMaker"
bot_config = {{ symbol = "{symbol}", size = "0.01" }}

[venue.{venue}]
feed = {{ tape = "market.parquet" }}
account = {{ {quote} = "100000", BTC = "1" }}

[[fault]]
kind = "disconnect"
at = "2m"
connection = "market"
lasts = "10s"

[[fault]]
kind = "rate_limit"
nth = 10
times = 2

[[fault]]
kind = "latency"
at = "5m"
lasts = "30s"
add = "800ms"

[expect]
invariants = ["no_duplicate_exposure", "every_order_known", "position_matches", "rate_respected"]
recovers_within = "20s"
must_happen = ["reconnected", "resubscribed", "retried_after_rate_limit"]
"""

TWO_MARKETS = """
title = "Two real markets on one line, which drops in the middle"
seed = 7
depth = "wire"
bot = "{bots}:TwoMarkets"
bot_config = {{ size = "0.01" }}

[venue.coinbase]
feed = {{ tape = "market.parquet" }}
account = {{ USD = "100000", BTC = "1", ETH = "10" }}

[[fault]]
kind = "disconnect"
at = "12s"
connection = "market"

[expect]
invariants = ["no_duplicate_exposure", "every_order_known", "position_matches", "rate_respected", "book_matches", "orders_from_fresh_data"]
recovers_within = "8s"
must_happen = ["reconnected", "resubscribed"]
"""

CAPTURES = {
    "coinbase-exchange": (["coinbase-exchange/btcusd_20180417.gz"], "coinbase", "BTC/USD"),
    "binance": (["hftbacktest/spot/btcusdt_20240808.gz", "hftbacktest/spot/btcusdt_20240809.gz"], "binance", "BTC/USDT"),
}

DIGEST = "import papertape, sys; print(papertape.simulate(sys.argv[1]).digest)"


def others() -> list[str]:
    """Other interpreters that have papertape's dependencies, from $PAPERTAPE_PYTHONS."""
    return [path for path in os.environ.get("PAPERTAPE_PYTHONS", "").split(os.pathsep) if path]


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory: pytest.TempPathFactory, realdata: Callable[[str], Path]) -> dict[str, Path]:
    made = {}
    for name, (captures, venue, symbol) in CAPTURES.items():
        folder = tmp_path_factory.mktemp(name)
        import_capture(name, [realdata(capture) for capture in captures], folder / "market.parquet")
        path = folder / "real.scenario.toml"
        path.write_text(SCENARIO.format(venue=venue, symbol=symbol, quote=symbol.split("/")[1]))
        made[name] = path
    return made


def digest_in(python: str, scenario: Path, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    told = subprocess.run([python, "-c", DIGEST, str(scenario)], env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return told.stdout.strip()


@pytest.mark.parametrize("name", list(CAPTURES))
def test_the_market_maker_survives_a_real_market(name: str, scenarios: dict[str, Path]) -> None:
    result = papertape.simulate(scenarios[name])
    assert result.status is Status.PASSED, result.failures
    assert result.fills > 10
    assert all(fault.fired for fault in result.faults)


@pytest.mark.parametrize("name", list(CAPTURES))
def test_a_real_market_gives_one_digest_whatever_the_hash_seed_and_whatever_ran_before(name: str, scenarios: dict[str, Path]) -> None:
    papertape.simulate("scenarios/missing_message.scenario.toml")
    here = papertape.simulate(scenarios[name]).digest
    assert {digest_in(sys.executable, scenarios[name], seed) for seed in ("0", "7", "random")} == {here}


@pytest.mark.parametrize("name", list(CAPTURES))
def test_a_real_market_gives_one_digest_on_every_python(name: str, scenarios: dict[str, Path]) -> None:
    if not others():
        pytest.skip("$PAPERTAPE_PYTHONS is not set; `make pythons` makes an environment for each Python of the machine and says how")
    here = papertape.simulate(scenarios[name]).digest
    assert {digest_in(python, scenarios[name], "1") for python in others()} == {here}


def test_two_real_markets_on_one_line_are_survived_by_the_live_adapter(tmp_path: Path, realdata: Callable[[str], Path]) -> None:
    """Coinbase's own bytes of 2026: two books of 46,000 and 23,000 levels, levels taken away that are not there, a clock behind; at depth
    `wire`, with the line cut in the middle, so that all of it comes twice.
    """
    import_capture("coinbase", [realdata("cryptofeed/v3_2026-08-09/COINBASE.jsonl.zst")], tmp_path / "market.parquet")
    story = tmp_path / "two.scenario.toml"
    story.write_text(TWO_MARKETS.format(bots=Path(__file__).parents[2] / "scenarios" / "incidents" / "bots.py"))
    result = papertape.simulate(story)
    assert result.is_passed, result.failures
    assert result.orders > 2
