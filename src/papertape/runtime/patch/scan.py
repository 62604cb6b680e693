"""Finding every module that holds a given object by name, as after `from time import time`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from papertape.runtime.patch.users import is_librarys

Found = list[tuple[dict[str, Any], str, Any]]
"""(namespace, name, the object found there)."""

_OURS: Final = ("papertape.runtime.clock", "papertape.runtime.patch", "papertape.runtime.sequenced")


class Kept(NamedTuple):
    """What is remembered of a library's module: how many names it has, and which of them hold what is wanted."""

    module: Any
    names: dict[str, Any]
    size: int
    held: list[str]


class Scanner:
    """Looks through `sys.modules`; remembers what a module held, and looks again only when its number of names has changed.

    A process has thousands of modules, and every run begins by looking through them, so that what is remembered costs next to nothing.
    Modules that came from a file of a library are kept alive by what is remembered, so that they can be told by their addresses; a user's
    are not, and are told by their names.

    Attributes:
        others: the names of modules that are no library's, as far as can be told, when they were last looked through.
    """

    def __init__(self, is_wanted: Callable[[Any], bool]) -> None:
        self._is_wanted = is_wanted
        self._known: dict[str, tuple[int, int, list[str]]] = {}
        self._kept: dict[int, Kept] = {}  # by address
        # The same for the last time, in the order of import: who was there, how many names each that is kept had, and whom to ask.
        self._names: list[str] = []
        self._addresses: list[int] = []
        self._namespaces: list[dict[str, Any]] = []
        self._counts: list[int] = []
        self._asked: list[str | Kept] = []
        self.others: list[str] = []

    def find(self) -> Found:
        """Everything wanted, in the order in which modules were imported."""
        found: Found = []
        is_known = list(sys.modules) == self._names and list(map(id, sys.modules.values())) == self._addresses
        if not is_known or list(map(len, self._namespaces)) != self._counts:
            self._look_at_all()
        for each in self._asked:
            names, held = self._names_of(each, sys.modules[each]) if isinstance(each, str) else (each.names, each.held)
            for name in held:
                value = names.get(name)
                if self._is_wanted(value):
                    found.append((names, name, value))
        return found

    def _look_at_all(self) -> None:
        """Ask each module that is there whom it holds."""
        modules = list(sys.modules.items())
        kept = [self._keep(module_name, module) for module_name, module in modules]
        self._names, self._addresses = [name for name, _ in modules], [id(module) for _, module in modules]
        self._namespaces = [each.names for each in kept if each is not None]
        self._counts = [each.size for each in kept if each is not None]
        self._asked = [
            each or name
            for (name, _), each in zip(modules, kept, strict=True)
            if (not name.startswith(_OURS) if each is None else each.held)
        ]
        self.others = [each for each in self._asked if isinstance(each, str)]

    def _keep(self, module_name: str, module: Any) -> Kept | None:
        """What is known of a library's module; None of any other."""
        before = self._kept.get(id(module))
        if before is not None and len(before.names) == before.size:
            return before
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict) or module_name.startswith(_OURS) or not is_librarys(module):
            return None
        held = [name for name, value in list(names.items()) if self._is_wanted(value)]
        self._kept[id(module)] = kept = Kept(module, names, len(names), held)
        return kept

    def _names_of(self, module_name: str, module: Any) -> tuple[dict[str, Any], list[str]]:
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict) or module_name.startswith(_OURS):
            return {}, []
        before = self._known.get(module_name)
        if before is not None and before[0] == id(names) and before[1] == len(names):
            return names, before[2]
        if (
            module.__dict__ is not names
        ):  # made up for each who asks, as that of a library written in C; what is put into it is in no module
            return {}, []
        held = [name for name, value in list(names.items()) if self._is_wanted(value)]
        self._known[module_name] = (id(names), len(names), held)
        return names, held
