"""Faults of the network are recovered from like any other: from when the network was last disturbed, and not before that shows."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

import papertape
from papertape.journal import Journal
from papertape.model.units import SECOND
from papertape.resilience.backoff import Backoff
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network.trouble import Act, Trouble
from papertape.runtime.network.trouble import Armed as ArmedOnLine
from papertape.runtime.world import run_virtual
from papertape.session.observer import Observer
from papertape.session.result import RunResult, Status
from papertape.wire.coinbase.server import MARKET_HOST

VENUE: dict[str, object] = {"feed": {"tape": "builtin:btc-usd", "end": "45s"}, "account": {"USD": "100000"}}


async def watches(exchange: Any) -> None:
    await exchange.subscribe_order_book("BTC/USD", lambda book: None)
    await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "50000")
    await asyncio.sleep(100)


def run(*faults: dict[str, object], heal: dict[str, object] | None = None, within: str = "20s") -> RunResult:
    return papertape.simulate(
        watches, venues={"coinbase": VENUE}, faults=list(faults), heal=heal, expect={"recovers_within": within}, depth="wire"
    )


HOLE: dict[str, object] = {"kind": "black_hole", "at": "5s", "lasts": "20s", "host": MARKET_HOST}


def test_a_hole_is_recovered_from_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The market lane goes down for its silence and comes back when there is a way again; who then waits for long is late."""
    result = run(HOLE)
    assert result.is_passed, result.failures
    assert result.faults[0].recovery_ns is not None
    assert 0 < result.faults[0].recovery_ns < 15 * SECOND
    monkeypatch.setattr(Backoff, "__call__", lambda self, failures: 40 * SECOND)
    late = run(HOLE)
    assert (late.status, late.broken) == (Status.FAILED, ("recovers_within",)), late.failures


def test_who_never_comes_back_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "__call__", lambda self, failures: 3_600 * SECOND)
    result = run({"kind": "reset", "at": "10s", "host": MARKET_HOST})
    assert result.status is Status.FAILED
    assert result.failures[0].startswith("coinbase: reset, over at 10s, was never recovered from; market lane: down, dial due in")


def test_what_the_run_outlives_and_what_it_does_not() -> None:
    """One that goes on until somebody heals it: with a heal it is timed from that, without one nobody can judge what comes after."""
    endless: dict[str, object] = {"kind": "half_open", "at": "10s", "host": MARKET_HOST}
    healed = run(endless, heal={"at": "20s"})
    assert healed.is_passed, healed.failures
    assert healed.faults[0].recovery_ns is not None
    never = run(endless)
    assert never.status is Status.VACUOUS
    assert never.failures == ("fault 1 (half_open) was still on when the bot ended, so `recovers_within` was not judged",)


def whole_at(*, acts_s: tuple[int, ...], lasts_s: int | None, unwell_s: tuple[int, int], until_s: int, healed_s: int = 0) -> Any:
    """How long the recovery from a fault of the network took, by the observer, in seconds; None if that is not known by `until_s`."""

    async def main(loop: VirtualLoop) -> float | None:
        lasts_ns = None if lasts_s is None else lasts_s * SECOND
        armed = ArmedOnLine(0, Trouble(kind="x", act=Act.RESET if lasts_s == 0 else Act.LOSE, lasts_ns=lasts_ns), None)
        door: Any = SimpleNamespace(plan=SimpleNamespace(faults=[]), is_whole=True, broadcast=SimpleNamespace(wrong_books=dict))
        observer = Observer("coinbase", loop, Journal({}))
        observer.watch(door)
        network: Any = SimpleNamespace(armed=[armed], disturbed_ns=lambda: armed.disturbed_ns(loop.now_ns))
        observer.watch_line(network)
        armed.on_acted = observer.line_acted
        observer.health_changed(True, "")
        for at_s in acts_s:
            loop.schedule_ns(at_s * SECOND, 0, lambda: armed.note(loop.now_ns))
        for at_s, is_well in zip(unwell_s, (False, True), strict=True):
            loop.schedule_ns(at_s * SECOND, 0, observer.health_changed, is_well, "")
        if healed_s:
            await asyncio.sleep(healed_s)
            armed.healed_ns = loop.now_ns
            observer.line_healed()
        await asyncio.sleep(until_s - healed_s)
        took_ns = observer.recoveries.get(0)
        return None if took_ns is None else took_ns / SECOND

    return run_virtual(main)


def test_it_is_over_when_it_last_acted_and_shows_for_eight_seconds() -> None:
    """A client that looks well at once may not have noticed yet; what counts is when it was well for good."""
    cut: Any = {"acts_s": (2,), "lasts_s": 0}
    assert whole_at(**cut, unwell_s=(8, 9), until_s=9) is None
    assert whole_at(**cut, unwell_s=(8, 9), until_s=11) == 7
    assert whole_at(**cut, unwell_s=(8, 20), until_s=19) is None
    assert whole_at(**cut, unwell_s=(8, 20), until_s=21) == 18
    assert whole_at(**cut, unwell_s=(0, 1), until_s=11) == 0


def test_it_is_timed_from_the_last_that_it_did() -> None:
    """It acts again while the client is down."""
    assert whole_at(acts_s=(2, 6), lasts_s=0, unwell_s=(3, 9), until_s=15) == 3
    assert whole_at(acts_s=(2,), lasts_s=5, unwell_s=(3, 9), until_s=16) == 2
    assert whole_at(acts_s=(2,), lasts_s=5, unwell_s=(3, 6), until_s=16) == 0


def test_what_has_no_end_is_over_when_it_is_healed() -> None:
    endless: Any = {"acts_s": (2,), "lasts_s": None, "unwell_s": (3, 9)}
    assert whole_at(**endless, until_s=60) is None
    assert whole_at(**endless, until_s=60, healed_s=7) == 2
