"""Copies of clocks and chance that no module holds by name are the run's too, where a run looks for them; afterwards they are as before."""

# ruff: noqa: TID251 - what is banned elsewhere is what is tested here.

import functools
import gc
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from papertape.runtime.loop import VirtualLoop
from papertape.runtime.patch import patched
from papertape.runtime.patch.active import aside
from papertape.runtime.patch.deep import Search
from runtime import copies

EPOCH_NS = 1_700_000_000_000_000_000


def deep(function: Any, *, seed: int = 0, is_deep: bool = True) -> Any:
    loop = VirtualLoop(epoch_ns=EPOCH_NS)
    try:
        with patched(loop, seed, is_deep=is_deep):
            return function()
    finally:
        loop.close()


@pytest.mark.parametrize("place", copies.CLOCKS)
def test_a_copy_of_the_clock_shows_the_runs_time(place: str) -> None:
    """Wherever it was put before the run, it is not the machine's."""
    assert deep(copies.CLOCKS[place]) == 1_700_000_000.0
    assert copies.CLOCKS[place]() > 1_750_000_000


@pytest.mark.parametrize("place", copies.DRAWS)
def test_a_copy_draws_from_the_seed(place: str) -> None:
    """Generators and methods of theirs that only a class or a default argument holds draw by the seed."""
    draw = copies.DRAWS[place]
    assert deep(draw, seed=1) == deep(draw, seed=1) != deep(draw, seed=2)


@pytest.mark.parametrize("failure", [None, ValueError, SystemExit, KeyboardInterrupt])
def test_every_copy_is_put_back(failure: type[BaseException] | None) -> None:
    """Whatever ends the run; and what is frozen for the garbage collector stays so."""
    before = copies.state()

    def end() -> None:
        if failure is not None:
            raise failure

    gc.freeze()
    try:
        if failure is None:
            deep(end)
        else:
            with pytest.raises(failure):
                deep(end)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
    assert copies.state() == before


def test_copies_in_frozen_memory_are_found() -> None:
    """A run freezes what was there before it; the search looks there all the same."""
    gc.freeze()
    try:
        assert deep(copies.CLOCKS["a closure"]) == 1_700_000_000.0
    finally:
        gc.unfreeze()


def test_a_second_search_finds_what_the_first_did() -> None:
    """Papertape's own tables are spared, or it would replace what it needs to put things back."""
    for _ in range(3):
        assert deep(copies.CLOCKS["a default argument"]) == 1_700_000_000.0
        assert deep(lambda: time.time(), is_deep=False) == 1_700_000_000.0
        assert time.time is sys.modules["time"].time
        assert time.time() > 1_750_000_000


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each search through memory."""
    made: list[int] = []
    replace = Search.replace

    def counted(search: Search) -> None:
        made.append(len(made))
        replace(search)

    monkeypatch.setattr(Search, "replace", counted)
    return made


def test_a_run_after_another_looks_through_memory_no_more(searches: list[int]) -> None:
    """Where nobody has taken a clock or a generator since, all is replaced, and put back, without a search."""
    before = copies.state()
    deep(lambda: None)
    del searches[:]
    for seed in range(3):
        assert {name: deep(clock) for name, clock in copies.CLOCKS.items()} == dict.fromkeys(copies.CLOCKS, 1_700_000_000.0)
        for draw in copies.DRAWS.values():
            assert deep(draw, seed=seed) == deep(draw, seed=seed)
        deep(lambda: random.random(), is_deep=False)
    assert copies.state() == before
    assert searches == []


@pytest.mark.parametrize("place", copies.NEW_CLOCKS)
def test_a_clock_taken_since_the_last_run_is_found(searches: list[int], place: str) -> None:
    """One more place than the last search found, of any kind: it counts, and all of memory is looked through again."""
    deep(lambda: None)
    del searches[:]
    clock = copies.NEW_CLOCKS[place]()
    assert deep(clock) == 1_700_000_000.0
    assert clock() > 1_750_000_000
    assert searches == [0]


def test_a_clock_that_went_from_one_place_to_another_is_found() -> None:
    """As many hold it as before, but not the same."""
    first, second = copies.Holder(), copies.Holder()
    del second.of_object
    deep(lambda: None)
    del first.of_object
    second.of_object = time.time
    assert deep(lambda: second.of_object()) == 1_700_000_000.0
    assert second.of_object() > 1_750_000_000


def test_a_draw_taken_since_the_last_run_is_found(searches: list[int]) -> None:
    """A generator that was found in memory, and a method of it that somebody took afterwards."""
    deep(lambda: None)
    del searches[:]
    draws = [copies.Drawing.generator.random, functools.partial(copies.Drawing.generator.getrandbits, 32)]
    drawn = [deep(lambda: [draw() for draw in draws], seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert searches == [0]


def test_a_generator_made_since_the_last_run_is_found() -> None:
    """Its class counts those that a run does not know yet."""
    deep(lambda: None)
    held = [[random.Random()]]
    assert deep(lambda: held[0][0].random(), seed=1) == deep(lambda: held[0][0].random(), seed=1)


def test_what_a_run_leaves_behind_is_no_reason_to_look_again(searches: list[int]) -> None:
    """Objects of the last run, not collected yet, hold its clock and methods that know runs."""
    left: list[Any] = []
    deep(lambda: None)
    del searches[:]
    for _ in range(3):
        deep(lambda: left.append((copies.Holder(), functools.partial(copies.Drawing.generator.getrandbits, 32), random.random)))
    assert searches == []
    left.append(left[0][1].func.__self__)  # one more who refers to the generator
    del left[1:3]
    gc.collect()
    assert deep(lambda: left[0][1](), seed=1) == deep(lambda: left[0][1](), seed=1)


def test_what_is_left_of_a_run_may_go_at_any_time_and_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who refers to generators is asked once; each later run begins with as many as the one before it, whatever the last had left."""
    asked: list[int] = []
    real = gc.get_referrers
    left: list[Any] = []
    deep(lambda: None)

    def counted(*things: Any) -> list[Any]:
        asked.append(len(things))
        return real(*things)

    monkeypatch.setattr(gc, "get_referrers", counted)
    for _ in range(4):
        deep(lambda: left.append(functools.partial(copies.Drawing.generator.getrandbits, 32)))
        left.clear()
    assert len(asked) <= 1
    del asked[:]
    draw = copies.Drawing.generator.random
    assert deep(lambda: draw(), seed=1) == deep(lambda: draw(), seed=1)
    assert asked


