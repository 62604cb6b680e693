"""Inside a run the machine's clocks and randomness are the run's; outside, and in other threads, nothing has changed."""

# ruff: noqa: TID251, DTZ002, DTZ003, DTZ005, DTZ011, ASYNC251 - what is banned elsewhere is what is tested here.

import asyncio
import datetime
import os
import random
import secrets
import socket
import ssl
import sys
import tempfile
import threading
import time
import uuid
from datetime import datetime as bound_datetime
from pathlib import Path
from random import randint as bound_randint
from time import perf_counter as bound_perf_counter
from time import time as bound_time
from types import ModuleType
from typing import Any

import pytest

from papertape.model.units import SECOND
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.patch import patched
from papertape.runtime.patch.active import aside
from papertape.runtime.world import run_virtual

EPOCH_NS = 1_700_000_000_123_456_789
made_before = random.Random()


def inside(function: Any, **options: Any) -> Any:
    async def main(loop: VirtualLoop) -> Any:
        await asyncio.sleep(2)
        return function()

    return run_virtual(main, epoch_ns=EPOCH_NS, **options)


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda: time.time_ns(), EPOCH_NS + 2 * SECOND),
        (lambda: time.time(), (EPOCH_NS + 2 * SECOND) / SECOND),
        (lambda: bound_time(), (EPOCH_NS + 2 * SECOND) / SECOND),
        (lambda: time.monotonic(), 2.0),
        (lambda: time.monotonic_ns(), 2 * SECOND),
        (lambda: bound_perf_counter(), 2.0),
        (lambda: time.perf_counter_ns(), 2 * SECOND),
        (lambda: time.process_time(), 2.0),
        (lambda: time.clock_gettime_ns(time.CLOCK_REALTIME), EPOCH_NS + 2 * SECOND),
        (lambda: time.clock_gettime(time.CLOCK_MONOTONIC), 2.0),
        (lambda: time.gmtime()[:6], (2023, 11, 14, 22, 13, 22)),
        (lambda: time.gmtime(0)[:3], (1970, 1, 1)),
        (lambda: time.mktime(time.localtime()), 1_700_000_002.0),
        (lambda: time.strftime("%Y-%m") + time.ctime()[-4:] + time.asctime()[-4:], "2023-1120232023"),
        (lambda: time.strftime("%Y", time.gmtime(0)), "1970"),
        (lambda: datetime.datetime.now(datetime.UTC).isoformat(), "2023-11-14T22:13:22.123456+00:00"),
        (lambda: bound_datetime.now(datetime.UTC).isoformat(), "2023-11-14T22:13:22.123456+00:00"),
        (lambda: bound_datetime.now().timestamp(), 1_700_000_002.123456),
        (lambda: bound_datetime.utcnow().isoformat(), "2023-11-14T22:13:22.123456"),
        (lambda: bound_datetime.today().timestamp(), 1_700_000_002.123457),
        (lambda: datetime.date.today().year, 2023),
    ],
)
def test_every_clock_shows_the_runs_time(read: Any, expected: Any) -> None:
    """Wall clocks show the venue's date, the others the run's seconds, also under names bound before the run."""
    assert inside(read) == expected


def test_subclasses_of_datetime_are_virtual_too() -> None:
    """now() on a subclass gives the subclass, at the run's date."""

    class Mine(datetime.datetime): ...

    moment = inside(lambda: Mine.now(datetime.UTC))
    assert type(moment) is Mine
    assert moment.year == 2023


def test_datetime_stays_the_type_it_is() -> None:
    """Only what now() says changes: identity, isinstance and pickling are untouched."""
    import pickle

    def check() -> bool:
        now = datetime.datetime.now(datetime.UTC)
        return type(now) is bound_datetime and pickle.loads(pickle.dumps(now)) == now

    assert inside(check)


DRAWS = [
    lambda: random.random(),
    lambda: bound_randint(0, 10**9),
    lambda: made_before.random(),
    lambda: random.Random().random(),
    lambda: random.SystemRandom().random(),
    lambda: os.urandom(8),
    lambda: uuid.uuid4(),
    lambda: uuid.uuid1(),
    lambda: secrets.token_hex(4),
    lambda: secrets.randbelow(10**9),
    lambda: tempfile.mktemp(),
    lambda: ssl.RAND_bytes(8),
]


