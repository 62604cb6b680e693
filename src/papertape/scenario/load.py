"""Find scenario files and read them."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from papertape.faults.base import Fault
from papertape.model.errors import ConfigError
from papertape.scenario.fault_text import rerun_command
from papertape.scenario.make import SUFFIX, make_scenario
from papertape.session.spec import Depth, Scenario


def load_scenario(path: Path | str, *, seed: int | None = None, depth: Depth | str | None = None, faults: Sequence[Fault] = ()) -> Scenario:
    """The scenario in a file, checked.

    Args:
        path: a `*.scenario.toml`.
        seed: instead of the file's.
        depth: instead of the file's.
        faults: more of them.

    Raises:
        ConfigError: a person must edit the file.
        TapeError: a tape that it names is not there.
    """
    path = Path(path)
    raw = read_toml(path)
    raw.update({key: value for key, value in (("seed", seed), ("depth", depth)) if value is not None})
    scenario = make_scenario(raw, source=path.as_posix(), folder=path.parent, path=path, more_faults=faults)
    command = rerun_command(path, seed=scenario.seed, depth=depth, faults=faults)
    return msgspec.structs.replace(scenario, repro=command)


def find_scenarios(path: Path) -> list[Path]:
    """The file itself, or every `*.scenario.toml` below a folder, sorted.

    Raises:
        ConfigError: there is nothing there, or the folder holds no scenario.
    """
    if not path.is_dir():
        if not path.exists():
            near = sorted(path.parent.glob(f"*{SUFFIX}")) if path.parent.is_dir() else []
            names = f"; {path.parent.as_posix()} has {', '.join(each.name for each in near)}" if near else ""
            raise ConfigError(f"{path.as_posix()}: there is no such file or folder{names}")
        return [path]
    found = sorted(path.rglob(f"*{SUFFIX}"))
    if not found:
        raise ConfigError(f"{path.as_posix()}: no scenario in this folder; their names end in {SUFFIX}")
    return found


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's contents.

    Raises:
        ConfigError: it is not there, or is no TOML; the message names the file.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path.as_posix()}: there is no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path.as_posix()}: is a folder; expected a scenario file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.as_posix()}: is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.as_posix()}: is no valid TOML: {error}") from None
