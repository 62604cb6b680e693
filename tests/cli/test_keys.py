"""`papertape keys`, `init` and `doctor`, as a person types them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving.process import Server, serving

from papertape.cli.main import main
from papertape.exchanges import key_file


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(key_file, "SCRYPT", (2, 8, 1))
    monkeypatch.setenv("PAPERTAPE_KEYS_FILE", str(tmp_path / "keys.json"))
    monkeypatch.setenv("PAPERTAPE_KEYS_PASSWORD", "open sesame")
    for name in ("COINBASE_API_KEY", "COINBASE_API_SECRET", "CI"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_keys_are_added_listed_and_removed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    typed(monkeypatch, "organizations/1/apiKeys/2", "-----BEGIN EC PRIVATE KEY-----\\nhunter2\\n-----END EC PRIVATE KEY-----")
    assert main(["keys", "add", "coinbase"]) == 0
    assert main(["keys", "list"]) == 0
    out = capsys.readouterr().out
    assert f"coinbase     {folder / 'keys.json'}" in out
    assert "hunter2" not in out
    assert main(["keys", "remove", "coinbase"]) == 0
    assert main(["keys", "remove", "coinbase"]) == 0
    assert main(["keys", "list"]) == 0
    out = capsys.readouterr().out
    assert "coinbase: removed" in out
    assert "coinbase: there were none" in out
    assert "coinbase     no keys" in out


@pytest.mark.parametrize(
    ("words", "lines", "complaint"),
    [
        (["add", "coinbse"], [], 'no exchange is called "coinbse"; did you mean "coinbase"?'),
        (["add", "coinbase"], ["only a key"], "keys: the secret is empty; expected a line each: api_key, secret"),
        (["add", "coinbase", "--file", "nope.json"], [], "nope.json: there is no such file"),
        (["add", "coinbase", "--in-keyring"], ["k", "s"], 'pip install "papertape[keyring]"'),
        (["check", "coinbase"], [], "papertape keys add coinbase"),
        (["ad"], [], 'there is no "keys ad"; keys is one of: keys add, keys list, keys remove, keys check'),
    ],
)
def test_a_mistake_is_one_sentence(
    words: list[str], lines: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "keyring", None)
    typed(monkeypatch, *lines)
    assert main(["keys", *words]) == 2
    assert complaint in capsys.readouterr().err


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("--loop") as server:
        yield server


def test_the_venue_is_asked_what_a_key_may_do(server: Server, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("cdp_api_key.json").write_text(json.dumps({"name": server.ready["api_key"], "privateKey": server.ready["api_secret"]}))
    assert main(["keys", "add", "coinbase", "--file", "cdp_api_key.json"]) == 0
    at = [f"--set=venue.coinbase.rest={server.ready['http']}", f"--set=venue.coinbase.stream={server.ready['ws']}"]
    assert main(["keys", "check", "coinbase", *at]) == 0
    out = capsys.readouterr().out
    assert "may view, trade\ngood for trading" in out
    assert "keys from the encrypted file" in out


def test_init_writes_a_file_that_doctor_finds_nothing_wrong_with(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    assert main(["doctor", "--set", "limits.orders_per_minute=3"]) == 2
    assert "set over it: limits.orders_per_minute by --set" in capsys.readouterr().err
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "mode                               paper" in out
    assert "bot: papertape.bots:MarketMaker loads" in out
    assert "live would be refused:" in out
    assert "it was never armed" in out
    before = Path("papertape.toml").read_text()
    assert main(["init"]) == 2
    assert "is there already, and stays as it is" in capsys.readouterr().err
    assert Path("papertape.toml").read_text() == before


def test_the_first_file_plays(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    assert main(["trade", "--mode", "replay", "--set", 'venue.coinbase.feed={ tape = "builtin:btc-usd", end = "20s" }']) == 0
    assert "1 passed" in capsys.readouterr().out


def test_doctor_says_which_layer_a_setting_comes_from(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PAPERTAPE_MODE", "replay")
    assert main(["doctor"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["mode", "replay", "$PAPERTAPE_MODE"] in lines
    assert ["exchange", "coinbase", "left", "out"] in lines
