"""A bundle holds what its run needs and nothing secret, and is the same run wherever it is opened."""

from __future__ import annotations

import errno
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from papertape.model.errors import ConfigError, TapeError
from papertape.scenario.bundle import Opened, Packed, pack, unpack
from papertape.scenario.bundle.manifest import JOURNAL, MANIFEST, SCENARIO, Manifest, sha256_of
from papertape.scenario.bundle.secrets import REMOVED, Secrets
from papertape.scenario.load import load_scenario
from papertape.session.result import ExitCode, RunResult, Status
from papertape.session.run import run_scenario
from papertape.session.spec import Scenario

SCENARIO_TEXT = """title = "A buy, and a reply that never comes"
seed = 3
bot = "buyer.py:main"
bot_config = { size = "0.01" }

[venue.coinbase]
feed = { tape = "builtin:btc-usd", start = "10s", end = "40s" }
account = { USD = "100000" }
model = { latency = { market = { kind = "lognormal", median = "20ms", p99 = "180ms" } } }

[[fault]]
kind = "lost_reply"
"""

BUYER = """from sizes import right

async def main(exchange, size="1", **secrets):
    async with await exchange.subscribe_trades("BTC/USD", lambda trade: None):
        order = await exchange.place_order("BTC/USD", "limit", "buy", right(size), price="60000")
        assert order.id, secrets
"""

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJvcmdhbiJ9.c2lnbmF0dXJl"
PEM = "-----BEGIN EC PRIVATE KEY-----\\nMHcCAQEEIPlanted\\n-----END EC PRIVATE KEY-----"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a scenario, its bot, and a neighbour of the bot's."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "buyer.scenario.toml").write_text(SCENARIO_TEXT)
    (home / "buyer.py").write_text(BUYER)
    (home / "sizes.py").write_text("def right(size):\n    return size\n")
    (home / "unrelated.py").write_text("raise SystemExit('nobody imports this')\n")
    return home


def once(scenario: Scenario, journal: Path) -> RunResult:
    return run_scenario(scenario, journal_path=journal)


def packed(home: Path, name: str = "buyer.bundle") -> Packed:
    return pack(load_scenario(home / "buyer.scenario.toml"), home / name, run=once, run_file=lambda path, to: once(load_scenario(path), to))


def opened(path: Path, folder: Path) -> Opened:
    folder.mkdir(parents=True)
    return unpack(path, folder)


