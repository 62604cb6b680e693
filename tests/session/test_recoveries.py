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
from papertape.resilience.hearing import Hearing
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


async def watches_and_waits(exchange: Any) -> None:
    """Has an order open, and does nothing."""
    await exchange.subscribe_trades("BTC/USD", lambda trade: None)
    with contextlib.suppress(ccxt.BaseError):
        await exchange.place_order("BTC/USD", "limit", "buy", "0.001", "60000")
    await asyncio.sleep(400)


MUTE = {"kind": "mute", "channel": "orders", "at": "30s", "lasts": "70s"}


def recovers(bot: Any, *faults: dict[str, object], depth: str = "interface") -> RunResult:
    venues = {"coinbase": {**DEFAULT_VENUE_TABLE, "feed": {"tape": "builtin:btc-usd", "end": "4m"}}}
    expect = {"recovers_within": "60s", "must_happen": ["mute_found"]}
    return papertape.simulate(bot, venues=venues, faults=list(faults), expect=expect, depth=depth)


@pytest.mark.parametrize("depth", ["interface", "wire"])
def test_a_bot_with_a_quiet_account_hears_of_its_orders_again_after_they_were_mute(depth: str) -> None:
    """Nothing happens to its order, so nothing but a fresh subscription can find that it would not be told."""
    result = recovers(watches_and_waits, MUTE, depth=depth)
    assert result.is_passed, result.failures
    assert result.faults[0].recovery_ns is not None
    assert result.marks["mute_found"] == 1


def test_a_shell_that_never_asks_anew_does_not_recover_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although it holds itself for healthy: the Door knows better."""
    monkeypatch.setattr(Hearing, "doubt", lambda self, now_ns: None)
    result = recovers(watches_and_waits, MUTE)
    assert result.status is Status.FAILED
    assert result.failures[0].startswith("coinbase: mute took 2m"), "until it left"


def test_what_a_fault_did_last_still_counts_once_it_is_used_up() -> None:
    """Three times the list of open orders is refused for fifteen seconds, and the line was back long before: nobody can be faster."""
    cut = {"kind": "disconnect", "connection": "user", "at": "20s", "lasts": "2s"}
    limits = {"kind": "rate_limit", "on": "orders.open", "nth": 2, "times": 3, "retry_after": "15s"}
    result = run(watches_and_waits, "2m", cut, limits)
    assert result.is_passed, result.failures
    assert [fault.fired > 0 for fault in result.faults] == [True, True]
