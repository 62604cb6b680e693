"""Every way to an event loop ends at the run's own, or is refused; the report says which way was taken."""

import asyncio
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from papertape.model.errors import EscapedSimulation
from papertape.runtime.guest import GuestLoop, HostLoop
from papertape.runtime.patch import patched
from papertape.runtime.patch.active import Run, aside

uvloop: Any = pytest.importorskip("uvloop")


class MadeBefore(asyncio.SelectorEventLoop):  # type: ignore[misc, valid-type, unused-ignore]  # a name that typeshed makes depend on the platform
    """A user's own kind of loop."""


class Foreign(asyncio.AbstractEventLoop):
    """A loop that asyncio's own classes have nothing to do with."""

    def close(self) -> None: ...


@contextmanager
def program() -> Iterator[Run]:
    """In a run whose program may make loops."""
    loop = HostLoop()
    loop.has_program = True
    try:
        with patched(loop, 0) as run, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # uvloop and asyncio think policies old-fashioned
            yield run
    finally:
        loop.has_program = False
        loop.close()


async def sleep() -> float:
    await asyncio.sleep(3600)
    return asyncio.get_running_loop().time()


def by_install() -> Any:
    uvloop.install()
    return asyncio.run(sleep())


def by_uvloop_run() -> Any:
    return uvloop.run(sleep())


def by_runner() -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(sleep())


def run_on(loop: Any) -> Any:
    assert isinstance(loop, GuestLoop)
    try:
        return loop.run_until_complete(sleep())
    finally:
        loop.close()


def by_uvloop_policy() -> Any:
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    assert isinstance(asyncio.get_event_loop_policy(), uvloop.EventLoopPolicy)
    return run_on(asyncio.get_event_loop_policy().new_event_loop())


def by_get_event_loop() -> Any:
    return run_on(asyncio.get_event_loop())


def by_selector_runner() -> Any:
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(sleep())


class MadeInside:
    @staticmethod
    def loop() -> Any:
        return type("Mine", (asyncio.SelectorEventLoop,), {})()


@pytest.mark.parametrize(
    ("way", "note"),
    [
        (by_install, "event loop policy (uvloop)"),
        (by_uvloop_run, "event loop (uvloop)"),
        (by_runner, "event loop (uvloop)"),
        (by_uvloop_policy, "event loop (uvloop)"),
        (by_get_event_loop, "event loop"),
        (by_selector_runner, "event loop"),
        (lambda: run_on(uvloop.Loop()), "event loop (uvloop)"),
        (lambda: run_on(uvloop.new_event_loop()), "event loop (uvloop)"),
        (lambda: run_on(asyncio.new_event_loop()), "event loop"),
        (lambda: run_on(asyncio.SelectorEventLoop()), "event loop"),
        (lambda: run_on(asyncio.DefaultEventLoopPolicy().new_event_loop()), "event loop"),
        (lambda: run_on(MadeInside.loop()), "event loop"),
    ],
)
def test_every_way_to_a_loop_is_virtual(way: Any, note: str) -> None:
    """An hour passes at once on it, and the run has taken down how the program came by it."""
    policy = asyncio.events._event_loop_policy  # type: ignore[attr-defined]  # private to asyncio, in all versions we run on
    with program() as run:
        assert way() == 3600.0
        assert note in [each.what for each in run.intercepted]
    assert asyncio.events._event_loop_policy is policy  # type: ignore[attr-defined]  # private to asyncio, in all versions we run on


@pytest.mark.parametrize("factory", [MadeBefore, Foreign])
def test_a_loop_of_another_kind_is_refused(factory: Any) -> None:
    """One that was made for the machine cannot become the run's; the message says whose it is and what to use."""
    with program(), pytest.raises(EscapedSimulation, match=rf"{__file__}:\d+ in .*kind.*{factory.__name__}.*use asyncio.new_event_loop"):
        asyncio.Runner(loop_factory=factory).get_loop()


def test_loops_are_what_they_were_after_the_run() -> None:
    """And they were all along for other threads: real loops, of the classes that everybody knows."""
    seen: list[Any] = []

    def bystander() -> None:
        for make in (asyncio.new_event_loop, asyncio.SelectorEventLoop, MadeBefore, uvloop.Loop, uvloop.new_event_loop):
            loop = make()
            seen.append((make.__name__, isinstance(loop, GuestLoop), loop.run_until_complete(asyncio.sleep(0, "slept"))))
            assert isinstance(loop, (asyncio.SelectorEventLoop, uvloop.Loop))
            loop.close()

    with program(), aside():
        thread = threading.Thread(target=bystander)
        thread.start()
        thread.join()
    within = list(seen)
    seen.clear()
    bystander()
    assert within == seen == [(name, False, "slept") for name in [each[0] for each in seen]]
    assert len(seen) == 5
    assert type(asyncio.SelectorEventLoop) is type(uvloop.Loop) is type


def test_a_policy_set_by_another_thread_stays() -> None:
    """Only a run's own policy ends with it."""
    before = asyncio.events._event_loop_policy  # type: ignore[attr-defined]  # private to asyncio, in all versions we run on
    mine = asyncio.DefaultEventLoopPolicy()
    try:
        with program():
            asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
            with aside():
                asyncio.set_event_loop_policy(mine)
                assert asyncio.get_event_loop_policy() is mine
            assert asyncio.get_event_loop_policy() is not mine
        assert asyncio.get_event_loop_policy() is mine
    finally:
        asyncio.events._event_loop_policy = before  # type: ignore[attr-defined]  # private to asyncio, in all versions we run on


def test_uvloop_imported_by_the_run_is_caught() -> None:
    """A script imports it itself; what is true of a library that was there is true of one that comes."""
    loaded = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "uvloop"}
    for name in loaded:
        del sys.modules[name]
    try:
        with program() as run:
            import uvloop as late

            assert late is not uvloop
            assert late.run(sleep()) == 3600.0
            assert "event loop (uvloop)" in [each.what for each in run.intercepted]
        loop = late.Loop()
        assert not isinstance(loop, GuestLoop)
        loop.close()
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "uvloop"]:
            del sys.modules[name]
        sys.modules.update(loaded)
