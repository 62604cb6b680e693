"""`papertape sweep` and `papertape shrink`: what they print, write and return, and what they say to bad arguments."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from papertape.cli.main import main
from papertape.scenario.load import load_scenario

PLANTED = Path(__file__).parents[1] / "scenario" / "planted"

BASE = """\
title = "A bot that stumbles over a lost reply"
bot = "bot.py:main"

[venue.coinbase]
feed = { tape = "builtin:btc-usd", end = "8s" }
account = { USD = "1000" }

[expect]
must_happen = ["reconciled_after_lost_reply"]
"""

BUYS = """\
import asyncio
import contextlib


async def main(exchange):
    with contextlib.suppress(Exception):
        await exchange.place_order("BTC/USD", "market", "buy", "0.001")
    await asyncio.sleep(1)
"""

STUMBLES = """\
import asyncio


async def main(exchange):
    for _ in range(6):
        began = asyncio.get_running_loop().time()
        await exchange.place_order("BTC/USD", "market", "buy", "0.001")
        assert asyncio.get_running_loop().time() - began < 0.5
        await asyncio.sleep(1)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "base.scenario.toml").write_text(BASE, encoding="utf-8")
    (tmp_path / "bot.py").write_text(STUMBLES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_sweep_finds_shrinks_and_keeps(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A report, a line a seed, and of what broke a scenario with the one command that runs it."""
    code = main(["sweep", "base.scenario.toml", "--seeds", "12", "--workers", "2", "--out", "out", "--shrink", "1"])
    told = capsys.readouterr()
    assert code == 1
    results = [json.loads(line) for line in (folder / "out" / "seeds.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [result["seed"] for result in results] == list(range(12))
    (found,) = (folder / "out").glob("*.scenario.toml")
    small = load_scenario(found)
    assert small.title.startswith("the bot raised AssertionError: ")
    assert len(small.faults) == 1
    assert f"again: papertape run out/{found.name}" in told.out
    assert "12 seeds: " in told.out
    assert "12 of 12 seeds" in told.err
    assert main(["run", f"out/{found.name}"]) == 1


def test_lines_on_stdout_are_the_lines_in_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the parts' lines, merged, are those of the whole; `--shrink 0` writes nothing else."""
    words = ["sweep", "bot.py", "--seeds", "2", "--workers", "1", "--shrink", "0", "--json", "--first", "5"]
    (folder / "bot.py").write_text(BUYS, encoding="utf-8")
    assert main([*words, "--out", "out"]) == 0
    whole = capsys.readouterr().out
    assert (folder / "out" / "seeds.jsonl").read_text(encoding="utf-8") == whole
    for part in ("1/2", "2/2"):
        assert main([*words, "--out", "out", "--shard", part]) == 0
    capsys.readouterr()
    assert main(["sweep", "merge", "--json", "out/seeds-2of2.jsonl", "out/seeds-1of2.jsonl"]) == 0
    assert capsys.readouterr().out == whole
    assert main(["sweep", "merge", "out/seeds.jsonl"]) == 0
    assert "2 seeds: 2 passed" in capsys.readouterr().out
    assert not list(folder.rglob("found"))


def test_shrink_leaves_a_small_scenario_beside_the_large_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, written, and the command named. Of six faults the two that the bug takes are left; mended, the bot passes."""
    shutil.copytree(PLANTED, tmp_path / "planted", ignore=shutil.ignore_patterns("__pycache__"))
    crowd = tmp_path / "planted" / "crowd.scenario.toml"
    assert main(["shrink", crowd.as_posix(), "--tries", "60"]) == 0
    told = capsys.readouterr()
    small = crowd.with_name("crowd-shrunk.scenario.toml")
    assert told.out.startswith(small.read_text(encoding="utf-8"))
    assert re.search(rf"6 faults became 2 in \d+ runs; again: papertape run {re.escape(small.as_posix())}", told.out)
    assert load_scenario(small).bot == "counter.py:main"
    assert [fault.kind for fault in load_scenario(small).faults] == ["disconnect", "lost_reply"]
    assert main(["run", small.as_posix()]) == 1
    bot = small.with_name("counter.py")
    bot.write_text(bot.read_text(encoding="utf-8").replace("is_mended: bool = False", "is_mended: bool = True"), encoding="utf-8")
    assert main(["run", small.as_posix()]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweep"], "sweep: what? Name a scenario file"),
        (["sweep", "base.scenario.toml", "--seeds", "0"], "--seeds 0: expected 1 or more"),
        (["sweep", "base.scenario.toml", "--first", "-1"], "--first -1: expected 0 or more"),
        (["sweep", "base.scenario.toml", "--workers", "0"], "--workers 0: expected 1 or more"),
        (["sweep", "base.scenario.toml", "--shard", "3/2"], "--shard 3/2: expected i/n with i from 1 to n"),
        (["sweep", "base.scenario.toml", "--limit", "soon"], '--limit soon: "soon" is no duration'),
        (["sweep", "base.scenario.toml", "--venue", "coinbase"], "--venue coinbase: goes with a bot file"),
        (["sweep", "base.scenario.toml", "--tape", "x.parquet"], "--tape x.parquet: goes with a bot file; base.scenario.toml says itself"),
        (["bundle", "base.scenario.toml", "--tape", "x.parquet"], "--tape x.parquet: goes with a bot file; base.scenario.toml says itself"),
        (["sweep", "base.scenario.toml", "--depth", "deep"], 'key `depth`: holds "deep"'),
        (["sweep", "bass.scenario.toml"], "there is no such file or folder; . has base.scenario.toml"),
        (["sweep", "bot.py", "--venue", "coinbas"], 'no venue is called "coinbas"; did you mean "coinbase"?'),
        (["sweep", "base.scenario.toml", "--out", "bot.py"], "--out bot.py: cannot be written: File exists"),
        (["sweep", "merge"], "sweep merge: which files?"),
        (["sweep", "merge", "none.jsonl"], "none.jsonl: cannot be read: No such file or directory"),
        (["shrink", "bot.py"], "shrink: bot.py is no scenario"),
        (["shrink", "bass.scenario.toml"], "bass.scenario.toml: there is no such file"),
        (["shrink", "base.scenario.toml", "--tries", "0"], "--tries 0: expected 1 or more"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_bad_arguments_are_told_in_a_sentence(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """Exit code 2, and nothing has run."""
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_what_does_not_fail_cannot_be_shrunk(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "base.scenario.toml").write_text(BASE.split("[expect]")[0], encoding="utf-8")
    assert main(["shrink", "base.scenario.toml"]) == 2
    assert "base.scenario.toml passes; there is nothing to shrink" in capsys.readouterr().err


def test_a_mark_that_no_seed_saw_makes_a_sweep_worth_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What must happen is asked of all seeds together."""
    (folder / "bot.py").write_text(BUYS, encoding="utf-8")
    assert main(["sweep", "base.scenario.toml", "--seeds", "1", "--workers", "1"]) == 1
    assert '"reconciled_after_lost_reply" had to happen in some seed and did in none' in capsys.readouterr().out


def test_a_sweep_that_proved_too_little_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every seed passed, and yet: too few faults hit, and what had to happen did not."""
    (folder / "bot.py").write_text(BUYS, encoding="utf-8")
    words = ["sweep", "bot.py", "--seeds", "2", "--workers", "1", "--out", "out"]
    assert main(words) == 0
    assert main([*words, "--at-least", "1", "--must-happen", "outcome_unknown"]) == 1
    told = capsys.readouterr().out
    assert '"lost_reply": 0 of ' in told
    assert '"outcome_unknown" had to happen in some seed and did in none' in told
    counts = json.loads((folder / "out" / "coverage.json").read_text(encoding="utf-8"))
    assert "lost_reply" in counts["never_hit"]
    assert main(["sweep", "merge", "out/seeds.jsonl", "--must-happen", "outcome_unknown"]) == 1
    assert main(["sweep", "bot.py", "--must-happen", "luck"]) == 2
    assert "no mark is called that" in capsys.readouterr().err
