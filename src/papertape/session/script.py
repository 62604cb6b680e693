"""Run a file as Python itself would, `__main__` and all, and leave the process as it was found."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import logging
import os
import sys
import types
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from papertape.model.errors import ConfigError
from papertape.session.botfile import settle_in


class Script:
    """A program of somebody's, as a file.

    Args:
        path: the file, as the user named it; tracebacks name it so.
        args: what `sys.argv` holds after its name.
        environment: what is put into the environment, over what is there.
    """

    def __init__(self, path: Path, args: Sequence[str], environment: Mapping[str, str]) -> None:
        self.path = path
        self.args = tuple(args)
        self.environment = dict(environment)
        self._code: types.CodeType | None = None

    def prepare(self) -> None:
        """Compile it, and import what it imports besides its neighbours: libraries load outside of virtual time, once for all runs.

        Raises:
            ConfigError: no such file, or no valid Python.
        """
        tree = read_python(self.path)
        self._code = compile(tree, self.path.as_posix(), "exec")
        settle_in(self.path.parent)
        for name in _imports(tree, self.path.parent, {self.path.resolve()}):
            with suppress(Exception), warnings.catch_warnings():  # the script itself will say so, with its own line
                warnings.simplefilter("ignore")
                importlib.import_module(name)

    def run(self) -> None:
        """Run it to its end, which may be any exception that a program may end with."""
        assert self._code is not None
        main = types.ModuleType("__main__")
        main.__file__ = self.path.as_posix()
        main.__dict__["__builtins__"] = __builtins__
        with _process_of(self, main):
            exec(self._code, main.__dict__)  # noqa: S102 - it is what we are here for


def read_python(path: Path) -> ast.Module:
    """A file's syntax tree; raises `ConfigError` where there is none."""
    try:
        return ast.parse(path.read_bytes(), path.as_posix())
    except FileNotFoundError:
        beside = [each.name for each in path.parent.glob("*.py")] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, sorted(beside), n=1)
        hint = f"; did you mean {(path.parent / near[0]).as_posix()}?" if near else ""
        raise ConfigError(f"{path.as_posix()}: there is no such file{hint}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path.as_posix()}: is a folder; expected a Python file") from None
    except (SyntaxError, ValueError) as error:
        where = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
        raise ConfigError(f"{path.as_posix()}: is no valid Python{where}: {getattr(error, 'msg', error)}") from None


def _imports(tree: ast.Module, folder: Path, seen: set[Path]) -> Iterator[str]:
    """Every module that is imported anywhere in `tree` or in the neighbours that it imports; the neighbours themselves are left out."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names if alias.name != "*")]
        for name in names:
            neighbour = _neighbour(folder, name)
            if neighbour is None:
                yield name
            elif neighbour not in seen:
                seen.add(neighbour)
                with suppress(ConfigError):
                    yield from _imports(read_python(neighbour), folder, seen)


def _neighbour(folder: Path, name: str) -> Path | None:
    """The file of a module that lies beside the script; None for what is installed."""
    place = folder.joinpath(*name.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path.resolve()
    first = folder / name.split(".")[0]
    return first.resolve() if first.is_dir() and any(first.glob("*.py")) else None


@contextmanager
def _process_of(script: Script, main: types.ModuleType) -> Iterator[None]:
    """What a process of its own would begin with; afterwards everything is as before."""
    root = logging.getLogger()
    before: dict[str, Any] = {
        "argv": sys.argv, "path": sys.path[:], "main": sys.modules["__main__"], "environ": dict(os.environ), "hook": sys.excepthook,
        "handlers": root.handlers[:], "level": root.level, "folder": Path.cwd(), "filters": warnings.filters[:],
    }  # fmt: skip
    sys.argv = [script.path.as_posix(), *script.args]
    sys.path.insert(0, str(script.path.parent.resolve()))
    sys.modules["__main__"] = main
    os.environ.update(script.environment)
    try:
        yield
    finally:
        sys.argv, sys.path[:], sys.excepthook = before["argv"], before["path"], before["hook"]
        sys.modules["__main__"] = before["main"]
        os.environ.clear()
        os.environ.update(before["environ"])
        root.handlers[:], root.level = before["handlers"], before["level"]
        logging.disable(logging.NOTSET)
        warnings.filters[:] = before["filters"]  # type: ignore[index] # a list, whatever its stub says
        os.chdir(before["folder"])
