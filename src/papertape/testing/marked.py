"""From a test with `@pytest.mark.papertape(…)` to its runs: one for each seed, each a session in virtual time.

A marked test is replaced by a plain function that opens the session, runs the test in it and has the session judged. So nothing is left for
pytest-asyncio to wrap, in either of its modes, and Hypothesis may call it once for each example.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from papertape.model.errors import ConfigError
from papertape.scenario.make import make_scenario
from papertape.scenario.quick import DEFAULT_VENUE, DEFAULT_VENUE_TABLE
from papertape.scenario.swarm import swarm
from papertape.session.spec import Scenario
from papertape.session.stepped import KEPT
from papertape.testing.drawn_tape import SmallTape
from papertape.testing.failure import failure_of, report
from papertape.testing.plan import Plan
from papertape.testing.repeat import check_repeats
from papertape.testing.trial import NO_BOT, Trial

SWARM: Final = "swarm"

SWARM_HEAL: Final = "60s"
"""When the faults of a swarm are over, if the marker does not say; a test is shorter than a tape."""

KEYS: Final = (
    "seeds", "seed", "faults", "heal", "feed", "account", "venue", "venues", "depth", "invariants", "expect", "hosts", "must_hit",
)  # fmt: skip
"""What the marker takes."""

SEEDS_MAX: Final = 1_000_000


class Asked(msgspec.Struct, frozen=True):
    """One test as pytest is running it.

    Attributes:
        settings: the marker's, outer markers' where it is silent.
        node_id: its id without what the seed added to it.
        line: what to type to run it again, but for the seed.
        folder: what relative paths are relative to.
        is_checked: run each seed twice and compare.
    """

    settings: Mapping[str, Any]
    node_id: str
    line: str
    seed: int
    folder: Path
    is_checked: bool = False

    @property
    def repro(self) -> str:
        return f"{self.line} --papertape-seed {self.seed}"


class Running:
    """What pytest is running now.

    Attributes:
        asked: the marked test; None between tests.
        told: what the last run of it that failed had to say.
    """

    asked: Asked | None = None
    told: str = ""


def in_session(test: Callable[..., Any]) -> Callable[..., Any]:
    """`test`, plain or `async`, as a plain function that runs it in a session of its own."""

    @functools.wraps(test)
    def run(*args: Any, **given: Any) -> Any:
        __tracebackhide__ = True
        asked = Running.asked
        if asked is None:  # called by hand; a coroutine function gives its coroutine, as ever
            return test(*args, **given)
        scenario = scenario_of(test, asked, given)
        Running.told = ""
        run_once(test, scenario, asked, args, given)
        if asked.is_checked:
            check_repeats(lambda path: _repeat(test, scenario, args, given, path), asked)
        return None

    run.__dict__["is_papertape_session"] = True
    return run


def run_once(test: Callable[..., Any], scenario: Scenario, asked: Asked, args: Sequence[Any], given: Mapping[str, Any]) -> None:
    """One run; raises what the test raised, or `RunFailed` where the verdict is against it."""
    __tracebackhide__ = True
    trial = Trial(scenario, roots=(test,), kept=None if _tape_of(given) else KEPT)
    try:
        with trial:
            _body(test, trial, args, given)
    except BaseException:
        if trial.session.result is not None:  # else it never began, and the error says why
            Running.told = report(trial, asked, trial.result)
        raise
    failed = failure_of(trial.result)
    if failed is not None:
        Running.told = report(trial, asked, trial.result)
        raise failed


def _repeat(test: Callable[..., Any], scenario: Scenario, args: Sequence[Any], given: Mapping[str, Any], path: Path) -> None:
    with Trial(scenario, roots=(test,), journal_path=path, kept=None if _tape_of(given) else KEPT) as trial:
        _body(test, trial, args, given)


def _body(test: Callable[..., Any], trial: Trial, args: Sequence[Any], given: Mapping[str, Any]) -> None:
    __tracebackhide__ = True
    if inspect.iscoroutinefunction(test):
        trial.session.do(test(*args, **given))
    else:
        test(*args, **given)


# From settings to a scenario


def scenario_of(test: Callable[..., Any], asked: Asked, given: Mapping[str, Any]) -> Scenario:
    """The scenario of one run: the marker's settings, and the plans and tapes among the test's arguments.

    Raises:
        ConfigError: something in the marker must be edited.
    """
    settings = asked.settings
    for key in settings:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            raise ConfigError(
                f"{asked.node_id}, @pytest.mark.papertape: there is no key `{key}`; "
                + (f"did you mean `{near[0]}`?" if near else f"there are {', '.join(KEYS)}")
            )
    drawn = [fault for value in given.values() if isinstance(value, Plan) for fault in value]
    is_drawn = any(isinstance(value, Plan) for value in given.values())
    faults, heal, is_swarm = settings.get("faults", ()), settings.get("heal"), settings.get("faults") == SWARM
    if isinstance(faults, str) and not is_swarm:
        raise ConfigError(f'{asked.node_id}, @pytest.mark.papertape, key `faults`: holds "{faults}"; expected a list of faults, or "swarm"')
    if isinstance(heal, str) or (heal is None and is_swarm):
        heal = {"at": heal or SWARM_HEAL}
    expect = dict(settings.get("expect", {}))
    if "invariants" in settings:
        expect["invariants"] = list(settings["invariants"])
    expect.setdefault("must_hit", settings.get("must_hit", not (is_drawn or is_swarm)))
    raw = {
        "title": asked.node_id, "bot": test, "seed": asked.seed, "depth": settings.get("depth"), "venue": _venues(asked, given),
        "fault": [*(() if is_swarm else faults), *drawn], "heal": heal, "expect": expect, "hosts": settings.get("hosts"),
    }  # fmt: skip
    raw = {key: value for key, value in raw.items() if value is not None}
    made = make_scenario(raw, source=f"{asked.node_id}, @pytest.mark.papertape", folder=asked.folder, repro=asked.repro)
    if not is_swarm:
        for place, fault in enumerate(made.faults, start=1):
            if fault.crash() is not None:
                raise ConfigError(f'{asked.node_id}, @pytest.mark.papertape: [[fault]] {place}: "{fault.kind}" {NO_BOT}')
        return made
    whole = swarm(made, asked.seed)
    can_be = tuple(fault for fault in whole.faults if fault.crash() is None)
    return msgspec.structs.replace(whole, faults=can_be, title=made.title, repro=made.repro)


def _venues(asked: Asked, given: Mapping[str, Any]) -> dict[str, Any]:
    settings = asked.settings
    tape = _tape_of(given)
    single = {key: settings[key] for key in ("feed", "account") if key in settings}
    if tape is not None:
        single["feed"] = tape.feed
    if "venues" in settings:
        beside = [key for key in ("venue", "feed", "account") if key in settings]
        if beside:
            raise ConfigError(f"{asked.node_id}, @pytest.mark.papertape, key `{beside[0]}`: stands beside `venues`; give it in there")
        venues = {name: dict(table) for name, table in settings["venues"].items()}
        if tape is not None:
            next(iter(venues.values()))["feed"] = tape.feed
        return venues
    return {settings.get("venue", DEFAULT_VENUE): {**DEFAULT_VENUE_TABLE, **single}}


def _tape_of(given: Mapping[str, Any]) -> SmallTape | None:
    return next((value for value in given.values() if isinstance(value, SmallTape)), None)


def seeds_of(settings: Mapping[str, Any], *, seed: int | None, seeds: int | None) -> list[int]:
    """Which seeds a test runs with: those of the command line before the marker's; a seed or a list that the marker pins stays.

    >>> seeds_of({"seeds": 3}, seed=None, seeds=None), seeds_of({"seeds": 3}, seed=7, seeds=None), seeds_of({}, seed=None, seeds=2)
    ([0, 1, 2], [7], [0, 1])
    >>> seeds_of({"seed": 5}, seed=None, seeds=9), seeds_of({"seeds": [4, 2]}, seed=None, seeds=9)
    ([5], [4, 2])

    Raises:
        ConfigError: the marker holds something else.
    """
    wanted = settings.get("seeds", 1)
    if "seed" in settings and "seeds" in settings:
        raise ConfigError("@pytest.mark.papertape: `seed` stands beside `seeds`; give one of them")
    if "seed" in settings:
        wanted = [settings["seed"]]
    if isinstance(wanted, Sequence) and not isinstance(wanted, str) and wanted:
        listed = list(wanted)
        if any(isinstance(each, bool) or not isinstance(each, int) or each < 0 for each in listed):
            raise ConfigError(f"@pytest.mark.papertape: the seeds are {listed!r}; expected whole numbers from 0")
        return listed if seed is None else [seed]
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not 1 <= wanted <= SEEDS_MAX:
        raise ConfigError(f"@pytest.mark.papertape, key `seeds`: holds {wanted!r}; expected how many, or a list of seeds")
    return [seed] if seed is not None else list(range(wanted if seeds is None else seeds))
