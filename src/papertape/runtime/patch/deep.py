"""Copies that no module holds by name: default arguments, attributes of classes and objects, closures, partial functions, lists and dicts.

The garbage collector knows who refers to a thing. What cannot be changed in place (a tuple of defaults, a static method) is made anew, and
its own holders are looked up in another round.

That takes a tenth of a second where libraries are loaded, so the next run uses what this one found (`Search.again`), as long as every place
still holds what it held and nothing that was looked for is referred to by anybody new.
"""

from __future__ import annotations

import functools
import gc
import sys
import weakref
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import BuiltinMethodType, CellType, FunctionType, MethodType, ModuleType
from typing import Any, ClassVar, Final

from papertape.runtime.patch import generators
from papertape.runtime.patch.active import Generator
from papertape.runtime.patch.places import Arguments, Attribute, Change, ClassAttribute, InDict, InList, Place, Slot

_ROUNDS_MAX: Final = 3
_OURS: Final = ("papertape.runtime.patch", "papertape.runtime.clock", "papertape.runtime.sequenced")


Key = tuple[int, ...]
"""Ids of what is looked for; they stay taken for as long as the search that has them is kept."""


def key_of(pairs: Iterable[tuple[Any, Any]], known: Iterable[Generator]) -> Key:
    """Of the arguments of a `Search`. A key refers to nothing, so that it does not count where references are counted."""
    return (*(id(real) for real, _ in pairs), *map(id, known))


