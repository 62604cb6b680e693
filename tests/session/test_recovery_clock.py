"""From when on a recovery is timed: no client can be whole again while something still disturbs it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

import papertape
from papertape.exchanges.requests import Requests
from papertape.faults import Disconnect, Drop
from papertape.journal import Journal
from papertape.model.errors import RateLimitExceeded
from papertape.model.units import SECOND, Nanos
from papertape.resilience.backoff import Backoff
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.world import run_virtual
from papertape.scenario.quick import DEFAULT_VENUE_TABLE
from papertape.session.observer import Observer
from papertape.session.result import RunResult, Status
from papertape.sim.armed import Armed


def took_s(*, hit_s: int = 0, is_open: bool = True, network_s: int = 0, quiet_s: int = 0) -> float:
    """How long a recovery took, by the observer: its fault is over at 5 s, and the client whole at 12 s; another fault is open or not."""

    async def main(loop: VirtualLoop) -> float:
        over, other = Armed(Disconnect(at="4s", lasts="1s")), Armed(Drop(at="1s", count=20))
        over.fired, other.fired, other.hit_ns, other.is_open = 1, bool(hit_s), hit_s * SECOND, is_open
        other.quiet_until_ns = quiet_s * SECOND
        broadcast = SimpleNamespace(wrong_books=dict)
        door: Any = SimpleNamespace(plan=SimpleNamespace(faults=[over, other]), is_whole=True, broadcast=broadcast)
        observer = Observer("coinbase", loop, Journal({}))
        observer.watch(door)
        if network_s:
            observer.network_disturbed_ns = lambda: network_s * SECOND
        await asyncio.sleep(5)
        door.on_disturbed(over)
        await asyncio.sleep(7)
        assert observer.has_to_wait(SECOND) == (max(hit_s * is_open, network_s, quiet_s) >= 11)
        observer.health_changed(True, "")
        return observer.recoveries[0] / SECOND

    return run_virtual(main)


def test_it_runs_from_the_last_that_an_open_fault_did() -> None:
    """One that happens so and so many times, whenever that may be, may go on disturbing long after the other's end."""
    assert took_s() == 7
    assert took_s(hit_s=9) == 3
    assert took_s(hit_s=11) == 1
    assert took_s(hit_s=9, is_open=False) == 7
    assert took_s(hit_s=3) == 7


def test_it_runs_from_when_the_network_was_last_disturbed() -> None:
    assert took_s(network_s=10) == 2
    assert took_s(network_s=11, hit_s=9) == 1
    assert took_s(network_s=4) == 7


def test_it_runs_from_the_end_of_the_quiet_that_a_refusal_asked_for() -> None:
    """Nobody may ask for anything before; who is whole before that took no time."""
    assert took_s(quiet_s=10, is_open=False, hit_s=4) == 2
    assert took_s(quiet_s=99) == 0
    assert took_s(quiet_s=4) == 7


async def watches(exchange: Any) -> None:
    await exchange.subscribe_trades("BTC/USD", lambda trade: None)
    await exchange.place_order("BTC/USD", "market", "buy", "0.01")
    await asyncio.sleep(80)


def run(*faults: dict[str, object]) -> RunResult:
    venue = {**DEFAULT_VENUE_TABLE, "feed": {"tape": "builtin:btc-usd", "end": "80s"}}
    expect = {"recovers_within": "20s", "must_hit": False}
    return papertape.simulate(watches, venues={"coinbase": venue}, faults=list(faults), expect=expect, depth="wire")


CUT = {"kind": "disconnect", "connection": "user", "at": "5s", "lasts": "1s"}
REFUSED = {"kind": "connect_refused", "at": "4s", "lasts": "30s"}


def test_a_cut_that_the_network_keeps_from_healing_is_not_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client cannot dial while every dial is refused; who does not dial once it may again is late all the same."""
    assert run(CUT, REFUSED).status is Status.PASSED
    monkeypatch.setattr(Backoff, "__call__", lambda self, failures: 60 * SECOND)
    late = run(CUT, REFUSED)
    assert late.status is Status.FAILED
    assert late.broken == ("recovers_within",)


@pytest.mark.parametrize(("wait", "is_late"), [("30s", False), ("500ms", True)])
def test_a_client_that_is_kept_quiet_is_not_late(wait: str, is_late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told to wait for half a minute as it repairs; who waits as long although it was told otherwise is late."""
    if is_late:
        monkeypatch.setattr(Requests, "obey", _waits_for_long)
    venue = {**DEFAULT_VENUE_TABLE, "feed": {"tape": "builtin:btc-usd", "end": "60s"}}
    limit = {"kind": "rate_limit", "on": "orders.open", "nth": 2, "retry_after": wait}
    result = papertape.simulate(watches, venues={"coinbase": venue}, faults=[CUT, limit], expect={"recovers_within": "20s"})
    assert result.broken == (("recovers_within",) if is_late else ()), result.failures


def _waits_for_long(self: Requests, error: RateLimitExceeded) -> Nanos:
    until_ns = self._clock.now_ns() + 30 * SECOND
    self.private.pause(until_ns)
    return until_ns
