"""Copies that no module holds by name: default arguments, attributes of classes and objects, closures, partial functions, lists and dicts.

The garbage collector knows who refers to a thing. What cannot be changed in place (a tuple of defaults, a static method) is made anew, and
its own holders are looked up in another round.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from types import BuiltinMethodType, CellType, FunctionType, MethodType, ModuleType
from typing import Any, Final

from papertape.runtime.patch import generators
from papertape.runtime.patch.active import Generator

Undo = Callable[[], object]
_ROUNDS_MAX: Final = 3
_OURS: Final = ("papertape.runtime.patch", "papertape.runtime.clock", "papertape.runtime.sequenced")


class Search:
    """One search through everything the garbage collector knows.

    Attributes:
        generators: pseudo-random generators that it came across.
    """

    def __init__(self, pairs: Iterable[tuple[Any, Any]], known: Iterable[Generator], spared: Iterable[object]) -> None:
        """`known`: generators whose class has been changed already; `spared`: containers of ours, which must keep what they hold."""
        self._undo: list[Undo] = []
        self.generators: list[Generator] = []
        self._exchange: dict[int, tuple[Any, Any]] = {id(pair[0]): pair for pair in pairs}
        self._targets: list[Any] = [real for real, _ in self._exchange.values()] + [Generator, *known]
        self._class_dicts: dict[int, dict[Any, Any]] = {}
        self._spared = {id(held) for held in spared} | _own_containers(replacement for _, replacement in self._exchange.values())

    def replace(self) -> None:
        """Exchange everything that was wanted wherever it is held."""
        for _ in range(_ROUNDS_MAX):
            class_dicts, self._class_dicts = self._class_dicts, {}
            targets, self._targets = [*self._targets, *class_dicts.values()], []
            if not targets:
                return
            self._spared |= {id(targets), id(class_dicts)}
            holders = gc.get_referrers(*targets)
            self._spared.add(id(holders))
            for holder in holders:
                if id(holder) not in self._spared:
                    self._look_into(holder, class_dicts)
            for names in class_dicts.values():
                self._in_dict(names)  # no class's after all

    def put_back(self) -> None:
        """Undo all that was changed."""
        while self._undo:
            self._undo.pop()()

    def _look_into(self, holder: Any, class_dicts: dict[int, dict[Any, Any]]) -> None:
        kind = type(holder)
        if isinstance(holder, type):
            owned = [id(names) for names in gc.get_referents(holder) if id(names) in class_dicts]
            if owned:
                self._in_class(holder)
            for names in owned:
                del class_dicts[names]
        elif isinstance(holder, dict):
            if "__module__" in holder and "__doc__" in holder and "__name__" not in holder:
                self._class_dicts[id(holder)] = holder  # whose class must hear of the change
            else:
                self._in_dict(holder)
            if isinstance(holder, defaultdict):
                self._set(holder, "default_factory", holder.default_factory)
        elif kind is list:
            self._in_list(holder)
        elif kind is CellType:
            self._set(holder, "cell_contents", holder.cell_contents)
        elif kind is tuple:
            new = tuple(self._new(item) for item in holder)
            if any(item is not other for item, other in zip(holder, new, strict=True)):
                self._anew(holder, new)
        elif kind in (staticmethod, classmethod):
            self._anew(holder, kind(self._new(holder.__func__)))
        elif kind in (BuiltinMethodType, MethodType):
            if generators.is_draw(holder):
                self._anew(holder, getattr(holder.__self__, holder.__name__))
        elif kind is FunctionType:
            self._set(holder, "__defaults__", holder.__defaults__)
        elif generators.is_generator(holder):
            self.generators.append(holder)
            generators.share(holder)
            self._targets.append(holder)
        elif isinstance(holder, functools.partial):
            self._in_partial(holder)
        elif not isinstance(holder, ModuleType):
            self._in_object(holder)

    def _new(self, value: Any) -> Any:
        pair = self._exchange.get(id(value))
        return value if pair is None or pair[0] is not value else pair[1]

    def _anew(self, old: Any, new: Any) -> None:
        """Look up who holds `old`, to give them `new`."""
        if id(old) in self._exchange:
            return
        pair = (old, new)
        self._exchange[id(old)] = pair
        self._spared.add(id(pair))
        self._targets.append(old)

    def _set(self, owner: Any, name: str, value: Any) -> None:
        new = self._new(value)
        if new is not value:
            setattr(owner, name, new)
            self._undo.append(lambda: setattr(owner, name, value))

    def _in_dict(self, names: dict[Any, Any]) -> None:
        for key, value in list(names.items()):
            new = self._new(value)
            if new is not value:
                dict.__setitem__(names, key, new)
                self._undo.append(functools.partial(dict.__setitem__, names, key, value))

    def _in_list(self, items: list[Any]) -> None:
        for index, value in enumerate(items):
            new = self._new(value)
            if new is not value:
                items[index] = new
                self._undo.append(functools.partial(_put_into, items, value, new))

    def _in_class(self, kind: type) -> None:
        for name, value in list(vars(kind).items()):
            new = self._new(value)
            if new is not value:
                # A function written in C is no method of its class; one written in Python would be.
                type.__setattr__(kind, name, staticmethod(new) if isinstance(new, FunctionType) and not _binds(value) else new)
                self._undo.append(functools.partial(type.__setattr__, kind, name, value))

    def _in_partial(self, partial: functools.partial[Any]) -> None:
        state: Any = partial.__reduce__()[2]
        function, args, *rest = state
        new = (self._new(function), tuple(self._new(arg) for arg in args), *rest)
        if new[0] is not function or new[1] != args:
            partial.__setstate__(new)  # type: ignore[attr-defined]
            self._undo.append(lambda: partial.__setstate__(state))  # type: ignore[attr-defined]

    def _in_object(self, owner: Any) -> None:
        names = [slot for kind in type(owner).__mro__ for slot in _slots(kind)]
        names += getattr(owner, "__dict__", {})
        for name in names:
            try:
                value = object.__getattribute__(owner, name)
                new = self._new(value)
                if new is not value:
                    object.__setattr__(owner, name, new)
                    self._undo.append(functools.partial(object.__setattr__, owner, name, value))
            except (AttributeError, TypeError):  # an empty or read-only slot
                continue


def _binds(value: Any) -> bool:
    return hasattr(type(value), "__get__") and not isinstance(value, (staticmethod, classmethod))


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _put_into(items: list[Any], value: Any, new: Any) -> None:
    """Where `new` is now: the list may have changed meanwhile."""
    for index, item in enumerate(items):
        if item is new:
            items[index] = value
            return


def _own_containers(replacements: Iterable[Any]) -> set[int]:
    """What in papertape's own code holds real things on purpose: namespaces, tables, closures."""
    functions = [replacement for replacement in replacements if isinstance(replacement, FunctionType)]
    found: set[int] = set()
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith(_OURS):
            found.add(id(vars(module)))
            for value in list(vars(module).values()):
                if isinstance(value, (dict, list)):
                    found.add(id(value))
                    found |= {id(item) for item in (value if isinstance(value, list) else value.values())}
                elif isinstance(value, FunctionType):
                    functions.append(value)
                elif isinstance(value, type) and value.__module__.startswith(_OURS):
                    functions += [held for held in vars(value).values() if isinstance(held, FunctionType)]
    for function in functions:
        found |= {id(cell) for cell in function.__closure__ or ()}
    return found
