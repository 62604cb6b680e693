"""What kind of failure a run had, and what a sweep asks of a run beside its verdict."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import papertape
from papertape.scenario.make import make_scenario
from papertape.scenario.quick import DEFAULT_VENUE_TABLE
from papertape.session.result import Status
from papertape.session.run import run_scenario
from papertape.session.world import KeptRows

SHORT = {"coinbase": {**DEFAULT_VENUE_TABLE, "feed": {"tape": "builtin:btc-usd", "end": "5s"}}}


async def waits(exchange: Any) -> None:
    await asyncio.sleep(1)


async def stumbles(exchange: Any) -> None:
    await exchange.place_order("BTC/USD", "market", "buy", "0.01")
    raise KeyError("pt0-1")


def test_a_failure_has_a_kind_that_does_not_change_from_run_to_run() -> None:
    """Two runs fail alike if they share one of these; ids, times and amounts are no part of it."""
    result = papertape.simulate(stumbles, venues=SHORT)
    assert result.broken == ("the bot raised KeyError",)
    assert result.to_dict()["broken"] == ["the bot raised KeyError"]


def test_a_run_that_passes_broke_nothing() -> None:
    assert papertape.simulate(waits, venues=SHORT).broken == ()


def test_must_hit_false_lets_a_fault_miss() -> None:
    """What was drawn at random may miss; what a person wrote down may not."""
    faults = [{"kind": "lost_reply", "nth": 9}]
    assert papertape.simulate(waits, venues=SHORT, faults=faults).status is Status.VACUOUS
    result = papertape.simulate(waits, venues=SHORT, faults=faults, expect={"must_hit": False, "invariants": ["rate_respected"]})
    assert (result.status, result.faults[0].fired) == (Status.PASSED, 0)


def test_rows_that_are_kept_make_the_same_run() -> None:
    """A tape read once and played three times, or one too long to keep, gives the same digest as one read each time."""
    scenario = make_scenario({"bot": waits, "venue": SHORT}, source="here", folder=Path())
    digest = run_scenario(scenario).digest
    for kept in (KeptRows(), KeptRows(rows_max=3)):
        assert [run_scenario(scenario, kept=kept).digest for _ in range(2)] == [digest, digest]


def test_whoever_listens_hears_the_journal() -> None:
    heard: list[str] = []
    scenario = make_scenario({"bot": waits, "venue": SHORT}, source="here", folder=Path())
    run_scenario(scenario, listen=lambda kind, line: heard.append(kind))
    assert heard[-1] == "end"