class Search:
    """One search through everything the garbage collector knows.

    Attributes:
        generators: pseudo-random generators that it came across.
    """

    def __init__(self, pairs: Iterable[tuple[Any, Any]], known: Iterable[Generator], spared: Iterable[object]) -> None:
        """`known`: generators whose class has been changed already; `spared`: containers of ours, which must keep what they hold."""
        self._changes: list[Change] = []
        self.generators: list[Generator] = []
        self._exchange: dict[int, tuple[Any, Any]] = {id(pair[0]): pair for pair in pairs}
        self._targets: list[Any] = [real for real, _ in self._exchange.values()] + [Generator, *known]
        self._key = key_of(self._exchange.values(), self._targets[len(self._exchange) + 1 :])
        self._looked_for: list[Any] = []
        self._residue: list[int] = []
        self._drawn_from: list[Generator] = []
        self._held: list[int] = []
        self._left_behind: list[weakref.ref[Any]] = []
        self._class_dicts: dict[int, dict[Any, Any]] = {}
        self._spared = {id(held) for held in spared} | _own_containers(replacement for _, replacement in self._exchange.values())

    def replace(self) -> None:
        """Exchange everything that was wanted wherever it is held."""
        for _ in range(_ROUNDS_MAX):
            class_dicts, self._class_dicts = self._class_dicts, {}
            targets, self._targets = [*self._targets, *class_dicts.values()], []
            if not targets:
                return
            for target in targets[: len(targets) - len(class_dicts)]:
                (self._drawn_from if generators.is_generator(target) else self._looked_for).append(target)
            target = None
            self._spared |= {id(self._drawn_from), id(self._looked_for)}
            self._spared |= {id(targets), id(class_dicts)}
            holders = gc.get_referrers(*targets)
            self._spared.add(id(holders))
            for holder in holders:
                if id(holder) not in self._spared:
                    self._look_into(holder, class_dicts)
            for names in class_dicts.values():
                self._in_dict(names)  # no class's after all

    def settle(self, ours: dict[int, int]) -> None:
        """Take down who still refers to what was looked for, now that all that can be changed has been; `ours` as in `again`."""
        self._residue = self._count(ours)

    def again(self, key: Key, ours: dict[int, int]) -> bool:
        """Do once more what `replace` did, for the same things; False, and nothing done, where it would have to be done anew.

        Args:
            key: of what is to be looked for now, see `key_of`.
            ours: how often the caller itself refers to a thing, by its id, for as long as the run lasts.

        What is referred to as often as after the search, once every place has been changed, is held by nobody new: a place that took it
        since would count. (One that took it while another, which no search can change, let go of it would not; nothing does that.)
        Generators are what a run's own objects may refer to, so they are counted between runs, see `is_untouched`.
        """
        if key != self._key:
            return False
        for generator in self.generators:
            generators.share(generator)
        is_whole = all(change.place.swap(change.old, change.new) for change in self._changes)
        if is_whole and self._count(ours) == self._residue:
            return True
        self.put_back()
        for generator in self.generators:
            generators.part(generator)
        return False

    def is_untouched(self) -> bool:
        """Whether nobody has taken a method of a generator since the last run; what a run takes asks for the next run in its turn.

        Nobody has where a generator is referred to as often as when its holders were last looked at, less what runs had left behind then
        and is gone by now. Otherwise they are looked at again.
        """
        now = [sys.getrefcount(generator) for generator in self._drawn_from]
        still_left = Counter(id(draw.__self__) for refer in self._left_behind if (draw := refer()) is not None)
        if now == [count + still_left[id(generator)] for count, generator in zip(self._held, self._drawn_from, strict=False)]:
            return True
        known = self._exchange.keys() | {id(thing) for thing in self._looked_for}
        with thawed():
            draws = [held for held in gc.get_referrers(*self._drawn_from) if generators.is_draw(held) and id(held) not in known]
        if not all(generators.asks_for_run(draw) for draw in draws):
            return False
        left = Counter(id(draw.__self__) for draw in draws)
        self._held = [count - left[id(generator)] for count, generator in zip(now, self._drawn_from, strict=True)]
        self._left_behind = [weakref.ref(draw) for draw in draws]
        return True

    def put_back(self) -> None:
        """Undo all that was changed."""
        for change in reversed(self._changes):
            change.place.swap(change.new, change.old)

    def _count(self, ours: dict[int, int]) -> list[int]:
        return [sys.getrefcount(thing) - ours.get(id(thing), 0) for thing in self._looked_for]

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
            if generators.is_draw(holder) and not generators.asks_for_run(holder):
                self._anew(holder, getattr(holder.__self__, holder.__name__))
        elif kind is FunctionType:
            self._set(holder, "__defaults__", holder.__defaults__)
        elif generators.is_generator(holder):
            self.generators.append(holder)
            generators.share(holder)
            self._targets.append(holder)
        elif isinstance(holder, functools.partial):
            self._in_partial(holder)
        elif not isinstance(holder, (ModuleType, Change)):
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

    def _change(self, place: Place, old: Any, new: Any) -> None:
        if new is not old and place.swap(old, new):
            self._changes.append(Change(place, old, new))

    def _set(self, owner: Any, name: str, value: Any) -> None:
        self._change(Attribute(owner, name), value, self._new(value))

    def _in_dict(self, names: dict[Any, Any]) -> None:
        for key, value in list(names.items()):
            self._change(InDict(names, key), value, self._new(value))

    def _in_list(self, items: list[Any]) -> None:
        for value in list(items):
            self._change(InList(items), value, self._new(value))

    def _in_class(self, kind: type) -> None:
        for name, value in list(vars(kind).items()):
            new = self._new(value)
            if new is not value:
                # A function written in C is no method of its class; one written in Python would be.
                self._change(
                    ClassAttribute(kind, name), value, staticmethod(new) if isinstance(new, FunctionType) and not _binds(value) else new
                )

    def _in_partial(self, partial: functools.partial[Any]) -> None:
        function, args = partial.func, partial.args
        new = (self._new(function), tuple(self._new(arg) for arg in args))
        if new[0] is not function or any(item is not other for item, other in zip(args, new[1], strict=True)):
            old = (function, args)
            self._spared |= {id(old), id(new)}
            self._change(Arguments(partial), old, new)

    def _in_object(self, owner: Any) -> None:
        names = [slot for kind in type(owner).__mro__ for slot in _slots(kind)]
        names += getattr(owner, "__dict__", {})
        for name in names:
            try:
                value = object.__getattribute__(owner, name)
                self._change(Slot(owner, name), value, self._new(value))
            except (AttributeError, TypeError):  # an empty or read-only slot
                continue


class Thaws:
    """How often what was frozen has been thawed, and all that there was then frozen with it, young or old."""

    count: ClassVar[int] = 0


@contextmanager
def thawed() -> Iterator[None]:
    """Let what is frozen be looked through too."""
    frozen = gc.get_freeze_count()
    Thaws.count += 1
    gc.unfreeze()
    try:
        yield
    finally:
        if frozen:
            gc.freeze()


def _binds(value: Any) -> bool:
    return hasattr(type(value), "__get__") and not isinstance(value, (staticmethod, classmethod))


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


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
