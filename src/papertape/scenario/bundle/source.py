"""Which files a bot or a program is made of: its own, and those of its neighbours that it imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec

from papertape.session.script import read_python
from papertape.session.spec import Scenario


class Source(msgspec.Struct, frozen=True):
    """The user's code in a run.

    Attributes:
        files: by their names in the bundle, where they are now; none if the code is an installed package's.
        bot, program: what the bundled scenario says for `bot` and `program`.
    """

    files: dict[str, Path]
    bot: str | None
    program: str | None


def source_of(scenario: Scenario) -> Source:
    """The files behind a scenario's bot or program.

    Raises:
        ConfigError: a file is missing or is no Python.
    """
    if scenario.program is not None:
        home, name = _home_of(scenario.folder, scenario.program)
        return Source(_with_neighbours(home, name), None, name)
    spec = str(scenario.bot)
    module, _, entry = spec.rpartition(":")
    if module.endswith(".py"):
        home, name = _home_of(scenario.folder, module)
        return Source(_with_neighbours(home, name), f"{name}:{entry}", None)
    parts = module.split(".")
    for folder in (scenario.folder, Path()):
        if folder.joinpath(*parts).with_suffix(".py").is_file():
            return Source(_with_neighbours(folder, "/".join(parts) + ".py"), spec, None)
        if folder.joinpath(*parts, "__init__.py").is_file():
            return Source(_with_neighbours(folder, "/".join([*parts, "__init__.py"])), spec, None)
    return Source({}, spec, None)


def _home_of(folder: Path, text: str) -> tuple[Path, str]:
    """The folder that a script lies in, which is where it finds its neighbours, and its name there."""
    path = folder / Path(text).expanduser()
    return path.parent, path.name


def _with_neighbours(home: Path, name: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each in found:
            continue
        found[each] = home / each
        for parent in list(Path(each).parents)[:-1]:  # a package's own files, which are imported before it
            waiting += [(parent / "__init__.py").as_posix()] if (home / parent / "__init__.py").is_file() else []
        for module in _imported(read_python(home / each), each):
            waiting += _files_of(home, module)
    return dict(sorted(found.items()))


def _imported(tree: ast.Module, name: str) -> Iterator[str]:
    """Every module that a file imports by a name that may be a neighbour's; relative ones from where the file lies."""
    package = list(Path(name).parent.parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


def _files_of(home: Path, module: str) -> list[str]:
    """The neighbour that a module's name stands for, as a list of one file, or of none."""
    if not module:
        return []
    place = Path(*module.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if (home / path).is_file():
            return [path.as_posix()]
    return []
