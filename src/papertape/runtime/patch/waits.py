"""Waiting for another thread or for a file, inside a run, where nobody will come.

A wait without an end is refused, and one with an end is time that passes, as in `time.sleep`.
"""

from __future__ import annotations

import queue
import select
import selectors
import threading
from typing import Any, Final

from papertape.model.units import SECOND
from papertape.runtime.patch.active import Run, active
from papertape.runtime.place import call_site

_NOBODY: Final = "no other thread exists that could end it; give it a time-out, or use asyncio's own"
_FILES: Final = "no file or socket of the machine becomes ready here; use asyncio, which reaches the simulated network"

_real_wait: Final = threading.Condition.wait
_real_join: Final = threading.Thread.join
_real_get: Final = queue.SimpleQueue.get
_real_select: Final = select.select


def _pass(run: Run, what: str, timeout: float | None) -> None:
    """Let a time-out pass; without one, refuse."""
    if timeout is None:
        run.loop.refuse(f"{what} without a time-out", _NOBODY)
    if timeout > 0:
        run.count(what)
        run.loop.stall_ns(max(1, round(min(timeout, threading.TIMEOUT_MAX) * SECOND)), call_site())


def _wait(self: threading.Condition, timeout: float | None = None) -> bool:
    run = active()
    if run is None or not self._is_owned():  # type: ignore[attr-defined] # which it says itself
        return _real_wait(self, timeout)
    _pass(run, "waiting for another thread", timeout)
    return False


def _join(self: threading.Thread, timeout: float | None = None) -> None:
    run = active()
    if run is None or not self.is_alive() or self is threading.current_thread():
        _real_join(self, timeout)
    else:
        _pass(run, "waiting for a thread to end", timeout)


def _get(self: queue.SimpleQueue[Any], block: bool = True, timeout: float | None = None) -> Any:
    run = active()
    if run is None or not block or not self.empty() or (timeout is not None and timeout < 0):
        return _real_get(self, block, timeout)
    _pass(run, "waiting for another thread", timeout)
    return _real_get(self, False)


def _select_files(*args: Any) -> Any:
    run = active()
    if run is None:
        return _real_select(*args)
    *files, timeout = args if len(args) > 3 else (*args, None)
    if any(files):
        run.loop.refuse("select.select", _FILES)
    _pass(run, "select", timeout)
    return [], [], []


def _select_with(kind: Any) -> Any:
    real = kind.select

    def select(self: Any, timeout: float | None = None) -> Any:
        run = active()
        if run is None:
            return real(self, timeout)
        if self.get_map():
            run.loop.refuse("selectors", _FILES)
        _pass(run, "select", timeout)
        return []

    return select


def _poll_with(kind: type) -> Any:
    real = kind.__dict__["poll"]

    def poll(self: Any, *args: Any, **options: Any) -> Any:
        run = active()
        if run is not None:
            wait = args[0] if args else options.get("timeout")
            if wait is None or wait != 0:  # what is asked without waiting may be asked: is this connection still there?
                run.loop.refuse("polling", _FILES)
        return real(self, *args, **options)

    return poll


for _replacement, _real in ((_wait, _real_wait), (_join, _real_join), (_get, _real_get), (_select_files, _real_select)):
    _replacement.__name__ = _real.__name__
    _replacement.__qualname__ = _real.__qualname__

_SELECTORS: Final = [
    getattr(selectors, name)
    for name in ("SelectSelector", "PollSelector", "EpollSelector", "DevpollSelector", "KqueueSelector")
    if hasattr(selectors, name)
]
_POLLS: Final[list[type]] = [
    *([type(select.poll())] if hasattr(select, "poll") else []),
    *([select.epoll] if hasattr(select, "epoll") else []),
]

REPLACED: Final[list[tuple[Any, Any]]] = [(_real_select, _select_files)]

POLLED: Final[list[Any]] = [_real_select, *([select.poll] if hasattr(select, "poll") else [])]
"""What selectors hold in their classes; they are answered for as a whole."""

ATTRIBUTES: Final[list[tuple[Any, str, object]]] = [
    (threading.Condition, "wait", _wait),
    (threading.Thread, "join", _join),
    *((kind, "select", _select_with(kind)) for kind in _SELECTORS if "select" in vars(kind)),
]

METHODS: Final[list[tuple[type, str, object]]] = [
    (queue.SimpleQueue, "get", _get),
    *((kind, "poll", _poll_with(kind)) for kind in _POLLS),
]
