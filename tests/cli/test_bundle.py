"""`papertape bundle` packs a run in one file, and `papertape run` takes it, anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from papertape.cli.main import main
from papertape.scenario.bundle.manifest import MANIFEST

PROGRAM = """import asyncio, os, sys
import ccxt.async_support as ccxt
from names import SYMBOL

async def trade():
    exchange = ccxt.coinbase({"apiKey": os.environ["COINBASE_API_KEY"], "secret": os.environ["COINBASE_API_SECRET"]})
    try:
        print(await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 60000, {"clientOrderId": sys.argv[1]}))
    finally:
        await exchange.close()

asyncio.run(trade())
"""

FAILING = """title = "A bot that gives up at once"
bot = "quitter.py:main"

[venue.coinbase]
feed = { tape = "builtin:btc-usd", start = "0s", end = "10s" }
account = { USD = "1000" }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quit.scenario.toml").write_text(FAILING)
    (tmp_path / "quitter.py").write_text("async def main(exchange):\n    raise ValueError('no')\n")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_a_failure_is_packed_moved_and_seen_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "quit.scenario.toml"]) == 0
    assert "again: papertape run quit.bundle" in said(capsys)
    away = folder / "away" / "from"
    away.mkdir(parents=True)
    (folder / "quit.bundle").rename(away / "quit.bundle")
    (folder / "quitter.py").unlink()
    assert main(["run", str(away / "quit.bundle"), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["status"], result["failures"][0]) == (
        "failed",
        "the bot raised ValueError: no (quitter.py:2, in main: raise ValueError('no'))",
    )
    assert result["repro"] == f"papertape run {(away / 'quit.bundle').as_posix()}"


def test_it_does_not_overwrite(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "quit.bundle").write_text("mine")
    assert main(["bundle", "quit.scenario.toml"]) == 2
    assert "quit.bundle: is there already" in said(capsys)


def test_damage_is_exit_4_and_one_message(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.bundle").write_bytes(b"PK\x03\x04 and then nothing")
    assert main(["run", "broken.bundle"]) == 4
    lines = said(capsys).strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("papertape: broken.bundle: the bundle is damaged: ")


def test_the_first_failure_of_a_sweep_is_packed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From its lines; the faults that the seed drew are spelled out in the bundle's scenario."""
    assert main(["sweep", "quit.scenario.toml", "--seeds", "2", "--shrink", "0", "--workers", "1", "--out", "found"]) == 1
    assert main(["bundle", "found/seeds.jsonl", "--seed", "1", "--out", "one.bundle"]) == 0
    assert "seed 1 of a sweep" in said(capsys)
    with zipfile.ZipFile("one.bundle") as archive:
        assert json.loads(archive.read(MANIFEST))["seed"] == 1
    assert main(["bundle", "found/seeds.jsonl", "--seed", "7"]) == 2
    assert "has no failure of seed 7" in said(capsys)


@pytest.mark.usefixtures("folder")
def test_a_name_that_run_would_not_know_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "quit.scenario.toml", "--out", "quit.zip"]) == 2
    assert "expected a name that ends in .bundle" in said(capsys)


def test_a_program_at_wire_depth_is_packed_with_its_neighbours(folder: Path) -> None:
    """In processes of their own, as people do it: both digests are the same in another folder."""
    (folder / "trade.py").write_text(PROGRAM)
    (folder / "names.py").write_text('SYMBOL = "BTC/USD"\n')
    (folder / "trade.scenario.toml").write_text(
        FAILING.replace('bot = "quitter.py:main"', 'program = "trade.py"\nprogram_args = ["11111111-2222-3333-4444-555555555555"]')
    )
    papertape = [sys.executable, "-m", "papertape"]
    subprocess.run([*papertape, "bundle", "trade.scenario.toml"], check=True)
    away = folder / "away"
    away.mkdir()
    done = subprocess.run([*papertape, "run", "../trade.bundle", "--json"], cwd=away, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout)
    with zipfile.ZipFile("trade.bundle") as archive:
        packed = json.loads(archive.read(MANIFEST))
        assert {"trade.py", "names.py"} < set(packed["files"])
    assert (result["status"], result["notes"], packed["caveat"]) == ("passed", packed.get("notes", []), "")
    assert (result["digest"], result["wire_digest"]) == (packed["digest"], packed["wire_digest"])
