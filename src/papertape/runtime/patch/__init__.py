"""While a run lasts: clocks and entropy replaced, threads, sockets and processes refused, asyncio's sets ordered; then all put back."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import RLock
from types import FunctionType, ModuleType, NoneType
from typing import TYPE_CHECKING, Any, Final

from papertape.runtime.ordered import OrderedSet
from papertape.runtime.patch import clocks, connect, entropy, escapes, fiat, generators, late, leaving, loops, order, users, waits
from papertape.runtime.patch.active import Run, enter, leave
from papertape.runtime.patch.deep import Search, key_of, thawed
from papertape.runtime.patch.scan import Scanner

if TYPE_CHECKING:
    from papertape.runtime.loop import VirtualLoop

_MISSING: Final = object()
_OURS: Final = "papertape.runtime.patch"

_Pairs = dict[int, tuple[Any, Any]]
"""By id of the real thing: (it, what a run has)."""

_PLAIN: Final = frozenset((FunctionType, type, str, int, ModuleType, NoneType, tuple, dict, list, bool, float, frozenset, set, bytes))
"""Most of what modules hold: nothing of these very types is a generator, or a method of one."""


class Patches:
    """What is replaced in this process; in place as long as at least one thread is in a run."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._users = 0
        self._is_deep = False
        self._search: Search | None = None
        self._is_search_good = False
        self._undo: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self._pairs: _Pairs = {}
        for part in (clocks, entropy, escapes, fiat, leaving, loops, waits):
            self._add_pairs(part.REPLACED)
        self._add_pairs(order.replaced())
        self._clocks = [(vars(time), name, value) for name, value in vars(time).items() if id(value) in self._pairs]
        # Kept as they are, but always looked for: something else may stand in their place, see `_unfreeze`.
        self._add_pairs([(clocks.datetime, clocks.datetime), (clocks.date, clocks.date)])
        self._clocks += [(vars(sys.modules["datetime"]), kind.__name__, kind) for kind in (clocks.datetime, clocks.date)]
        self._frozen: _Pairs = {}
        self._changes: dict[str, tuple[ModuleType, late.Change]] = {}
        self._scanner = Scanner(self._is_wanted)
        self._generators = generators.Generators()
        self._modules_before: dict[str, None] = {}

    def install(self, is_deep: bool, roots: Sequence[Any]) -> generators.Generators:
        """Put everything in place, as far as it is not; returns the pseudo-random generators that were found."""
        with self._lock:
            self._users += 1
            try:
                is_first = self._users == 1
                if is_first:
                    self._is_search_good = self._search is not None and self._search.is_untouched()
                    self._replace()
                users.all_of(users.Walk(self._new, self._later), roots, self._scanner.others if is_first else ())
                if is_deep and not self._is_deep:
                    self._is_deep = True
                    self._replace_copies()
            except BaseException:
                self.uninstall()
                raise
            return self._generators

    def uninstall(self) -> None:
        """Put everything back, if nobody else is in a run."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._restore()

    def _later(self, function: Callable[..., object], *args: Any) -> None:
        """What puts a thing back; the last is called first."""
        self._undo.append((function, args))

    def _add_pairs(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        for pair in pairs:
            self._pairs[id(pair[0])] = pair

    def _is_wanted(self, value: Any) -> bool:
        key = id(value)
        if key in self._pairs or key in self._frozen:
            return True
        return type(value) not in _PLAIN and (generators.is_generator(value) or generators.is_draw(value))

    def _replace(self) -> None:
        self._modules_before = dict.fromkeys(sys.modules)
        self._unfreeze()
        changes = [self._change(name, sys.modules[name]) for name in late.LIBRARIES if name in sys.modules]
        found = self._scanner.find()
        for names, name, value in found:
            self._find_generator(names, name, value)
        for names, name, value in found:
            self._replace_name(names, name, value)
        for namespace in order.WITH_SETS:
            self._order_sets(namespace)
        for part in (clocks, entropy, escapes, connect, fiat, loops, waits):
            self._set_attributes(part.ATTRIBUTES)
        for kind, name, replacement in [*clocks.METHODS, *waits.METHODS]:
            self._later(_set_method, kind, name, kind.__dict__[name])
            _set_method(kind, name, replacement)
        for module, change in changes:
            self._apply(module, change)
        self._later(self._generators.put_back)
        self._later(self._generators.remember())  # threads leave their runs in any order
        self._later(loops.put_policy())
        finder: Any = late.Importing(self._imported)
        self._later(_remove, sys.meta_path, finder)
        sys.meta_path.insert(0, finder)

    def _unfreeze(self) -> None:
        """A library that freezes time for tests may have put its own clocks in the place of the machine's: a run's go before them."""
        for names, name, real in self._clocks:
            value = names.get(name)
            if value is not None and id(value) not in self._pairs:
                self._frozen[id(value)] = (value, self._pairs[id(real)][1])

    def _find_generator(self, names: dict[str, Any], name: str, value: Any) -> None:
        if generators.is_draw(value) and id(value) not in self._pairs:
            value = value.__self__
        if generators.is_generator(value):
            self._generators.add(f"{names.get('__name__', '')}.{name}", value)

    def _replace_name(self, names: dict[str, Any], name: str, value: Any) -> None:
        pair = self._pairs.get(id(value)) or self._frozen.get(id(value))
        if pair is not None:
            replacement = pair[1]
        elif generators.is_draw(value):
            replacement = getattr(value.__self__, value.__name__)
        else:
            return
        if replacement is not value:
            self._later(names.__setitem__, name, value)
            names[name] = replacement

    def _new(self, value: Any) -> Any:
        pair = self._pairs.get(id(value)) or self._frozen.get(id(value))
        return value if pair is None or isinstance(value, type) else pair[1]

    def _order_sets(self, names: dict[str, Any]) -> None:
        if "set" in names:
            self._later(names.__setitem__, "set", names["set"])
        else:
            self._later(names.pop, "set", None)
        names["set"] = OrderedSet

    def _set_attributes(self, attributes: Iterable[tuple[Any, str, object]]) -> None:
        for owner, name, replacement in attributes:
            before = vars(owner).get(name, _MISSING)
            if before is _MISSING:  # inherited
                self._later(delattr, owner, name)
            else:
                self._later(setattr, owner, name, before)
            setattr(owner, name, replacement)

    def _change(self, name: str, module: ModuleType) -> tuple[ModuleType, late.Change]:
        """What is to be done to a library, found out once for each time that it is loaded."""
        known = self._changes.get(name)
        if known is None or known[0] is not module:
            if getattr(getattr(module, "__spec__", None), "_initializing", False):  # another thread imports it now
                return module, late.Change()
            known = self._changes[name] = (module, late.LIBRARIES[name](module))
            self._add_pairs(known[1].pairs)  # whoever holds these was imported after the last scan
        return known

    def _apply(self, module: ModuleType, change: late.Change) -> None:
        self._set_attributes(change.attributes)
        if change.has_sets:
            self._order_sets(vars(module))
        for name, generator in change.generators:
            self._generators.add(name, generator)

    def _imported(self, name: str, module: ModuleType) -> None:
        """A run has imported a module: what a run does to those that are there at its start is done to this one now."""
        with self._lock:
            if name in late.LIBRARIES:
                self._changes.pop(name, None)
                change = late.LIBRARIES[name](module)
                self._changes[name] = (module, change)
                self._add_pairs(change.pairs)
                self._apply(module, change)
            names = vars(module)
            for key, value in list(names.items()):
                if generators.is_generator(value):
                    self._generators.add(None, value)  # named when it is used
                else:
                    self._replace_name(names, key, value)

    def _replace_copies(self) -> None:
        """Where no module holds it by name; see `patch.deep`."""
        every = [*self._pairs.values(), *self._frozen.values()]
        pairs = [pair for pair in every if pair[1] is not pair[0] and not isinstance(pair[0], type) and pair[0] not in waits.POLLED]
        search = self._search
        if search is None or not self._is_search_good or not search.again(key_of(pairs, self._generators.known()), self._held()):
            search = self._search = None  # what was found for the last run lives no longer
            search = self._look_through_memory(pairs, every)
        self._later(search.put_back)
        for generator in search.generators:
            self._generators.add(None, generator)

    def _look_through_memory(self, pairs: list[tuple[Any, Any]], every: list[tuple[Any, Any]]) -> Search:
        spared = [vars(self), self._pairs, self._frozen, self._clocks, self._undo, pairs, every]
        spared += [*every, *self._clocks, *self._undo, *(args for _, args in self._undo)]
        search = Search(pairs, self._generators.known(), spared)
        try:
            with thawed():
                search.replace()
        except BaseException:
            search.put_back()
            raise
        search.settle(self._held())
        self._search = search
        return search

    def _held(self) -> dict[int, int]:
        """How often what puts things back refers to each, by its id."""
        return Counter(id(arg) for _, args in self._undo for arg in args)

    def _restore(self) -> None:
        self._is_deep = False
        failed: BaseException | None = None
        while self._undo:
            function, args = self._undo.pop()
            try:
                function(*args)
            except BaseException as error:  # the rest is put back all the same
                failed = error
        self._frozen = {}
        self._put_right_what_was_imported()
        if failed is not None:
            raise failed

    def _put_right_what_was_imported(self) -> None:
        """Modules that came during the run bound what the run had."""
        if list(sys.modules) == list(self._modules_before):
            return
        real_by_replacement = {id(replacement): real for real, replacement in self._pairs.values()}
        for module_name, module in list(sys.modules.items()):
            if module_name in self._modules_before or module_name.startswith(_OURS):
                continue
            names = getattr(module, "__dict__", {})
            for name, value in list(names.items()):
                if id(value) in real_by_replacement:
                    names[name] = real_by_replacement[id(value)]


def _set_method(kind: type, name: str, value: object) -> None:
    """Set an attribute of a type written in C, which `setattr` refuses. `datetime.now` then is virtual under whatever name it is known."""
    (names,) = [held for held in gc.get_referents(kind.__dict__) if isinstance(held, dict)]
    names[name] = value
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))


def _remove(items: list[Any], item: object) -> None:
    if item in items:
        items.remove(item)


_patches: Final = Patches()


@contextmanager
def patched(loop: VirtualLoop, seed: int | str, *, is_deep: bool = False, roots: Sequence[Any] = ()) -> Iterator[Run]:
    """The calling thread is in the run of `loop`; other threads notice nothing, and afterwards neither does this one.

    Args:
        is_deep: also replace copies that no module holds by name (default arguments, class attributes, closures, …); takes about 50 ms
            where ccxt and aiohttp are loaded.
        roots: functions of the user that no module may hold, to be looked through as those are that a module of the user defines.
    """
    run = Run(loop, seed)
    found = _patches.install(is_deep, roots)
    try:
        outer = enter(run)
        try:
            put_back = found.remember()  # as the run around this one has them, if there is one
            try:
                found.reseed(run)
                yield run
            finally:
                put_back()
        finally:
            leave(outer)
    finally:
        _patches.uninstall()
