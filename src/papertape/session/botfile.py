"""Find the user's bot: "module:Name" or "file.py:name", made anew for every run so that no run sees another's globals."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from papertape.model.errors import ConfigError

_FROM: dict[str, None] = {}  # folders that bots came from, as an ordered set
_OURS: dict[str, None] = {}  # modules that were there before the first bot was


def load_bot(spec: str | Callable[..., Any], folder: Path) -> Any:
    """The object that `spec` names; modules are looked for in `folder`, then in the current folder, then where Python looks.

    Args:
        spec: "module:Name", "path/file.py:name" (relative to `folder`), or an object, which is returned as it is.

    Raises:
        ConfigError: there is no such module or name, or the module does not import.
    """
    if not isinstance(spec, str):
        return spec
    module_name, colon, name = spec.rpartition(":")
    if not colon or not module_name or not name:
        raise ConfigError(
            f'key `bot`: "{spec}" names no bot; expected "module:Name", such as "papertape.bots:MarketMaker", or "bot.py:main"'
        )
    module = _load_file(spec, folder / module_name) if module_name.endswith(".py") else _load_module(spec, module_name, folder)
    try:
        return getattr(module, name)
    except AttributeError:
        public = [each for each in vars(module) if not each.startswith("_")]
        near = difflib.get_close_matches(name, public, n=1)
        hint = f'; did you mean "{module_name}:{near[0]}"?' if near else f"; it has {', '.join(public) or 'nothing public'}"
        raise ConfigError(f'key `bot`: {module_name} has no "{name}"{hint}') from None


def _load_module(spec: str, module_name: str, folder: Path) -> Any:
    for place in (folder, Path()):
        path = place.joinpath(*module_name.split("."))
        if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
            settle_in(place)
            if module_name in sys.modules:  # a bot in json.py must not get json
                return _load_file(spec, path.with_suffix(".py"))
            break
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise _does_not_import(spec, error) from error
        raise ConfigError(
            f'key `bot`: "{spec}": no module is called "{error.name}"; looked in {folder.resolve()}, in the current folder and in the '
            "installed packages. `papertape list bots` shows the sample bots"
        ) from None
    except Exception as error:  # whatever the user's module raises
        raise _does_not_import(spec, error) from error


def _load_file(spec: str, path: Path) -> Any:
    if not path.is_file():
        raise ConfigError(f'key `bot`: "{spec}": there is no file {path.as_posix()}')
    settle_in(path.parent)
    name = path.stem if path.stem not in sys.modules else f"bot_{path.stem}"  # a bot in json.py must not hide json
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise ConfigError(f'key `bot`: "{spec}": {path.as_posix()} is no Python file')
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # so that dataclasses and pickle find it
    try:
        found.loader.exec_module(module)
    except Exception as error:  # whatever the user's module raises
        del sys.modules[name]
        raise _does_not_import(spec, error) from error
    return module


def settle_in(folder: Path) -> None:
    """Let a bot import its neighbours, as a script does, and forget those of the bot before it, so that every run gets fresh ones."""
    if not _FROM:
        _OURS.update(dict.fromkeys(sys.modules))
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name not in _OURS and file and any(Path(file).is_relative_to(place) for place in _FROM):
            del sys.modules[name]
    here = str(folder.resolve())
    for place in _FROM:
        if place in sys.path:
            sys.path.remove(place)
    _FROM[here] = None
    sys.path.insert(0, here)
    importlib.invalidate_caches()


def _does_not_import(spec: str, error: Exception) -> ConfigError:
    where = ""
    trace = error.__traceback__
    while trace is not None:
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}: "
        trace = trace.tb_next
    return ConfigError(f'key `bot`: "{spec}" does not import: {where}{type(error).__name__}: {error}')
