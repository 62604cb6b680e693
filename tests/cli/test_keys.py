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


KEY = "-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----\n"
WHOLE = {"name": "organizations/1/apiKeys/2", "privateKey": KEY}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (json.dumps({**WHOLE, "privateKey": KEY[:40]}), "`privateKey` begins as PEM and does not end; nothing was written"),
        (json.dumps({**WHOLE, "privateKey": KEY[35:]}), "`privateKey` ends as PEM and does not begin; nothing was written"),
        (json.dumps({**WHOLE, "privateKey": None}), "`privateKey` is no text"),
        (json.dumps({**WHOLE, "privateKey": ["hunter2"]}), "`privateKey` is no text"),
        (json.dumps({**WHOLE, "privateKey": " \n"}), "`privateKey` is empty; expected it as Coinbase wrote it"),
        (json.dumps({**WHOLE, "privateKey": "hunter2\x1b[200~"}), "`privateKey` holds characters that no key has"),
        (json.dumps({**WHOLE, "name": 7}), "`name` is no text"),
        (json.dumps({**WHOLE, "name": ""}), "`name` is empty"),
        (json.dumps({**WHOLE, "name": KEY}), "`name` is PEM, as a secret is"),
        (json.dumps({"name": "organizations/1/apiKeys/2"}), "has no `privateKey`"),
        ("[]", 'is no key file of Coinbase; expected JSON with "name" and "privateKey"'),
        ("", "is no key file of Coinbase"),
        (KEY, "is no key file of Coinbase"),
    ],
)
def test_a_file_of_coinbase_is_checked_as_what_is_typed(
    content: str, complaint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("cdp.json").write_text(content)
    assert main(["keys", "add", "coinbase", "--file", "cdp.json"]) == 2
    said = capsys.readouterr().err
    assert f"cdp.json: {complaint}" in said
    assert "hunter2" not in said
    assert not (folder / "keys.json").exists()


def test_a_file_of_coinbase_is_taken_whole_and_its_owner_told_that_it_is_still_there(capsys: pytest.CaptureFixture[str]) -> None:
    Path("cdp.json").write_text(json.dumps({**WHOLE, "privateKey": KEY.replace("\n", "\\n")}))
    assert main(["keys", "add", "coinbase", "--file", "cdp.json"]) == 0
    keys = KeyManager().keys("coinbase")
    assert (keys.api_key.reveal(), keys.secret.reveal()) == (WHOLE["name"], KEY.strip())
    assert "cdp.json still holds them for whoever can read it" in capsys.readouterr().err
    assert main(["keys", "add", "kraken", "--file", "cdp.json"]) == 2
    assert "--file reads what Coinbase gives out for `coinbase`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (['{"name": "k",', '"privateKey": "hunter2"}'], "the api key is JSON; a key file of Coinbase is read with --file"),
        ([KEY.replace("\n", "\\n"), "hunter2"], "the api key is PEM, as a secret is"),
        (["k", "hunter2\\n-----END EC PRIVATE KEY-----"], "the secret ends as PEM and does not begin"),
        (["\ufeffk", "hunter2"], "the api key holds characters that no key has"),
        (["k", "\x1b[200~hunter2\x1b[201~"], "the secret holds characters that no key has"),
    ],
)
def test_what_was_typed_or_piped_in_the_wrong_place_is_not_kept(
    lines: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    typed(monkeypatch, *lines)
    assert main(["keys", "add", "coinbase"]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert "hunter2" not in said
    assert not (folder / "keys.json").exists()


@pytest.mark.parametrize("words", [["coinbase", "k", "hunter2"], ["coinbase", "--secret=hunter2"], ["hunter2" * 9], ["hunter2\n-----END"]])
def test_a_secret_as_an_argument_is_refused_and_not_repeated(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "add", *words]) == 2
    said = "".join(capsys.readouterr())
    assert "hunter2" not in said
    assert "such as coinbase" in said or "no key is ever an argument" in said


def test_ctrl_c_and_ctrl_d_at_any_question_change_nothing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Every question in turn is answered by Ctrl-C, then by Ctrl-D; the file stays as it was, and nothing lies beside it."""
    monkeypatch.delenv("PAPERTAPE_KEYS_PASSWORD")
    answers = ["k", *KEY.splitlines(), "open sesame", "open sesame"]
    for instead in (KeyboardInterrupt, EOFError):
        for number in range(len(answers)):
            left = iter([*answers[:number], None])

            def ask(words: str = "", left: Iterator[str | None] = left, instead: type[BaseException] = instead) -> str:
                answer = next(left, None)
                if answer is None:
                    raise instead
                return answer

            monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
            monkeypatch.setattr("builtins.input", ask)
            monkeypatch.setattr("getpass.getpass", ask)
            assert main(["keys", "add", "coinbase"]) == (130 if instead is KeyboardInterrupt else 2)
            assert not [each for each in folder.iterdir() if "lock" not in each.name]


def test_an_add_that_is_killed_at_any_step_leaves_the_old_keys_whole(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Whatever of the operating system is interrupted; what a killed one leaves behind goes with the next."""
    typed(monkeypatch, "old", "s")
    assert main(["keys", "add", "coinbase"]) == 0
    for name in ("os.fsync", "pathlib.Path.replace", "tempfile.mkstemp", "msgspec.json.format"):
        with monkeypatch.context() as patch:
            typed(patch, "new", "s")

            def interrupted(*args: object, **named: object) -> None:
                raise KeyboardInterrupt

            patch.setattr(name, interrupted)
            assert main(["keys", "add", "coinbase"]) == 130
        assert KeyManager().keys("coinbase").api_key.reveal() == "old"
        assert sorted(each.name for each in folder.iterdir()) == ["keys.json", "keys.json.lock"]
    (folder / ".keys.json.new-killed").write_text("half")
    typed(monkeypatch, "new", "s")
    assert main(["keys", "add", "coinbase"]) == 0
    assert sorted(each.name for each in folder.iterdir()) == ["keys.json", "keys.json.lock"]


def test_where_keys_cannot_be_written_it_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "file").touch()
    for place, complaint in (("file/keys.json", "cannot be"), (".", "cannot be read: Is a directory")):
        monkeypatch.setenv("PAPERTAPE_KEYS_FILE", str(folder / place))
        typed(monkeypatch, "k", "hunter2")
        assert main(["keys", "add", "coinbase"]) == 2
        said = capsys.readouterr().err
        assert complaint in said
        assert "hunter2" not in said


def test_a_linked_file_stays_linked_and_holds_nothing_that_was_removed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "keys.json").symlink_to(folder / "real" / "mine.json")
    typed(monkeypatch, "k", "s")
    assert main(["keys", "add", "coinbase"]) == 0
    assert main(["keys", "remove", "coinbase"]) == 0
    assert (folder / "keys.json").is_symlink()
    assert key_file.read_keys(folder / "real" / "mine.json", "open sesame") == {}


def test_a_list_shows_what_it_can_where_the_file_does_not_open(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "keys.json").write_text("rubbish")
    (folder / "keys.json").chmod(0o600)
    assert main(["keys", "list"]) == 2
    said = capsys.readouterr()
    assert "coinbase     not known\n" in said.out
    assert said.err.count("is no file of papertape's keys, or is damaged") == 1
    monkeypatch.setenv("COINBASE_API_KEY", "k")
    assert main(["keys", "list"]) == 2
    assert "coinbase     the environment\n" in capsys.readouterr().out


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
