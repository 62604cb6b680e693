"""What a run may call itself: nothing that nobody looked at is a pass, and who fails is shown beside the truth."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

import papertape
from papertape.exchanges.account import Account
from papertape.exchanges.base import BaseExchange
from papertape.model import errors as ccxt
from papertape.reports import render
from papertape.session.result import RunResult, Status

SYMBOL = "BTC/USD"


def run(bot: Any, end: str = "20s", **more: Any) -> RunResult:
    feed = {"tape": "builtin:btc-usd", "end": end}
    return papertape.simulate(bot, venues={"coinbase": {"feed": feed, "account": {"USD": "10000", "BTC": "1"}}}, **more)


async def buys(exchange: BaseExchange) -> None:
    await asyncio.sleep(1)
    for _ in range(2):
        await exchange.place_order(SYMBOL, "market", "buy", "0.01")


async def watches(exchange: BaseExchange) -> None:
    await exchange.subscribe_trades(SYMBOL, lambda trade: None)


async def is_refused(exchange: BaseExchange) -> None:
    await asyncio.sleep(1)
    with contextlib.suppress(ccxt.ExchangeError):
        await exchange.place_order(SYMBOL, "market", "buy", "1000")


# ---- nothing judged, nothing passed


@pytest.mark.parametrize("bot", [watches, is_refused])
def test_without_an_order_nothing_about_orders_is_proved(bot: Any) -> None:
    result = run(bot)
    assert result.status is Status.VACUOUS
    (said,) = result.failures
    assert said.startswith("no order was asked for but such as the venue refused")


def test_who_is_not_to_trade_says_by_what_it_is_judged() -> None:
    assert run(watches, expect={"invariants": ["rate_respected", "nothing_counted_twice"]}).is_passed
    assert run(buys).is_passed


# ---- forgotten awaits


async def forgets(exchange: BaseExchange) -> None:
    await buys(exchange)
    exchange.place_order(SYMBOL, "market", "buy", "0.01")  # type: ignore[unused-coroutine]  # forgotten on purpose


def test_a_coroutine_that_nobody_awaited_fails_the_run() -> None:
    """It looks like an order, and is none."""
    result = run(forgets)
    assert result.status is Status.FAILED
    (said,) = result.failures
    assert said.startswith("the bot never awaited `")
    assert "place_order(…)` (test_verdicts.py:" in said
    assert said.endswith("so it did nothing; write `await` before it")


# ---- limits at each instant


async def quotes(exchange: BaseExchange) -> None:
    await asyncio.sleep(1)
    orders = [await exchange.place_order(SYMBOL, "limit", "buy", amount, "50000.00") for amount in ("0.01", "0.02", "0.01")]
    for order in orders:
        await exchange.cancel_order(order.id, SYMBOL)
    await exchange.place_order(SYMBOL, "market", "buy", "0.01")


@pytest.mark.parametrize(
    ("limits", "kind", "words"),
    [
        ({"max_open_orders": 3, "max_order_notional": "1000 USD", "max_position": "0.01 BTC"}, "", ""),
        ({"max_order_notional": "10 EUR"}, "", ""),
        ({"max_open_orders": 2}, "max_open_orders", "3 orders were open at 1."),
        ({"max_order_notional": "999 USD"}, "max_order_notional", "is worth 1000 USD; 999 is the most"),
        ({"max_position": "0.001 BTC"}, "max_position", "the position reached 0.01 BTC at 1."),
    ],
)
def test_limits_hold_at_each_instant(limits: dict[str, Any], kind: str, words: str) -> None:
    result = run(quotes, expect={"venue": limits})
    assert result.broken == ((kind,) if kind else ()), result.failures
    assert all(words in failure for failure in result.failures)


@pytest.mark.parametrize("limits", [{"max_open_orders": -1}, {"max_open_orders": "3"}, {"max_order_notional": "500"}])
def test_a_limit_that_is_none_is_said_so(limits: dict[str, Any]) -> None:
    with pytest.raises(papertape.ConfigError, match=next(iter(limits))):
        run(quotes, expect={"venue": limits})


# ---- belief beside truth


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> RunResult:
    """The client does not hear of any order but the first."""
    hear = Account.hear

    def deaf(self: Account, order: Any, **how: Any) -> Any:
        return hear(self, order, **how) if order.client_order_id.endswith("-1") else order

    monkeypatch.setattr(Account, "hear", deaf)
    return run(buys)


def test_a_failure_shows_belief_beside_truth_and_what_led_there(failed: RunResult) -> None:
    assert failed.status is Status.FAILED
    rows = {row.what: row for row in failed.sides}
    assert rows["pt0-2"].differs
    assert (rows["pt0-2"].client, rows["pt0-2"].truth) == ("buy 0.01: unknown", "buy 0.01: closed, filled 0.01 in 1")
    assert not rows["pt0-1"].differs, "the one before it, for comparison"
    assert any(moment.what == "order.create pt0-2 buy 0.01 BTC/USD" for moment in failed.timeline), failed.timeline
    assert len(failed.failures) + len(failed.sides) + len(failed.timeline) < 30, "people read it"


def test_every_report_has_both_sides(failed: RunResult) -> None:
    assert failed.to_dict()["sides"][0]["venue"] == "coinbase"
    table = render("table", [failed])
    assert "where the two sides stand at the end:" in table
    assert "≠ pt0-2" in table
    failure = Xml.fromstring(render("junit", [failed]).encode()).find(".//failure")
    assert failure is not None
    assert "≠ pt0-2" in (failure.text or "")


def test_an_order_in_doubt_says_what_it_waits_for(failed: RunResult) -> None:
    said = next(failure for failure in failed.failures if "order pt0-2: the client still does not know its outcome" in failure)
    assert "(outcome unknown; being hunted, " in said
    assert "REST lane: up)" in said


def test_a_run_that_passed_shows_no_sides() -> None:
    assert run(buys).sides == ()
