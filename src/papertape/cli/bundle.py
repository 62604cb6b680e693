"""`papertape bundle`: a run, packed for somebody else."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.cli.watchdog import Watchdog
from papertape.model.errors import ConfigError, PapertapeError
from papertape.scenario.bundle import SUFFIX, pack
from papertape.scenario.load import load_scenario
from papertape.scenario.quick import DEFAULT_VENUE, bot_scenario
from papertape.scenario.swarm import swarm
from papertape.scenario.sweep import read_lines
from papertape.scenario.worker import Base
from papertape.session.opening import fetch
from papertape.session.result import ExitCode, RunResult
from papertape.session.run import run_scenario
from papertape.session.spec import Scenario

KEPT: Final = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PAPERTAPE_CACHE", "XDG_CACHE_HOME")
"""What is left of the environment for the run of what was packed: whoever gets it has none of the user's own variables."""


def bundle(what: Path, /, *, out: Path | None = None, seed: int | None = None, depth: str = "", venue: str = "", tape: str = "") -> int:
    """Pack a run: its scenario with every fault, the part of the tape that it plays, the bot's code, the journal, versions and hashes.

    `papertape run FILE.bundle` runs it anywhere, and says if it is not the same run. Settings, arguments and environment variables whose
    names say that they are secret, private keys, tokens and passwords are taken out of everything; look at what is in it all the same
    before you hand it on. The run is done twice: as it is, and once more from what was packed.

    Parameters
    ----------
    what
        A scenario, a bot or program (a .py file), or the results of a sweep (seeds.jsonl), of which the first failure is packed.
    out
        The file to write, which must not be there; the scenario's name with .bundle in the current folder if left out.
    seed
        Pack what a sweep finds with this seed, instead of the scenario as it stands.
    depth
        Instead of the scenario's own: interface or wire.
    venue
        For a bot file: which venue's rules and manners; coinbase if left out.
    tape
        For a bot file: the market, as `papertape run` takes it: a tape, builtin:NAME, or a TOML file with the keys of a feed.
    """
    scenario = scenario_of(what, seed, depth or None, venue, tape)
    path = out or Path(what.name.removesuffix(".toml").removesuffix(".py").removesuffix(".jsonl").removesuffix(".scenario") + SUFFIX)
    if path.suffix != SUFFIX:
        raise ConfigError(f"--out {path.as_posix()}: expected a name that ends in {SUFFIX}, by which `papertape run` knows it")
    packed = pack(scenario, path, run=_run, run_file=_run_file)
    manifest = packed.manifest
    removed = sum(member.removed for member in manifest.files.values())
    print(f"{path.as_posix()}: {manifest.title}: {manifest.status}, {len(manifest.files)} files, {path.stat().st_size:,} bytes")
    for failure in manifest.failures:
        print(f"  {failure}")
    if removed:
        print(f"  {removed} secret{'' if removed == 1 else 's'} taken out; look at what is left before you hand it on")
    if manifest.caveat:
        print(f"  but {manifest.caveat}")
    print(f"  again: papertape run {path.as_posix()}")
    return ExitCode.PASSED


def scenario_of(what: Path, seed: int | None = None, depth: str | None = None, venue: str = "", tape: str = "") -> Scenario:
    """What `bundle` packs; raises `ConfigError`."""
    for option, value, says in (("venue", venue, "which venues it has"), ("tape", tape, "what it plays")):
        if value and what.suffix != ".py":
            raise ConfigError(f"--{option} {value}: goes with a bot file; {what.as_posix()} says itself {says}")
    if what.suffix == ".jsonl":
        failed = [result for result in read_lines(what) if result.is_failure and seed in (None, result.seed)]
        if not failed:
            raise ConfigError(
                f"bundle: {what.as_posix()} has no failure{'' if seed is None else f' of seed {seed}'}; there is nothing to pack"
            )
        return swarm(_base_of(failed[0].repro).load(), failed[0].seed)
    if what.suffix == ".py":
        scenario = bot_scenario(what, venue=venue or DEFAULT_VENUE, tape=tape or None, depth=depth)
    else:
        scenario = load_scenario(what, depth=depth)
    return scenario if seed is None else swarm(scenario, seed)


def _base_of(repro: str) -> Base:
    """What a seed's command sweeps."""
    path, *words = shlex.split(repro)[2:]
    options = dict(zip(words[::2], words[1::2], strict=False))
    return Base(path, *(options.get(f"--{name}", "") for name in ("depth", "venue", "bot", "tape")))


def _run(scenario: Scenario, journal: Path) -> RunResult:
    fetch(scenario, lambda text: print(f"papertape: {text}", file=sys.stderr))
    with Watchdog() as watchdog, contextlib.redirect_stdout(sys.stderr):
        return run_scenario(scenario, journal_path=journal, progress=lambda now_ns, end_ns: watchdog.feed())


def _run_file(path: Path, journal: Path) -> RunResult:
    """A run of what was packed, as whoever gets it will run it: in a process of its own, in a folder with nothing else."""
    command = [sys.executable, "-m", "papertape", "run", path.name, "--json", "--journal", str(journal)]
    environment = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=path.parent, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    lines = done.stdout.splitlines()
    if not lines or not journal.is_file():
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise PapertapeError(f"what was packed does not run: {said[-1]}")
    table: dict[str, Any] = msgspec.json.decode(lines[-1])
    table["intercepted"] = [tuple(each.values()) for each in table["intercepted"]]
    return msgspec.convert(table, RunResult, strict=False)
