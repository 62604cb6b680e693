"""`papertape keys`, `init` and `doctor`, as a person types them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.serving.process import Server, serving

from papertape.cli.main import main
from papertape.exchanges import key_file
from papertape.exchanges.keys import KeyManager


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


def test_a_pem_may_come_with_its_line_breaks_and_must_come_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    pem = ["-----BEGIN EC PRIVATE KEY-----", "hunter2", "-----END EC PRIVATE KEY-----"]
    typed(monkeypatch, "name", *pem)
    assert main(["keys", "add", "coinbase"]) == 0
    assert KeyManager().keys("coinbase").secret.reveal() == "\n".join(pem)
    typed(monkeypatch, "name", *pem[:2])
    assert main(["keys", "add", "coinbase"]) == 2
    assert "the secret begins as PEM and does not end; nothing was written" in capsys.readouterr().err
    assert KeyManager().keys("coinbase").secret.reveal() == "\n".join(pem)


def test_the_keyrings_key_is_removed_whatever_the_environment_holds(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    ring = {"coinbase": '{"api_key": "k", "secret": "s"}'}
    fake = SimpleNamespace(get_password=lambda service, venue: ring.get(venue), delete_password=lambda service, venue: ring.pop(venue))
    monkeypatch.setitem(sys.modules, "keyring", fake)
    monkeypatch.setenv("COINBASE_API_KEY", "environment")
    monkeypatch.delenv("PAPERTAPE_KEYS_PASSWORD")
    assert main(["keys", "remove", "coinbase"]) == 0
    assert ring == {}


def test_two_who_add_keys_at_once_both_have_them(folder: Path) -> None:
    code = (
        "import io, sys\nfrom papertape.exchanges import key_file\nkey_file.SCRYPT = (2, 8, 1)\nfrom papertape.cli import keys\n"
        "keys._known = lambda venue: venue\nsys.stdin = io.StringIO('k\\ns\\n')\nkeys.add(sys.argv[1])"
    )
    adding = [subprocess.Popen([sys.executable, "-c", code, f"venue{number}"], stdout=subprocess.DEVNULL) for number in range(4)]
    assert [each.wait() for each in adding] == [0, 0, 0, 0]
    assert key_file.venues_in(folder / "keys.json") == ("venue0", "venue1", "venue2", "venue3")
    assert sorted(each.name for each in folder.iterdir()) == ["keys.json", "keys.json.lock"]


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
    monkeypatch.setitem(sys.modules, "keyring", None)
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


def test_doctor_shows_no_value_of_the_bots_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--set", "bot_config.telegram_token=hunter2"]) == 0
    out = capsys.readouterr().out
    assert "telegram_token" in out
    assert "hunter2" not in out
