"""Where something is held, and how it is exchanged there for something else."""

# mypy: disable-error-code="attr-defined"

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Protocol


class Place(Protocol):
    """Something that holds something."""

    def swap(self, old: Any, new: Any) -> bool:
        """Put `new` where `old` is; False, and nothing done, if `old` is not there any more."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """What was done at a place."""

    place: Place
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute set in the usual way: of a function, a cell, a `defaultdict`."""

    owner: Any
    name: str

    def swap(self, old: Any, new: Any) -> bool:
        """As `Place`."""
        try:
            if getattr(self.owner, self.name) is not old:
                return False
        except ValueError:  # an empty cell
            return False
        setattr(self.owner, self.name, new)
        return True


@dataclass(frozen=True, slots=True)
class Slot:
    """An attribute of an object whose class may have its own ways of setting one."""

    owner: Any
    name: str

    def swap(self, old: Any, new: Any) -> bool:
        """As `Place`; AttributeError or TypeError where it is read-only."""
        try:
            held = object.__getattribute__(self.owner, self.name)
        except AttributeError:
            return False
        if held is not old:
            return False
        object.__setattr__(self.owner, self.name, new)
        return True


@dataclass(frozen=True, slots=True)
class ClassAttribute:
    """An attribute of a class, set past its metaclass."""

    kind: type
    name: str

    def swap(self, old: Any, new: Any) -> bool:
        """As `Place`."""
        if vars(self.kind).get(self.name) is not old:
            return False
        type.__setattr__(self.kind, self.name, new)
        return True


@dataclass(frozen=True, slots=True)
class InDict:
    """A value of a dict, whatever its class thinks of reading and writing."""

    names: dict[Any, Any]
    key: Any

    def swap(self, old: Any, new: Any) -> bool:
        """As `Place`."""
        if dict.get(self.names, self.key) is not old:
            return False
        dict.__setitem__(self.names, self.key, new)
        return True


@dataclass(frozen=True, slots=True)
class InList:
    """Somewhere in a list, which may have changed meanwhile."""

    items: list[Any]

    def swap(self, old: Any, new: Any) -> bool:
        """As `Place`: the first that is found."""
        for index, item in enumerate(self.items):
            if item is old:
                self.items[index] = new
                return True
        return False


@dataclass(frozen=True, slots=True)
class Arguments:
    """The function and the positional arguments of a partial function, held as a pair."""

    partial: functools.partial[Any]

    def swap(self, old: Any, new: Any) -> bool:
        """As `Place`, with pairs of (function, arguments)."""
        state: Any = self.partial.__reduce__()[2]
        function, args, *rest = state
        if function is not old[0] or len(args) != len(old[1]) or any(item is not other for item, other in zip(args, old[1], strict=True)):
            return False
        self.partial.__setstate__((*new, *rest))
        return True