@pytest.mark.parametrize("draw", DRAWS)
def test_randomness_comes_from_the_seed(draw: Any) -> None:
    """The same seed draws the same, another seed something else; later draws differ from earlier ones."""
    assert inside(draw, seed=1) == inside(draw, seed=1) != inside(draw, seed=2)
    first, second = inside(lambda: (draw(), draw()))
    assert first != second


def test_reseeding_with_nothing_is_seeded() -> None:
    """random.seed() and Random.seed() without a seed would ask the machine."""

    def draw() -> tuple[float, float]:
        random.seed()
        other = random.Random(1)
        other.seed()
        return random.random(), other.random()

    assert inside(draw) == inside(draw)
    assert inside(lambda: random.Random(1).random()) == random.Random(1).random()


def test_generators_get_their_state_back() -> None:
    """A program's own randomness after the run goes on where it was before."""
    random.seed(4)
    made_before.seed(5)
    expected = random.Random(4).random(), random.Random(5).random()
    inside(lambda: (random.random(), made_before.random()))
    assert (random.random(), made_before.random()) == expected


def snapshot() -> dict[str, Any]:
    """Everything that a run replaces, by where it is."""
    found: dict[str, Any] = {}
    for module_name, module in list(sys.modules.items()):
        if not isinstance(module, ModuleType) or module_name.startswith("papertape.runtime.patch"):
            continue
        for name, value in list(vars(module).items()):
            if (
                callable(value)
                and getattr(value, "__module__", "")
                and str(getattr(value, "__module__", "")).startswith("papertape.runtime")
            ):
                found[f"{module_name}.{name}"] = value
    found |= {f"time.{name}": getattr(time, name) for name in dir(time)}
    found |= {f"random.{name}": getattr(random, name) for name in dir(random)}
    found |= {
        "now": vars(datetime.datetime)["now"],
        "ssl": list(vars(ssl.SSLContext).items()),
        "socket": list(vars(socket.socket).items()),
        "thread": threading.Thread.start,
        "urandom": os.urandom,
        "Task": asyncio.Task,
        "all_tasks": asyncio.all_tasks,
        "set": vars(asyncio.tasks).get("set"),
    }
    return found


@pytest.mark.parametrize("failure", [None, ValueError, KeyboardInterrupt, SystemExit])
def test_everything_is_put_back(failure: type[BaseException] | None) -> None:
    """Whatever ends a run, the process afterwards is as before."""
    before = snapshot()

    def end() -> None:
        if failure is not None:
            raise failure

    if failure is None:
        inside(end)
    else:
        with pytest.raises(failure):
            inside(end)
    assert snapshot() == before
    assert time.time() > 1_750_000_000
    assert datetime.datetime.now().year >= 2025


def test_a_module_imported_during_a_run_is_put_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It binds virtual functions by name; after the run it has the machine's."""
    (tmp_path / "papertape_test_late.py").write_text("from time import time\nfrom os import urandom\nfrom asyncio import Task\n")
    monkeypatch.syspath_prepend(tmp_path)

    def use() -> float:
        import papertape_test_late  # type: ignore[import-not-found]  # written by this test

        return papertape_test_late.time()  # type: ignore[no-any-return]  # written by this test

    try:
        assert inside(use) == (EPOCH_NS + 2 * SECOND) / SECOND
        late = sys.modules["papertape_test_late"]
        assert (late.time, late.urandom, late.Task) == (time.time, os.urandom, asyncio.Task)
        assert inside(use) == (EPOCH_NS + 2 * SECOND) / SECOND
        assert late.time() > 1_750_000_000
    finally:
        sys.modules.pop("papertape_test_late", None)


def test_other_threads_notice_nothing() -> None:
    """While a run lasts, another thread reads the machine's clock, opens sockets and starts threads."""
    ask, answered = threading.Event(), threading.Event()
    seen: list[Any] = []

    def bystander() -> None:
        ask.wait(30)
        socket.socket().close()
        worker = threading.Thread(target=lambda: seen.append("thread"))
        worker.start()
        worker.join()
        seen.extend([time.time() > 1_750_000_000, bound_datetime.now().year >= 2025, len(os.urandom(3))])
        answered.set()

    thread = threading.Thread(target=bystander)
    thread.start()

    async def main(loop: VirtualLoop) -> float:
        ask.set()
        with aside():
            answered.wait(30)
        return time.time()

    assert run_virtual(main) == 0.0
    thread.join()
    assert seen == ["thread", True, True, 3]


