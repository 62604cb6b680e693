"""The machine's clocks, as a run shows them: run time for what is monotonic, the venue's date for what is on the wall."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, TypeVar

from papertape.model.units import MICROSECOND, SECOND, Nanos
from papertape.runtime.patch.active import active
from papertape.runtime.place import call_site

_F = TypeVar("_F", bound=Callable[..., Any])

_real: Final[dict[str, Callable[..., Any]]] = {name: getattr(time, name) for name in dir(time) if callable(getattr(time, name))}
_real_now: Final = datetime.__dict__["now"]
_real_utcnow: Final = datetime.__dict__["utcnow"]


def _seconds(name: str, is_wall: bool) -> Callable[[], float]:
    real = _real[name]

    def read() -> float:
        run = active()
        if run is None:
            return real()  # type: ignore[no-any-return]
        return (run.loop.wall_ns() if is_wall else run.loop.now_ns) / SECOND

    return _named(read, name)


def _nanoseconds(name: str, is_wall: bool) -> Callable[[], Nanos]:
    real = _real[name]

    def read() -> Nanos:
        run = active()
        if run is None:
            return real()  # type: ignore[no-any-return]
        return run.loop.wall_ns() if is_wall else run.loop.now_ns

    return _named(read, name)


def _broken_down(name: str) -> Callable[..., Any]:
    """`gmtime` and its kin: the moment is their last argument, and now if it is left out."""
    real = _real[name]
    count = 1 if name == "strftime" else 0  # arguments before the moment

    def convert(*args: Any) -> Any:
        run = active()
        if run is None or (len(args) > count and args[count] is not None):
            return real(*args)
        now: Any = run.loop.wall_ns() // SECOND
        return real(*args[:count], _real["localtime"](now) if name in ("strftime", "asctime") else now)

    return _named(convert, name)


def _gettime(name: str) -> Callable[[int], Any]:
    real = _real[name]

    def read(clock: int) -> Any:
        run = active()
        if run is None:
            return real(clock)
        ns = run.loop.wall_ns() if clock == time.CLOCK_REALTIME else run.loop.now_ns
        return ns if name.endswith("_ns") else ns / SECOND

    return _named(read, name)


def _sleep(seconds: float) -> None:
    """Block the whole program: nothing else happens, and time moves on."""
    run = active()
    if run is None:
        _real["sleep"](seconds)
        return
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    run.loop.stall_ns(round(seconds * SECOND), call_site())


def _now(cls: type[datetime], tz: tzinfo | None = None) -> datetime:
    run = active()
    if run is None:
        return _real_now.__get__(None, cls)(tz)  # type: ignore[no-any-return]
    seconds, ns = divmod(run.loop.wall_ns(), SECOND)
    return cls.fromtimestamp(seconds, tz).replace(microsecond=ns // MICROSECOND)


def _utcnow(cls: type[datetime]) -> datetime:
    run = active()
    if run is None:
        return _real_utcnow.__get__(None, cls)()  # type: ignore[no-any-return]
    return _now(cls, UTC).replace(tzinfo=None)


def _named(function: _F, name: str) -> _F:
    function.__name__ = function.__qualname__ = name
    return function


REPLACED: Final[list[tuple[object, object]]] = [
    (_real[name], replacement)
    for name, replacement in {
        "time": _seconds("time", True),
        "time_ns": _nanoseconds("time_ns", True),
        **{name: _seconds(name, False) for name in ("monotonic", "perf_counter", "process_time", "thread_time")},
        **{name: _nanoseconds(name, False) for name in ("monotonic_ns", "perf_counter_ns", "process_time_ns", "thread_time_ns")},
        **{name: _gettime(name) for name in ("clock_gettime", "clock_gettime_ns")},
        **{name: _broken_down(name) for name in ("gmtime", "localtime", "ctime", "asctime", "strftime")},
        "sleep": _named(_sleep, "sleep"),
    }.items()
]
"""(what the machine has, what a run has): to be exchanged wherever a module holds it."""

METHODS: Final[list[tuple[type, str, object]]] = [(datetime, "now", classmethod(_now)), (datetime, "utcnow", classmethod(_utcnow))]
"""Methods of types written in C. `date.today` and `datetime.today` ask `time.time` themselves."""