def repacked(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Change what is in a bundle, its table of contents as well."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def with_manifest(**changes: object) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.update({MANIFEST: json.dumps(json.loads(files[MANIFEST]) | changes).encode()})


def test_it_is_the_same_run_somewhere_else(home: Path, tmp_path: Path) -> None:
    """What it needs is in it: the part of the tape, the bot and the neighbour that it imports, and nothing else of the folder."""
    bundle = packed(home)
    assert bundle.manifest.caveat == ""
    assert list(bundle.manifest.files) == [
        "README.md", SCENARIO, "buyer.py", JOURNAL, "result.json", "sizes.py", "tapes/coinbase-1.parquet",
    ]  # fmt: skip
    moved = tmp_path / "elsewhere" / "theirs.bundle"
    moved.parent.mkdir()
    bundle.path.rename(moved)
    for name in ("buyer.py", "sizes.py"):
        (home / name).unlink()
    found = opened(moved, tmp_path / "unpacked")
    result = run_scenario(found.scenario())
    assert (result.digest, result.status) == (bundle.manifest.digest, Status.PASSED)
    assert found.compared(result) == result
    assert (result.scenario, result.repro) == (moved.as_posix(), f"papertape run {moved.as_posix()}")


def test_a_part_of_a_tape_plays_as_the_whole_did(home: Path) -> None:
    """Rows keep their numbers, so latencies drawn for rows stay what they were; only the tape's hash is another."""
    original, again = home / "original.jsonl", home / "again.jsonl"

    def noted(scenario: Scenario, journal: Path, kept: Path) -> RunResult:
        result = once(scenario, journal)
        kept.write_bytes(journal.read_bytes())
        return result

    bundle = pack(
        load_scenario(home / "buyer.scenario.toml"), home / "a.bundle",
        run=lambda scenario, to: noted(scenario, to, original), run_file=lambda path, to: noted(load_scenario(path), to, again),
    )  # fmt: skip
    first, second = (path.read_text().splitlines() for path in (original, again))
    assert first[1:] == second[1:]
    assert bundle.manifest.files["tapes/coinbase-1.parquet"].size < 200_000


def test_the_bytes_are_the_same_every_time(home: Path) -> None:
    assert packed(home, "a.bundle").path.read_bytes() == packed(home, "b.bundle").path.read_bytes()


def test_a_full_disk_leaves_no_half_of_a_bundle(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(ConfigError, match=r"full\.bundle: cannot be written: No space left on device"):
        packed(home, "full.bundle")
    assert not (home / "full.bundle").exists()


def test_nothing_is_overwritten(home: Path) -> None:
    (home / "buyer.bundle").write_text("somebody's")
    with pytest.raises(ConfigError, match=r"buyer\.bundle: is there already"):
        packed(home)
    assert (home / "buyer.bundle").read_text() == "somebody's"


def test_secrets_are_in_no_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In settings, in the code, in what the bot said, which the journal and the result repeat, and from the environment."""
    monkeypatch.setenv("EXCHANGE_TOKEN", "tok-from-the-environment")
    planted = {"api_key": "plain-key-42", "note": f"see {JWT}", "nested": {"password": "correct horse battery"}, "pem": PEM}
    config = ", ".join(
        f"{key} = {json.dumps(value)}" if isinstance(value, str) else f'{key} = {{ password = "{value["password"]}" }}'
        for key, value in planted.items()
    )
    (home / "buyer.scenario.toml").write_text(SCENARIO_TEXT.replace('size = "0.01"', config))
    (home / "buyer.py").write_text(
        'API_SECRET = "s3cr3t-in-the-code"\n'
        "async def main(exchange, **config):\n"
        '    raise RuntimeError(f"{config} {API_SECRET} tok-from-the-environment https://me:hidden-pw@host/ plain-key-42")\n'
    )
    bundle = packed(home)
    with zipfile.ZipFile(bundle.path) as archive:
        text = "\n".join(archive.read(name).decode(errors="replace") for name in archive.namelist())
    for secret in ("plain-key-42", JWT, "correct horse", "MHcCAQEEIPlanted", "s3cr3t", "tok-from-the-environment", "hidden-pw"):
        assert secret not in text
    assert REMOVED in text
    assert sum(member.removed for member in bundle.manifest.files.values()) > 0


def test_what_only_looks_secret_stays() -> None:
    """A market is no secret, nor is a number or a short word, whatever the setting is called."""
    config = {"token": "BTC", "key_pair": "BTC-USD", "token_limit": 5, "size": "0.01", "auth": True}
    assert Secrets({"KEYMAP": "us", "AUTH_DIR": "/home/me", "TOKENS": "12000"}).of_table(config) == config


def test_a_bundle_that_cannot_do_what_the_original_did_says_so(home: Path) -> None:
    """The bot reads a file beside it, which nobody knows of."""
    (home / "size.txt").write_text("0.01")
    (home / "buyer.py").write_text(
        "import pathlib\n" + BUYER.replace("right(size)", "pathlib.Path(__file__).with_name('size.txt').read_text()")
    )
    bundle = packed(home)
    assert "the original is passed" in bundle.manifest.caveat
    assert "files or settings that are not in the bundle" in bundle.manifest.caveat


@pytest.mark.parametrize("name", [MANIFEST, SCENARIO, "buyer.py", "tapes/coinbase-1.parquet", JOURNAL])
def test_a_file_that_changed_is_found(home: Path, tmp_path: Path, name: str) -> None:
    path = packed(home).path
    repacked(path, lambda files: files.update({name: files[name][:-9] + b"#" + files[name][-8:]}))
    with pytest.raises(TapeError, match="the bundle is damaged"):
        opened(path, tmp_path / "x")


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "a/../../evil.py", "C:evil.py", "a\\evil.py", "tapes/", "./evil.py"])
def test_nothing_leaves_the_folder(home: Path, tmp_path: Path, name: str) -> None:
    """Not even where the table of contents knows of it."""
    path = packed(home).path

    def add(files: dict[str, bytes]) -> None:
        files[name] = b"print('out')"
        manifest = msgspec.json.decode(files[MANIFEST])
        manifest["files"][name] = {"size": len(files[name]), "sha256": sha256_of(files[name])}
        files[MANIFEST] = msgspec.json.encode(manifest)

    repacked(path, add)
    with pytest.raises(TapeError, match="is no name of a file in a bundle"):
        opened(path, tmp_path / "deep" / "x")
    assert not list(tmp_path.rglob("*evil*"))


def test_a_bundle_of_more_than_there_is_room_for_is_refused(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what it says it holds, before anything is unpacked."""
    path = packed(home).path
    monkeypatch.setattr("papertape.scenario.bundle.opened.BYTES_MAX", 10_000)
    with pytest.raises(TapeError, match="holds more than a bundle may"):
        opened(path, tmp_path / "x")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-900])


