"""What is known about libraries that need not be there: done to them at the start of a run, or as soon as the run has imported them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

import msgspec

from papertape.runtime.patch import connect, entropy, escapes, generators, loops, signing
from papertape.runtime.patch.active import active
from papertape.runtime.place import is_users_file


class Change(msgspec.Struct, frozen=True):
    """What is done to a library.

    Attributes:
        pairs: (what it has, what a run has), to be exchanged wherever a module holds it.
        attributes: (owner, name, what a run has).
        generators: by name, those that no module holds.
        has_sets: whether its `set` is to be ordered.
    """

    pairs: tuple[tuple[Any, Any], ...] = ()
    attributes: tuple[tuple[Any, str, object], ...] = ()
    generators: tuple[tuple[str, Any], ...] = ()
    has_sets: bool = False


def _pairs(make: Callable[[ModuleType], list[tuple[Any, Any]]]) -> Callable[[ModuleType], Change]:
    return lambda module: Change(pairs=tuple(make(module)))


def _attributes(make: Callable[[ModuleType], list[tuple[Any, str, object]]]) -> Callable[[ModuleType], Change]:
    return lambda module: Change(attributes=tuple(make(module)))


def _sets(module: ModuleType) -> Change:
    return Change(has_sets=True)


def _writer(module: ModuleType) -> Change:
    return Change(generators=tuple(generators.hidden(module.WebSocketWriter.__init__, "aiohttp.WebSocketWriter")))


def _elliptic_curves(module: ModuleType) -> Change:
    pairs, attributes = signing.of_elliptic_curves(module)
    return Change(pairs=tuple(pairs), attributes=tuple(attributes))


_ASYMMETRIC: Final = "cryptography.hazmat.primitives.asymmetric."

LIBRARIES: Final[dict[str, Callable[[ModuleType], Change]]] = {
    "aiohappyeyeballs": _pairs(connect.of_eyeballs),
    "aiohttp.resolver": _pairs(connect.of_resolver),
    "aiohttp._websocket.writer": _writer,
    **dict.fromkeys(("aiohttp.connector", "aiohttp.web_server", "aiohttp.web_app"), _sets),
    "urllib.request": _pairs(escapes.of_proxies),
    "getpass": _pairs(escapes.of_getpass),
    "multiprocessing.process": _attributes(escapes.of_processes),
    "concurrent.futures.process": _attributes(escapes.of_process_pool),
    **dict.fromkeys(("uvloop", "winloop"), _pairs(loops.of_uvloop)),
    "numpy.random": _pairs(entropy.of_numpy),
    _ASYMMETRIC + "ec": _elliptic_curves,
    **{_ASYMMETRIC + name: _attributes(signing.of_edwards_curves) for name in ("ed25519", "ed448", "x25519", "x448")},
}
"""By the name of the module."""


class Importing:
    """A finder that knows no module itself, but is told of each that a run has imported.

    Other threads import as ever.
    """

    def __init__(self, on_imported: Callable[[str, ModuleType], None]) -> None:
        self.on_imported = on_imported

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if active() is None:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    loader: Any = _Loader(spec, self.on_imported)
                    spec.loader = loader
                return spec
        return None


class _Loader:
    """Loads as the real one does, inside `Run.importing`; then it steps back."""

    def __init__(self, spec: ModuleSpec, on_imported: Callable[[str, ModuleType], None]) -> None:
        self._spec = spec
        self._real: Any = spec.loader
        self._on_imported = on_imported

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        create = getattr(self._real, "create_module", None)
        return None if create is None else create(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._spec.loader = self._real
        if getattr(module, "__loader__", None) is self:
            module.__loader__ = self._real
        run = active()
        if run is None:
            self._real.exec_module(module)
            return
        with run.importing(module.__name__, is_users_file(self._spec.origin or "<")):
            self._real.exec_module(module)
        self._on_imported(module.__name__, module)
