"""Made-up arrivals: any events, on two connections, in the order of a recorder's clock."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
from hypothesis import strategies as st

from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, ConnectionEvent, ConnectionKind, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.tape import TapeWriter

BTC = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.00000001"), cost_min=Decimal(1))
ETH = Instrument(symbol="ETH/USD", venue_symbol="ETH-USD", tick=Decimal("0.01"), lot=Decimal("0.0001"), valid_from_ns=5, valid_to_ns=9)
NAMES = ("one", "two")

Arrived = list[tuple[MarketEvent, int]]

amount = st.integers(1, 2**62)
levels = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9)), max_size=4).map(tuple)
changes = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)), max_size=4).map(tuple)
symbol = st.sampled_from(["BTC/USD", "ETH/USD"])
maybe = st.none() | st.integers(-(2**62), 2**62)
takers = st.sampled_from(Side)
times = {"venue_ns": st.integers(0, 10**6), "local_ns": st.just(0)}

events = st.one_of(
    st.builds(Trade, **times, symbol=symbol, price_ticks=amount, qty_lots=amount, taker=takers, trade_id=st.text(max_size=3)),
    st.builds(BookSnapshot, **times, symbol=symbol, bids=levels, asks=levels),
    st.builds(BookUpdate, **times, symbol=symbol, bids=changes, asks=changes),
    st.builds(Ticker, **times, symbol=symbol, last_ticks=maybe, bid_ticks=maybe, bid_lots=amount, ask_ticks=maybe, ask_lots=amount),
    st.builds(
        CandleEvent, **times, symbol=symbol, open_ns=amount, span_ns=amount, open_ticks=amount, high_ticks=amount,
        low_ticks=amount, close_ticks=amount, volume_lots=amount,
    ),
    st.builds(
        ConnectionEvent, **times, symbol=st.just(""), connection=st.sampled_from(NAMES), what=st.sampled_from(ConnectionKind),
        text=st.text(max_size=5),
    ),
)  # fmt: skip


@st.composite
def arrivals(draw: st.DrawFn, min_size: int = 1) -> Arrived:
    """(event, connection) as a recorder would hand them to the writer."""
    local_ns, out = 10**6, []
    for each in draw(st.lists(events, min_size=min_size, max_size=30)):
        local_ns += draw(st.integers(0, 10**6))
        connection = NAMES.index(each.connection) if isinstance(each, ConnectionEvent) else draw(st.integers(0, 1))
        out.append((msgspec.structs.replace(each, local_ns=local_ns), connection))
    return out


def write(path: Path, arrived: Arrived) -> None:
    """A tape of them."""
    with TapeWriter(path, venue="coinbase", instruments=[BTC, ETH], connections=NAMES, source="a test") as writer:
        for each, connection in arrived:
            writer.write(each, connection)
