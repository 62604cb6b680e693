"""Every way to an event loop ends at the run's: asyncio's functions, its classes and policies, and loops written in C such as uvloop's."""

from __future__ import annotations

import asyncio
import asyncio.events
import asyncio.selector_events
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from papertape.runtime.patch.active import Run, active

_INSTEAD: Final = "use asyncio.new_event_loop or asyncio.run"

_real_new_event_loop: Final = asyncio.new_event_loop
_real_get_policy: Final = asyncio.get_event_loop_policy
_real_set_policy: Final = asyncio.set_event_loop_policy
_real_selector_init: Final = asyncio.selector_events.BaseSelectorEventLoop.__init__
_real_runner_init: Final = asyncio.Runner.__init__


def _is_ours(loop: object) -> bool:
    return hasattr(loop, "next_number")


def _new(run: Run, kind: str) -> asyncio.AbstractEventLoop:
    loop = run.loop.new_event_loop()
    run.count(f"event loop ({kind})" if kind else "event loop")
    return loop


def _new_event_loop() -> asyncio.AbstractEventLoop:
    run = active()
    return _real_new_event_loop() if run is None else _new(run, "")


class _StandingIn(type):
    """The class of a class that makes the run's loop instead of its own, and takes the run's for its own."""

    real: type

    def __call__(cls, *args: Any, **options: Any) -> Any:
        run = active()
        if run is not None:
            library = cls.real.__module__.partition(".")[0]
            return _new(run, "" if library == "asyncio" else library)
        return cls.real(*args, **options) if "real" in vars(cls) else super().__call__(*args, **options)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.real) or (active() is not None and _is_ours(instance))

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.real)


def _stand_in(real: type) -> type:
    return _StandingIn(real.__name__, (real,), {"real": real, "__module__": real.__module__, "__qualname__": real.__qualname__})


def _selector_init(self: Any, *args: Any, **options: Any) -> None:
    """Only a subclass that was made before the run comes here from inside one."""
    run = active()
    if run is not None:
        self._closed = True  # its finalizer asks
        run.loop.refuse(f"an event loop of its own kind ({type(self).__name__})", _INSTEAD)
    _real_selector_init(self, *args, **options)


def _runner_init(self: Any, *, debug: bool | None = None, loop_factory: Callable[[], Any] | None = None) -> None:
    if active() is None or loop_factory is None:
        _real_runner_init(self, debug=debug, loop_factory=loop_factory)
        return
    factory = loop_factory

    def ours() -> Any:
        loop = factory()
        run = active()
        if run is not None and not _is_ours(loop):
            loop.close()
            run.loop.refuse(f"an event loop of another kind ({type(loop).__module__}.{type(loop).__qualname__})", _INSTEAD)
        return loop

    _real_runner_init(self, debug=debug, loop_factory=ours)


class Policy(asyncio.AbstractEventLoopPolicy):
    """What the process has for a policy while patches are in place: each run its own, everybody else the one that was there.

    Attributes:
        outer: the one for everybody else.
    """

    def __init__(self, outer: Any) -> None:
        self.outer = outer

    def _policy(self) -> Any:
        run = active()
        if run is None:
            if self.outer is None:
                self.outer = asyncio.DefaultEventLoopPolicy()
            return self.outer
        if Policy not in run.kept:
            run.kept[Policy] = asyncio.DefaultEventLoopPolicy()
        return run.kept[Policy]

    def get_event_loop(self) -> Any:
        return self._policy().get_event_loop()

    def set_event_loop(self, loop: Any) -> None:
        self._policy().set_event_loop(loop)

    def new_event_loop(self) -> Any:
        return self._policy().new_event_loop()

    def get_child_watcher(self) -> Any:
        return self._policy().get_child_watcher()

    def set_child_watcher(self, watcher: Any) -> None:
        self._policy().set_child_watcher(watcher)


def _get_policy() -> Any:
    policy = _real_get_policy()
    return policy._policy() if isinstance(policy, Policy) else policy


def _set_policy(policy: Any) -> None:
    now = asyncio.events._event_loop_policy  # type: ignore[attr-defined]  # private to asyncio, in all versions we run on
    run = active()
    if run is not None:
        if policy is None:
            run.kept.pop(Policy, None)
            return
        run.count(f"event loop policy ({type(policy).__module__.partition('.')[0]})")
        run.kept[Policy] = policy
    elif isinstance(now, Policy):
        now.outer = policy
    else:
        _real_set_policy(policy)


def put_policy() -> Callable[[], None]:
    """Let each run have its own policy; the function returned leaves the one that everybody else has come to."""
    events: Any = asyncio.events
    policy = events._event_loop_policy = Policy(events._event_loop_policy)

    def put_back() -> None:
        events._event_loop_policy = policy.outer

    return put_back


for _replacement, _real in (
    (_new_event_loop, _real_new_event_loop),
    (_get_policy, _real_get_policy),
    (_set_policy, _real_set_policy),
):
    _replacement.__name__ = _replacement.__qualname__ = _real.__name__

_SelectorLoop: Final = _stand_in(asyncio.SelectorEventLoop)

REPLACED: Final[list[tuple[Any, Any]]] = [
    (_real_new_event_loop, _new_event_loop),
    (_real_get_policy, _get_policy),
    (_real_set_policy, _set_policy),
    (asyncio.SelectorEventLoop, _SelectorLoop),
]

ATTRIBUTES: Final[list[tuple[Any, str, object]]] = [
    (asyncio.selector_events.BaseSelectorEventLoop, "__init__", _selector_init),
    (asyncio.Runner, "__init__", _runner_init),
    *([] if sys.platform == "win32" else [(asyncio.DefaultEventLoopPolicy, "_loop_factory", _SelectorLoop)]),
]


def of_uvloop(module: ModuleType) -> list[tuple[Any, Any]]:
    """The loop's class: all functions and policies of uvloop and winloop make it by this name."""
    return [(module.Loop, _stand_in(module.Loop))]
