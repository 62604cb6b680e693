"""One bot and one file through replay, paper and live, only the mode changed; the venue is `papertape serve` over TLS."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from tests.serving.process import Server, serving

from papertape.cli.arm import CONSENT
from papertape.cli.main import main
from papertape.cli.trade import _obey_signals
from papertape.trading.config import load_config
from papertape.trading.gate.audit import Audit
from papertape.trading.paper.account import PaperAccount
from papertape.trading.trade import Trade

BOT = """
import asyncio

async def main(exchange, size="0.01"):
    following = await exchange.subscribe_order_book("BTC/USD", lambda book: None)
    await asyncio.sleep(1)
    await exchange.place_order("BTC/USD", "market", "buy", size)
    await exchange.place_order("BTC/USD", "limit", "buy", size, "50000")
    await asyncio.sleep(1)
    await following.unsubscribe()
"""
STUBBORN = """
import asyncio

async def main(exchange):
    await exchange.place_order("BTC/USD", "market", "buy", "0.01")
    await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "50000")
    print("resting", flush=True)
    while True:
        try:
            await asyncio.sleep(600)
        except BaseException:
            pass
"""
FILE = """
exchange = "coinbase"
bot = "mybot.py:main"
[venue.coinbase]
feed = {{ tape = "builtin:btc-usd", end = "30s" }}
account = {{ USD = "10000" }}
rest = "{https}"
stream = "{wss}"
ca = "ca.pem"
[limits]
order_notional = "1000 USD"
position = "0.05 BTC"
daily_loss = "200 USD"
orders_per_minute = 30
"""
SCENARIO = """
bot = "mybot.py:main"
[venue.coinbase]
feed = { tape = "builtin:btc-usd", end = "30s" }
account = { USD = "10000" }
[[fault]]
kind = "lost_reply"
nth = 1
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("--dates", "now", "--loop", "--tls") as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's folder, with the key in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("COINBASE_API_KEY", server.ready["api_key"])
    monkeypatch.setenv("COINBASE_API_SECRET", server.ready["api_secret"])
    Path("mybot.py").write_text(BOT)
    Path("papertape.toml").write_text(FILE.format(**server.ready))
    Path("ok.scenario.toml").write_text(SCENARIO)
    shutil.copy(server.ready["ca"], "ca.pem")
    return tmp_path


def trade(*words: str, environment: dict[str, str] | None = None) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-m", "papertape", "trade", "--json", *words], capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}, done.stderr


def own_requests(journal: Path) -> list[tuple[str, str]]:
    return [
        (line["op"], line["order"]["amount"] if line.get("order") else "")
        for line in map(json.loads, journal.read_text().splitlines())
        if line["kind"] == "command" and line["op"].startswith("order.")
    ]


