"""The user's own copies of clocks are the run's at every depth, without a search through memory."""

# ruff: noqa: TID251 - what is replaced

from __future__ import annotations

import gc
import json
import sys
import time
import types
import weakref
from pathlib import Path
from typing import Any

import pytest

import papertape
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.world import run_virtual

EPOCH_S = 1_000_000


def by_default(now: Any = time.time) -> Any:
    return now()


def by_name(*, now: Any = time.time) -> Any:
    return now()


def closing_over(now: Any) -> Any:
    def ask() -> Any:
        return now()

    return ask


ask_closure = closing_over(time.time)


class Clock:
    now = time.time
    kept = staticmethod(by_default)

    def ask(self, now: Any = time.time) -> Any:
        return now()

    @property
    def shown(self) -> Any:
        return by_name()

    @classmethod
    def asked(cls, now: Any = time.time) -> Any:
        return now()


def test_what_a_module_of_the_user_defines_asks_the_run() -> None:
    """Defaults, keyword defaults, closures, attributes and methods of classes."""

    async def main(loop: VirtualLoop) -> list[float]:
        clock = Clock()
        return [by_default(), by_name(), ask_closure(), clock.now(), Clock.now(), clock.kept(), clock.ask(), clock.shown, Clock.asked()]

    assert run_virtual(main, epoch_ns=EPOCH_S * 10**9) == [EPOCH_S] * 9


def test_what_no_module_holds_is_looked_through_where_it_is_given() -> None:
    """As a function that a test makes."""

    async def main(loop: VirtualLoop, now: Any = time.time) -> float:
        return float(now())

    assert run_virtual(main, epoch_ns=EPOCH_S * 10**9, roots=(main,)) == EPOCH_S


def test_all_of_it_is_put_back() -> None:
    """The very objects."""

    async def main(loop: VirtualLoop) -> None:
        return None

    before = (by_default.__defaults__, by_name.__kwdefaults__, vars(Clock)["now"], ask_closure.__closure__[0].cell_contents)
    run_virtual(main)
    assert before == (by_default.__defaults__, by_name.__kwdefaults__, vars(Clock)["now"], ask_closure.__closure__[0].cell_contents)
    assert by_default.__defaults__ == (time.time,)
    assert vars(Clock)["now"] is time.time


def test_with_servers_main_and_handlers_ask_the_run() -> None:
    """Also for their defaults."""

    async def handler(reader: Any, writer: Any, now: Any = time.monotonic) -> None:
        writer.write(str(now()).encode())
        await writer.drain()
        writer.close()

    async def main(world: Any, now: Any = time.monotonic) -> tuple[float, float]:
        import asyncio

        await world.sleep(2)
        reader, writer = await asyncio.open_connection("clock.example", 7)
        told = float(await reader.read())
        writer.close()
        return now(), told

    result = papertape.simulate(main, servers={"tcp://clock.example:7": handler})
    result.raise_for_failure()
    mine, theirs = result.value
    assert 2 <= theirs <= mine < 3


def test_a_module_that_takes_anothers_name_is_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot that is loaded anew, with as many names as before, or a library: what is remembered goes by modules, not by their names."""

    async def main(loop: VirtualLoop) -> list[float]:
        return [sys.modules[name].ask() for name in names]

    names = ("a_users_own", "json.of_ours")
    for held in ("time.time", "time.monotonic", "time.time"):
        for name in names:
            file = tmp_path / f"{name}.py" if name == "a_users_own" else Path(json.__file__).with_name("of_ours.py")
            module = types.ModuleType(name)
            module.__file__ = str(file)
            exec(f"import time\nclock = {held}\ndef ask(now={held}): return clock() + now()", vars(module))
            monkeypatch.setitem(sys.modules, name, module)
        expected = 2.0 * EPOCH_S if held == "time.time" else 0.0
        for _ in range(2):
            assert run_virtual(main, epoch_ns=EPOCH_S * 10**9, is_deep=True) == [expected] * 2


@pytest.mark.parametrize("is_librarys", [True, False], ids=["library", "user"])
def test_a_name_that_a_module_took_since_the_last_run_is_found(is_librarys: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although the module was looked through before, and all others are as they were."""

    async def main(loop: VirtualLoop) -> list[float]:
        return [vars(module)[name]() for name in names]

    module = types.ModuleType("of_somebody")
    module.__file__ = str(Path(json.__file__).with_name("of_ours.py") if is_librarys else tmp_path / "of_somebody.py")
    monkeypatch.setitem(sys.modules, "of_somebody", module)
    names: list[str] = []
    for number in range(3):
        vars(module)[f"clock_{number}"] = time.time
        names.append(f"clock_{number}")
        for _ in range(2):
            assert run_virtual(main, epoch_ns=EPOCH_S * 10**9) == [EPOCH_S] * len(names)
    assert vars(module)["clock_0"] is time.time


def test_modules_that_come_and_go_are_looked_through_under_their_own_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One takes the place of another, and its address in memory."""

    async def main(loop: VirtualLoop, name: str) -> float:
        return float(sys.modules[name].clock())

    for number in range(20):
        name = f"come_and_gone_{number}"
        module = types.ModuleType(name)
        module.__file__, module.clock = str(tmp_path / f"{name}.py"), time.time
        sys.modules[name] = module
        del module
        assert run_virtual(lambda loop, name=name: main(loop, name), epoch_ns=EPOCH_S * 10**9) == EPOCH_S
        del sys.modules[name]


def test_a_users_module_is_not_kept_alive(tmp_path: Path) -> None:
    """A sweep loads a bot over and over; a library's modules are kept, so that they can be known again."""

    async def main(loop: VirtualLoop) -> None:
        return None

    module = types.ModuleType("a_users_own")
    module.__file__ = str(tmp_path / "a_users_own.py")
    sys.modules["a_users_own"] = module
    run_virtual(main)
    is_alive = weakref.ref(module)
    del sys.modules["a_users_own"], module
    gc.collect()
    assert is_alive() is None
