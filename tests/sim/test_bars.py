"""Tapes of bars alone: the path through a bar, what fills along it, and that nothing of a bar is known before its time."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import groupby
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.errors import ConfigError
from papertape.model.event import BookSnapshot, CandleEvent, MarketEvent, Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.order import OrderStatus
from papertape.model.units import MINUTE
from papertape.sim.fills import AnyFills, BarFills
from sim.conftest import EPOCH_NS, ONE

START_NS = EPOCH_NS - EPOCH_NS % MINUTE
OTHER = msgspec.structs.replace(ONE, symbol="ETH/USD", venue_symbol="ETH-USD")
BOTH: dict[str, Instrument] = {it.symbol: it for it in (ONE, OTHER)}
Rows = list[tuple[int, int, int, MarketEvent]]


def bar(number: int, o: int, h: int, low: int, c: int, volume: int = 400, symbol: str = "BTC/USD", told_early: int = 0) -> CandleEvent:
    open_ns = START_NS + number * MINUTE
    at_ns = open_ns + MINUTE - told_early
    return CandleEvent(
        venue_ns=at_ns, local_ns=at_ns, symbol=symbol, open_ns=open_ns, span_ns=MINUTE, open_ticks=o, high_ticks=h, low_ticks=low,
        close_ticks=c, volume_lots=volume,
    )  # fmt: skip


def played(bars: list[CandleEvent], fills: BarFills = BarFills()) -> Rows:  # noqa: B008  # frozen
    return list(fills.played(iter([(number, each.venue_ns, each.venue_ns, each) for number, each in enumerate(bars)]), BOTH))


def points(rows: Rows) -> list[tuple[int, int, int, str]]:
    """(ns since the bar's open, price, amount, taker) of each trade."""
    return [
        (e.venue_ns - START_NS, e.price_ticks, e.qty_lots, str(e.taker)) for _, _, _, e in rows if isinstance(e, Trade)
    ]  # fmt: skip


# The path


def test_the_path_of_a_bar_goes_to_the_nearer_extreme_first() -> None:
    """Open 100, low 97 is nearer than high 110: down, up, and to the close; a fourth of the volume at each, the remainder at the close."""
    third = MINUTE // 3
    expected = [(0, 100, 100, "buy"), (third, 97, 100, "sell"), (2 * third, 110, 100, "buy"), (MINUTE - 1, 105, 103, "sell")]
    rows = played([bar(0, 100, 110, 97, 105, volume=403)])
    assert points(rows) == expected
    assert [(e.bids, e.asks) for _, _, _, e in rows if isinstance(e, BookSnapshot)] == [
        (((price - 1, 10),), ((price + 1, 10),)) for _, price, _, _ in expected
    ]


@pytest.mark.parametrize(
    ("prices", "path"),
    [
        ((100, 103, 90, 95), [100, 103, 90, 95]),
        ((100, 110, 90, 105), [100, 90, 110, 105]),
        ((100, 110, 90, 95), [100, 110, 90, 95]),
        ((100, 100, 100, 100), [100, 100, 100, 100]),
        ((100, 100, 90, 90), [100, 100, 90, 90]),
    ],
    ids=["high is nearer", "a tie that rises", "a tie that falls", "no move", "opens at its high"],
)
def test_which_extreme_comes_first(prices: tuple[int, int, int, int], path: list[int]) -> None:
    assert [price for _, price, _, _ in points(played([bar(0, *prices)]))] == path


@st.composite
def bars(draw: st.DrawFn) -> list[CandleEvent]:
    """Bars of two markets, with holes, in the order in which they end."""
    found = []
    for number in range(draw(st.integers(1, 6))):
        for symbol in BOTH:
            if draw(st.integers(0, 4)):
                low, high = sorted(draw(st.lists(st.integers(2, 200), min_size=2, max_size=2)))
                o, c = draw(st.integers(low, high)), draw(st.integers(low, high))
                found.append(bar(number, o, high, low, c, draw(st.integers(4, 1000)), symbol))
    return found


@settings(max_examples=60, deadline=None)
@given(told=bars())
def test_the_bars_of_the_trades_are_the_tapes(told: list[CandleEvent]) -> None:
    """Open, high, low, close and volume, to the lot; and time never goes back."""
    rows = played(told)
    assert [reach for _, reach, _, _ in rows] == sorted(reach for _, reach, _, _ in rows)
    made = {}
    trades = sorted((e for _, _, _, e in rows if isinstance(e, Trade)), key=lambda e: (e.symbol, e.venue_ns))
    for (symbol, open_ns), group in groupby(trades, key=lambda e: (e.symbol, e.venue_ns - e.venue_ns % MINUTE)):
        prices, volumes = zip(*((e.price_ticks, e.qty_lots) for e in group), strict=True)
        made[symbol, open_ns] = (prices[0], max(prices), min(prices), prices[-1], sum(volumes))
    expected = {(e.symbol, e.open_ns): (e.open_ticks, e.high_ticks, e.low_ticks, e.close_ticks, e.volume_lots) for e in told}
    assert made == expected


@settings(max_examples=60, deadline=None)
@given(told=bars(), count=st.integers(0, 12), other=st.integers(1, 500))
def test_nothing_of_a_bar_is_told_before_it_opens(told: list[CandleEvent], count: int, other: int) -> None:
    """Whatever later bars hold, what was told before the first of them opens stays the same."""
    known, later = told[:count], told[count:]
    if not later:
        return
    changed = [msgspec.structs.replace(e, high_ticks=e.high_ticks + other, open_ticks=e.high_ticks + other) for e in later]
    until_ns = min(e.open_ns for e in later)
    first, second = ([row for row in played(known + rest) if row[1] < until_ns] for rest in (later, changed))
    assert first == second


def test_a_bar_that_is_not_over_and_one_that_comes_again_are_left_out() -> None:
    """As a stream of candles tells the running bar again and again."""
    rows = played([bar(0, 1, 9, 1, 5, told_early=1), bar(0, 100, 110, 97, 105), bar(0, 100, 110, 97, 106)])
    assert [price for _, price, _, _ in points(rows)] == [100, 97, 110, 105]


# What fills


def walk(desk: Any, fills: BarFills, told: list[CandleEvent], acts: dict[int, Callable[[], object]] | None = None) -> None:
    """The path reaches the desk's venue; each act happens right before the point of that number."""
    pending = dict(acts or {})
    for number, (_, reach_ns, _, event) in enumerate(played(told, fills)):
        if number % 2 == 0 and number // 2 in pending:
            pending.pop(number // 2)()
        desk.now_ns = max(desk.now_ns, reach_ns - EPOCH_NS, 0)
        desk.venue.apply(event, desk.now_ns)


def test_a_resting_order_fills_when_the_path_goes_past_its_price(open_desk: Callable[..., Any]) -> None:
    """A buy at 98 by a low of 97, at 98 as a maker, up to a tenth of a fourth of the volume; one at 97 not at all, whatever was traded."""
    fills = BarFills()
    desk = open_desk(fills)
    walk(desk, fills, [bar(0, 100, 100, 100, 100)])
    past, at = desk.buy(50, 98), desk.buy(50, 97)
    walk(desk, fills, [bar(1, 100, 110, 97, 105)])
    assert desk.fills() == [(98, 10, "maker")]
    assert (desk.now(past).status, desk.filled(at)) == (OrderStatus.OPEN, 0)
    walk(desk, fills, [bar(2, 96, 96, 96, 96, volume=4000)])
    assert desk.filled(past) == 50


def test_a_market_order_pays_a_tick_more_than_the_last_point(open_desk: Callable[..., Any]) -> None:
    """Not a price from the bar's future, and no more than the share of a point."""
    fills = BarFills(share=Decimal("0.5"))
    desk = open_desk(fills)
    orders: list[Any] = []
    act = {1: lambda: orders.append(desk.buy(60)), 3: lambda: orders.append(desk.sell(10))}
    walk(desk, fills, [bar(0, 100, 110, 97, 105)], act)
    assert desk.fills() == [(101, 50, "taker"), (109, 10, "taker")]
    assert desk.now(orders[0]).status is OrderStatus.CANCELED


@settings(max_examples=40, deadline=None)
@given(told=bars(), prices=st.lists(st.integers(2, 200), min_size=1, max_size=6), side=st.sampled_from(Side))
def test_no_more_is_filled_than_the_share_of_what_was_traded(
    open_desk: Callable[..., Any], told: list[CandleEvent], prices: list[int], side: Side
) -> None:
    """And no order at a price that its bars have not gone past."""
    fills = BarFills()
    desk = open_desk(fills)
    mine = [e for e in told if e.symbol == "BTC/USD"]
    for price in prices:
        desk.create(side, 1000, price)
    walk(desk, fills, mine)
    filled = sum(int(fill.amount) for fill in desk.venue.truth_fills())
    assert filled <= sum(4 * (int(e.volume_lots * fills.share) // 4) for e in mine)
    for fill in desk.venue.truth_fills():
        price = int(fill.price)
        assert any(e.low_ticks <= price - 1 if side is Side.BUY else e.high_ticks >= price + 1 for e in mine)


def test_a_tape_with_trades_is_refused() -> None:
    trade = Trade(venue_ns=START_NS, local_ns=START_NS, symbol="BTC/USD", price_ticks=1, qty_lots=1, taker=Side.BUY)
    with pytest.raises(ConfigError, match='fills "bars": is for tapes that hold bars alone'):
        list(BarFills().played(iter([(0, START_NS, START_NS, trade)]), BOTH))


@pytest.mark.parametrize("share", ["0", "0.6", "-1", "NaN"])
def test_a_share_must_be_one(share: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="bars, key `share`"):
        msgspec.convert({"kind": "bars", "share": share}, AnyFills)
