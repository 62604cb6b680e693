"""Ways out of a run that raise, naming the line that tried, and ways that a run can walk itself."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from papertape.runtime.patch.active import active

_SOCKET: Final = "use asyncio (aiohttp, websockets, ccxt.async_support, ccxt.pro), which reaches the simulated network"
_PROCESS: Final = "call its work as a function, or run it before the simulation"
_THREAD: Final = "use asyncio.to_thread or an executor, which run inline here"


def _refusing(real: Callable[..., Any], what: str, instead: str) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        run = active()
        if run is not None:
            run.loop.refuse(what, instead)
        return real(*args, **options)

    call.__name__ = call.__qualname__ = getattr(real, "__name__", what)
    return call


def _submit(real: Callable[..., Any]) -> Callable[..., Any]:
    def submit(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it inline; what it returned, or raised, is in the future."""
        if active() is None:
            return real(self, fn, *args, **kwargs)  # type: ignore[no-any-return]
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            future.set_exception(error)
        return future

    return submit


_real_new_event_loop: Final = asyncio.new_event_loop


def _new_event_loop() -> asyncio.AbstractEventLoop:
    run = active()
    return _real_new_event_loop() if run is None else run.loop.new_event_loop()


def _os_functions() -> list[tuple[object, object]]:
    names = [name for name in ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system") if hasattr(os, name)]
    return [(getattr(os, name), _refusing(getattr(os, name), f"os.{name}", _PROCESS)) for name in names]


def _lookups() -> list[tuple[object, object]]:
    names = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo", "socketpair")
    return [(getattr(socket, name), _refusing(getattr(socket, name), f"socket.{name}", _SOCKET)) for name in names]


REPLACED: Final[list[tuple[object, object]]] = [
    *_os_functions(),
    *_lookups(),
    (asyncio.new_event_loop, _new_event_loop),
]

ATTRIBUTES: Final[list[tuple[Any, str, object]]] = [
    (threading.Thread, "start", _refusing(threading.Thread.start, "a thread", _THREAD)),
    (socket.socket, "__init__", _refusing(socket.socket.__init__, "a real socket", _SOCKET)),
    (subprocess.Popen, "__init__", _refusing(subprocess.Popen.__init__, "another process", _PROCESS)),
    (ThreadPoolExecutor, "submit", _submit(ThreadPoolExecutor.submit)),
]


def proxies() -> list[tuple[object, object]]:
    """The machine's proxy settings, which no simulated connection goes through."""
    request = sys.modules.get("urllib.request")
    if request is None:
        return []
    real = request.getproxies

    def getproxies() -> dict[str, str]:
        return real() if active() is None else {}

    return [(real, getproxies)]
