"""Ways out of a run that raise, naming the line that tried, and ways that a run can walk itself."""

from __future__ import annotations

import _thread
import builtins
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import ModuleType
from typing import Any, Final

from papertape.runtime.manners import Manners
from papertape.runtime.patch.active import active

_SOCKET: Final = "use asyncio (aiohttp, websockets, ccxt.async_support, ccxt.pro), which reaches the simulated network"
_PROCESS: Final = "call its work as a function, or run it before the simulation"
_THREAD: Final = "use asyncio.to_thread or an executor, which run inline here"
_POOL: Final = "use a ThreadPoolExecutor, which runs inline here"
_PERSON: Final = "nobody is there to answer; take it from the command line, the environment or a file"


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
        run = active()
        if run is None:
            return real(self, fn, *args, **kwargs)  # type: ignore[no-any-return]  # whatever the real one returns
        run.count("executor")
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            future.set_exception(error)
        return future

    return submit


def _counted(real: Callable[..., Any]) -> Callable[..., Any]:
    """The loop's own way into an executor, which is inline too."""

    def run_in_executor(*args: Any) -> Any:
        run = active()
        if run is not None:
            run.count("executor")
        return real(*args)

    return run_in_executor


def _os_functions() -> list[tuple[object, object]]:
    wanted = ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system", "execv", "execve")
    names = [name for name in wanted if hasattr(os, name)]
    return [(getattr(os, name), _refusing(getattr(os, name), f"os.{name}", _PROCESS)) for name in names]


def _lookups() -> list[tuple[object, object]]:
    names = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo", "socketpair")
    return [(getattr(socket, name), _refusing(getattr(socket, name), f"socket.{name}", _SOCKET)) for name in names]


REPLACED: Final[list[tuple[Any, Any]]] = [
    *_os_functions(),
    *_lookups(),
    (_thread.start_new_thread, _refusing(_thread.start_new_thread, "a thread", _THREAD)),
    (builtins.input, _refusing(builtins.input, "input()", _PERSON)),
]

ATTRIBUTES: Final[list[tuple[Any, str, object]]] = [
    (threading.Thread, "start", _refusing(threading.Thread.start, "a thread", _THREAD)),
    (socket.socket, "__init__", _refusing(socket.socket.__init__, "a real socket", _SOCKET)),
    (subprocess.Popen, "__init__", _refusing(subprocess.Popen.__init__, "another process", _PROCESS)),
    (ThreadPoolExecutor, "submit", _submit(ThreadPoolExecutor.submit)),
    (Manners, "run_in_executor", _counted(Manners.run_in_executor)),
]


def of_processes(module: ModuleType) -> list[tuple[Any, str, object]]:
    """What starts a process in `multiprocessing.process`."""
    kind = module.BaseProcess
    return [(kind, "start", _refusing(kind.start, "another process", _PROCESS))]


def of_process_pool(module: ModuleType) -> list[tuple[Any, str, object]]:
    """What starts processes in `concurrent.futures.process`, and what sends work to those that run."""
    kind = module.ProcessPoolExecutor
    return [(kind, name, _refusing(getattr(kind, name), "a pool of processes", _POOL)) for name in ("__init__", "submit")]


def of_getpass(module: ModuleType) -> list[tuple[Any, Any]]:
    """What asks a person, in `getpass`."""
    return [(module.getpass, _refusing(module.getpass, "getpass()", _PERSON))]


def of_proxies(module: ModuleType) -> list[tuple[Any, Any]]:
    """The machine's proxy settings, which no simulated connection goes through."""
    real = module.getproxies

    def getproxies() -> dict[str, str]:
        return real() if active() is None else {}

    return [(real, getproxies)]
