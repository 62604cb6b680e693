"""The machine's randomness, as a run hands it out: drawn from the seed."""

# ruff: noqa: TID251 - the one place that stands in for all of these.

from __future__ import annotations

import os
import random
import ssl
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

from papertape.runtime.patch.active import Run, active

Generator = random.Random

_real_seed: Final = random.Random.seed
_real_module_seed: Final = random.seed


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


def _module_seed(a: Any = None, version: int = 2) -> None:
    _seed(_real_module_seed.__self__, a, version)  # type: ignore[attr-defined]


REPLACED: Final[list[tuple[object, object]]] = [
    (os.urandom, _bytes("urandom", os.urandom)),
    (os.getrandom, _bytes("getrandom", os.getrandom)),
    (ssl.RAND_bytes, _bytes("RAND_bytes", ssl.RAND_bytes)),
    (_real_module_seed, _module_seed),
]
"""(what the machine has, what a run has): `uuid4` and `secrets` draw through these."""

ATTRIBUTES: Final[list[tuple[Any, str, object]]] = [
    (random.Random, "seed", _seed),
    (uuid, "_generate_time_safe", None),  # or libuuid makes uuid1 in C
]


@contextmanager
def reseeded(run: Run, generators: list[tuple[str, random.Random]]) -> Iterator[None]:
    """Seed every generator that was made before the run by its name, and give it back its state afterwards."""
    states = []
    seen: dict[int, None] = {}
    for name, generator in [*generators, *_hidden_generators()]:
        if id(generator) not in seen:
            seen[id(generator)] = None
            states.append((generator, generator.getstate()))
            _real_seed(generator, run.chance.keyed(f"random/{name}", 0))
    numpy = sys.modules.get("numpy.random")
    numpy_state = numpy.get_state() if numpy is not None else None
    if numpy is not None:
        numpy.seed(run.chance.keyed("random/numpy", 0) % 2**32)
    tempfile: Any = sys.modules.get("tempfile")
    file_names = tempfile._name_sequence if tempfile is not None else None
    if tempfile is not None:
        tempfile._name_sequence = None  # it is seeded once for each process
    last, uuid._last_timestamp = uuid._last_timestamp, None  # type: ignore[attr-defined]
    node, uuid._node = uuid._node, 0x020000000001  # type: ignore[attr-defined] # a locally administered address: no machine's
    try:
        yield
    finally:
        uuid._node, uuid._last_timestamp = node, last  # type: ignore[attr-defined]
        if tempfile is not None:
            tempfile._name_sequence = file_names
        if numpy is not None:
            numpy.set_state(numpy_state)
        for generator, state in states:
            generator.setstate(state)


def is_generator(value: object) -> bool:
    """Whether a module-level object is a pseudo-random generator that a run must seed."""
    return isinstance(value, random.Random) and not isinstance(value, random.SystemRandom)


def _hidden_generators() -> list[tuple[str, random.Random]]:
    """Generators that no module holds by name: default arguments of libraries we know."""
    writer: ModuleType | None = sys.modules.get("aiohttp._websocket.writer")
    if writer is None:
        return []
    init = writer.WebSocketWriter.__init__
    defaults = [*(init.__defaults__ or ()), *(init.__kwdefaults__ or {}).values()]
    return [(f"aiohttp.WebSocketWriter/{index}", value) for index, value in enumerate(defaults) if is_generator(value)]
