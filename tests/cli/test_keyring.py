"""`papertape keys` with the package keyring itself, and a keyring of ours behind it: kept in a file, locked, absent, forgetful."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any, ClassVar

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringError, KeyringLocked, PasswordDeleteError, PasswordSetError

from papertape.cli.main import main
from papertape.exchanges import key_file
from papertape.exchanges.keys import KeyManager


class FileRing(KeyringBackend):
    """Keeps what it is given as JSON; raises what it is told to."""

    priority: ClassVar[float] = -1  # never found by itself

    def __init__(self, path: Path, **raising: KeyringError) -> None:
        super().__init__()
        self.path = path
        self.raising = raising

    def _kept(self, method: str) -> dict[str, str]:
        if method in self.raising:
            raise self.raising[method]
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._kept("get").get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self.path.write_text(json.dumps({**self._kept("set"), f"{service} {username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        kept = self._kept("delete")
        if kept.pop(f"{service} {username}", None) is None:
            raise PasswordDeleteError
        self.path.write_text(json.dumps(kept))


class Desk:
    """A person at a machine with a keyring."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = folder / "ring.json"
        self._patch, self._capsys = monkeypatch, capsys

    def ring(self, **raising: KeyringError) -> None:
        keyring.set_keyring(FileRing(self.path, **raising))

    def type(self, *words: str, lines: tuple[str, ...] = ("k", "hunter2")) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command; no secret is in them."""
        self._patch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        code = main(["keys", *words])
        said = self._capsys.readouterr()
        assert "hunter2" not in said.out + said.err
        return code, said.out, said.err


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setattr(key_file, "SCRYPT", (2, 8, 1))
    monkeypatch.setenv("PAPERTAPE_KEYS_FILE", str(tmp_path / "keys.json"))
    monkeypatch.setenv("PAPERTAPE_KEYS_PASSWORD", "open sesame")
    for name in ("COINBASE_API_KEY", "COINBASE_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    before = keyring.get_keyring()
    desk = Desk(tmp_path, monkeypatch, capsys)
    desk.ring()
    yield desk
    keyring.set_keyring(before)


LOCKED = KeyringLocked("hunter2")


def test_keys_are_added_listed_used_and_removed(desk: Desk) -> None:
    code, out, _ = desk.type("add", "coinbase", "--in-keyring")
    assert (code, "coinbase: in the keyring of this machine (" in out) == (0, True)
    desk.ring()  # another process
    assert desk.type("list")[:2] == (0, "coinbase     the keyring of this machine\n")
    assert KeyManager().keys("coinbase").secret.reveal() == "hunter2"
    assert desk.type("remove", "coinbase")[:2] == (0, "coinbase: removed\n")
    assert json.loads(desk.path.read_text()) == {}
    assert desk.type("remove", "coinbase")[:2] == (0, "coinbase: there were none\n")
    assert desk.type("list")[:2] == (0, "coinbase     no keys\n")


@pytest.mark.parametrize("foreign", ["not ours", "[1]", '{"api_key": null}', "\ud800"])
def test_what_somebody_else_put_there_is_told_and_can_be_removed(desk: Desk, foreign: str) -> None:
    desk.path.write_text(json.dumps({"papertape coinbase": foreign}))
    code, out, err = desk.type("list")
    assert (code, out) == (2, "coinbase     not known\n")
    assert "holds something for coinbase that papertape did not put there; `papertape keys remove coinbase`" in err
    assert desk.type("check", "coinbase")[0] == 2
    assert desk.type("remove", "coinbase")[:2] == (0, "coinbase: removed\n")
    assert json.loads(desk.path.read_text()) == {}


def test_a_locked_keyring_is_one_sentence_everywhere_and_a_list_shows_the_rest(desk: Desk) -> None:
    assert desk.type("add", "coinbase")[0] == 0  # into the file
    desk.ring(get=LOCKED, set=LOCKED, delete=LOCKED)
    for words, so in (
        (("add", "coinbase", "--in-keyring"), "; nothing was kept"),
        (("remove", "coinbase"), ""),
        (("check", "coinbase"), ""),
    ):
        code, _, err = desk.type(*words)
        assert (code, err.count("\n")) == (2, 1)
        assert f"the keyring of this machine does not open (KeyringLocked){so}: unlock it" in err
    code, out, err = desk.type("list")
    assert (code, out) == (2, f"coinbase     not known; {KeyManager().path} has some\n")
    assert err.count("does not open (KeyringLocked)") == 1
    assert key_file.venues_in(KeyManager().path) == ("coinbase",)  # `remove` took nothing away


def test_a_keyring_that_opens_and_refuses_to_change_is_told(desk: Desk) -> None:
    desk.ring(set=PasswordSetError("hunter2"))
    code, _, err = desk.type("add", "coinbase", "--in-keyring")
    assert (code, "(PasswordSetError); nothing was kept" in err) == (2, True)
    desk.ring()
    assert desk.type("add", "coinbase", "--in-keyring")[0] == 0
    desk.ring(delete=PasswordDeleteError("hunter2"))
    code, out, err = desk.type("remove", "coinbase")
    assert (code, out, "(PasswordDeleteError); it still holds what it held" in err) == (2, "", True)


def test_a_machine_without_a_keyring_says_so_and_uses_its_file(desk: Desk) -> None:
    keyring.set_keyring(fail.Keyring())
    code, _, err = desk.type("add", "coinbase", "--in-keyring")
    assert (code, "this machine has no keyring; nothing was kept: leave out --in-keyring" in err) == (2, True)
    assert desk.type("add", "coinbase")[0] == 0
    assert desk.type("list")[:2] == (0, f"coinbase     {KeyManager().path}\n")
    assert desk.type("remove", "coinbase")[:2] == (0, "coinbase: removed\n")


def test_a_keyring_that_forgets_what_it_is_given_is_found_out(desk: Desk) -> None:
    keyring.set_keyring(null.Keyring())
    code, out, err = desk.type("add", "coinbase", "--in-keyring")
    assert (code, out) == (2, "")
    assert "(keyring.backends.null.Keyring) took the keys and has not kept them" in err


def test_a_keyring_that_does_not_encrypt_is_told(desk: Desk) -> None:
    named: Any = type("PlaintextKeyring", (FileRing,), {"__module__": "keyrings.alt.file", "__qualname__": "PlaintextKeyring"})
    keyring.set_keyring(named(desk.path))
    code, _, err = desk.type("add", "coinbase", "--in-keyring")
    assert (code, "keyrings.alt.file.PlaintextKeyring does not encrypt: whoever reads this disk reads them" in err) == (0, True)


def test_a_keyring_that_cannot_be_loaded_is_not_taken_for_none(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its settings name a module that is not there: ImportError, as where the package itself is missing."""
    assert desk.type("add", "coinbase")[0] == 0
    monkeypatch.setattr("keyring.core._keyring_backend", None)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "no_such_module.Keyring")
    code, _, err = desk.type("check", "coinbase")
    assert (code, "does not open (ModuleNotFoundError)" in err) == (2, True)
    monkeypatch.setitem(sys.modules, "keyring.core", None)
    monkeypatch.delitem(sys.modules, "keyring")
    code, _, err = desk.type("list")
    assert (code, "the package keyring does not load (ModuleNotFoundError)" in err) == (2, True)


def test_a_removed_key_that_is_still_elsewhere_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINBASE_API_KEY", "k")
    assert "there are still keys for coinbase in the environment" in desk.type("remove", "coinbase")[2]
