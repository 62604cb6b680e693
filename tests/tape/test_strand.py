"""What is answered by whole columns is what row by row gives."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.event import Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import MINUTE
from papertape.session.minding import rows_at
from papertape.sim.candles import Candles
from papertape.tape import strand
from papertape.tape.strand import Strand, bars

Row = tuple[int, int, int, bool]  # ticks, lots, stamp, whether the taker bought
IT = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"))
ROWS = st.lists(
    st.tuples(
        st.integers(-3, 3), st.one_of(st.integers(0, 5), st.just(1 << 61)), st.integers(0, 3 * MINUTE), st.booleans()
    ), max_size=30,
)  # fmt: skip


def strand_of(rows: list[tuple[int, Row]]) -> Strand:
    columns = [pa.array([row[column] for _, row in rows], pa.int64()) for column in range(3)]
    return Strand([place for place, _ in rows], *columns)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, begin=st.integers(0, 10), is_listed=st.booleans())
def test_bars_of_columns_are_those_of_trades_one_by_one(rows: list[Row], begin: int, is_listed: bool) -> None:
    """Also where the trades of a minute come back after those of the next, and where no 8 bytes hold their sum."""
    each, many = Candles(IT), Candles(IT)
    for ticks, lots, at_ns, is_bought in rows:
        taker = Side.BUY if is_bought else Side.SELL
        each.on_trade(Trade(venue_ns=at_ns, local_ns=at_ns, symbol=IT.symbol, price_ticks=ticks, qty_lots=lots, taker=taker))
    strands = [strand_of([(place, row) for place, row in enumerate(rows) if row[3] is side]) for side in (True, False)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strand, "LISTED_MAX", 1_024 if is_listed else 0)
        for low, high in ((0, begin), (begin, len(rows))):
            many.follow(*bars(strands, low, high))
    for span_ns in (MINUTE, 5 * MINUTE):
        assert many.bars(span_ns, since_ns=None, limit=9) == each.bars(span_ns, since_ns=None, limit=9)
    assert many.day(3 * MINUTE) == each.day(3 * MINUTE)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, held=st.dictionaries(st.integers(-3, 3), st.integers(1, 5)), is_listed=st.booleans())
def test_levels_of_columns_are_those_of_changes_one_by_one(rows: list[Row], held: dict[int, int], is_listed: bool) -> None:
    """What a side holds after many changes, given what it held before."""
    each, many = dict(held), dict(held)
    each.update((ticks, lots) for ticks, lots, _, _ in rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strand, "LISTED_MAX", 1_024 if is_listed else 0)
        many.update(strand_of(list(enumerate(rows))).levels(0, len(rows), lambda: held))
    assert {ticks: lots for ticks, lots in many.items() if lots} == {ticks: lots for ticks, lots in each.items() if lots}


@given(st.lists(st.integers(1, 60), min_size=1, max_size=900), st.data())
def test_rows_that_reach_a_price_are_never_passed_over(prices: list[int], data: st.DataObject) -> None:
    """Pages of rows are left out by how far their prices reach; what is found with their help is what a look at each finds."""
    sold = strand_of([(place, (price, 1, 0, False)) for place, price in enumerate(prices)])
    low = data.draw(st.integers(0, len(prices) - 1))
    high = data.draw(st.integers(low + 1, len(prices)))
    at_least, at_most = data.draw(st.none() | st.integers(0, 61)), data.draw(st.none() | st.integers(0, 61))
    found = [
        low + row
        for row, price in enumerate(prices[low:high])
        if (at_least is not None and price >= at_least) or (at_most is not None and price <= at_most)
    ]
    assert list(rows_at(sold, low, high, at_least=at_least, at_most=at_most)) == found
    if found:
        assert sold.reaches(low, high, at_least, at_most)
