"""Columns as numpy sees them say what Arrow's say."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.tape import strand
from papertape.tape.batch import column_of
from papertape.tape.columns import ascends, column_from, ints, risen
from papertape.tape.strand import LISTED_MAX, Strand, bars, bars_of

TIMES = st.lists(st.integers(-5, 20), max_size=12) | st.lists(st.integers(-5, 20), max_size=12).map(sorted)


@given(values=TIMES, least=st.none() | st.integers(-8, 22), cut=st.integers(0, 3))
def test_what_ascends_is_left_as_it_is_and_else_the_greatest_so_far_counts(values: list[int], least: int | None, cut: int) -> None:
    """Also of a part of a column, and of what came before it."""
    column = column_of("int64", values).slice(min(cut, len(values)))
    values = values[cut:]
    assert ints(column).tolist() == values
    assert column_from(ints(column)).to_pylist() == values
    rises = all(one <= other for one, other in pairwise(values)) and (least is None or not values or values[0] >= least)
    assert ascends(ints(column), least) is rises
    assert (risen(column, least) is column) is rises
    begin = [] if least is None else [least]
    assert risen(column, least).to_pylist() == list(accumulate([*begin, *values], max))[len(begin) :]


@pytest.mark.parametrize("apart", [1, 10**9])
def test_many_changes_tell_of_each_price_what_the_last_of_them_does(apart: int) -> None:
    """And that a price holds nothing any more, if it held something; however far apart prices are."""
    count = LISTED_MAX + 500
    prices = [1_000 + row * 7 % 61 * apart for row in range(count)]
    lots = [row % 5 for row in range(count)]
    changed = Strand(range(count), column_of("int64", prices), column_of("int64", lots), ())
    for low, high in ((0, count), (9, count - 3)):
        last = dict(zip(prices[low:high], lots[low:high], strict=True))
        held = [*list(last)[::2], 5, 10**12]
        told = dict(changed.levels(low, high, lambda held=held: held))
        assert {ticks: lots for ticks, lots in told.items() if lots or ticks in held} == {
            ticks: lots for ticks, lots in last.items() if lots or ticks in held
        }
        assert all(told[ticks] == last[ticks] for ticks in told)
        assert apart > 1 or not [ticks for ticks, lots in told.items() if not lots and ticks not in held]


TRADES = st.lists(st.tuples(st.integers(0, 400), st.integers(90, 110), st.integers(1, 9)), max_size=30)


@given(trades=TRADES | TRADES.map(sorted))
def test_trades_in_their_order_make_the_bars_that_they_make_one_by_one(trades: list[tuple[int, int, int]]) -> None:
    columns = [
        column_of("int64", [at * 10**9 if place == 0 else at for at in each]) for place, each in enumerate(zip(*trades, strict=True))
    ]
    stamps, prices, lots = columns or [column_of("int64", [])] * 3
    found = bars_of(ints(stamps), ints(prices), ints(lots))
    assert (found is None) is (trades != sorted(trades, key=lambda each: each[0]))
    if found is not None:
        assert found == bars([Strand(range(len(trades)), prices, lots, stamps)], 0, len(trades))
    assert bars_of(ints(stamps), ints(prices), ints(lots) + strand.SUM_MAX) is None or not trades
