"""Pack a run: its scenario, tapes, code, journal, versions and hashes, without secrets, as one file of the same bytes every time."""

from __future__ import annotations

import os
import platform
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from papertape.journal.tail import without_tail
from papertape.model.errors import ConfigError
from papertape.scenario.bundle.manifest import (
    FORMAT,
    JOURNAL,
    MANIFEST,
    README,
    RESULT,
    SCENARIO,
    Manifest,
    Member,
    is_safe,
    sha256_of,
    versions_here,
)
from papertape.scenario.bundle.readme import readme
from papertape.scenario.bundle.secrets import Secrets
from papertape.scenario.bundle.slice import slices
from papertape.scenario.bundle.source import Source, source_of
from papertape.scenario.write import scenario_text
from papertape.session.result import RunResult
from papertape.session.spec import Scenario
from papertape.version import VERSION

STAMP: Final = (1980, 1, 1, 0, 0, 0)
"""What every file in a bundle is dated, so that the bytes depend on nothing but what is in it."""

Run = Callable[[Scenario, Path], RunResult]
"""Runs a scenario and writes its journal to a path."""

RunFile = Callable[[Path, Path], RunResult]
"""The same of a scenario's file, in a process of its own, as whoever gets the bundle will."""


class Packed(msgspec.Struct, frozen=True):
    """A bundle that was written.

    Attributes:
        original: what came of the run that was to be packed.
    """

    path: Path
    manifest: Manifest
    original: RunResult


def pack(scenario: Scenario, out: Path, *, run: Run, run_file: RunFile) -> Packed:
    """Run `scenario`, put everything that it needs into a folder, run what is there too, and write both as a bundle.

    Raises:
        ConfigError: `out` is there already or cannot be written, or the bot is an object that no file can name.
        TapeError: a tape is missing or damaged.
    """
    if out.exists():
        raise ConfigError(f"--out {out.as_posix()}: is there already, and is not overwritten; name another file, or move that one away")
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out.as_posix()}: there is no folder {out.parent.as_posix()}")
    source = source_of(scenario)
    with tempfile.TemporaryDirectory(prefix="papertape-") as name:
        place = Path(name).resolve()
        folder = place / "bundle"
        folder.mkdir()
        original = run(scenario, place / "original.jsonl")
        secrets = Secrets(os.environ)
        removed = _write_all(scenario, source, folder, secrets)
        again = run_file(folder / SCENARIO, place / "again.jsonl")
        caveat = _caveat(place / "original.jsonl", place / "again.jsonl", original, again)
        journal, removed[JOURNAL] = secrets.of_text((place / "again.jsonl").read_text(encoding="utf-8"))
        (folder / JOURNAL).write_text(journal, encoding="utf-8")
        result, removed[RESULT] = secrets.of_text(_result_text(again))
        (folder / RESULT).write_text(result, encoding="utf-8")
        manifest = _manifest(folder, again, caveat, removed, secrets)
        (folder / README).write_text(readme(manifest, is_source_in=bool(source.files)), encoding="utf-8")
        manifest = msgspec.structs.replace(manifest, files=_members(folder, removed))
        (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        _zip(folder, out)
    return Packed(out, manifest, original)


def _write_all(scenario: Scenario, source: Source, folder: Path, secrets: Secrets) -> dict[str, int]:
    """Scenario, tapes and code into `folder`; how many secrets were taken out of which file."""
    removed: dict[str, int] = {}
    config = secrets.of_table(scenario.bot_config)
    args = secrets.of_args(scenario.program_args)
    code = {name: path.read_text(encoding="utf-8") for name, path in source.files.items()}
    for name, text in code.items():
        if not is_safe(name):
            raise ConfigError(f"{source.files[name].as_posix()}: its name cannot stand in a bundle; use letters, digits, dots and dashes")
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        free, removed[name] = secrets.of_text(text)
        target.write_text(free, encoding="utf-8")
    packed = msgspec.structs.replace(
        slices(scenario, folder), bot=source.bot, program=source.program, bot_config=config, program_args=args, path=None, folder=folder,
        repro="", title=secrets.of_text(scenario.title)[0],
    )  # fmt: skip
    text, removed[SCENARIO] = secrets.of_text(scenario_text(packed))
    (folder / SCENARIO).write_text(text, encoding="utf-8")
    return removed


def _caveat(first: Path, second: Path, original: RunResult, again: RunResult) -> str:
    """Why the bundle may not show what the original did."""
    if again.status is not original.status or again.broken != original.broken:
        return (
            f"the original is {original.status} ({_first(original)}), what was packed is {again.status} ({_first(again)}): "
            "perhaps it reads files or settings that are not in the bundle, or a secret was needed"
        )
    # The first line holds the tapes' hashes, and the parts' are others.
    texts = [without_tail(path.read_text(encoding="utf-8")).partition("\n")[2] for path in (first, second)]
    if texts[0] != texts[1]:
        return "it ends as the original does, but does not do the same on the way"
    return ""


def _first(result: RunResult) -> str:
    return result.failures[0] if result.failures else "nothing broke"


def _result_text(result: RunResult) -> str:
    """What came of it, but for what differs from run to run and from machine to machine."""
    table = msgspec.structs.replace(result, wall_s=0.0, scenario=SCENARIO, repro=f"papertape run {SCENARIO}").to_dict()
    return msgspec.json.format(msgspec.json.encode(table), indent=2).decode() + "\n"


def _manifest(folder: Path, result: RunResult, caveat: str, removed: dict[str, int], secrets: Secrets) -> Manifest:
    libraries = versions_here()
    return Manifest(
        format=FORMAT,
        papertape=libraries.pop("papertape", VERSION),
        python=libraries.pop("Python", platform.python_version()),
        libraries=libraries,
        title=result.title,
        seed=result.seed,
        depth=result.depth,
        status=str(result.status),
        failures=tuple(secrets.of_text(each)[0] for each in result.failures),
        digest=result.digest,
        wire_digest=result.wire_digest,
        caveat=secrets.of_text(caveat)[0],
        files=_members(folder, removed),
    )


def _members(folder: Path, removed: dict[str, int]) -> dict[str, Member]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            found[name] = Member(size=len(content), sha256=sha256_of(content), removed=removed.get(name, 0))
    return found


def _zip(folder: Path, out: Path) -> None:
    """The table of contents first, then the rest by name."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    try:
        file = out.open("xb")
    except FileExistsError:
        raise ConfigError(f"--out {out.as_posix()}: is there already, and is not overwritten") from None
    except OSError as error:
        raise ConfigError(f"--out {out.as_posix()}: cannot be written: {error.strerror}") from None
    try:
        with file, zipfile.ZipFile(file, "w") as archive:
            for name in sorted(files, key=lambda name: (name != MANIFEST, name)):
                entry = zipfile.ZipInfo(name, STAMP)
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_STORED if name.endswith(".parquet") else zipfile.ZIP_DEFLATED
                archive.writestr(entry, files[name].read_bytes(), compresslevel=9)
    except OSError as error:  # a full disk: half a bundle is none
        out.unlink(missing_ok=True)
        raise ConfigError(f"--out {out.as_posix()}: cannot be written: {error.strerror}") from None
