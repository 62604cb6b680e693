"""What pytest loads at every start: options, the marker, fixtures and collection; nothing that takes long to import until it is used."""

from __future__ import annotations

import inspect
import os
import shlex
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from papertape.exchanges.base import BaseExchange
    from papertape.testing.fixtures import SimClock, SimFaults, SimVenue
    from papertape.testing.sim_network import SimNetwork

MARKER = "papertape"
SUFFIX = ".scenario.toml"
SEED = "papertape_seed"
SCENARIOS = "papertape_scenarios"


def pytest_addoption(parser: pytest.Parser) -> None:
    """What the command line and the ini file may say."""
    group = parser.getgroup("papertape", "papertape: simulated exchanges")
    group.addoption("--papertape-seed", type=int, default=None, metavar="SEED", help="run each marked test with this one seed")
    group.addoption("--papertape-seeds", type=int, default=None, metavar="N", help="run marked tests with N seeds instead of the marker's")
    group.addoption(
        "--papertape-check-determinism",
        action="store_true",
        help="run each marked test and each scenario again and fail where two runs differ",
    )
    parser.addini(SCENARIOS, f"collect files *{SUFFIX} as tests (default: yes)", type="bool", default=True)


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker, and refuse numbers that mean nothing."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(seeds=1, seed=…, faults=[…] or 'swarm', heal=…, feed=…, account=…, venue=…, depth=…, invariants=[…], …): "
        "run the test in virtual time against a simulated exchange, once for each seed",
    )
    for option in ("seed", "seeds"):
        value = config.getoption(f"--papertape-{option}")
        if value is not None and value < (1 if option == "seeds" else 0):
            raise pytest.UsageError(f"--papertape-{option} is {value}; expected {'1' if option == 'seeds' else '0'} or more")


# Scenario files


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Scenario files are tests, unless the ini file says no."""
    if not file_path.name.endswith(SUFFIX) or not parent.config.getini(SCENARIOS):
        return None
    from papertape.testing.scenario_file import ScenarioFile

    file: pytest.Collector = ScenarioFile.from_parent(parent, path=file_path)
    return file


# Marked tests


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: Any) -> None:
    """Put a plain function in a marked test's place before anybody looks whether it is a coroutine function."""
    if isinstance(obj, staticmethod):
        obj = obj.__func__
    if not callable(obj) or inspect.isclass(obj) or not _is_marked(collector, obj):
        return
    inner = getattr(obj, "hypothesis", None)
    if inner is not None and hasattr(inner, "inner_test"):
        if not hasattr(inner.inner_test, "is_papertape_session"):
            inner.inner_test = _in_session(inner.inner_test)
        return
    home = getattr(collector, "obj", None)
    if home is None or hasattr(obj, "is_papertape_session") or not inspect.isfunction(obj) or not _is_test(collector, name, obj):
        return
    is_static = inspect.isclass(home) and isinstance(inspect.getattr_static(home, name, None), staticmethod)
    wrapped = _in_session(obj)
    setattr(home, name, staticmethod(wrapped) if is_static else wrapped)


def _is_test(collector: Any, name: str, obj: object) -> bool:
    return bool(collector.istestfunction(obj, name))


def _in_session(test: Any) -> Any:
    from papertape.testing.marked import in_session

    return in_session(test)


def _is_marked(collector: pytest.Collector, obj: object) -> bool:
    own = getattr(obj, "pytestmark", [])
    is_own = any(getattr(mark, "name", "") == MARKER for mark in (own if isinstance(own, list) else [own]))
    return is_own or collector.get_closest_marker(MARKER) is not None


