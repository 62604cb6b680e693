"""Each canary fails where the healthy bot passes, and what fails names its bug: proof that the checks can fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import papertape
from papertape.bots.canaries import CANARIES, bot_of
from papertape.bots.canaries.base import BrokenShell
from papertape.scenario.make import make_scenario
from papertape.session.result import RunResult, Status

Plan = list[dict[str, Any]]

ENDS = {"unbounded_queue": "60s", "releases_a_stale_priced_order": "70s"}
"""When the tape ends, if not after 40 s: a thousand tasks take their time, as does an order that waits for too long."""

PLANS: dict[str, Plan] = {
    "resends_under_a_new_id": [
        {"kind": "lost_reply", "nth": 3},
        {"kind": "drop", "on": "order.create", "nth": 3, "count": 2},  # or the lane would tell before it is sent again
    ],
    "forgets_to_resubscribe": [{"kind": "disconnect", "at": "8s", "lasts": "1s", "connection": "market"}],
    "applies_a_fill_twice": [{"kind": "duplicate", "at": "2s", "connection": "user", "count": 20}],
    "takes_not_found_for_dead": [
        {"kind": "late_visibility", "nth": 2, "hides_for": "10s"},
        {"kind": "disconnect", "on": "order.create", "nth": 2, "connection": "user", "lasts": "500ms"},
    ],
    "trusts_a_stale_book": [
        {"kind": "disconnect", "at": "5s", "lasts": "15s", "connection": "market"},
        {"kind": "lost_reply", "on": "book.fetch", "nth": 2},  # or the shell would have the book by REST
    ],
    "cancels_foreign_orders": [{"kind": "foreign_order", "at": "5s", "away_bps": 200}],
    "unbounded_queue": [{"kind": "outage", "at": "5s", "lasts": "45s", "connections": ["rest"]}],
    "merges_a_snapshot_into_the_old_book": [{"kind": "disconnect", "at": "8s", "lasts": "1s", "connection": "market"}],
    "releases_a_stale_priced_order": [{"kind": "disconnect", "at": "5s", "lasts": "45s", "connection": "user"}],
    "ignores_retry_after": [{"kind": "rate_limit", "nth": 3, "retry_after": "5s"}],
    "orders_out_before_reconciling": [{"kind": "disconnect", "at": "5s", "lasts": "15s", "connection": "user"}],
    "takes_a_clean_close_for_the_end": [{"kind": "disconnect", "at": "8s", "lasts": "1s", "connection": "market", "clean": True}],
}
"""What shows each bug, as short as it gets."""


def test_every_canary_has_its_plan() -> None:
    """One without would be a check that nobody has seen fail."""
    assert sorted(PLANS) == sorted(CANARIES)


SHELLS = [name for name, canary in CANARIES.items() if issubclass(canary, BrokenShell)]


def run(bot: str, plan: Plan, depth: str = "interface", end: str = "40s") -> RunResult:
    tables = {
        "title": f"{bot} under {', '.join(fault['kind'] for fault in plan)}",
        "bot": bot,
        "depth": depth,
        "venue": {"coinbase": {"feed": {"tape": "builtin:btc-usd", "end": end}, "account": {"USD": "100000", "BTC": "1"}}},
        "fault": plan,
        "expect": {"recovers_within": "15s"},
    }
    return papertape.simulate(make_scenario(tables, source="test", folder=Path()))


def assert_caught(name: str, depth: str) -> None:
    end = ENDS.get(name, "40s")
    healthy = run("papertape.bots:MarketMaker", PLANS[name], depth, end)
    assert healthy.status is Status.PASSED, healthy.failures
    canary = run(bot_of(name), PLANS[name], depth, end)
    assert canary.status is Status.FAILED, canary.failures
    assert CANARIES[name].caught_by[0] in canary.broken, canary.failures


@pytest.mark.parametrize("name", PLANS)
def test_each_canary_is_caught_where_the_healthy_bot_passes(name: str) -> None:
    assert_caught(name, "interface")


def test_no_bug_is_left_in_the_next_run() -> None:
    """A canary breaks the one shell that it is handed, and no class: the same process goes on with healthy ones."""
    plan = PLANS["orders_out_before_reconciling"]
    before = run("papertape.bots:MarketMaker", plan)
    for name in SHELLS:
        run(bot_of(name), plan, end="10s")
    assert run("papertape.bots:MarketMaker", plan).digest == before.digest


@pytest.mark.parametrize("name", SHELLS)
def test_a_bug_of_the_shell_is_caught_at_wire_depth_too(name: str) -> None:
    assert_caught(name, "wire")
