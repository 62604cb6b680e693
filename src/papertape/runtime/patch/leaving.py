"""How a program ends: signals, exit handlers, the sudden exit. Inside a run none of them reaches the process."""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from papertape.runtime.guest import HostLoop
from papertape.runtime.patch.active import active
from papertape.runtime.signals import Signals

_TIMER: Final = "use loop.call_later or asyncio.timeout, which go by virtual time"
_INSTEAD: Final = "no signal comes here; install the handler only when the bot runs live"

_PATIENCE: Final = 2
"""How often a person has to press Ctrl-C until a program that swallows it is left to die with papertape."""

_real_signal: Final = signal.signal
_real_getsignal: Final = signal.getsignal
_real_raise: Final = signal.raise_signal
_real_alarm: Final = signal.alarm
_real_setitimer: Final = signal.setitimer
_real_kill: Final = os.kill
_real_exit: Final = os._exit
_real_register: Final = atexit.register
_real_unregister: Final = atexit.unregister


def _signals() -> Signals | None:
    """Those of the program that runs on this thread; None outside of any run. A bot that is no program of its own is refused."""
    run = active()
    if run is None:
        return None
    if not isinstance(run.loop, HostLoop):
        run.loop.refuse("a signal handler", _INSTEAD)
    return run.loop.signals


def _signal(signalnum: int, handler: Any) -> Any:
    signals = _signals()
    return _real_signal(signalnum, handler) if signals is None else signals.set(int(signalnum), handler)


def _getsignal(signalnum: int) -> Any:
    run = active()
    if run is None or not isinstance(run.loop, HostLoop):
        return _real_getsignal(signalnum)
    return run.loop.signals.get(int(signalnum))


def _raise_signal(signalnum: int) -> None:
    signals = _signals()
    if signals is None:
        _real_raise(signalnum)
    else:
        signals.deliver(int(signalnum))


def _kill(pid: int, signalnum: int) -> None:
    run = active()
    if run is None:
        _real_kill(pid, signalnum)
    elif pid == os.getpid():
        _raise_signal(signalnum)
    else:
        run.loop.refuse("a signal to another process", "send it outside of the simulation")


def _alarm(*args: Any) -> Any:
    """The process has one timer, which papertape itself may need, and it knows nothing of virtual time."""
    run = active()
    if run is None:
        return _real_alarm(*args)
    run.loop.refuse("signal.alarm", _TIMER)


def _setitimer(*args: Any) -> Any:
    run = active()
    if run is None:
        return _real_setitimer(*args)
    run.loop.refuse("signal.setitimer", _TIMER)


def _exit(status: int) -> NoReturn:
    """The whole of papertape would go, and no verdict with it."""
    if active() is None:
        _real_exit(status)
    raise SystemExit(status)


def _register(func: Callable[..., object], /, *args: Any, **kwargs: Any) -> Callable[..., object]:
    run = active()
    if run is None or not isinstance(run.loop, HostLoop):
        return _real_register(func, *args, **kwargs)
    run.loop.at_exit.append((func, args, kwargs))
    return func


def _unregister(func: Callable[..., object], /) -> None:
    run = active()
    if run is None or not isinstance(run.loop, HostLoop):
        _real_unregister(func)
    else:
        run.loop.at_exit[:] = [entry for entry in run.loop.at_exit if entry[0] != func]


for _real, _replacement in ((_real_signal, _signal), (_real_getsignal, _getsignal), (_real_register, _register)):
    _replacement.__name__ = _replacement.__qualname__ = _real.__name__

REPLACED: Final[list[tuple[object, object]]] = [
    (_real_signal, _signal),
    (_real_getsignal, _getsignal),
    (_real_raise, _raise_signal),
    (_real_alarm, _alarm),
    (_real_setitimer, _setitimer),
    (_real_kill, _kill),
    (_real_exit, _exit),
    (_real_register, _register),
    (_real_unregister, _unregister),
]
"""(what the machine has, what a run has)."""


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """While a program runs: the list fills when a person really presses Ctrl-C, which the program may catch and forget."""
    heard: list[int] = []

    def hear(number: int, frame: object) -> NoReturn:
        heard.append(number)
        if len(heard) > _PATIENCE:  # it swallows everything, and a person wants their terminal back
            _real_exit(128 + number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread() or _real_getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield heard
        return
    _real_signal(signal.SIGINT, hear)
    try:
        yield heard
    finally:
        _real_signal(signal.SIGINT, signal.default_int_handler)
