"""Keys: where they are looked for and in which order, and that nothing but their owner's password gets them out of the file."""

from __future__ import annotations

import pickle
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.exchanges import key_file
from papertape.exchanges.key_file import default_path, read_keys, venues_in, write_keys
from papertape.exchanges.keys import KeyManager, Keys, Origin, Secret
from papertape.model.errors import ConfigError

PEM = "-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----"
PARTS = {"coinbase": {"api_key": "name", "secret": PEM}}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real work factor takes half a second."""
    monkeypatch.setattr(key_file, "SCRYPT", (2, 8, 1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "keys.json"


def test_what_is_sealed_is_read_again_with_the_password_and_is_nowhere_in_the_clear(path: Path) -> None:
    write_keys(path, "open sesame", PARTS)
    assert read_keys(path, "open sesame") == PARTS
    assert venues_in(path) == ("coinbase",)
    for word in (b"hunter2", b'name"', b"sesame"):
        assert word not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(
    st.dictionaries(st.text(max_size=5), st.dictionaries(st.text(max_size=3), st.text(max_size=20), max_size=3), max_size=3),
    st.text(max_size=9),
)
@settings(max_examples=30, deadline=None)
def test_whatever_is_sealed_is_read_again(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, dict[str, str]], password: str) -> None:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(path, password, keys)
    assert read_keys(path, password) == keys


def test_another_password_gets_nothing_and_learns_nothing(path: Path) -> None:
    write_keys(path, "a", PARTS)
    with pytest.raises(ConfigError, match="the password is another, or the file was changed") as raised:
        read_keys(path, "b")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("key", ["venues", "salt", "nonce", "data"])
def test_a_file_that_was_changed_anywhere_is_refused(path: Path, key: str) -> None:
    write_keys(path, "a", PARTS)
    sealed = msgspec.json.decode(path.read_bytes())
    sealed[key] = ["kraken"] if key == "venues" else ("A" if sealed[key][0] != "A" else "B") + sealed[key][1:]
    path.write_bytes(msgspec.json.encode(sealed))
    with pytest.raises(ConfigError, match="the file was changed"):
        read_keys(path, "a")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"format": "other"}', b"[1]"])
def test_rubbish_is_refused(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"keys\.json: is no file of papertape's keys"):
        read_keys(path, "a")


def test_a_file_that_asks_for_all_memory_is_refused(path: Path) -> None:
    write_keys(path, "a", PARTS)
    sealed = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**sealed, "n": 1 << 40}))
    with pytest.raises(ConfigError, match="asks for more memory or time"):
        read_keys(path, "a")


def test_a_file_that_others_may_read_is_refused(path: Path) -> None:
    write_keys(path, "a", PARTS)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match=r"others may read it \(mode 644\).*chmod 600"):
        read_keys(path, "a")


def test_a_file_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_keys(path, "a", PARTS)
    monkeypatch.setattr("os.geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(ConfigError, match=r"belongs to another user .* PAPERTAPE_KEYS_FILE"):
        venues_in(path)


def test_a_file_that_is_damaged_at_any_byte_is_refused_or_says_the_same(path: Path) -> None:
    """Every byte in turn is another, is missing, or is the last one; nothing else than a sentence comes of it, and never another key."""
    write_keys(path, "a", PARTS)
    whole = path.read_bytes()
    refused = list[str]()
    for place in range(len(whole)):
        for damaged in (
            whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :],
            whole[:place] + whole[place + 1 :],
            whole[:place],
        ):
            path.write_bytes(damaged)
            try:
                assert read_keys(path, "a") == PARTS
            except ConfigError as error:
                refused.append(str(error))
    assert len(refused) > 2 * len(whole)
    assert all(said.isprintable() and "hunter2" not in said for said in refused)


def test_a_password_may_be_any_bytes_of_the_environment(path: Path) -> None:
    write_keys(path, "\udcff", PARTS)
    assert read_keys(path, "\udcff") == PARTS
    with pytest.raises(ConfigError, match="the password is another"):
        read_keys(path, "\udcfe")


def test_the_order_is_given_environment_keyring_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_keys(path, "p", {"coinbase": {"api_key": "file", "secret": "s"}})
    ring = {"coinbase": '{"api_key": "ring", "secret": "s"}'}
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=lambda service, venue: ring.get(venue)))
    environment = {
        "COINBASE_API_KEY": "environment", "COINBASE_API_SECRET": "s", "PAPERTAPE_KEYS_FILE": str(path), "PAPERTAPE_KEYS_PASSWORD": "p",
    }  # fmt: skip
    given = {"coinbase": Keys(api_key=Secret("given"), secret=Secret("s"))}

    def look(manager: KeyManager, name: str = "coinbase") -> tuple[Origin | None, str]:
        return manager.origin("coinbase"), manager.keys(name).api_key.reveal()

    found = [look(KeyManager(given, environment)), look(KeyManager(None, environment))]
    del environment["COINBASE_API_KEY"], environment["COINBASE_API_SECRET"]
    found.append(look(KeyManager(None, environment)))
    ring.clear()
    found.append(look(KeyManager(None, environment), "coinbaseadvanced"))
    assert found == [(Origin.GIVEN, "given"), (Origin.ENVIRONMENT, "environment"), (Origin.KEYRING, "ring"), (Origin.FILE, "file")]


def test_where_there_is_no_password_and_nobody_to_ask_it_says_so(path: Path) -> None:
    write_keys(path, "p", PARTS)
    with pytest.raises(ConfigError, match="its password is wanted; set PAPERTAPE_KEYS_PASSWORD, or start from a terminal"):
        KeyManager(environment={"PAPERTAPE_KEYS_FILE": str(path)}).keys("coinbase")
    asked = KeyManager(environment={"PAPERTAPE_KEYS_FILE": str(path)}, ask=lambda words: "p").keys("coinbase")
    assert asked.secret.reveal() == PEM


def test_without_any_keys_it_says_what_to_set_and_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"COINBASE_API_KEY and COINBASE_API_SECRET not set.*papertape keys add coinbase"):
        KeyManager(environment={"HOME": str(tmp_path)}).keys("coinbase")


def test_the_files_place_is_the_persons_own(tmp_path: Path) -> None:
    assert default_path({"HOME": "/home/me"}).as_posix() == "/home/me/.config/papertape/keys.json"
    assert default_path({"HOME": "/home/me", "XDG_CONFIG_HOME": "/x"}).as_posix() == "/x/papertape/keys.json"
    assert default_path({"PAPERTAPE_KEYS_FILE": "/y"}).as_posix() == "/y"
    assert default_path({"PAPERTAPE_KEYS_FILE": "~/y"}) == Path.home() / "y"


def test_a_third_part_goes_by_either_of_its_names() -> None:
    for name in ("COINBASE_PASSPHRASE", "COINBASE_API_PASSPHRASE"):
        keys = KeyManager(environment={"COINBASE_API_KEY": "k", "COINBASE_API_SECRET": "s", name: "phrase"}).keys("coinbase")
        assert keys.passphrase == Secret("phrase")


def test_keys_are_not_shown_pickled_or_serialised() -> None:
    keys = Keys(api_key=Secret("k"), secret=Secret("hunter2"))
    assert "hunter2" not in f"{keys!r} {keys}"
    with pytest.raises(TypeError, match="not to be pickled"):
        pickle.dumps(keys)
    with pytest.raises(TypeError):
        msgspec.json.encode(keys)
    for manager in (KeyManager({"coinbase": keys}), KeyManager(environment={"COINBASE_API_SECRET": "hunter2"})):
        assert "hunter2" not in repr(manager)
        with pytest.raises(TypeError, match="not to be pickled"):
            pickle.dumps(manager)


def test_half_of_an_environment_is_a_mistake_and_no_other_key_is_taken(path: Path) -> None:
    write_keys(path, "p", PARTS)
    environment = {"COINBASE_API_SECRET": "s", "PAPERTAPE_KEYS_FILE": str(path), "PAPERTAPE_KEYS_PASSWORD": "p"}
    with pytest.raises(ConfigError, match=r"^keys for coinbase: COINBASE_API_KEY not set in the environment$"):
        KeyManager(environment=environment).keys("coinbase")


def test_a_keyring_that_does_not_open_is_said_and_no_other_key_is_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_keys(path, "p", PARTS)

    class KeyringLocked(Exception):
        pass

    class NoKeyringError(RuntimeError):
        pass

    def asked(error: type[Exception]) -> KeyManager:
        def get_password(service: str, venue: str) -> str:
            raise error

        monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=get_password))
        return KeyManager(environment={"PAPERTAPE_KEYS_FILE": str(path), "PAPERTAPE_KEYS_PASSWORD": "p"})

    with pytest.raises(ConfigError, match=r"the keyring of this machine does not open \(KeyringLocked\)"):
        asked(KeyringLocked).keys("coinbase")
    assert asked(NoKeyringError).keys("coinbase").api_key.reveal() == "name"


def test_empty_parts_are_no_keys(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=lambda service, venue: "{}"))
    with pytest.raises(ConfigError, match="`api_key` and `secret` empty; add them anew"):
        KeyManager(environment={"PAPERTAPE_KEYS_FILE": str(path)}).keys("coinbase")
