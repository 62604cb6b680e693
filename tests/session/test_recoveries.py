"""What `recovers_within` may claim: only what there was time to see, and only what can be made good."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

import pytest

import papertape
from papertape.exchanges import line
from papertape.model import errors as ccxt
from papertape.model.units import SECOND
from papertape.resilience.backoff import Backoff
from papertape.scenario.quick import DEFAULT_VENUE_TABLE
from papertape.session.result import RunResult, Status


def run(bot: Any, end: str, *faults: dict[str, object], heal: dict[str, object] | None = None) -> RunResult:
    venues = {"coinbase": {**DEFAULT_VENUE_TABLE, "feed": {"tape": "builtin:btc-usd", "end": end}}}
    return papertape.simulate(bot, venues=venues, faults=list(faults), heal=heal, expect={"recovers_within": "20s"})


async def watches_trades(exchange: Any) -> None:
    await exchange.subscribe_trades("BTC/USD", lambda trade: None)
    await exchange.place_order("BTC/USD", "market", "buy", "0.001")
    await asyncio.sleep(60)


def test_a_lost_trade_is_nothing_to_recover_from() -> None:
    """It is gone for good, and no book is wrong by it."""
    result = run(watches_trades, "20s", {"kind": "gap", "at": "1s", "channel": "trades"})
    assert result.is_passed, result.failures
    assert result.faults[0].fired == 1


async def buys_once(exchange: Any) -> None:
    with contextlib.suppress(ccxt.BaseError):
        await exchange.place_order("BTC/USD", "market", "buy", "0.001")
    await asyncio.sleep(120)


def test_an_order_that_was_never_made_is_no_news_to_wait_for() -> None:
    """Each attempt cuts its own connection before the venue looks at it: there is no order, and nobody can be told of it."""
    result = run(buys_once, "3m", {"kind": "disconnect", "on": "order.create", "nth_intent": 1, "lasts": "500ms", "connection": "rest"})
    assert result.is_passed, result.failures
    assert (result.orders, result.faults[0].recovery_ns is not None) == (0, True)


def test_a_recovery_goes_on_after_the_feeds_end() -> None:
    """The line comes back a moment before the end: what takes long is late, and cannot hide in the end of the tape."""
    cut = {"kind": "disconnect", "connection": "user", "at": "2s", "lasts": "7900ms"}
    late = run(watches_trades, "10s", cut)
    assert late.is_passed, late.failures
    assert late.faults[0].recovery_ns is not None
    assert late.virtual_ns > 10 * SECOND
    forever = run(watches_trades, "10s", {**cut, "lasts": "5m"})
    assert forever.status is Status.VACUOUS, "it was on until the exchange had lived on for as long as it may"


def test_who_never_comes_back_after_the_feeds_end_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody dials again. What is missing is named."""
    monkeypatch.setattr(Backoff, "__call__", lambda self, failures: 3_600 * SECOND)
    result = run(watches_trades, "10s", {"kind": "disconnect", "connection": "user", "at": "2s", "lasts": "7900ms"})
    assert result.status is Status.FAILED
    (said,) = result.failures
    assert said.startswith("coinbase: disconnect, over at 9.9s, was never recovered from; user lane: ")
    assert "dial due in" in said


async def polls(exchange: Any) -> None:
    await exchange.subscribe_trades("BTC/USD", lambda trade: None)
    await exchange.place_order("BTC/USD", "market", "buy", "0.001")
    while True:
        with contextlib.suppress(ccxt.BaseError):
            await exchange.fetch_balance()
        await asyncio.sleep(1)


def test_of_lanes_that_heal_alone_no_more_is_demanded_than_they_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    cuts = [{"kind": "disconnect", "connection": lane, "at": "2s", "lasts": "10m"} for lane in ("rest", "market")]
    healed = run(polls, "40s", *cuts, heal={"at": "10s", "only": ["rest"]})
    assert healed.is_passed, healed.failures
    assert healed.notes == ("coinbase: recovery from disconnect was not demanded: only rest healed",)
    monkeypatch.setattr(Backoff, "__call__", lambda self, failures: 3_600 * SECOND)
    broken = run(polls, "40s", *cuts, heal={"at": "10s", "only": ["rest"]})
    assert broken.status is Status.FAILED
    assert broken.broken == ("recovers_within",)
    assert "rest healed, and did not come back from disconnect; rest lane: down, dial due in" in broken.failures[0]


async def watches_a_book(exchange: Any) -> None:
    await exchange.subscribe_order_book("BTC/USD", lambda book: None)
    await exchange.place_order("BTC/USD", "market", "buy", "0.001")
    await asyncio.sleep(80)


def test_nothing_is_recovered_from_before_it_could_do_its_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost heartbeat is missed when the next one comes; a client that never repairs its lane from then on looks well until then."""
    gap: dict[str, object] = {"kind": "gap", "connection": "user", "at": "5s"}
    healthy = run(watches_a_book, "60s", gap)
    assert healthy.is_passed, healthy.failures
    assert healthy.faults[0].recovery_ns is not None
    assert healthy.faults[0].recovery_ns > SECOND // 2
    reconcile, times = line.reconcile, itertools.count()

    async def once(*arguments: Any) -> int:
        if next(times):
            await asyncio.sleep(3600)
        return await reconcile(*arguments)

    monkeypatch.setattr(line, "reconcile", once)
    result = run(watches_a_book, "60s", gap)
    assert result.status is Status.FAILED
    assert "gap, over at" in result.failures[0]
    assert "was never recovered from; user lane: connected; repairing what was missed" in result.failures[0]


def test_what_does_no_harm_is_recovered_from_at_once() -> None:
    """And it is known two seconds later."""
    result = run(watches_a_book, "60s", {"kind": "stall", "connection": "user", "at": "5s", "lasts": "1s"})
    assert result.is_passed, result.failures
    assert result.faults[0].recovery_ns == 0


def test_a_bot_that_ends_sooner_is_looked_at_for_the_last_time() -> None:
    result = run(watches_a_book, "60s", {"kind": "stall", "connection": "user", "at": "58s", "lasts": "1s"})
    assert result.is_passed, result.failures
    assert result.faults[0].recovery_ns == 0
