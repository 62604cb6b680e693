"""Copies of the machine's clocks and chance in all the places where a library may keep one; used by test_patch_copies.py."""

# ruff: noqa: TID251 - what is banned elsewhere is what is tested here.

import functools
import logging
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar


def by_default(clock: Callable[[], float] = time.time) -> float:
    return clock()


def by_keyword(*, clock: Callable[[], float] = time.time) -> float:
    return clock()


class Holder:
    of_class = time.time
    static = staticmethod(time.time)
    a_list: ClassVar = [time.time]
    a_tuple: ClassVar = (time.time,)
    a_dict: ClassVar = {"clock": time.time}

    def __init__(self) -> None:
        self.of_object = time.time


class Slotted:
    __slots__ = ("clock", "empty")

    def __init__(self) -> None:
        self.clock = time.time


@dataclass(frozen=True)
class Stamped:
    at: float = field(default_factory=time.time)


def closure() -> Callable[[], float]:
    clock = time.time
    return lambda: clock()


def call(clock: Callable[[], float]) -> float:
    return clock()


holder, slotted, closed, made = Holder(), Slotted(), closure(), defaultdict(time.time)
partial, partial_of = functools.partial(time.time), functools.partial(call, time.time)

CLOCKS: dict[str, Callable[[], float]] = {
    "a default argument": by_default,
    "a keyword's default": by_keyword,
    "an attribute of a class": lambda: holder.of_class(),
    "a static method": lambda: holder.static(),
    "a list": lambda: holder.a_list[0](),
    "a tuple": lambda: holder.a_tuple[0](),
    "a dict": lambda: holder.a_dict["clock"](),
    "an attribute of an object": lambda: holder.of_object(),
    "a slot": lambda: slotted.clock(),
    "a field's default": lambda: Stamped().at,
    "a closure": closed,
    "a partial": partial,
    "a partial's argument": partial_of,
    "a default of a dict": lambda: (made.pop("now", None), made["now"])[1],
    "a formatter": lambda: time.mktime(logging.Formatter.converter()),
}


def _with_default() -> Callable[[], float]:
    def clock(read: Callable[[], float] = time.time) -> float:
        return read()

    return clock


def _of_class() -> Callable[[], float]:
    kind = type("Late", (), {"clock": staticmethod(time.time)})
    return lambda: kind.clock()  # type: ignore[attr-defined, no-any-return]  # the clock that was put there


def _of_object() -> Callable[[], float]:
    late = Slotted()
    return lambda: late.clock()


def _in(kind: Callable[[list[Any]], Any]) -> Callable[[], Callable[[], float]]:
    def make() -> Callable[[], float]:
        held = [kind([time.time])]  # a tuple cannot be changed, but the list can
        return lambda: held[0][0]()  # type: ignore[no-any-return]  # the clock that was put there

    return make


NEW_CLOCKS: dict[str, Callable[[], Callable[[], float]]] = {
    "a default argument": _with_default,
    "an attribute of a class": _of_class,
    "a slot": _of_object,
    "a list": _in(list),
    "a tuple": _in(tuple),
    "a dict": _in(lambda clocks: dict(enumerate(clocks))),
    "a closure": closure,
    "a partial": lambda: functools.partial(time.time),
    "a partial's argument": lambda: functools.partial(call, time.time),
}
"""Each makes a copy in a place that was not there before."""


def draw_by_default(generator: random.Random = random.Random()) -> float:  # noqa: B008 - the copy that this is about
    return generator.random()


class Drawing:
    generator = random.Random()
    draw = random.Random().random
    entropy = staticmethod(os.urandom)


DRAWS: dict[str, Callable[[], Any]] = {
    "a default argument": draw_by_default,
    "an attribute of a class": lambda: Drawing.generator.random(),
    "a method that a class holds": lambda: Drawing.draw(),
    "entropy that a class holds": lambda: Drawing.entropy(8),
}


def state() -> list[Any]:
    """Everything above that a run changes."""
    return [
        by_default.__defaults__,
        (by_keyword.__kwdefaults__ or {})["clock"],
        dict(vars(Holder)),
        dict(vars(holder)),
        slotted.clock,
        list(Holder.a_list),
        dict(Holder.a_dict),
        [cell.cell_contents for cell in closed.__closure__ or ()],
        (partial.func, partial_of.args),
        made.default_factory,
        (dict(vars(Drawing)), type(Drawing.generator)),
        vars(logging.Formatter)["converter"],
        [cell.cell_contents for cell in Stamped.__init__.__closure__ or ()],
    ]
