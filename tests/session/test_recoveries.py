"""What `recovers_within` may claim: only what there was time to see, and only what can be made good."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import papertape
from papertape.model import errors as ccxt
from papertape.scenario.quick import DEFAULT_VENUE_TABLE
from papertape.session.result import RunResult, Status


def run(bot: Any, end: str, *faults: dict[str, object]) -> RunResult:
    venues = {"coinbase": {**DEFAULT_VENUE_TABLE, "feed": {"tape": "builtin:btc-usd", "end": end}}}
    return papertape.simulate(bot, venues=venues, faults=list(faults), expect={"recovers_within": "20s"})


async def watches_trades(exchange: Any) -> None:
    await exchange.subscribe_trades("BTC/USD", lambda trade: None)
    await exchange.place_order("BTC/USD", "market", "buy", "0.001")
    await asyncio.sleep(60)


def test_a_lost_trade_is_nothing_to_recover_from() -> None:
    """It is gone for good, and no book is wrong by it."""
    result = run(watches_trades, "20s", {"kind": "gap", "at": "1s", "channel": "trades"})
    assert result.is_passed, result.failures
    assert result.faults[0].fired == 1


def test_what_had_no_time_to_recover_is_not_judged() -> None:
    """The line comes back a moment before the end: nobody can say how long it would have taken."""
    cut = {"kind": "disconnect", "connection": "user", "at": "2s", "lasts": "7900ms"}
    late = run(watches_trades, "10s", cut)
    assert late.status is Status.VACUOUS
    (said,) = late.failures
    assert said.startswith("disconnect, over at 9.9s, had not been recovered from when the bot ended")
    assert run(watches_trades, "40s", cut).is_passed


async def buys_once(exchange: Any) -> None:
    with contextlib.suppress(ccxt.BaseError):
        await exchange.place_order("BTC/USD", "market", "buy", "0.001")
    await asyncio.sleep(120)


def test_an_order_that_was_never_made_is_no_news_to_wait_for() -> None:
    """Each attempt cuts its own connection before the venue looks at it: there is no order, and nobody can be told of it."""
    result = run(buys_once, "3m", {"kind": "disconnect", "on": "order.create", "nth_intent": 1, "lasts": "500ms", "connection": "rest"})
    assert result.is_passed, result.failures
    assert (result.orders, result.faults[0].recovery_ns is not None) == (0, True)