def test_a_run_that_looks_deeper_inside_one_that_does_not() -> None:
    """The inner run's search is made although patches are in place; all is put back with the outer one."""
    before = copies.state()

    def outer() -> Any:
        return deep(copies.CLOCKS["a default argument"])

    assert deep(outer, is_deep=False) == 1_700_000_000.0
    assert copies.state() == before


generator = random.Random()
draw_bound = generator.random
gauss_bound = generator.gauss


def test_other_threads_keep_their_own_draws() -> None:
    """Code outside of any run draws from a shared generator what it would have drawn, interleaved with a run that draws from it too."""
    barrier = threading.Barrier(2, timeout=30)
    drawn: list[Any] = []

    def meet() -> None:
        with aside():
            barrier.wait()

    def bystander() -> None:
        for _ in range(5):
            meet()
            drawn.append((generator.random(), generator.gauss(0, 1), draw_bound(), generator.getrandbits(8), generator.choice(range(99))))
            meet()

    def run() -> list[float]:
        mine = []
        for _ in range(5):
            meet()
            mine.append(generator.random() + generator.gauss(0, 1) + draw_bound() + gauss_bound(0, 1))
            meet()
        return mine

    generator.seed(5)
    thread = threading.Thread(target=bystander)
    thread.start()
    interleaved = deep(run, is_deep=False)
    thread.join()
    barrier = threading.Barrier(1)
    assert interleaved == deep(run, is_deep=False)
    again = random.Random(5)
    expected = [(again.random(), again.gauss(0, 1), again.random(), again.getrandbits(8), again.choice(range(99))) for _ in range(5)]
    assert drawn == expected


def test_two_runs_that_draw_in_turn_do_not_meet() -> None:
    """Two threads in runs, interleaved at one shared generator and at uuid1 and temporary names: each draws as if alone."""
    import tempfile
    import uuid

    barrier = threading.Barrier(2, timeout=30)
    results: dict[int, Any] = {}

    def one(seed: int) -> None:
        def draws() -> list[Any]:
            mine = []
            for _ in range(4):
                with aside():
                    barrier.wait()
                mine.append((generator.random(), generator.gauss(0, 1), random.random(), uuid.uuid1(), tempfile.mktemp()))
            return mine

        results[seed] = deep(draws, seed=seed, is_deep=False)

    threads = [threading.Thread(target=one, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = dict(results)
    barrier = threading.Barrier(1)
    one(1)
    one(2)
    assert together == results
    assert results[1] != results[2]


def test_a_generator_stays_what_it_is() -> None:
    """After a run its class is the library's own; inside one it can be copied, pickled and asked for its state."""
    import copy
    import pickle

    def use() -> bool:
        first = pickle.loads(pickle.dumps(generator))
        second = copy.deepcopy(generator)
        third = random.Random()
        third.setstate(generator.getstate())
        return first.random() == second.random() == third.random() == generator.random()

    assert deep(use)
    assert type(generator) is random.Random


class Loaded(random.Random):
    """A user's own generator, which draws in its own way."""

    def random(self) -> float:
        return super().random() / 2


loaded = Loaded()


def test_a_users_own_generator_is_seeded_and_restored() -> None:
    """A subclass keeps its way of drawing; a run seeds it by its name."""
    loaded.seed(9)
    expected = loaded.getstate()
    assert deep(loaded.random, seed=1) == deep(loaded.random, seed=1) < 0.5
    assert deep(loaded.random, seed=1) != deep(loaded.random, seed=2)
    assert loaded.getstate() == expected


LATE = """
import random, time
from time import time as clock
generator = random.Random()
draw = generator.random
START = random.random()
"""


def test_a_module_imported_by_the_run_makes_no_difference_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the first or the second run, the one that imports a module and the one that finds it draw the same, and it is put right."""
    (tmp_path / "papertape_test_late_too.py").write_text(LATE)
    monkeypatch.syspath_prepend(tmp_path)

    def use() -> Any:
        before = random.random()
        import papertape_test_late_too as late  # type: ignore[import-not-found]  # written by this test

        return before, late.generator.random(), late.draw(), late.clock(), random.random()

    try:
        first = deep(use)
        late: Any = sys.modules["papertape_test_late_too"]
        assert type(late.generator) is random.Random
        assert (late.clock, late.draw.__self__) == (time.time, late.generator)
        assert late.__spec__.loader is late.__loader__
        assert type(late.__loader__).__module__ != "papertape.runtime.patch.late"
        assert deep(use) == first
    finally:
        sys.modules.pop("papertape_test_late_too", None)
    assert not any(type(finder).__module__.startswith("papertape") for finder in sys.meta_path)