def no_zip(path: Path) -> None:
    path.write_text("not a zip at all")


def no_bundle(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("holiday.jpg", b"...")


def twice(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("buyer.py", b"print('another')")


def beyond(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("stowaway.py", b"print('hello')")


@pytest.mark.parametrize("damage", [cut_short, no_zip, no_bundle, twice, beyond])
def test_any_damage_is_one_message(home: Path, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = packed(home).path
    damage(path)
    with pytest.raises(TapeError, match=r"buyer\.bundle: the bundle is damaged: .*; ask for it again$"):
        opened(path, tmp_path / "x")


def test_one_packed_by_a_newer_papertape_says_by_which(home: Path, tmp_path: Path) -> None:
    path = packed(home).path
    repacked(path, with_manifest(format=3, papertape="9.9.9", something="new"))
    with pytest.raises(ConfigError, match=r"was packed by papertape 9\.9\.9"):
        opened(path, tmp_path / "x")


def test_one_of_the_first_format_is_read(home: Path, tmp_path: Path) -> None:
    """What it may not show had another name then."""

    def older(files: dict[str, bytes]) -> None:
        manifest = json.loads(files[MANIFEST])
        assert manifest.pop("caveat") == ""
        files[MANIFEST] = json.dumps(manifest | {"format": 1, "doubt": "it was another day"}).encode()

    path = packed(home).path
    repacked(path, older)
    assert opened(path, tmp_path / "x").manifest.caveat == "it was another day"


def test_another_digest_by_the_same_versions_is_an_error(home: Path, tmp_path: Path) -> None:
    path = packed(home).path
    repacked(path, with_manifest(digest="0" * 64))
    found = opened(path, tmp_path / "x")
    result = found.compared(run_scenario(found.scenario()))
    assert (result.status, result.exit_code) == (Status.ERROR, ExitCode.DIFFERED)
    assert result.failures[0].startswith("this run differs from the one that was packed, by the same versions: the digest is ")


def test_another_digest_by_other_versions_is_a_note(home: Path, tmp_path: Path) -> None:
    path = packed(home).path
    repacked(path, with_manifest(digest="0" * 64, papertape="0.0.9"))
    found = opened(path, tmp_path / "x")
    result = found.compared(run_scenario(found.scenario()))
    assert result.status is Status.PASSED
    assert "versions differ too: papertape 0.0.9 then, " in result.notes[0]


def test_the_manifest_is_what_was_packed(home: Path) -> None:
    bundle = packed(home)
    with zipfile.ZipFile(bundle.path) as archive:
        assert archive.namelist()[0] == MANIFEST
        assert msgspec.json.decode(archive.read(MANIFEST), type=Manifest) == bundle.manifest
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize(
    "text",
    [
        "https://x.example.com/?a=1&api_key=planted-1234",
        "https://hooks.slack.com/services/planted-1234/B0/x1",
        "https://api.telegram.org/bot123456789:planted-1234-AAHdqTcvCH1vGWJxfSeofSAs/sendMessage",
        "Authorization: Basic planted1234planted==",
    ],
)
def test_secrets_in_addresses_are_taken_out(text: str) -> None:
    """What gives access by being in an address or a header is a secret whatever the setting is called."""
    without, count = Secrets().of_text(text)
    assert (count, "planted" in without) == (1, False)


def test_a_full_disk_is_no_damaged_bundle(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told to ask for a good bundle again because there was no room to unpack it."""
    path = packed(home).path

    def full(*args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        unpack(path, tmp_path / "there")
