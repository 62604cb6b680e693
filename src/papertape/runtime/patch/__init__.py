"""While a run lasts: clocks and entropy replaced, threads, sockets and processes refused, asyncio's sets ordered; then all put back."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from papertape.runtime.ordered import OrderedSet
from papertape.runtime.patch import clocks, connect, entropy, escapes, fiat, order
from papertape.runtime.patch.active import Run, enter, leave
from papertape.runtime.patch.scan import Scanner

if TYPE_CHECKING:
    from papertape.runtime.loop import VirtualLoop

_MISSING: Final = object()


class Patches:
    """What is replaced in this process; in place as long as at least one thread is in a run."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._pairs: dict[int, tuple[Any, Any]] = {}  # by id of the real thing
        self._add_pairs([*clocks.REPLACED, *entropy.REPLACED, *escapes.REPLACED, *fiat.REPLACED, *order.replaced()])
        self._scanner = Scanner(self._is_wanted)
        self._generators: list[tuple[str, entropy.Generator]] = []
        self._undo_names: list[tuple[dict[str, Any], str, Any]] = []
        self._undo_attributes: list[tuple[Any, str, Any]] = []
        self._undo_methods: list[tuple[type, str, Any]] = []
        self._undo_entropy: Callable[[], None] | None = None
        self._modules_before: dict[str, None] = {}

    def _add_pairs(self, pairs: list[tuple[Any, Any]]) -> None:
        for real, replacement in pairs:
            self._pairs[id(real)] = (real, replacement)

    def _is_wanted(self, value: Any) -> bool:
        return id(value) in self._pairs or entropy.is_generator(value)

    def install(self) -> list[tuple[str, entropy.Generator]]:
        """Put everything in place, if it is not; returns the pseudo-random generators that modules hold, by name."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                try:
                    self._replace()
                except BaseException:
                    self._restore()
                    self._users = 0
                    raise
            return self._generators

    def uninstall(self) -> None:
        """Put everything back, if nobody else is in a run."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._restore()

    def _replace(self) -> None:
        self._modules_before = dict.fromkeys(sys.modules)
        late = [pair for pair in [*escapes.proxies(), *connect.replaced()] if id(pair[0]) not in self._pairs]
        self._add_pairs(late)  # whoever holds these was imported after the last scan
        self._generators = []
        for names, name, value in self._scanner.find():
            pair = self._pairs.get(id(value))
            if pair is None:
                self._generators.append((f"{names.get('__name__', '')}.{name}", value))
            else:
                self._undo_names.append((names, name, value))
                names[name] = pair[1]
        for names in order.with_sets():
            self._undo_names.append((names, "set", names.get("set", _MISSING)))
            names["set"] = OrderedSet
        for owner, name, replacement in [*entropy.ATTRIBUTES, *escapes.ATTRIBUTES, *connect.ATTRIBUTES, *fiat.ATTRIBUTES]:
            self._undo_attributes.append((owner, name, vars(owner).get(name, _MISSING)))  # missing: inherited
            setattr(owner, name, replacement)
        for kind, name, replacement in clocks.METHODS:
            self._undo_methods.append((kind, name, kind.__dict__[name]))
            _set_method(kind, name, replacement)
        self._undo_entropy = entropy.remember(self._generators)

    def _restore(self) -> None:
        if self._undo_entropy is not None:  # threads leave their runs in any order
            self._undo_entropy()
            self._undo_entropy = None
        for kind, name, value in reversed(self._undo_methods):
            _set_method(kind, name, value)
        for owner, name, value in reversed(self._undo_attributes):
            if value is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, value)
        for names, name, value in reversed(self._undo_names):
            if value is _MISSING:
                names.pop(name, None)
            else:
                names[name] = value
        real_by_replacement = {id(replacement): real for real, replacement in self._pairs.values()}
        for module_name, module in list(sys.modules.items()):
            if module_name in self._modules_before or module_name.startswith("papertape.runtime.patch"):
                continue
            names = getattr(module, "__dict__", {})  # imported during the run: it bound what the run had
            for name, value in list(names.items()):
                if id(value) in real_by_replacement:
                    names[name] = real_by_replacement[id(value)]
        self._undo_methods, self._undo_attributes, self._undo_names = [], [], []


def _set_method(kind: type, name: str, value: object) -> None:
    """Set an attribute of a type written in C, which `setattr` refuses. `datetime.now` then is virtual under whatever name it is known."""
    (names,) = [held for held in gc.get_referents(kind.__dict__) if isinstance(held, dict)]
    names[name] = value
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))


_patches: Final = Patches()


@contextmanager
def patched(loop: VirtualLoop, seed: int | str) -> Iterator[Run]:
    """The calling thread is in the run of `loop`; other threads notice nothing, and afterwards neither does this one."""
    run = Run(loop, seed)
    policy = asyncio.events._event_loop_policy  # type: ignore[attr-defined] # uvloop.install() would replace it for good
    generators = _patches.install()
    try:
        outer = enter(run)
        try:
            put_back = entropy.remember(generators)  # of the run around this one, if there is one
            try:
                entropy.reseed(run, generators)
                yield run
            finally:
                put_back()
        finally:
            leave(outer)
    finally:
        _patches.uninstall()
        asyncio.events._event_loop_policy = policy  # type: ignore[attr-defined]
