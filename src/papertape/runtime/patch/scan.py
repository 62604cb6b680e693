"""Finding every module that holds a given object by name, as after `from time import time`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

Found = list[tuple[dict[str, Any], str, Any]]
"""(namespace, name, the object found there)."""

_OURS: Final = ("papertape.runtime.clock", "papertape.runtime.patch", "papertape.runtime.sequenced")


class Scanner:
    """Looks through `sys.modules`; remembers what a module held, and looks again only when its number of names has changed."""

    def __init__(self, is_wanted: Callable[[Any], bool]) -> None:
        self._is_wanted = is_wanted
        self._known: dict[str, tuple[int, int, list[str]]] = {}

    def find(self) -> Found:
        """Everything wanted, in the order in which modules were imported."""
        found: Found = []
        known, is_wanted = self._known, self._is_wanted
        for module_name, module in list(sys.modules.items()):
            names = getattr(module, "__dict__", None)
            if not isinstance(names, dict):
                continue
            before = known.get(module_name)
            if before is not None and before[0] == id(names) and before[1] == len(names):
                held = before[2]
            elif module_name.startswith(_OURS):
                continue
            else:
                held = [name for name, value in list(names.items()) if is_wanted(value)]
                known[module_name] = (id(names), len(names), held)
            for name in held:
                value = names.get(name)
                if is_wanted(value):
                    found.append((names, name, value))
        return found
