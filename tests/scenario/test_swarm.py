"""Plans from a seed: explicit, stable, and as different from each other as can be."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.faults import AT_THE_DOOR, FAULTS, Fault
from papertape.faults.base import as_table, checked
from papertape.model.errors import ConfigError
from papertape.model.units import MINUTE, SECOND
from papertape.scenario.make import make_fault, make_scenario
from papertape.scenario.quick import DEFAULT_VENUE_TABLE
from papertape.scenario.swarm import drawn_plan, kinds_drawn, span_of, swarm
from papertape.session.spec import Scenario

BASE = {
    "title": "Base", "bot": "papertape.bots:MarketMaker",
    "venue": {"coinbase": {**DEFAULT_VENUE_TABLE, "feed": {"tape": "builtin:btc-usd", "end": "2m"}}},
}  # fmt: skip

PLAN_12 = [
    {"kind": "clock_skew", "at": "36s", "lasts": "2s", "drift_ppm": 500},
    {"kind": "clock_skew", "at": "39s", "lasts": "2s", "by": "3s", "direction": "ahead"},
    {"kind": "clock_skew", "on": "order.cancel", "nth": 13, "lasts": "10s", "by": "3s", "direction": "ahead", "drift_ppm": 100000},
    {"kind": "clock_skew", "at": "2s", "lasts": "2s", "by": "2h", "direction": "ahead", "drift_ppm": 500},
    {"kind": "clock_skew", "at": "32s", "lasts": "2s", "by": "3s", "direction": "ahead"},
    {"kind": "crash", "on": "order.create", "nth": 1, "down": "2s"},
    {"kind": "crossed_snapshot", "on": "order.create", "nth": 55, "count": 2},
    {"kind": "crossed_snapshot", "on": "order.cancel", "nth": 13},
    {"kind": "crossed_snapshot", "on": "order.create", "nth": 2, "count": 2},
    {"kind": "crossed_snapshot", "on": "order.cancel", "nth": 13, "count": 20},
    {"kind": "crossed_snapshot", "on": "order.create", "nth": 34, "count": 20},
    {"kind": "crossed_snapshot", "at": "34s", "count": 2},
    {"kind": "crossed_snapshot", "at": "39s"},
    {"kind": "crossed_snapshot", "at": "43s", "count": 20},
    {"kind": "crossed_snapshot", "on": "orders.open", "nth": 55, "count": 2},
    {"kind": "drop", "at": "33s", "count": 20},
    {"kind": "drop", "at": "12s"},
    {"kind": "drop", "on": "order.create", "nth": 2},
    {"kind": "drop", "on": "order.create", "nth": 3, "count": 5},
    {"kind": "drop", "at": "7s", "count": 20},
    {"kind": "gap", "on": "order.fetch", "nth": 8, "count": 20},
    {"kind": "gap", "at": "5s", "count": 20},
    {"kind": "late_reply", "on": "order.cancel", "nth": 2, "times": 5},
    {"kind": "late_snapshot", "on": "order.create", "nth": 2, "shows": "sent"},
    {"kind": "late_snapshot", "on": "order.create", "nth": 3, "delay": "10s", "shows": "sent"},
    {"kind": "late_snapshot", "on": "order.create", "nth": 34, "count": 5, "delay": "100ms", "shows": "sent"},
    {"kind": "late_snapshot", "on": "order.create", "nth": 2, "count": 20, "delay": "10s", "shows": "sent"},
    {"kind": "late_snapshot", "at": "10s", "count": 2, "delay": "100ms"},
    {"kind": "late_snapshot", "on": "order.cancel", "nth": 13, "count": 2, "shows": "sent"},
    {"kind": "late_snapshot", "on": "order.cancel", "nth": 1, "count": 2, "delay": "100ms"},
    {"kind": "late_snapshot", "at": "37s", "count": 20, "delay": "100ms", "shows": "sent"},
    {"kind": "late_snapshot", "at": "12s", "count": 5, "delay": "10s"},
    {"kind": "latency", "on": "order.create", "nth": 21, "lasts": "10s", "shape": "drift", "add": "50ms"},
    {"kind": "latency", "on": "orders.open", "nth": 1, "lasts": "5s", "shape": "drift", "add": "2s"},
    {"kind": "latency", "at": "0s", "lasts": "5s", "connection": "user", "shape": "drift", "add": "2s"},
    {"kind": "latency", "at": "40s", "lasts": "500ms", "connection": "rest", "shape": "drift", "add": "50ms"},
    {"kind": "latency", "at": "7s", "lasts": "5s", "connection": "rest", "add": "50ms"},
    {"kind": "latency", "on": "order.create", "nth": 1, "lasts": "45s", "connection": "user", "shape": "drift", "add": "8s"},
    {"kind": "latency", "at": "38s", "lasts": "10s", "connection": "rest", "shape": "drift", "add": "2s"},
    {"kind": "latency", "at": "29s", "lasts": "2s", "connection": "user", "add": "50ms"},
    {"kind": "latency", "at": "39s", "lasts": "20s"},
    {"kind": "lost_snapshot", "on": "order.cancel", "nth": 13, "count": 2},
    {"kind": "lost_snapshot", "at": "48s"},
    {"kind": "lost_subscription", "on": "orders.open", "nth": 1, "count": 20, "channel": "book"},
    {"kind": "lost_subscription", "at": "1s", "channel": "book"},
    {"kind": "mute", "on": "order.create", "nth_intent": 55, "lasts": "45s"},
    {"kind": "mute", "at": "50s", "lasts": "500ms", "channel": "trades"},
    {"kind": "mute", "on": "order.cancel", "nth": 3, "lasts": "500ms"},
    {"kind": "mute", "on": "order.create", "nth": 55, "lasts": "5s", "channel": "trades"},
    {"kind": "mute", "on": "order.create", "nth": 1, "lasts": "10s"},
    {"kind": "mute", "on": "order.cancel", "nth": 21, "lasts": "45s", "channel": "trades"},
    {"kind": "mute", "at": "46s", "lasts": "2s"},
    {"kind": "mute", "on": "orders.open", "nth": 8, "lasts": "2s", "channel": "trades"},
    {"kind": "mute", "on": "orders.open", "nth": 34, "lasts": "45s", "channel": "trades"},
    {"kind": "rate_limit", "on": "order.create", "nth": 1, "retry_after": "3s"},
    {"kind": "refused_subscription", "on": "order.create", "nth_intent": 21, "reason": "rate_limited"},
    {"kind": "reject", "on": "orders.open", "nth": 8, "times": 2, "reason": "unavailable"},
    {"kind": "reject", "on": "order.create", "nth": 1, "times": 2},
    {"kind": "reject", "on": "order.create", "nth": 5, "times": 5, "reason": "post_only_would_take"},
    {"kind": "reorder", "at": "43s", "within": "100ms", "number": "kept"},
    {"kind": "reorder", "at": "37s", "within": "100ms"},
    {"kind": "reorder", "on": "order.create", "nth": 8, "within": "100ms", "number": "kept"},
    {"kind": "reorder", "at": "59s", "within": "5s"},
    {"kind": "reorder", "on": "order.fetch", "nth": 34, "count": 20, "within": "100ms", "number": "kept"},
    {"kind": "reorder", "on": "order.create", "nth": 5, "count": 2, "within": "100ms", "number": "kept"},
    {"kind": "reorder", "on": "order.cancel", "nth": 3, "count": 2, "within": "5s", "number": "kept"},
    {"kind": "reorder", "at": "4s", "count": 20},
    {"kind": "reorder", "at": "35s", "count": 2, "within": "100ms", "number": "kept"},
    {"kind": "stale_snapshot", "at": "28s"},
]

NEVER_DRAWN = {"ban", "late_release", "market_phase"}

seeds = st.integers(0, 10**9)
spans = st.integers(1, 1200).map(lambda seconds: seconds * SECOND)


def scenario(tmp_path: Path, **more: Any) -> Scenario:
    return make_scenario({**BASE, **more}, source="here", folder=tmp_path)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, until_ns=spans, is_wire=st.booleans())
def test_every_fault_of_a_plan_could_stand_in_a_file(seed: int, until_ns: int, is_wire: bool) -> None:
    """Each passes the checks of a scenario, comes back from its own table, and has no window beyond the healing."""
    for fault in drawn_plan(seed, until_ns=until_ns, is_wire=is_wire):
        assert checked(fault) is fault
        assert make_fault(as_table(fault), "here", "there") == fault
        assert is_wire or type(fault) in AT_THE_DOOR
        window = fault.window()
        if window is not None and window.start_ns is not None:
            assert window.start_ns + (window.lasts_ns or 0) <= until_ns


def test_the_same_seed_draws_the_same_plan() -> None:
    """Now, tomorrow and elsewhere: this plan is part of what a seed means."""
    plan = [as_table(fault) for fault in drawn_plan(12, until_ns=MINUTE)]
    assert plan == PLAN_12
    assert plan == [as_table(fault) for fault in drawn_plan(12, until_ns=MINUTE)]


@settings(max_examples=40, deadline=None)
@given(seed=seeds, gone=st.sampled_from(sorted(FAULTS)))
def test_a_kind_added_to_the_shelf_shifts_no_other(seed: int, gone: str) -> None:
    """The plan without a kind is the plan with it, less its own faults."""
    fewer: dict[str, type[Fault]] = {kind: member for kind, member in FAULTS.items() if kind != gone}
    whole = drawn_plan(seed, until_ns=MINUTE, is_wire=True)
    assert drawn_plan(seed, until_ns=MINUTE, is_wire=True, shelf=fewer) == tuple(fault for fault in whole if fault.kind != gone)


def test_plans_differ_wildly() -> None:
    """Among a few hundred seeds a few have next to nothing, some a crowd, and every kind is drawn often, by request and by time."""
    plans = [drawn_plan(seed, until_ns=7 * MINUTE) for seed in range(300)]
    sizes = sorted(len(plan) for plan in plans)
    assert sizes[2] <= 4
    assert sizes[-30] >= 12
    kinds = Counter(fault.kind for plan in plans for fault in plan)
    assert set(kinds) == {str(member.__struct_config__.tag) for member in AT_THE_DOOR} - NEVER_DRAWN
    assert set(kinds) == set(kinds_drawn(is_wire=False)), "what a proof asks for is what a sweep can draw"
    assert min(kinds.values()) > 100
    by_request = sum(fault.nth is not None or fault.nth_intent is not None for plan in plans for fault in plan)
    assert 0.4 < by_request / sum(kinds.values()) < 0.8


def test_a_swarm_is_its_base_with_a_plan(tmp_path: Path) -> None:
    """The base's own faults stay; all are healed at three quarters; what must happen is asked of the sweep, not of one seed."""
    base = scenario(tmp_path, fault=[{"kind": "lost_reply"}], expect={"must_happen": ["reconnected"], "recovers_within": "20s"})
    drawn = swarm(base, 12)
    assert span_of(base) == 120 * SECOND
    assert (drawn.seed, drawn.heal.at, drawn.faults[:1]) == (12, "1m30s", base.faults)  # type: ignore[union-attr]  # a swarm always heals
    assert drawn.faults[1:] == drawn_plan(12, until_ns=90 * SECOND)
    assert (drawn.expect.must_happen, drawn.expect.must_hit, drawn.expect.recovers_within) == ((), False, "20s")


def test_a_base_that_heals_by_itself_keeps_its_time(tmp_path: Path) -> None:
    drawn = swarm(scenario(tmp_path, heal={"at": "10s"}), 12)
    assert drawn.heal.at == "10s"  # type: ignore[union-attr]  # a swarm always heals
    assert drawn.faults == drawn_plan(12, until_ns=10 * SECOND)


def test_a_feed_of_a_second_is_no_base(tmp_path: Path) -> None:
    short = {"coinbase": {**DEFAULT_VENUE_TABLE, "feed": {"tape": "builtin:btc-usd", "end": "1s"}}}
    with pytest.raises(ConfigError, match="its feeds last 1s"):
        swarm(scenario(tmp_path, venue=short), 12)
