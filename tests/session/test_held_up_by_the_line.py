"""What a client cannot know of its order is not held against it: when the line brought it, and what a 503 means."""

from __future__ import annotations

import asyncio

import pytest

import papertape
from papertape.exchanges.base import BaseExchange
from papertape.invariants.base import Case
from papertape.invariants.orders_after_reconciling import OrdersAfterReconciling
from papertape.model.errors import BaseError
from papertape.model.units import SECOND
from papertape.model.view import LineSeen
from papertape.session.result import Status
from papertape.wire.coinbase.server import REST_HOST, USER_HOST

HELD = {"kind": "half_open", "at": "10s", "lasts": "20s", "host": REST_HOST, "direction": "to_server"}
BLIND = {"kind": "disconnect", "at": "12s", "lasts": "30s", "connection": "market"}
VENUE = {"feed": {"tape": "builtin:btc-usd", "end": "70s"}, "account": {"USD": "100000"}}


async def buys_before(exchange: BaseExchange) -> None:
    """At 11 s all is well as far as anybody can tell, and the request leaves; a second later the market is gone."""
    async with await exchange.subscribe_order_book("BTC/USD", lambda book: None):
        await asyncio.sleep(11 - asyncio.get_running_loop().time())
        try:
            await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "50000")
        except BaseError:
            await asyncio.sleep(10)
        await asyncio.sleep(40)


def test_a_market_that_went_away_after_an_order_left_is_not_held_against_it() -> None:
    """The order comes at 30 s, when its market has been out of sight for 18 s; when it left, it was in sight."""
    expect = {"invariants": ["late_orders_fit", "orders_from_fresh_data", "no_duplicate_exposure", "every_order_known"]}
    result = papertape.simulate(buys_before, venues={"coinbase": VENUE}, faults=[HELD, BLIND], depth="wire", expect=expect)
    assert result.status is not Status.FAILED, result.failures
    assert result.orders == 1
    assert [fault.fired > 0 for fault in result.faults] == [True, True]


AWAY = {"kind": "outage", "at": "10s", "lasts": "12s"}
NO_ANSWER = {"kind": "reject", "on": "order.create", "nth": 1, "times": 30, "reason": "unavailable"}


async def buys_in_an_outage(exchange: BaseExchange) -> None:
    async with await exchange.subscribe_order_book("BTC/USD", lambda book: None):
        await asyncio.sleep(11 - asyncio.get_running_loop().time())
        try:
            await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "50000")
        except BaseError:
            await asyncio.sleep(5)


def test_a_server_error_is_no_answer_to_an_order() -> None:
    """Whether it was made is open, and repeating it is how to find out, for half a minute after the first was lost."""
    expect = {"invariants": ["late_orders_fit", "no_duplicate_exposure", "every_order_known"]}
    result = papertape.simulate(buys_in_an_outage, venues={"coinbase": VENUE}, faults=[AWAY, NO_ANSWER], expect=expect)
    assert not result.broken, result.failures
    assert result.faults[1].fired > 5


DEAF: dict[str, object] = {"kind": "half_open", "at": "10s", "lasts": "10s", "host": USER_HOST, "direction": "to_client"}
LATE: dict[str, object] = {"kind": "lag", "at": "10s", "lasts": "20s", "add": "5s", "host": USER_HOST, "direction": "to_server"}


def own_lines(monkeypatch: pytest.MonkeyPatch, *faults: dict[str, object]) -> list[LineSeen]:
    """The own-order connections of a run, as the judge is shown them."""
    lines: list[LineSeen] = []

    def judge(self: OrdersAfterReconciling, case: Case) -> list[str]:
        lines.extend(case.truth.own_lines)
        return []

    monkeypatch.setattr(OrdersAfterReconciling, "judge", judge)
    result = papertape.simulate(buys_before, venues={"coinbase": VENUE}, faults=list(faults), depth="wire")
    assert result.status is not Status.FAILED, result.failures
    return lines


def test_a_line_ends_when_the_client_lets_go_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue hears its goodbye later, by as long as bytes take; what the client asks in between it asks after the end."""
    first, second = own_lines(monkeypatch, DEAF, LATE)[:2]
    assert first.ended_ns is not None
    assert 15 * SECOND <= first.ended_ns < 16 * SECOND, "silent for five seconds, which is looked for each second"
    assert second.opened_ns > first.ended_ns


CUT: dict[str, object] = {"kind": "reset", "at": "9s", "host": USER_HOST}
SLOW: dict[str, object] = {"kind": "bandwidth", "at": "9s", "lasts": "10s", "bytes_per_second": 100, "host": USER_HOST}
LOST: dict[str, object] = {"kind": "black_hole", "at": "10500ms", "lasts": "10s", "host": USER_HOST, "direction": "to_server"}


def test_a_line_that_its_client_had_given_up_before_it_came_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """TCP sends its handshake again until it arrives, long after whoever dialled has hung up; the line that they dialled next goes on."""
    first, second = own_lines(monkeypatch, CUT, SLOW, LOST)
    assert first.ended_ns == 9 * SECOND
    assert second.ended_ns is None or second.ended_ns > 50 * SECOND
