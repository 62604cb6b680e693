"""Scenario files as tests, what the plugin costs whoever does not use it, and that it gets on with other plugins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

INI = """
[pytest]
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""

BOT = """
import asyncio

async def main(exchange):
    await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "60000")
    await asyncio.sleep(5)

async def raises(exchange):
    raise ValueError("no such symbol in my table")
"""

SCENARIO = """
title = "The answer to a buy is lost"
bot = "bot.py:{name}"

[venue.coinbase]
feed = {{ tape = "builtin:btc-usd", end = "20s" }}
account = {{ USD = "1000" }}

[[fault]]
kind = "lost_reply"
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder for somebody's tests, where warnings are errors."""
    pytester.makefile(".ini", pytest=INI)
    for name in ("PYTHONHASHSEED", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST"):
        monkeypatch.delenv(name, raising=False)
    folder = pytester.mkdir("scenarios")
    (folder / "bot.py").write_text(BOT, encoding="utf-8")
    (folder / "good.scenario.toml").write_text(SCENARIO.format(name="main"), encoding="utf-8")
    return pytester


def run(suite: pytest.Pytester, *words: str) -> pytest.RunResult:
    return suite.runpytest_inprocess("-q", "-p", "no:randomly", "-p", "no:cacheprovider", *words)


def test_a_scenario_is_a_test(suite: pytest.Pytester) -> None:
    """By its folder, by its name, and not twice where both are given; run again where that is asked for."""
    run(suite, "scenarios").assert_outcomes(passed=1)
    run(suite, "scenarios", "scenarios/good.scenario.toml").assert_outcomes(passed=1)
    run(suite, "scenarios", "--papertape-check-determinism").assert_outcomes(passed=1)
    assert "scenarios/good.scenario.toml::good" in run(suite, "--collect-only").stdout.str()


def test_a_project_can_say_no(suite: pytest.Pytester) -> None:
    run(suite, "-o", "papertape_scenarios=false").assert_outcomes()


def test_what_did_not_pass_is_told_as_at_the_command_line(suite: pytest.Pytester) -> None:
    """The reason, what led there, the command that does it again; a file that must be edited is one message. No traceback of ours."""
    folder = suite.path / "scenarios"
    (folder / "raises.scenario.toml").write_text(SCENARIO.format(name="raises"), encoding="utf-8")
    (folder / "broken.scenario.toml").write_text("title = \n", encoding="utf-8")
    (folder / "misspelt.scenario.toml").write_text(SCENARIO.format(name="main").replace("account", "acount"), encoding="utf-8")
    seen = run(suite)
    seen.assert_outcomes(passed=1, failed=3)
    seen.stdout.fnmatch_lines(
        [
            "E   scenarios/broken.scenario.toml: is no valid TOML: *",
            "E   scenarios/misspelt.scenario.toml: [[]venue.coinbase[]], key `acount`: there is no such key; did you mean `account`?",
            "E   failed: the bot raised ValueError: no such symbol in my table (bot.py:9, in raises: *",
            "E     again: papertape run scenarios/raises.scenario.toml --seed 0",
            "FAILED scenarios/raises.scenario.toml::raises - failed: the bot raised Value*",
        ]
    )
    assert "Traceback" not in seen.stdout.str()
    assert "papertape/session" not in seen.stdout.str()


def test_who_does_not_use_it_does_not_load_it(suite: pytest.Pytester) -> None:
    """A suite without a marked test, a fixture of ours or a scenario imports none of the heavy libraries, nor our own machinery."""
    suite.makepyfile(
        test_other="""
        import sys
        def test_it():
            heavy = ("ccxt", "aiohttp", "pyarrow", "websockets", "cryptography", "rich", "msgspec", "sortedcontainers")
            assert [name for name in heavy if name in sys.modules] == []
            ours = sorted(name for name in sys.modules if name.startswith("papertape"))
            assert ours == ["papertape", "papertape.testing", "papertape.testing.plugin"]
        """
    )
    words = ["-q", "-p", "no:randomly", "-p", "no:hypothesispytest", "-o", "papertape_scenarios=false"]
    suite.runpytest_subprocess(*words).assert_outcomes(passed=1)


TOGETHER = """
import asyncio
from decimal import Decimal
import pytest
from hypothesis import given, settings, strategies as st

@pytest.fixture
def adapter(sim_exchange):
    return Adapter(sim_exchange)

class Adapter:
    def __init__(self, exchange):
        self.exchange = exchange
    async def buy(self):
        return await self.exchange.place_order("BTC/USD", "limit", "buy", "0.01", "60000")

@pytest.mark.papertape(seeds=6)
async def test_marked(adapter, venue):
    order = await adapter.buy()
    await asyncio.sleep(30)
    assert [each.id for each in venue.orders] == [order.id]

@pytest.mark.papertape
@given(amount=st.sampled_from(["0.01", "0.02"]))
@settings(max_examples=5, deadline=None, database=None)
async def test_given(sim_exchange, venue, amount):
    await sim_exchange.place_order("BTC/USD", "limit", "buy", amount, "60000")
    assert [order.amount for order in venue.orders] == [Decimal(amount)]

@pytest.mark.asyncio
async def test_somebody_elses():
    await asyncio.sleep(0)
    assert asyncio.get_running_loop().time() > 0.1  # the machine's, not a run's
"""


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_it_gets_on_with_the_others(suite: pytest.Pytester, mode: str) -> None:
    """pytest-asyncio in both modes, xdist, randomly and Hypothesis, all at once; a fixture of one's own may stand on ours."""
    suite.makepyfile(test_together=TOGETHER)
    words = ["-q", "-n", "2", "-p", "randomly", "-o", f"asyncio_mode={mode}", "-o", "papertape_scenarios=false"]
    suite.runpytest_subprocess(*words).assert_outcomes(passed=8)


def test_the_plugin_is_found_by_its_entry_point() -> None:
    """Nothing has to be named in a conftest."""
    words = ["-m", "pytest", "--markers", "-p", "no:cacheprovider"]
    done = subprocess.run([sys.executable, *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    assert "@pytest.mark.papertape(seeds=1" in done.stdout
