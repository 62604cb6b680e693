"""A journal can be looked at from any instant to any other; what is no journal, and nobody who answers, is told of in a sentence."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from papertape.cli.main import main
from papertape.model.errors import ConfigError
from papertape.model.units import SECOND
from papertape.monitor.attached import attach
from papertape.monitor.playing import Player
from papertape.monitor.screen import Screen
from papertape.monitor.served import read_ready

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "run.jsonl"
    assert main(["run", str(ROOT / "scenarios" / "user_line_drops_on_a_buy.scenario.toml"), "--journal", str(path)]) == 0
    return path


def picture(screen: Screen) -> object:
    orders = [(order.key, order.status, order.filled, list(order.limits)) for order in screen.orders.values()]
    markets = [(symbol, list(map(str, market.candles))) for symbol, market in screen.markets.items()]
    return orders, markets, list(screen.fills), list(screen.lanes), screen.why, dict(screen.marks), [str(fault) for fault in screen.faults]


def test_an_instant_looks_the_same_from_wherever_one_comes(journal: Path) -> None:
    """Forward, backward, or straight from the start."""
    player = Player(journal)
    length = player.end_ns - player.begin_ns
    assert length > 200 * SECOND
    seen = [picture(player.seek(player.begin_ns + length * part // 8)) for part in range(9)]
    assert [picture(player.seek(player.begin_ns + length * part // 8)) for part in range(8, -1, -1)] == seen[::-1]
    assert all(one != another for one, another in pairwise(seen))
    assert picture(Player(journal).seek(player.end_ns + SECOND)) == seen[-1]


def test_it_shows_what_the_run_did(journal: Path) -> None:
    """As many orders and fills as the venue had, the position that they add up to, every fault's window, marks, candles, the bot."""
    end = json.loads(next(line for line in journal.read_text().splitlines() if '"kind":"end"' in line))
    player = Player(journal)
    screen = player.seek(player.end_ns)
    assert (screen.mode, screen.bot) == ("replay", "papertape.bots:MarketMaker")
    assert (len(screen.orders), len(screen.fills)) == (end["orders"], end["fills"])
    assert screen.position("BTC/USD") == Decimal(end["balances"]["BTC"]) - 1
    assert screen.marks["reconnected"] > 0
    assert len(screen.market("BTC/USD").candles) > 20
    player.seek(player.begin_ns + 35 * SECOND)
    assert "user lane" in (player.screen.why or "")


@pytest.mark.parametrize(
    ("what", "content", "words"),
    [
        ("http://example.com:80", None, "expected what `papertape trade --status` says"),
        ("http://127.0.0.1", None, "expected what `papertape trade --status` says"),
        ("https://127.0.0.1:1", None, "expected what `papertape trade --status` says"),
        ("nothing.jsonl", None, "there is no such file"),
        ("a.jsonl", "", "does not begin as a journal does"),
        ("a.jsonl", "hello\n", "line 1 is no journal line"),
        ("a.json", '{"ready": true, "venue": "coinbase", "http": "x"}\n', "it lacks ws, api_key, api_secret"),
    ],
)
def test_what_cannot_be_looked_at_is_refused_in_a_sentence(
    what: str, content: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the command line, without a traceback and before any window."""
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(what).write_text(content)
    assert main(["monitor", what]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


def test_without_a_screen_it_says_so(journal: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Qt would abort the process."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert main(["monitor", str(journal)]) == 2
    assert "there is no screen here" in capsys.readouterr().err


def test_without_qt_it_names_the_extra(journal: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing else breaks."""
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.setitem(__import__("sys").modules, "papertape.monitor.qt.app", None)
    assert main(["monitor", str(journal)]) == 2
    assert 'pip install "papertape[qt]"' in capsys.readouterr().err


def test_nobody_who_answers_is_told_of_and_tried_again() -> None:
    """Until somebody does; closing ends the thread."""
    source = attach("http://127.0.0.1:9")
    try:
        source.start(lambda: None)
        for _ in range(1_000):
            if "nobody answers" in source.take().trouble:
                break
            source._thread.join(0.01)
        assert "nobody answers at http://127.0.0.1:9" in source.take().trouble
    finally:
        source.close()
    assert not source._thread.is_alive()


def test_a_readiness_line_is_told_from_a_journal(journal: Path, tmp_path: Path) -> None:
    """By its first line."""
    assert read_ready(journal) is None
    line = {"ready": True, "venue": "coinbase", "http": "http://127.0.0.1:1", "ws": "ws://127.0.0.1:1", "api_key": "k", "api_secret": "s"}
    (tmp_path / "ready.json").write_text(json.dumps(line) + "\n")
    assert read_ready(tmp_path / "ready.json") == line
    with pytest.raises(ConfigError, match="cannot be read"):
        read_ready(tmp_path)
