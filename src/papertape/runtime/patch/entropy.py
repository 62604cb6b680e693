"""The machine's randomness, as a run hands it out: drawn from the seed."""

# ruff: noqa: TID251 - the one place that stands in for all of these.

from __future__ import annotations

import os
import random
import ssl
import sys
import uuid
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from papertape.runtime.patch.active import Run, active

Generator = random.Random

_real_seed: Final = random.Random.seed
_shared: Final[random.Random] = random._inst  # behind random.random and its kin


def _bytes(name: str, real: Callable[..., bytes]) -> Callable[..., bytes]:
    def draw(size: int, *flags: int) -> bytes:
        run = active()
        return real(size, *flags) if run is None else run.entropy.bytes(size)

    draw.__name__ = draw.__qualname__ = name
    return draw


def _seed(self: random.Random, a: Any = None, version: int = 2) -> None:
    run = active()
    if a is None and run is not None:
        a = int.from_bytes(run.entropy.bytes(32), "little")
    _real_seed(self, a, version)


def _of_module(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def draw(*args: Any, **options: Any) -> Any:
        run = active()
        return real(*args, **options) if run is None else getattr(run.random, name)(*args, **options)

    draw.__name__ = draw.__qualname__ = name
    return draw


REPLACED: Final[list[tuple[object, object]]] = [
    (os.urandom, _bytes("urandom", os.urandom)),
    (os.getrandom, _bytes("getrandom", os.getrandom)),
    (ssl.RAND_bytes, _bytes("RAND_bytes", ssl.RAND_bytes)),
    *[
        (function, _of_module(name, function))
        for name, function in vars(random).items()
        if getattr(function, "__self__", None) is _shared and not name.startswith("_")
    ],
]
"""(what the machine has, what a run has): `uuid4` and `secrets` draw through the first ones. Each run has its own `random.random`."""

ATTRIBUTES: Final[list[tuple[Any, str, object]]] = [
    (random.Random, "seed", _seed),
    (uuid, "_generate_time_safe", None),  # or libuuid makes uuid1 in C
]


def remember(generators: list[tuple[str, random.Random]]) -> Callable[[], None]:
    """Take down the state of everything that `reseed` changes; the function returned puts it back."""
    states = [(generator, generator.getstate()) for _, generator in _all(generators)]
    numpy, tempfile = _optional()
    numpy_state = numpy.get_state() if numpy is not None else None
    file_names = tempfile._name_sequence if tempfile is not None else None
    last, node = uuid._last_timestamp, uuid._node  # type: ignore[attr-defined]

    def put_back() -> None:
        uuid._last_timestamp, uuid._node = last, node  # type: ignore[attr-defined]
        if tempfile is not None:
            tempfile._name_sequence = file_names
        if numpy is not None:
            numpy.set_state(numpy_state)
        for generator, state in states:
            generator.setstate(state)

    return put_back


def reseed(run: Run, generators: list[tuple[str, random.Random]]) -> None:
    """Seed every generator that was made before the run by its name, and forget what was drawn for the whole process."""
    for name, generator in _all(generators):
        _real_seed(generator, run.chance.keyed(f"random/{name}", 0))
    numpy, tempfile = _optional()
    if numpy is not None:
        numpy.seed(run.chance.keyed("random/numpy", 0) % 2**32)
    if tempfile is not None:
        tempfile._name_sequence = None  # seeded once for each process
    uuid._last_timestamp = None  # type: ignore[attr-defined]
    uuid._node = 0x020000000001  # type: ignore[attr-defined] # a locally administered address: no machine's


def is_generator(value: object) -> bool:
    """Whether a module-level object is a pseudo-random generator that a run must seed."""
    return isinstance(value, random.Random) and not isinstance(value, random.SystemRandom)


def _optional() -> tuple[Any, Any]:
    return sys.modules.get("numpy.random"), sys.modules.get("tempfile")


def _all(generators: list[tuple[str, random.Random]]) -> list[tuple[str, random.Random]]:
    """Each generator once, under the first name that a module gives it."""
    named: dict[int, tuple[str, random.Random]] = {}
    for name, generator in [*generators, *_hidden_generators()]:
        named.setdefault(id(generator), (name, generator))
    return list(named.values())


def _hidden_generators() -> list[tuple[str, random.Random]]:
    """Generators that no module holds by name: default arguments of libraries we know."""
    writer: ModuleType | None = sys.modules.get("aiohttp._websocket.writer")
    if writer is None:
        return []
    init = writer.WebSocketWriter.__init__
    defaults = [*(init.__defaults__ or ()), *(init.__kwdefaults__ or {}).values()]
    return [(f"aiohttp.WebSocketWriter/{index}", value) for index, value in enumerate(defaults) if is_generator(value)]
