"""What is left of a failure is what it needs."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import papertape
from papertape.faults import Disconnect, Fault, Gap, Latency, LostReply
from papertape.faults.base import checked
from papertape.model.units import MINUTE
from papertape.scenario.crew import Crew
from papertape.scenario.keep import Kept, first_failures, keep
from papertape.scenario.load import load_scenario
from papertape.scenario.make import make_scenario
from papertape.scenario.quick import DEFAULT_VENUE_TABLE
from papertape.scenario.seed_result import SeedResult
from papertape.scenario.shrink import Shrinker, milder_faults
from papertape.scenario.swarm import drawn_plan
from papertape.scenario.worker import Base, Job
from papertape.scenario.write import scenario_text
from papertape.session.result import Status
from papertape.session.spec import Scenario

CROWD = Path(__file__).parent / "planted" / "crowd.scenario.toml"

VENUE = {"coinbase": {**DEFAULT_VENUE_TABLE, "feed": {"tape": "builtin:btc-usd", "start": "10s", "end": "130s"}}}


def scenario(*faults: Fault) -> Scenario:
    raw = {"bot": "papertape.bots:MarketMaker", "venue": VENUE, "fault": list(faults), "heal": {"at": "90s"}, "expect": {"must_hit": False}}
    return make_scenario(raw, source="here", folder=Path())


def has(*kinds: str) -> Callable[[Scenario], bool]:
    return lambda candidate: all(kind in [fault.kind for fault in candidate.faults] for kind in kinds)


@settings(max_examples=12, deadline=None)
@given(plan=st.integers(0, 10**6), needed=st.sampled_from(["lost_reply", "gap", "latency"]))
def test_of_a_crowd_the_one_that_is_needed_is_left(plan: int, needed: str) -> None:
    """Whatever else a plan has, one fault of the kind that the failure needs stays, as plain as that kind can be."""
    plainest = {"lost_reply": LostReply(), "gap": Gap(at="0s"), "latency": Latency(at="0s", lasts="1s")}
    crowd = scenario(*drawn_plan(plan, until_ns=MINUTE), plainest[needed])
    small = Shrinker(crowd, has(needed)).shrink()
    assert [fault.kind for fault in small.faults] == [needed]
    assert (small.heal, small.expect.must_hit) == (None, True)
    if needed == "lost_reply":
        assert small.faults[0] in (LostReply(), LostReply(nth=1))


def test_two_that_work_together_are_both_left() -> None:
    faults = [*drawn_plan(12, until_ns=MINUTE), LostReply(nth=40), Disconnect(at="37s", lasts="12s", connection="user")]
    small = Shrinker(scenario(*faults), has("lost_reply", "disconnect")).shrink()
    assert sorted(fault.kind for fault in small.faults) == ["disconnect", "lost_reply"]


def test_the_tape_ends_soon_after_what_matters() -> None:
    """The span is cut from its end, to a second or a twentieth of it; the feed's start stays."""
    small = Shrinker(scenario(), lambda candidate: seconds_of(candidate) >= 47).shrink()
    assert 47 <= seconds_of(small) <= 49
    assert small.venues["coinbase"].feed[0].start == "10s"


def seconds_of(candidate: Scenario) -> float:
    feed = candidate.venues["coinbase"].feed[0]
    start_ns, end_ns = feed.window(0)
    assert end_ns is not None
    return (end_ns - start_ns) / 1e9


def test_it_stops_when_it_has_tried_enough() -> None:
    """What there is by then fails alike, as everything on the way does."""
    crowd = scenario(*(LostReply(nth=number) for number in range(1, 21)))
    shrinker = Shrinker(crowd, lambda candidate: len(candidate.faults) >= 7, tries_max=9)
    small = shrinker.shrink()
    assert shrinker.tries == 9
    assert 7 <= len(small.faults) < 20


@settings(max_examples=12, deadline=None)
@given(plan=st.integers(0, 10**6))
def test_a_milder_fault_is_a_fault(plan: int) -> None:
    """Each passes the checks, is of the same kind, and is not what it was."""
    for fault in drawn_plan(plan, until_ns=MINUTE, is_wire=True):
        for milder in milder_faults(fault):
            assert checked(milder).kind == fault.kind
            assert milder != fault


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """The planted bug, shrunk by real runs."""
    crowd = load_scenario(CROWD)
    base = Base(CROWD.as_posix())
    with Crew(1) as crew:
        target = crew.one(Job(base, crowd.seed, scenario_text(crowd), crowd.folder.as_posix()))
        assert (target.status, target.broken) == (Status.FAILED, ("max_position",))
        return keep(crowd, target, base=base, crew=crew, folder=tmp_path_factory.mktemp("found"))


def test_a_planted_two_fault_bug_shrinks_to_its_two_faults(kept: Kept) -> None:
    """Six faults in, the disconnect and the lost reply out, in a file whose title says so, at once reproducible."""
    assert (kept.faults, kept.caveat) == ((6, 2), "")
    assert kept.path.name == "crowd-max_position-3.scenario.toml"
    small = load_scenario(kept.path)
    assert small.title == "max_position: disconnect and lost_reply (seed 3 of crowd.scenario.toml)"
    assert [fault.kind for fault in small.faults] == ["disconnect", "lost_reply"]
    result = papertape.simulate(kept.path)
    assert (result.status, result.broken) == (Status.FAILED, ("max_position",))


def test_the_file_passes_once_the_bug_is_mended(kept: Kept, tmp_path: Path) -> None:
    """It is a test from then on: both faults still hit, and nothing is bought too much."""
    raw = tomllib.loads(kept.path.read_text(encoding="utf-8")) | {"bot_config": {"is_mended": True}}
    result = papertape.simulate(make_scenario(raw, source="here", folder=kept.path.parent))
    assert result.is_passed, result.failures


def test_the_first_failure_of_each_kind_is_kept() -> None:
    """Nobody wants the same bug five times; and what took too long would take too long again."""

    def line(seed: int, *broken: str) -> SeedResult:
        return SeedResult(scenario="a", seed=seed, status=Status.FAILED if broken else Status.PASSED, broken=broken)

    lines = [line(0), line(1, "x"), line(2, "x", "y"), line(3, "took too long"), line(4, "y"), line(5, "z")]
    assert [result.seed for result in first_failures(lines, 2)] == [1, 4]
