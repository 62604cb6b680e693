"""Programs that never heard of papertape, run as they are: what they do, what is said of them, and that it is always the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from papertape.scenario.fault_text import parse_fault
from papertape.scenario.quick import bot_scenario
from papertape.session.result import RunResult, Status
from papertape.session.run import run_scenario

BOTS = Path(__file__).parent / "bots"


def run(name: str, *faults: str, args: tuple[str, ...] | None = None, **options: Any) -> RunResult:
    scenario = bot_scenario(BOTS / f"{name}.py", faults=[parse_fault(text) for text in faults], program_args=args, **options)
    return run_scenario(scenario)


def test_a_plain_ccxtpro_bot_trades_and_reads_its_own_trades(capsys: pytest.CaptureFixture[str]) -> None:
    """ccxt.pro's own real URLs, streams, signatures and throttle; what it says at the end is the venue's truth."""
    result = run("ccxtpro_bot")
    assert result.status is Status.PASSED, result.failures
    assert result.orders >= 8
    last = capsys.readouterr().out.splitlines()[-1]
    balances = result.balances["coinbase"]
    assert f"{result.fills} of them mine; {float(balances['BTC'])} BTC, {float(balances['USD'])} USD" in last


def test_a_hand_signed_bot_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    """websockets for the streams, aiohttp for REST, tokens by PyJWT."""
    result = run("signing_bot")
    assert result.status is Status.PASSED, result.failures
    assert capsys.readouterr().out.splitlines() == ["open at 63499", "now CANCELLED", "{'USD': '100000', 'BTC': '1'}"]


def test_a_plain_ccxt_bot_protects_itself_by_stops(capsys: pytest.CaptureFixture[str]) -> None:
    """What ccxt makes of a stop loss, a take profit and a date is taken, shown as it was asked for, and refused in ccxt's own class."""
    result = run("stop_bot")
    assert (result.status, result.orders, result.fills) == (Status.PASSED, 3, 0), result.failures
    assert capsys.readouterr().out.splitlines() == [
        "open 50000.0 None GTD INVALID_ORDER_TYPE",
        "open 59000.0 60000.0 GTC STOP_PENDING",
        "open 69000.0 70000.0 GTC STOP_PENDING",
        "refused: PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE",
    ]


def test_threads_databases_dates_and_settings_work_as_in_an_office() -> None:
    """`to_thread`, `time.sleep`, `datetime.now`, sqlite3 in an executor, argparse, logging, a `.env` file."""
    result = run("office_bot", args=("--times", "2"))
    assert result.status is Status.VACUOUS, result.failures  # it trades nothing
    assert result.failures[0].startswith("no order was asked for")
    seen = {what: count for what, count, _ in result.intercepted}
    assert {"time.sleep", "datetime.now"} <= seen.keys()


def test_a_bot_that_never_ends_hears_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    """Its `finally` and its `except KeyboardInterrupt` have their say."""
    result = run("forever_bot", "disconnect,at=30s,lasts=2s,connection=user")
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["exchange closed", "stopped"]
    assert result.status is Status.VACUOUS, result.failures  # it has no user line that could drop


def test_buying_again_after_silence_is_suspect_and_names_the_line() -> None:
    """The classic bug: one intent, two orders, and the venue filled both."""
    result = run("buys_twice", "lost_reply")
    assert result.status is Status.SUSPECT
    assert (result.orders, result.fills) == (2, 2)
    assert result.balances["coinbase"]["BTC"] == Decimal("1.02")
    assert "buys_twice.py:14 bought 0.01 BTC/USD again" in result.failures[0]
    assert "the venue filled both: 0.02 BTC" in result.failures[0]


def test_asking_again_under_the_same_id_passes() -> None:
    """The fix: the id is made up first, and Coinbase answers a repeated one with the order that is there."""
    result = run("buys_once", "lost_reply")
    assert result.status is Status.PASSED, result.failures
    assert (result.orders, result.fills) == (1, 1)
    assert result.balances["coinbase"]["BTC"] == Decimal("1.01")


def test_both_buyers_pass_where_nothing_is_lost() -> None:
    """It takes the fault to tell them apart."""
    assert run("buys_twice").status is Status.PASSED
    assert run("buys_once").status is Status.PASSED


@pytest.mark.parametrize(("name", "told"), [("thread_bot", "thread_bot.py:13 in main: a thread"), ("sync_bot", "sync_bot.py:9 in main")])
def test_what_cannot_be_simulated_is_refused_with_its_line(name: str, told: str) -> None:
    """Threads, and blocking sockets through `requests`."""
    result = run(name)
    assert result.status is Status.ERROR
    assert told in result.failures[0]


def test_a_neighbours_state_begins_anew_in_every_run(capsys: pytest.CaptureFixture[str]) -> None:
    """As a new process would."""
    run("sibling_bot")
    run("sibling_bot")
    assert [line.rpartition("asked ")[2] for line in capsys.readouterr().out.splitlines()] == ["1 times", "2 times"] * 2


@pytest.mark.parametrize("name", ["ccxtpro_bot", "signing_bot", "office_bot"])
def test_a_program_is_the_same_in_every_process(name: str, tmp_path: Path) -> None:
    """Whatever the hash seed and the folder: every event and every byte."""
    digests = set()
    for seed, folder in (("0", tmp_path), ("1", BOTS)):
        command = [sys.executable, "-m", "papertape", "run", str(Path(os.path.relpath(BOTS / f"{name}.py", folder))), "--json"]
        done = subprocess.run(command, cwd=folder, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=False)
        assert done.returncode == (1 if name == "office_bot" else 0), done.stderr  # that one trades nothing, which proves nothing
        result = json.loads(done.stdout)
        digests.add((result["digest"], result["wire_digest"]))
    assert len(digests) == 1
