"""Pseudo-random generators that were made before the run, as every module may hold one.

While patches are in place each of them answers a run from a twin of that run's own, and everybody else from its own state, which no run
moves. A generator of a user's own class may draw in ways that a twin cannot: its state is set at the start of a run and put back at
its end, so two runs in two threads would see each other there.
"""

# ruff: noqa: TID251 - stands in for random.Random.

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping
from types import BuiltinMethodType, MethodType
from typing import Any, Final

from papertape.runtime.patch.active import Own, Run, active

_real_seed: Final = random.Random.seed
_PUBLIC: Final = [name for name in dir(random.Random) if not name.startswith("_") and callable(getattr(random.Random, name))]


def _method(name: str) -> Any:
    real = getattr(random.Random, name)

    def method(self: random.Random, /, *args: Any, **options: Any) -> Any:
        run = active()
        if run is None:
            return real(self, *args, **options)
        return getattr(_twin(run, self), name)(*args, **options)

    method.__name__ = method.__qualname__ = name
    return method


def _reduce(self: random.Random) -> Any:
    return random.Random, (), self.getstate()


Shared: Final[type[random.Random]] = type(
    "Random", (random.Random,), {**{name: _method(name) for name in _PUBLIC}, "__reduce__": _reduce, "__slots__": ()}
)
"""What a generator is an instance of while patches are in place."""

_knowing: Final = {value: None for value in vars(Shared).values() if callable(value)}
_names: dict[int, str] = {}


def _twin(run: Run, generator: random.Random) -> random.Random:
    run.count("random")
    key = (Shared, id(generator))
    twin: random.Random | None = run.kept.get(key)
    if twin is None:
        name = _names.get(id(generator)) or _name_in_modules(generator)
        if name is None:  # told apart by which is used first
            unnamed = run.kept[Shared] = run.kept.get(Shared, 0) + 1
            name = f"unnamed/{unnamed}"
        twin = run.kept[key] = run.generator(f"random/{name}")
    return twin


def _name_in_modules(generator: random.Random) -> str | None:
    """Its first name, as `Scanner` would give it: it came with a module that was imported during the run."""
    for module_name, module in list(sys.modules.items()):
        names = getattr(module, "__dict__", None)
        if isinstance(names, dict) and not module_name.startswith("papertape.runtime.patch"):
            for name, value in list(names.items()):
                if value is generator:
                    return f"{names.get('__name__', '')}.{name}"
    return None


def is_generator(value: object) -> bool:
    """Whether an object is a pseudo-random generator that a run must answer for."""
    return isinstance(value, random.Random) and not isinstance(value, (random.SystemRandom, Own))


def is_draw(value: Any) -> bool:
    """Whether an object is a method of such a generator, taken before the generator had another class."""
    return bool(type(value) in (BuiltinMethodType, MethodType) and is_generator(value.__self__) and value.__name__ in _PUBLIC)


def asks_for_run(draw: Any) -> bool:
    """Whether a method of a generator was taken while that had another class: it knows runs."""
    return getattr(draw, "__func__", None) in _knowing


def share(generator: random.Random) -> bool:
    """Let a generator answer runs from twins; False if it is of a user's own class."""
    if type(generator) is random.Random:
        generator.__class__ = Shared
    return type(generator) is Shared


def part(generator: random.Random) -> None:
    """Undo `share`."""
    if type(generator) is Shared:
        generator.__class__ = random.Random


class Generators:
    """Those that were found; most of them in modules, under the first name that a module gives them."""

    def __init__(self) -> None:
        self._shared: dict[int, random.Random] = {}
        self._others: dict[int, tuple[str, random.Random]] = {}

    def add(self, name: str | None, generator: random.Random) -> None:
        """Let it answer runs from now on; without a name its draws depend on the order in which such ones are used."""
        if share(generator):
            self._shared.setdefault(id(generator), generator)
            if name is not None:
                _names.setdefault(id(generator), name)
        elif name is not None:
            self._others.setdefault(id(generator), (name, generator))

    def put_back(self) -> None:
        """Let all be what they were."""
        for generator in self._shared.values():
            part(generator)
            _names.pop(id(generator), None)
        self._shared, self._others = {}, {}

    def known(self) -> list[random.Random]:
        """All that answer runs from twins."""
        return list(self._shared.values())

    def remember(self) -> Callable[[], None]:
        """Take down the states of the users' own; the function returned gives them back."""
        states = [(generator, generator.getstate()) for _, generator in self._others.values()]

        def put_back() -> None:
            for generator, state in states:
                generator.setstate(state)

        return put_back

    def reseed(self, run: Run) -> None:
        """Seed the users' own by name."""
        for name, generator in self._others.values():
            _real_seed(generator, run.chance.keyed(f"random/{name}", 0))


def hidden(function: Any, name: str) -> list[tuple[str, random.Random]]:
    """Generators that a function of a library holds as default arguments, where no module names them."""
    by_keyword: Mapping[str, Any] = function.__kwdefaults__ or {}
    defaults = [*(function.__defaults__ or ()), *by_keyword.values()]
    return [(f"{name}/{index}", value) for index, value in enumerate(defaults) if is_generator(value)]
