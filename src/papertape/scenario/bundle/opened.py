"""Open a bundle: nothing in it is believed before it is checked, and nothing is written outside of the folder that it is unpacked to."""

from __future__ import annotations

import errno
import shlex
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from papertape.faults.base import Fault
from papertape.model.errors import ConfigError, TapeError
from papertape.scenario.bundle.manifest import FORMAT, MANIFEST, SCENARIO, Manifest, Member, is_safe, sha256_of
from papertape.scenario.fault_text import rerun_command
from papertape.scenario.load import load_scenario
from papertape.session.result import ExitCode, RunResult, Status
from papertape.session.spec import Depth, Scenario

BYTES_MAX: Final = 2 << 30
"""The most that a bundle may hold, unpacked."""

MANIFEST_MAX: Final = 1 << 20

FILES_MAX: Final = 10_000


class Opened(msgspec.Struct, frozen=True):
    """A bundle that was unpacked into a folder, every hash checked.

    Attributes:
        path: the bundle's file, as the user named it.
    """

    path: Path
    folder: Path
    manifest: Manifest

    def scenario(self, *, seed: int | None = None, depth: Depth | str | None = None, faults: Sequence[Fault] = ()) -> Scenario:
        """The scenario in it, named after the bundle; arguments as for `load_scenario`."""
        scenario = load_scenario(self.folder / SCENARIO, seed=seed, depth=depth, faults=faults)
        command = f"papertape run {shlex.quote(self.path.as_posix())}"
        if not self.is_as_packed(seed=seed, depth=depth, faults=faults):
            command = rerun_command(self.path, seed=scenario.seed, depth=depth, faults=faults)
        return msgspec.structs.replace(scenario, path=self.path, repro=command)

    def is_as_packed(self, *, seed: int | None = None, depth: Depth | str | None = None, faults: Sequence[Fault] = ()) -> bool:
        """Whether these arguments leave everything as it was."""
        return seed in (None, self.manifest.seed) and depth in (None, self.manifest.depth) and not faults

    def compared(self, result: RunResult) -> RunResult:
        """A run of it as it stands, held against the run that was packed.

        One that differs is an error where the versions are the same; where they are not it is worth a note.
        """
        then = self.manifest
        if result.digest == then.digest and str(result.status) == then.status:
            return result
        versions = then.differences()
        what = f"the digest is {result.digest}, and was {then.digest}" if result.digest != then.digest else f"it was {then.status}"
        if versions:
            note = f"this run differs from the one that was packed ({what}); versions differ too: {', '.join(versions)}"
            return msgspec.structs.replace(result, notes=(*result.notes, note))
        failure = f"this run differs from the one that was packed, by the same versions: {what}"
        return msgspec.structs.replace(
            result,
            status=Status.ERROR,
            failures=(failure, *result.failures),
            broken=(failure.partition(",")[0],),
            error_exit=ExitCode.DIFFERED,
        )


def unpack(path: Path, folder: Path) -> Opened:
    """Check the bundle at `path` and write its files into `folder`, which is empty.

    Raises:
        ConfigError: there is no such file, a newer papertape packed it, or there is no room to unpack it.
        TapeError: it is damaged, or would not stay in its folder.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _entries(archive, path)
            manifest = _manifest(archive, entries, path)
            for name, member in manifest.files.items():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(_content(archive, entries[name], member, path))
    except FileNotFoundError:
        raise ConfigError(f"{path.as_posix()}: there is no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path.as_posix()}: is a folder; expected a file that `papertape bundle` wrote") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise ConfigError(f"{path.as_posix()}: cannot be read and unpacked into {folder.as_posix()}: {error.strerror}") from None
        raise _damaged(path, str(error)) from None
    return Opened(path, folder, manifest)


def _entries(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """What the archive holds, by name; the manifest says later whether that is what was packed."""
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        if entry.filename in entries:
            raise _damaged(path, f'"{entry.filename}" is in it twice')
        if entry.filename != MANIFEST and not is_safe(entry.filename):
            raise _damaged(path, f'"{entry.filename}" is no name of a file in a bundle')
        entries[entry.filename] = entry
    if MANIFEST not in entries:
        raise _damaged(path, f"it has no {MANIFEST}, so it is no bundle")
    if len(entries) > FILES_MAX or sum(entry.file_size for entry in entries.values()) > BYTES_MAX:
        raise _damaged(path, f"it holds more than a bundle may, {FILES_MAX:,} files and {BYTES_MAX >> 30} GiB")
    return entries


def _manifest(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], path: Path) -> Manifest:
    with archive.open(entries[MANIFEST]) as file:
        content = file.read(MANIFEST_MAX + 1)
    try:
        if len(content) > MANIFEST_MAX:
            raise msgspec.DecodeError("it is too long")
        made_by = msgspec.json.decode(content)
        if isinstance(made_by, dict) and isinstance(made_by.get("format"), int) and made_by["format"] > FORMAT:
            raise ConfigError(
                f"{path.as_posix()}: was packed by papertape {made_by.get('papertape')}, which this one cannot read; use that one"
            )
        if isinstance(made_by, dict) and made_by.get("format") == 1 and "doubt" in made_by:
            made_by["caveat"] = made_by.pop("doubt")
        manifest = msgspec.convert(made_by, Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(path, f"its {MANIFEST} cannot be read: {error}") from None
    missing = [name for name in manifest.files if name not in entries]
    beyond = [name for name in entries if name not in manifest.files and name != MANIFEST]
    if missing or beyond or SCENARIO not in manifest.files or MANIFEST in manifest.files:
        raise _damaged(path, f"its files are not those of its {MANIFEST}: {', '.join(missing + beyond) or SCENARIO}")
    return manifest


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, member: Member, path: Path) -> bytes:
    """A file's bytes; no more are read than it is said to have."""
    if entry.file_size != member.size:
        raise _damaged(path, f"{entry.filename} is {entry.file_size} bytes long, and was {member.size}")
    with archive.open(entry) as file:
        content = file.read(member.size + 1)
    if len(content) != member.size or sha256_of(content) != member.sha256:
        raise _damaged(path, f"{entry.filename} is not what was packed: its hash is another")
    return content


def _damaged(path: Path, why: str) -> TapeError:
    return TapeError(f"{path.as_posix()}: the bundle is damaged: {why}; ask for it again")