def test_one_file_in_every_mode(folder: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """On paper no key is used: a wrong one in the environment changes nothing. An account that was there is put aside."""
    code, result, said = trade("--mode", "replay", "--journal", "replay.jsonl")
    assert (code, result["status"], result["orders"]) == (0, "passed", 2), said

    with PaperAccount(folder / ".papertape/paper/coinbase/account.sqlite", venue="coinbase", opening={"BTC": Decimal(7)}):
        pass
    wrong = {"COINBASE_API_KEY": "nonsense", "COINBASE_API_SECRET": "nonsense"}
    code, result, said = trade("--mode", "paper", "--journal", "paper.jsonl", "--reset", environment=wrong)
    assert (code, result["failures"], result["holds"]["BTC"]) == (0, [], "0.01"), said
    assert "[PAPER] PAPER: coinbase. The market is real, the money is not." in said
    assert "the paper account was put aside" in said
    assert "[PAPER] fees: 60 bps as a maker, 120 as a taker, the list price; yours may differ" in said
    assert sorted(each.name for each in Path(".papertape/paper/coinbase").glob("*.sqlite")) == ["account.1.sqlite", "account.sqlite"]

    code, _, said = trade("--mode", "live")
    assert code == 2
    assert "live is refused:" in said
    assert "it was never armed" in said
    assert main(["arm", "ok.scenario.toml", "--consent", CONSENT]) == 0
    assert "armed until" in capsys.readouterr().out
    code, result, said = trade("--mode", "live", "--journal", "live.jsonl")
    assert (code, result["failures"], result["holds"]["BTC"]) == (0, [], "1.01"), said
    assert "[LIVE] LIVE: coinbase. The market is real, AND SO IS THE MONEY." in said

    assert own_requests(Path("replay.jsonl")) == own_requests(Path("paper.jsonl")) == own_requests(Path("live.jsonl"))
    assert main(["diff", "replay.jsonl", "paper.jsonl"]) == 3
    assert main(["diff", "paper.jsonl", "live.jsonl"]) == 3
    for secret in (server.ready["api_secret"].splitlines()[1], server.ready["api_key"]):
        assert not [path for path in folder.rglob("*") if path.is_file() and secret in path.read_text(errors="replace")]


def test_arming_asks_for_a_persons_word(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["arm", "ok.scenario.toml", "--consent", "yes"]) == 1
    assert not (folder / ".papertape" / "live" / "coinbase" / "armed.json").exists()
    assert "limit      order_notional 1000 USD" in capsys.readouterr().out


def test_a_scenario_that_fails_arms_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ok.scenario.toml").write_text(SCENARIO + "[expect]\nmust_happen = ['polled']\n")
    assert main(["arm", "ok.scenario.toml", "--consent", CONSENT]) == 1
    assert "not armed: every scenario must pass" in capsys.readouterr().err


def test_a_scenario_of_another_bot_vouches_for_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ok.scenario.toml").write_text(SCENARIO.replace("mybot.py:main", "papertape.bots:MarketMaker"))
    assert main(["arm", "ok.scenario.toml", "--consent", CONSENT]) == 2
    assert "runs papertape.bots:MarketMaker, and the bot that is to trade is mybot.py:main" in capsys.readouterr().err


def test_a_halt_by_hand_refuses_live_until_armed_anew(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["arm", "ok.scenario.toml", "--consent", CONSENT]) == 0
    assert main(["halt", "enough"]) == 0
    code, _, said = trade("--mode", "live")
    assert (code, "trading is halted" in said) == (2, True)
    assert main(["disarm"]) == 0
    code, _, said = trade("--mode", "live")
    assert "trading is halted" in said
    assert "it was never armed" in said


def test_arming_lifts_the_halt_that_it_has_shown_as_the_last_thing_it_does_and_no_file_put_back_arms(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that comes while a person is asked stands; so does any if arming is ended halfway, as by Ctrl-C or a kill."""
    state = folder / ".papertape/live/coinbase"

    def halts_meanwhile(consent: str | None) -> bool:
        return main(["halt", "stop it all"]) == 0

    def ended(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("papertape.cli.arm._agreed", halts_meanwhile)
        assert main(["arm", "ok.scenario.toml"]) == 2
        assert "not armed: trading was halted meanwhile: HALT is there: stop it all" in capsys.readouterr().err
        assert not (state / "armed.json").exists()
    with monkeypatch.context() as broken:
        broken.setattr("papertape.cli.arm._lift", ended)
        assert main(["arm", "ok.scenario.toml", "--consent", CONSENT]) == 130
        assert "HALTED     HALT is there: stop it all; this lifts it" in capsys.readouterr().out
        assert (state / "HALT").exists()
    before = (state / "armed.json").read_bytes()
    assert main(["arm", "ok.scenario.toml", "--consent", CONSENT]) == 0
    assert not (state / "HALT").exists()

    after = (state / "armed.json").read_bytes()
    (state / "armed.json").write_bytes(before)
    assert main(["doctor", "--set", "mode=live"]) == 2
    assert "armed.json is that of an earlier arming" in capsys.readouterr().out
    assert main(["disarm"]) == 0
    (state / "armed.json").write_bytes(after)
    assert main(["doctor", "--set", "mode=live"]) == 2
    assert "it was disarmed at" in capsys.readouterr().out


def test_what_was_disarmed_beside_a_bot_that_trades_stays_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The bot has the gate's log, so that it cannot be written down there; a file says so, until it is armed anew."""
    state = folder / ".papertape/live/coinbase"
    assert main(["arm", "ok.scenario.toml", "--consent", CONSENT]) == 0
    armed = (state / "armed.json").read_bytes()
    with Audit(state / "audit.jsonl"):  # as the bot has it
        assert main(["disarm"]) == 0
        assert "A BOT THAT TRADES LIVE WITH THIS STATE GOES ON" in capsys.readouterr().out
    (state / "armed.json").write_bytes(armed)
    assert main(["doctor", "--set", "mode=live"]) == 2
    assert "it was disarmed while a bot traded, and armed.json put back since; arm anew" in capsys.readouterr().out
    assert main(["arm", "ok.scenario.toml", "--consent", CONSENT]) == 0
    assert main(["doctor", "--set", "mode=live"]) == 0, capsys.readouterr().out


def test_a_bot_that_trades_tells_how_it_goes_and_the_first_ctrl_c_ends_it_in_order(folder: Path) -> None:
    rests = '"50000")\n    print("resting", flush=True)\n    await asyncio.sleep(600)'
    Path("mybot.py").write_text(BOT.replace('"50000")\n    await asyncio.sleep(1)', rests))
    command = [sys.executable, "-m", "papertape", "trade", "--mode", "paper", "--status", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = next(line for line in process.stderr if "how it goes" in line)
        url = said.split()[4].partition("/health")[0]
        assert process.stdout.readline() == "resting\n"
        health = json.loads(urlopen(f"{url}/health").read())
        figures = urlopen(f"{url}/metrics").read().decode()
        with urlopen(f"{url}/market") as market, urlopen(f"{url}/market?symbol=BTC/USD") as same:
            seen = [json.loads(next(market)) for _ in range(5)] + [json.loads(next(same))]
        with pytest.raises(HTTPError, match="Not Found"):
            urlopen(f"{url}/market?symbol=BTC/UDS")
        events = urlopen(f"{url}/events")
        process.send_signal(signal.SIGTERM)
        told = [json.loads(line) for line in events]
        out, rest = process.communicate(timeout=30)
    assert process.returncode == 0, rest
    assert "ending: no new orders" in rest
    assert "PAPER coinbase: mybot.py:main ran" in out
    assert (health["mode"], health["is_healthy"], [lane["state"] for lane in health["lanes"]]) == ("paper", True, ["up", "up", "up"])
    assert 'papertape_lane_up{exchange="coinbase",lane="rest",mode="paper"} 1.0' in figures
    assert health["symbols"] == ["BTC/USD"]
    assert {each["symbol"] for each in seen if "symbol" in each} == {"BTC/USD"}
    assert any(Decimal(each["bids"][0][0]) < Decimal(each["asks"][0][0]) for each in seen if each["kind"] == "book")
    assert {each["mode"] for each in told} == {"paper"}
    assert [each["op"] for each in told if each["kind"] == "command"] == ["balance.fetch", "order.cancel"]


def test_the_second_ctrl_c_ends_at_once_and_the_next_start_takes_up_what_was_under_way(folder: Path) -> None:
    """The bot will not end; its resting order is still there afterwards, and is known."""
    Path("mybot.py").write_text(STUBBORN)
    command = [sys.executable, "-m", "papertape", "trade", "--mode", "paper"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "resting\n"
        process.send_signal(signal.SIGINT)
        while "ending: no new orders" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        assert "a second signal: ended at once" in process.communicate(timeout=20)[1]
    assert process.returncode == 130
    with PaperAccount(folder / ".papertape/paper/coinbase/account.sqlite", venue="coinbase", opening={}) as account:
        assert [order.status for order in account.kept.orders] == ["closed", "open"]
    Path("mybot.py").write_text("async def main(exchange):\n    print([order.id for order in exchange.own_open], flush=True)\n")
    again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert again.stdout.startswith("['o-000002']\n"), again.stderr


def test_a_signal_halts_trading() -> None:
    """SIGUSR1 to the process of a live bot, as `kill -USR1` sends it."""
    halted: list[str] = []

    async def play() -> None:
        loop = asyncio.get_running_loop()
        _obey_signals(loop, Trade(None, {}, name="x", tell=print), load_config(environment={}), SimpleNamespace(halt=halted.append))  # type: ignore[arg-type]  # a gate
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.sleep(0.05)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            loop.remove_signal_handler(number)

    asyncio.run(play())
    assert halted == ["signal SIGUSR1"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--mode", "papper"], 'did you mean "paper"?'),
        (["--config", "nope.toml"], "nope.toml: there is no such file"),
        (["--lasts", "soon"], '--lasts soon: "soon" is no duration'),
        (["--reset", "--mode", "replay"], "--reset: goes with mode paper"),
        (["--set", "limits"], "--set limits: expected NAME=VALUE"),
        (["--set", "bot=nobody.py:main"], "there is no file nobody.py"),
    ],
)
def test_a_mistake_is_one_sentence(folder: Path, words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trade", *words]) == 2
    assert complaint in capsys.readouterr().err


def test_a_replays_journal_ends_as_that_of_a_run_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what came of it and its chronicle, for those who show it; and with the command that gives it again, file and settings too."""
    monkeypatch.chdir(tmp_path)
    Path("mybot.py").write_text('async def main(exchange):\n    await exchange.place_order("BTC/USD", "market", "buy", "0.01")\n')
    Path("mine.toml").write_text(FILE.format(https="", wss="").replace('rest = ""\nstream = ""\nca = "ca.pem"\n', ""))
    words = ["--mode", "replay", "--set", "cancel_on_exit=false", "--config", "mine.toml"]
    assert main(["trade", *words, "--journal", "one.jsonl"]) == 0
    capsys.readouterr()
    tail = json.loads(Path("one.jsonl").read_text().splitlines()[-1])
    assert (tail["kind"], tail["result"]["status"], tail["result"]["orders"]) == ("tail", "passed", 1)
    assert tail["result"]["repro"] == "papertape trade --mode replay --set cancel_on_exit=false --config mine.toml"
    (venue,) = tail["chronicle"]["venues"]
    assert [fill["amount"] for fill in venue["fills"]] == ["0.01"]
    assert main([*tail["result"]["repro"].split()[1:], "--journal", "two.jsonl"]) == 0
    assert main(["diff", "one.jsonl", "two.jsonl"]) == 0
