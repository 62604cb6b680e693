"""What a monitor shows follows from the lines that it was told, and none of them can break it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from papertape.model.units import MINUTE, SECOND
from papertape.monitor.screen import CANDLES_MAX, Screen

BEGIN = 1_767_571_200 * SECOND
SYMBOL = "BTC/USD"


def trade(ns: int, price: str, amount: str = "1", side: str = "buy") -> dict[str, Any]:
    return {"kind": "trade", "symbol": SYMBOL, "ns": ns, "price": price, "amount": amount, "side": side}


def state(ns: int, filled: str, cost: str, status: str = "open", price: str | None = "100", key: str = "a") -> dict[str, Any]:
    return {
        "kind": "state", "symbol": SYMBOL, "ns": ns, "id": "v", "client_order_id": key, "type": "limit", "side": "sell", "price": price,
        "amount": "2", "filled": filled, "cost": cost, "status": status, "reason": "",
    }  # fmt: skip


def shown(*lines: dict[str, Any]) -> Screen:
    screen = Screen()
    for line in lines:
        screen.take(line)
    return screen


@given(st.lists(st.tuples(st.integers(0, 20 * 60), st.integers(1, 99), st.integers(1, 9)), min_size=1, max_size=40))
def test_candles_are_what_trades_make_of_them(trades: list[tuple[int, int, int]]) -> None:
    """One for each minute with a trade, first and last in the order in which they were told; late ones count where they belong."""
    screen = shown(*(trade(BEGIN + at * SECOND, str(price), str(amount)) for at, price, amount in trades))
    bars = list(screen.market(SYMBOL).candles)
    assert [bar.open_ns for bar in bars] == sorted({bar.open_ns for bar in bars})
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
    for bar in bars:
        minute = (bar.open_ns - BEGIN) // MINUTE
        assert bar.volume == sum(amount for at, _, amount in trades if at // 60 == minute) or any(at // 60 < minute for at, *_ in trades)


def test_a_finished_bar_knows_better() -> None:
    """Than what trades have made of it so far, wherever it belongs."""
    bar = {"kind": "candle", "symbol": SYMBOL, "open": "1", "high": "9", "low": "1", "close": "5", "volume": "7"}
    screen = shown(trade(BEGIN + MINUTE, "3"), {**bar, "ns": BEGIN + MINUTE}, {**bar, "ns": BEGIN}, {**bar, "ns": BEGIN + 5 * MINUTE})
    assert [(each.open_ns - BEGIN) // MINUTE for each in screen.market(SYMBOL).candles] == [0, 1, 5]
    assert screen.market(SYMBOL).candles[1].high == 9
    for at in range(2 * CANDLES_MAX):
        screen.take(trade(BEGIN + (9 + at) * MINUTE, "3"))
    assert len(screen.market(SYMBOL).candles) == CANDLES_MAX


def test_fills_are_what_an_order_gained() -> None:
    """At the price of the part that is new; a state that is told again adds nothing."""
    screen = shown(state(1, "0", "0"), state(2, "0.5", "50"), state(2, "0.5", "50"), state(3, "2", "203", "closed", "101"))
    assert [(fill.ns, fill.amount, fill.price) for fill in screen.fills] == [(2, Decimal("0.5"), 100.0), (3, Decimal("1.5"), 102.0)]
    assert screen.position(SYMBOL) == Decimal(-2)
    (order,) = screen.own(SYMBOL)
    assert (order.is_open, order.limits) == (False, [(1, 100.0), (3, 101.0)])


def test_what_was_told_of_faults_and_marks_is_kept() -> None:
    """A fault lasts from where it begins to where one of its kind ends."""
    screen = shown(
        {"kind": "fault", "ns": 5, "fault": "stall", "what": "begins"}, {"kind": "mark", "ns": 6, "mark": "polled", "detail": ""},
        {"kind": "fault", "ns": 7, "fault": "stall", "what": "acts"}, {"kind": "fault", "ns": 9, "fault": "stall", "what": "ends"},
        {"kind": "fault", "ns": 10, "fault": "drop", "what": "begins"},
    )  # fmt: skip
    assert [(fault.kind, fault.begin_ns, fault.end_ns) for fault in screen.faults] == [("stall", 5, 9), ("drop", 10, None)]
    assert screen.marks == {"polled": 1}


def test_health_is_told_when_it_changes() -> None:
    """The log has the change, not every pulse."""
    lane = {"lane": "user", "state": "up", "feed": "streaming", "reconnects": 2, "failures": 0, "quiet_ns": 3 * SECOND, "reason": "reset"}
    health = {"why": "", "lanes": [lane], "queue_depth": 1, "unknown_orders": 0, "rate_left": 9, "stale_books": ["BTC/USD"]}
    screen = Screen()
    for why in ("", "", "user lane: down", "user lane: down", ""):
        screen.take({"kind": "pulse", "health": {**health, "why": why}, "lag_ns": {SYMBOL: 5}, "heard": {}, "failures": 0})
    assert [row.words for row in screen.log] == ["user lane: down", "all is well"]
    assert (screen.lanes[0].quiet_s, screen.lanes[0].reconnects, screen.queue_depth, screen.market(SYMBOL).lag_ns) == (3.0, 2, 1, 5)


anything = st.recursive(st.none() | st.integers(-5, 10**18) | st.text(max_size=5) | st.booleans(), lambda more: st.lists(more, max_size=3))
kinds = st.sampled_from(["trade", "book", "ticker", "candle", "price", "state", "pulse", "standing", "lanes", "missed", "fault", "x", ""])
keys = st.sampled_from(
    ["symbol", "ns", "t", "price", "amount", "side", "bids", "asks", "health", "mode", "lanes", "filled", "what", "fault", "last"]
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text drawn on a busy machine takes seconds
@given(st.lists(st.tuples(kinds, st.dictionaries(keys, anything, max_size=8)), max_size=20))
def test_no_line_can_break_it(lines: list[tuple[str, dict[str, Any]]]) -> None:
    """What cannot be read is said in the log."""
    screen = Screen()
    for kind, rest in lines:
        screen.take({**rest, "kind": kind})
    assert screen.version == len(lines)


def test_what_names_no_symbol_makes_no_market() -> None:
    """A window's choice of markets is made of these names."""
    screen = Screen()
    screen.take({"kind": "trade", "symbol": 3, "ns": 5, "price": "1", "amount": "1", "side": "buy"})
    screen.take({"kind": "trade", "symbol": "BTC/USD", "ns": "5", "price": "1", "amount": "1", "side": "buy"})
    assert screen.markets == {}
    assert ["cannot be read" in row.words for row in screen.log] == [True, True]
