"""Copies in the user's own code that no module holds by name: default arguments, closures, attributes of classes.

What libraries hold so takes a search through all of memory (`patch.deep`). The user's own modules are few, and can be walked at every run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from types import FunctionType, MethodType
from typing import Any

from papertape.runtime.place import is_users_file

New = Callable[[Any], Any]
"""What a run has in the place of a thing; the thing itself where that is nothing else."""

Later = Callable[..., None]
"""Note what will put a thing back: a function and its arguments."""


class Walk:
    """Exchange what functions and classes of the user hold.

    Args:
        new: see `New`.
        later: see `Later`.
    """

    def __init__(self, new: New, later: Later) -> None:
        self._new = new
        self._later = later
        self._seen: dict[int, Any] = {}

    def modules(self, names: Iterable[str]) -> None:
        """Everything that the user's modules define; all of them are among those of these `names`."""
        for name in names:
            module = sys.modules.get(name)
            file = getattr(module, "__file__", None)
            if file and _is_users(file):
                for value in list(vars(module).values()):
                    if getattr(value, "__module__", None) == name:
                        self.look_into(value)

    def look_into(self, value: Any) -> None:
        """A function or a class, and what it is made of."""
        value = getattr(value, "__func__", value) if isinstance(value, (MethodType, staticmethod, classmethod)) else value
        value = value.fget if isinstance(value, property) else value
        if id(value) in self._seen:
            return
        if isinstance(value, FunctionType):
            self._seen[id(value)] = value
            self._in_function(value)
        elif isinstance(value, type):
            self._seen[id(value)] = value
            self._in_class(value)

    def _in_function(self, function: FunctionType) -> None:
        before = function.__defaults__ or ()
        defaults = tuple(self._new(value) for value in before)
        if any(value is not other for value, other in zip(before, defaults, strict=True)):
            self._later(setattr, function, "__defaults__", before)
            function.__defaults__ = defaults
        named: dict[str, Any] = function.__kwdefaults__ or {}
        for key, value in list(named.items()):
            new = self._new(value)
            if new is not value:
                self._later(named.__setitem__, key, value)
                named[key] = new
        for cell in function.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:  # not yet filled
                continue
            new = self._new(value)
            if new is not value:
                self._later(setattr, cell, "cell_contents", value)
                cell.cell_contents = new
            else:
                self.look_into(value)

    def _in_class(self, kind: type) -> None:
        for name, value in list(vars(kind).items()):
            new = self._new(value)
            if new is value:
                self.look_into(value)
            else:
                self._later(type.__setattr__, kind, name, value)
                # What is written in C is no method of its class; our stand-in, written in Python, would be one.
                type.__setattr__(kind, name, staticmethod(new) if isinstance(new, FunctionType) else new)


def all_of(walk: Walk, roots: Iterable[Any], names: Iterable[str]) -> None:
    """Walk what a run was given, and the user's modules among those that have these `names`."""
    for root in roots:
        walk.look_into(root)
    walk.modules(names)


def is_librarys(module: Any) -> bool:
    """Whether a module came from a file that is no user's, or is Python's own and came from none."""
    file = getattr(module, "__file__", None)
    if file:
        return not _is_users(file)
    return getattr(getattr(module, "__spec__", None), "origin", None) in ("built-in", "frozen")


@lru_cache(maxsize=10_000)
def _is_users(file: str) -> bool:
    return is_users_file(file)
