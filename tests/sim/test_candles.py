"""The last day as one bar: what whole minutes say of it, however trades come."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from papertape.model.event import Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import DAY, MINUTE
from papertape.sim.candles import Candles

ONE = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal(1), lot=Decimal(1))
NOW = 20_000 * DAY

told = st.lists(st.tuples(st.integers(0, 3 * 24 * 60), st.integers(1, 9), st.integers(1, 5)), max_size=15)


@given(told=told, later=st.lists(st.integers(0, 60), max_size=4))
def test_the_last_day_is_its_minutes_put_together(told: list[tuple[int, int, int]], later: list[int]) -> None:
    """First, highest, lowest, last and all of them; asked again and again as time and trades go on."""
    candles, now_ns = Candles(ONE), NOW
    for place, (minute, price, amount) in enumerate(told):
        at_ns = NOW - 3 * DAY + minute * MINUTE
        candles.on_trade(Trade(venue_ns=at_ns, local_ns=at_ns, symbol="BTC/USD", price_ticks=price, qty_lots=amount, taker=Side.BUY))
        now_ns += later[place % len(later)] * MINUTE if later else 0
        first_ns = now_ns - DAY + MINUTE
        bars = [bar for bar in candles.bars(MINUTE, since_ns=None, limit=10**6) if bar.open_ns >= first_ns // MINUTE * MINUTE]
        day = candles.day(now_ns)
        assert (day is None) is (not bars)
        if day is not None:
            assert (day.high, day.low) == (max(bar.high for bar in bars), min(bar.low for bar in bars))
            assert day.volume == sum(bar.volume for bar in bars)
            assert day.open_ns <= bars[0].open_ns
