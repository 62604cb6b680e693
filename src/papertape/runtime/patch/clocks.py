"""The machine's clocks, as a run shows them: run time for what is monotonic, the venue's date for what is on the wall."""

from __future__ import annotations

import datetime as _datetime
import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, tzinfo
from threading import get_ident
from typing import Any, Final, TypeVar

from papertape.model.units import MICROSECOND, SECOND, Nanos
from papertape.runtime.patch.active import _runs, active
from papertape.runtime.place import call_site

_F = TypeVar("_F", bound=Callable[..., Any])

_real: Final[dict[str, Callable[..., Any]]] = {name: getattr(time, name) for name in dir(time) if callable(getattr(time, name))}
_real_times: Final = os.times


def _written_in_c(name: str) -> Any:
    """`datetime.datetime` itself, also while a library that freezes time has put a subclass in its place."""
    kinds = getattr(_datetime, name).__mro__
    return next(kind for kind in kinds if kind.__module__ == "datetime" and kind.__name__ == name)


datetime: Final[type[_datetime.datetime]] = _written_in_c("datetime")
date: Final[type[_datetime.date]] = _written_in_c("date")
_real_now: Final = datetime.__dict__["now"]
_real_utcnow: Final = datetime.__dict__["utcnow"]


def _seconds(name: str, is_wall: bool) -> Callable[[], float]:
    real, what, runs = _real[name], f"time.{name}", _runs

    def read() -> float:
        run = runs.get(get_ident())
        if run is None:
            return real()  # type: ignore[no-any-return]  # what the real one returns
        try:
            run.counts[what] += 1
        except KeyError:
            run.count(what)
        return (run.loop.wall_ns() if is_wall else run.loop.now_ns) / SECOND

    return _named(read, name)


def _nanoseconds(name: str, is_wall: bool) -> Callable[[], Nanos]:
    real, what, runs = _real[name], f"time.{name}", _runs

    def read() -> Nanos:
        run = runs.get(get_ident())
        if run is None:
            return real()  # type: ignore[no-any-return]  # what the real one returns
        try:
            run.counts[what] += 1
        except KeyError:
            run.count(what)
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
        run.count(f"time.{name}")
        now: Any = run.loop.wall_ns() // SECOND
        return real(*args[:count], _real["localtime"](now) if name in ("strftime", "asctime") else now)

    return _named(convert, name)


def _gettime(name: str) -> Callable[[int], Any]:
    real = _real[name]

    def read(clock: int) -> Any:
        run = active()
        if run is None:
            return real(clock)
        run.count(f"time.{name}")
        ns = run.loop.wall_ns() if clock in _WALL else run.loop.now_ns
        return ns if name.endswith("_ns") else ns / SECOND

    return _named(read, name)


_WALL: Final = (time.CLOCK_REALTIME, getattr(time, "CLOCK_TAI", time.CLOCK_REALTIME))


def _sleep(seconds: float) -> None:
    """Block the whole program: nothing else happens, and time moves on."""
    run = active()
    if run is None:
        _real["sleep"](seconds)
        return
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    run.count("time.sleep")
    run.loop.stall_ns(round(seconds * SECOND), call_site())


def _times() -> os.times_result:
    run = active()
    if run is None:
        return _real_times()
    run.count("os.times")
    seconds = run.loop.now_ns / SECOND
    return os.times_result((seconds, 0.0, 0.0, 0.0, seconds))


def _now(cls: type[_datetime.datetime], tz: tzinfo | None = None) -> _datetime.datetime:
    run = active()
    if run is None:
        return _real_now.__get__(None, cls)(tz)  # type: ignore[no-any-return]  # what the real one returns
    run.count("datetime.now")
    seconds, ns = divmod(run.loop.wall_ns(), SECOND)
    return cls.fromtimestamp(seconds, tz).replace(microsecond=ns // MICROSECOND)


def _utcnow(cls: type[_datetime.datetime]) -> _datetime.datetime:
    run = active()
    if run is None:
        return _real_utcnow.__get__(None, cls)()  # type: ignore[no-any-return]  # what the real one returns
    return _now(cls, UTC).replace(tzinfo=None)


def _named(function: _F, name: str) -> _F:
    function.__name__ = function.__qualname__ = name
    return function


REPLACED: Final[list[tuple[Any, Any]]] = [
    *[
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
    ],
    (_real_times, _named(_times, "times")),
]
"""(what the machine has, what a run has): to be exchanged wherever a module holds it."""

METHODS: Final[list[tuple[type, str, object]]] = [(datetime, "now", classmethod(_now)), (datetime, "utcnow", classmethod(_utcnow))]
"""Methods of types written in C. `date.today` and `datetime.today` ask `time.time` themselves."""

ATTRIBUTES: Final[list[tuple[Any, str, object]]] = [
    # A class attribute: a function written in Python would become a method there.
    (logging.Formatter, "converter", staticmethod(dict(REPLACED)[_real["localtime"]])),
]
