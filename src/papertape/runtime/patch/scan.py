"""Finding every module that holds a given object by name, as after `from time import time`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from papertape.runtime.patch.users import is_librarys

Found = list[tuple[dict[str, Any], str, Any]]
"""(namespace, name, the object found there)."""

_OURS: Final = ("papertape.runtime.clock", "papertape.runtime.patch", "papertape.runtime.sequenced")


class Scanner:
    """Looks through `sys.modules`; remembers what a module held, and looks again only when its number of names has changed.

    A process has thousands of modules, and every run begins by looking through them, so that what is remembered costs next to nothing.
    Modules that came from a file of a library are kept alive by what is remembered, so that they can be told by their addresses; a user's
    are not, and are told by their names.
    """

    def __init__(self, is_wanted: Callable[[Any], bool]) -> None:
        self._is_wanted = is_wanted
        self._known: dict[str, tuple[int, int, list[str]]] = {}
        self._kept: dict[int, tuple[Any, dict[str, Any], int, list[str]]] = {}  # by address: the module, its names, how many, who is wanted

    def find(self) -> Found:
        """Everything wanted, in the order in which modules were imported."""
        found: Found = []
        kept, is_wanted = self._kept, self._is_wanted
        for module_name, module in list(sys.modules.items()):
            before = kept.get(id(module))
            if before is not None and len(before[1]) == before[2]:
                names: Any = before[1]
                held = before[3]
            else:
                names = getattr(module, "__dict__", None)
                if not isinstance(names, dict) or module_name.startswith(_OURS):
                    continue
                held = self._held(module_name, module, names)
            for name in held:
                value = names.get(name)
                if is_wanted(value):
                    found.append((names, name, value))
        return found

    def _held(self, module_name: str, module: Any, names: dict[str, Any]) -> list[str]:
        before = self._known.get(module_name)
        if before is not None and before[0] == id(names) and before[1] == len(names):
            return before[2]
        held = [name for name, value in list(names.items()) if self._is_wanted(value)]
        if is_librarys(module):
            self._kept[id(module)] = (module, names, len(names), held)
        else:
            self._known[module_name] = (id(names), len(names), held)
        return held
