"""Arming, and asking what a key may do, at a venue that ccxt alone knows; mistakes at the command line: one sentence, nothing armed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.test_trade import SCENARIO

from papertape.cli.arm import CONSENT
from papertape.cli.main import main
from papertape.links.ccxt.link import CcxtLink
from papertape.model.account import Balances, KeyRights
from papertape.trading.gate.audit import Audit

FILE = """
exchange = "kraken"
bot = "mybot.py:main"
[limits]
order_notional = "1000 USD"
position = "0.05 BTC"
daily_loss = "200 USD"
orders_per_minute = 30
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's folder, with a key in the environment; no venue is asked."""

    async def at_once(link: CcxtLink, lane: object) -> None:
        """It is there."""

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KRAKEN_API_KEY", "k")
    monkeypatch.setenv("KRAKEN_API_SECRET", "c2VjcmV0")
    monkeypatch.setattr(CcxtLink, "open", at_once)
    Path("mybot.py").write_text("async def main(exchange):\n    await exchange.place_order('BTC/USD', 'limit', 'buy', '0.01', '50000')\n")
    Path("papertape.toml").write_text(FILE)
    Path("ok.scenario.toml").write_text(SCENARIO.partition("[[fault]]")[0])
    return tmp_path


def test_a_venue_that_does_not_say_what_a_key_may_do_is_not_armed_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["arm", "ok.scenario.toml", "--consent", CONSENT]) == 2
    said = capsys.readouterr().err
    assert "papertape: not armed: kraken: ccxt cannot ask what this key may do, so that nobody can say that it may not withdraw." in said
    assert "on paper it trades there as well" in said
    assert not (folder / ".papertape/live/kraken/armed.json").exists()


def test_an_account_without_a_name_is_not_armed_for(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever key opened it later would be taken for this one."""

    async def look(config: object) -> object:
        return KeyRights(account="", can_view=True, can_trade=True, can_transfer=False), Balances({}), (), 0

    monkeypatch.setattr("papertape.cli.arm._look", look)
    assert main(["arm", "ok.scenario.toml", "--consent", CONSENT]) == 2
    assert "not armed: kraken does not say whose account this key opens" in capsys.readouterr().err


def test_what_a_key_may_do_there_is_not_told_and_says_where_to_look(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "check", "kraken"]) == 2
    assert "papertape: keys: kraken: ccxt cannot ask what this key may do" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["arm"], "arm: name the scenarios that the bot must pass"),
        (["arm", "nope.toml"], "nope.toml"),
        (["arm", "ok.scenario.toml", "--lasts", "long"], '--lasts long: "long" is no duration'),
        (["halt", "--config", "nope.toml"], "nope.toml: there is no such file"),
        (["disarm", "--config", "nope.toml"], "nope.toml: there is no such file"),
    ],
)
def test_a_mistake_is_one_sentence(folder: Path, words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert complaint in capsys.readouterr().err


def test_a_halt_that_cannot_be_written_says_that_nothing_was_halted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person who believes in a halt that is none loses money."""
    Path(".papertape").write_text("no folder")
    assert main(["halt", "now"]) == 2
    assert "NOTHING WAS HALTED. Send the process SIGUSR1" in capsys.readouterr().err


def test_a_halt_says_whether_any_bot_will_see_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One in the wrong place looks like a halt, and is none."""
    assert main(["halt", "now"]) == 0
    assert "but NO BOT TRADES LIVE WITH THIS STATE NOW" in capsys.readouterr().out
    with Audit(folder / "elsewhere/live/kraken/audit.jsonl"):
        assert main(["halt", "now", "--set", "state=elsewhere"]) == 0
        assert "halted: elsewhere/live/kraken/HALT is there, and the bot that trades sees it" in capsys.readouterr().out
        (folder / "elsewhere/live/kraken/armed.json").touch()
        assert main(["disarm", "--set", "state=elsewhere"]) == 0
        assert "A BOT THAT TRADES LIVE WITH THIS STATE GOES ON" in capsys.readouterr().out
    assert main(["disarm"]) == 0
    assert "nothing was armed: .papertape/live/kraken/armed.json is not there" in capsys.readouterr().out


def test_a_state_folder_that_is_none_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(".papertape").write_text("no folder")
    for words in (["arm", "ok.scenario.toml", "--consent", CONSENT], ["trade", "--mode", "live"], ["disarm"]):
        assert main(words) in (0, 2)
        said = capsys.readouterr()
        assert "papertape's own" not in said.err
