"""The machine's randomness, as a run hands it out: drawn from the seed."""

# ruff: noqa: TID251 - the one place that stands in for all of these.

from __future__ import annotations

import os
import random
import ssl
import tempfile
import uuid
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from papertape.runtime.patch.active import Run, active

_real_seed: Final = random.Random.seed
_shared: Final[random.Random] = random._inst  # behind random.random and its kin

_NODE: Final = 0x020000000001
"""A locally administered address: no machine's."""

_GREGORIAN: Final = 0x01B21DD213814000
"""100 ns steps from 1582-10-15, where version 1 of UUIDs begins, to 1970-01-01."""


def _bytes(name: str, real: Callable[..., bytes]) -> Callable[..., bytes]:
    what = f"{real.__module__ or 'os'}.{name}".replace("posix.", "os.").replace("_ssl.", "ssl.")

    def draw(size: int, *flags: int) -> bytes:
        run = active()
        if run is None:
            return real(size, *flags)
        run.count(what)
        return run.entropy.bytes(size)

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
        if run is None:
            return real(*args, **options)
        run.count("random")
        return getattr(run.random, name)(*args, **options)

    draw.__name__ = draw.__qualname__ = name
    return draw


_real_uuid1: Final = uuid.uuid1
_real_getnode: Final = uuid.getnode


def _uuid1(node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
    """By the run's time; the module's own would remember the last one for the whole process."""
    run = active()
    if run is None:
        return _real_uuid1(node, clock_seq)
    run.count("uuid.uuid1")
    moment = max(run.loop.wall_ns() // 100 + _GREGORIAN, run.kept.get(_uuid1, 0) + 1)
    run.kept[_uuid1] = moment
    if clock_seq is None:
        clock_seq = run.random.getrandbits(14)
    fields = (moment & 0xFFFFFFFF, moment >> 32 & 0xFFFF, moment >> 48 & 0x0FFF, clock_seq >> 8 & 0x3F, clock_seq & 0xFF)
    return uuid.UUID(fields=(*fields, _NODE if node is None else node), version=1)


def _getnode() -> int:
    return _real_getnode() if active() is None else _NODE


_real_names: Final = tempfile._get_candidate_names  # type: ignore[attr-defined]  # private to tempfile, in all versions we run on


def _candidate_names() -> Any:
    """Names for temporary files; the module seeds them once for each process."""
    run = active()
    if run is None:
        return _real_names()
    if _candidate_names not in run.kept:
        names = tempfile._RandomNameSequence()  # type: ignore[attr-defined]  # private to tempfile, in all versions we run on
        # It would seed itself from the machine's entropy when it is first used, with what was drawn from that before.
        names._rng, names._rng_pid = run.generator("tempfile"), os.getpid()
        run.kept[_candidate_names] = names
    return run.kept[_candidate_names]


for _replacement, _of in ((_uuid1, _real_uuid1), (_getnode, _real_getnode), (_candidate_names, _real_names)):
    _replacement.__name__ = _replacement.__qualname__ = _of.__name__

REPLACED: Final[list[tuple[Any, Any]]] = [
    (os.urandom, _bytes("urandom", os.urandom)),
    (os.getrandom, _bytes("getrandom", os.getrandom)),
    (ssl.RAND_bytes, _bytes("RAND_bytes", ssl.RAND_bytes)),
    *[
        (function, _of_module(name, function))
        for name, function in vars(random).items()
        if getattr(function, "__self__", None) is _shared and not name.startswith("_")
    ],
    (_real_uuid1, _uuid1),
    (_real_getnode, _getnode),
    (_real_names, _candidate_names),
]
"""(what the machine has, what a run has): `uuid4` and `secrets` draw through the first ones. Each run has its own `random.random`."""

ATTRIBUTES: Final[list[tuple[Any, str, object]]] = [(random.Random, "seed", _seed)]


def of_numpy(module: ModuleType) -> list[tuple[Any, Any]]:
    """The functions of `numpy.random`, all of one generator for the whole process."""
    shared = getattr(getattr(module, "mtrand", None), "_rand", None)
    if shared is None:
        return []

    def of_run(run: Run) -> Any:
        if of_numpy not in run.kept:
            run.kept[of_numpy] = module.RandomState(run.chance.keyed("random/numpy", 0) % 2**32)
        return run.kept[of_numpy]

    def replacement(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def draw(*args: Any, **options: Any) -> Any:
            run = active()
            if run is None:
                return real(*args, **options)
            run.count("numpy.random")
            return getattr(of_run(run), name)(*args, **options)

        draw.__name__ = draw.__qualname__ = name
        return draw

    return [
        (function, replacement(name, function))
        for name, function in vars(module).items()
        if hasattr(shared, name) and (name == "seed" or getattr(function, "__self__", None) is shared)
    ]
