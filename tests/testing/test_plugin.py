"""The fixture `sim_network` in somebody's own test suite: under plain pytest, @given, pytest-asyncio in both modes, xdist and randomly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import papertape
from papertape.testing.sim_network import current_test

pytest_plugins = ["pytester"]

SERVERS = """
import asyncio
import pytest
from hypothesis import given, settings, strategies as st

async def echo(reader, writer):
    while data := await reader.read(100):
        writer.write(data)

SERVERS = {"tls://echo.example.com:7": echo}

async def main(world):
    reader, writer = await asyncio.open_connection("echo.example.com", 7, ssl=True)
    writer.write(b"x")
    data = await reader.read(1)
    writer.close()
    return data

async def hangs(world):
    reader, writer = await asyncio.open_connection("echo.example.com", 7)
    try:
        await reader.read(1)
    finally:
        writer.close()

async def raises(world):
    raise ValueError("bad price")
"""

INI = """
[pytest]
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder for somebody's tests, where warnings are errors."""
    pytester.makefile(".ini", pytest=INI)
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    return pytester


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_the_fixture_is_there_by_itself(suite: pytest.Pytester, mode: str) -> None:
    """Nothing to import or to configure: in a plain test; under @given, where no health check complains; and in a coroutine,
    whose loop waits and goes on where it was.
    """
    suite.makepyfile(
        SERVERS
        + """
def test_plain(sim_network):
    assert sim_network(main, servers=SERVERS, seed=3).value == b"x"

@given(st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_given(sim_network, seed):
    assert sim_network(main, servers=SERVERS, seed=seed).value == b"x"

@pytest.mark.asyncio
async def test_coroutine(sim_network):
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0)
    assert sim_network(main, servers=SERVERS).value == b"x"
    await asyncio.sleep(0)
    assert asyncio.get_running_loop() is loop
"""
    )
    suite.runpytest_subprocess("-q", "-o", f"asyncio_mode={mode}").assert_outcomes(passed=3)


def test_it_works_in_parallel_and_in_any_order(suite: pytest.Pytester) -> None:
    """With xdist and randomly, digests do not depend on who ran before or beside."""
    suite.makepyfile(
        SERVERS
        + """
@pytest.mark.parametrize("number", range(8))
def test_it(sim_network, number, tmp_path_factory):
    digest = sim_network(main, servers=SERVERS, seed=1).wire_digest
    with open("FILE", "a") as file:
        file.write(digest + "\\n")
""".replace("FILE", str(suite.path / "digests"))
    )
    suite.runpytest_subprocess("-q", "-n", "2", "-p", "randomly").assert_outcomes(passed=8)
    digests = (suite.path / "digests").read_text(encoding="utf-8").split()
    assert len(digests) == 8
    namespace: dict[str, Any] = {}
    exec(SERVERS, namespace)  # and here, where hundreds of other tests ran before
    alone = papertape.simulate(namespace["main"], servers=namespace["SERVERS"], seed=1)
    assert list(dict.fromkeys(digests)) == [alone.wire_digest]


def test_a_failure_says_what_and_how_to_repeat_it(suite: pytest.Pytester) -> None:
    """The waiting line or main's own exception, then the test's id and the call; the traceback ends in the test, not in papertape."""
    suite.makepyfile(
        test_mine=SERVERS
        + """
def test_hangs(sim_network):
    sim_network(hangs, servers=SERVERS, seed=5)

@pytest.mark.parametrize("side", ["buy now"])
def test_raises(sim_network, side):
    sim_network(raises, servers=SERVERS)
"""
    )
    told = suite.runpytest_subprocess("-q", "-p", "no:randomly")
    told.assert_outcomes(failed=2)
    told.stdout.re_match_lines(
        [
            r">\s+sim_network\(hangs, servers=SERVERS, seed=5\)",
            r"E\s+AssertionError: hangs: failed",
            r"E\s+deadlock: nothing can ever happen again after .*; still waiting: task main at .*test_mine.py:\d+ in hangs",
            r"E\s+repeat: pytest test_mine.py::test_hangs, which calls papertape.simulate\(hangs, servers=…, seed=5\)",
            r"E\s+ValueError: bad price",
            r"E\s+main raised ValueError: bad price \(.*test_mine.py:\d+ in raises\)",
            r"E\s+repeat: pytest 'test_mine.py::test_raises\[buy now\]', which calls papertape.simulate\(raises, servers=…, seed=0\)",
        ]
    )
    assert "sim_network.py" not in told.stdout.str()


def test_the_repeat_line_pins_the_hash_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that takes an order from a set of strings fails only under some hash seeds; where it was pinned, the line says to what."""
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/test_mine.py::test_it[a b] (call)")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    assert current_test() == "PYTHONHASHSEED=7 pytest 'tests/test_mine.py::test_it[a b]'"
    monkeypatch.setenv("PYTHONHASHSEED", "random")
    assert current_test() == "pytest 'tests/test_mine.py::test_it[a b]'"
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    assert current_test() == ""


def test_words_to_the_runner_pass_through(suite: pytest.Pytester) -> None:
    """`assume`, `pytest.skip` and `pytest.fail` inside main mean what they always mean."""
    suite.makepyfile(
        SERVERS
        + """
from hypothesis import assume

async def skips(world):
    pytest.skip("not here")

async def fails(world):
    pytest.fail("so it is")

def test_skips(sim_network):
    sim_network(skips, servers=SERVERS)

def test_fails(sim_network):
    sim_network(fails, servers=SERVERS)

@given(st.integers(0, 9))
@settings(deadline=None)
def test_assumes(sim_network, number):
    async def main(world):
        assume(number % 2)
    sim_network(main, servers=SERVERS)
"""
    )
    suite.runpytest_subprocess("-q").assert_outcomes(passed=1, skipped=1, failed=1)


def test_pytest_starts_as_fast_as_without(tmp_path: Path) -> None:
    """What pytest loads at its start brings nothing of papertape along but the plugin itself."""
    code = "import sys, papertape.testing.plugin; print(sorted(name for name in sys.modules if name.startswith('papertape')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['papertape', 'papertape.testing', 'papertape.testing.plugin']"
    code = "import sys, pytest; before = set(sys.modules); import papertape.testing.plugin; print(len(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout) == 3