def _settings(node: pytest.Item) -> dict[str, Any]:
    """What the markers around a test say; the nearest has the last word."""
    settings: dict[str, Any] = {}
    for mark in reversed(list(node.iter_markers(MARKER))):
        if mark.args:
            said = f"@pytest.mark.{MARKER} takes its settings by name, such as seeds=50; it was given {mark.args[0]!r}"
            pytest.fail(f"{node.nodeid}: {said}", pytrace=False)
        settings |= mark.kwargs
    return settings


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each seed, so that xdist spreads them and a failure names its own."""
    if metafunc.definition.get_closest_marker(MARKER) is None:
        return
    from papertape.model.errors import ConfigError
    from papertape.testing.marked import seeds_of

    option = metafunc.config.getoption
    try:
        seeds = seeds_of(_settings(metafunc.definition), seed=option("--papertape-seed"), seeds=option("--papertape-seeds"))
    except ConfigError as error:
        pytest.fail(f"{metafunc.definition.nodeid}: {error}", pytrace=False)
    if len(seeds) > 1 and SEED not in metafunc.fixturenames:
        metafunc.fixturenames.append(SEED)
    if SEED in metafunc.fixturenames:
        metafunc.parametrize(SEED, seeds, ids=[f"seed{seed}" for seed in seeds])


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Tell the session that a marked test opens what it is for."""
    if pyfuncitem.get_closest_marker(MARKER) is None:
        return (yield)
    from papertape.testing.marked import Asked, Running, seeds_of

    option = pyfuncitem.config.getoption
    settings = _settings(pyfuncitem)
    callspec = getattr(pyfuncitem, "callspec", None)
    seed = None if callspec is None else callspec.params.get(SEED)
    if seed is None:
        seed = seeds_of(settings, seed=option("--papertape-seed"), seeds=option("--papertape-seeds"))[0]
    Running.asked = Asked(
        settings=settings, node_id=_without_seed(pyfuncitem.nodeid, seed), line=_line(_without_seed(pyfuncitem.nodeid, seed)), seed=seed,
        folder=pyfuncitem.path.parent, is_checked=option("--papertape-check-determinism"),
    )  # fmt: skip
    Running.told = ""
    try:
        return (yield)
    finally:
        Running.asked = None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside what a failed test raised, what its session has to say; a verdict needs no traceback through papertape."""
    report = yield
    marked = sys.modules.get("papertape.testing.marked")
    if marked is None or call.when != "call" or call.excinfo is None or item.get_closest_marker(MARKER) is None:
        return report
    if report.failed and marked.Running.told:
        report.sections.append(("papertape", marked.Running.told))
    marked.Running.told = ""
    from papertape.testing.report import without_traceback

    report.longrepr = without_traceback(item, call.excinfo) or report.longrepr
    return report


def _without_seed(node_id: str, seed: int) -> str:
    """The id as it is where there is one seed only.

    >>> _without_seed("a.py::t[x-seed7]", 7), _without_seed("a.py::t[seed7]", 7), _without_seed("a.py::t[x]", 7)
    ('a.py::t[x]', 'a.py::t', 'a.py::t[x]')
    """
    head, bracket, tail = node_id.partition("[")
    if not bracket:
        return node_id
    ids = [each for each in tail.removesuffix("]").split("-") if each != f"seed{seed}"]
    return f"{head}[{'-'.join(ids)}]" if ids else head


def _line(node_id: str) -> str:
    """What to type to run one test, with PYTHONHASHSEED where it is set, since a program that takes an order from a set depends on it."""
    hashes = os.environ.get("PYTHONHASHSEED", "")
    return (f"PYTHONHASHSEED={hashes} " if hashes.isdigit() else "") + f"pytest {shlex.quote(node_id.partition('[')[0])}"


# Fixtures: they hold nothing, so Hypothesis may call a test that uses them as often as it likes, and they may live as long as the session.


@pytest.fixture(scope="session")
def sim_exchange() -> BaseExchange:
    """The exchange of a marked test, connected: at depth "interface" a simulated one, at depth "wire" the live adapter."""
    from papertape.testing.fixtures import SimExchange

    exchange: BaseExchange = SimExchange()
    return exchange


@pytest.fixture(scope="session")
def venue() -> SimVenue:
    """The venue's truth in a marked test: `orders`, `fills`, `balances`, `price()`, …, and `place_foreign(…)`."""
    from papertape.testing.fixtures import SimVenue

    return SimVenue()


@pytest.fixture(scope="session")
def sim_clock() -> SimClock:
    """Virtual time in a marked test: `now`, `await sleep("5s")`; in one that is no coroutine `advance("5s")` and `run(coroutine)`."""
    from papertape.testing.fixtures import SimClock

    return SimClock()


@pytest.fixture(scope="session")
def fault_plan() -> SimFaults:
    """The faults of a marked test: `faults`, `add(…)`, `fired(kind)`, `heal()`."""
    from papertape.testing.fixtures import SimFaults

    return SimFaults()


@pytest.fixture(scope="session")
def sim_network() -> SimNetwork:
    """Run `async def main(world)` against servers of your own, in virtual time: `result = sim_network(main, servers={url: handler})`.

    The arguments are those of `papertape.simulate` with `servers`. A run that did not pass raises AssertionError with every failure and how
    to repeat it. In a marked test, `sim_network.cut("user", lasts="5s")` ends connections to the venue.
    """
    from papertape.testing.sim_network import SimNetwork

    return SimNetwork()