def test_runs_in_two_threads_do_not_meet() -> None:
    """Each has its own date and randomness; the machine is itself again only after both, and then it is."""
    barrier = threading.Barrier(2, timeout=30)
    results: dict[int, Any] = {}

    def one(number: int) -> None:
        async def main(loop: VirtualLoop) -> Any:
            with aside():
                barrier.wait()
            await asyncio.sleep(number)
            drawn = (time.time(), os.urandom(4), random.random())
            with aside():
                barrier.wait()
            return drawn

        results[number] = run_virtual(main, seed=number, epoch_ns=number * SECOND)

    random.seed(7)
    before = snapshot()
    threads = [threading.Thread(target=one, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[1][0], results[2][0]] == [2.0, 4.0]
    assert results[1][1] != results[2][1]
    assert snapshot() == before
    assert random.random() == random.Random(7).random()
    barrier = threading.Barrier(1)
    together = dict(results)
    for number in (1, 2):
        one(number)
    assert results == together


def test_a_run_inside_a_run_takes_nothing_from_it() -> None:
    """The outer run draws what it would have drawn anyway, and tells its own time again."""

    def draw(runs_another: bool) -> Any:
        before = [random.random(), made_before.random(), os.urandom(2)]
        if runs_another:
            assert inside(lambda: (random.random(), made_before.random(), time.monotonic()))[2] == 2.0
        return [*before, random.random(), made_before.random(), os.urandom(2), time.monotonic()]

    assert inside(lambda: draw(True)) == inside(lambda: draw(False))


def test_time_sleep_blocks_the_program_and_moves_time_on() -> None:
    """Nothing else happens during time.sleep; what became due meanwhile happens after it; the line is on record."""

    async def main(loop: VirtualLoop) -> Any:
        order: list[Any] = []
        loop.call_later(1, lambda: order.append(("timer", loop.time())))
        time.sleep(5)
        order.append(("slept", loop.time()))
        await asyncio.sleep(0.1)
        with pytest.raises(ValueError, match="non-negative"):
            time.sleep(-1)
        return order, loop.stalls

    order, stalls = run_virtual(main)
    assert order == [("slept", 5.0), ("timer", 5.0)]
    ((line, ns),) = stalls.items()
    assert line.startswith(f"{__file__}:")
    assert ns == 5 * SECOND


def test_patching_undoes_itself_when_it_fails_halfway(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error while things are being replaced leaves the process as it was."""
    from papertape.runtime.patch import escapes

    before = snapshot()
    monkeypatch.setattr(escapes, "ATTRIBUTES", [(object(), "no_such_attribute", None)])
    with pytest.raises(TypeError):
        inside(lambda: None)
    monkeypatch.undo()
    assert snapshot() == before
    assert inside(lambda: time.monotonic()) == 2.0


def test_a_run_changes_no_policy() -> None:
    """An event loop policy set inside a run, as uvloop.install() does, ends with it."""
    loop = VirtualLoop()
    before = asyncio.events._event_loop_policy  # type: ignore[attr-defined]  # private to asyncio, in all versions we run on
    with patched(loop, 0):
        asyncio.events._event_loop_policy = object()  # type: ignore[attr-defined]  # private to asyncio, in all versions we run on
    assert asyncio.events._event_loop_policy is before  # type: ignore[attr-defined]  # private to asyncio, in all versions we run on
    loop.close()


def test_log_records_carry_virtual_time() -> None:
    """logging asks time.time or time.time_ns; both are the run's."""
    import logging

    def record() -> float:
        return logging.LogRecord("x", 10, __file__, 1, "text", None, None).created

    assert inside(record) == pytest.approx(1_700_000_002.123)


def test_replaced_functions_keep_their_names() -> None:
    """Profiles and tracebacks read as usual."""
    assert inside(lambda: (time.time.__name__, os.urandom.__name__)) == ("time", "urandom")
