"""What is written to a tape is what is read from it."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, ConnectionEvent, ConnectionKind, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.tape import FLOOR_NS, Connection, TapeWriter, open_tape, schema

BTC = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.00000001"), cost_min=Decimal(1))
ETH = Instrument(symbol="ETH/USD", venue_symbol="ETH-USD", tick=Decimal("0.01"), lot=Decimal("0.0001"), valid_from_ns=5, valid_to_ns=9)
NAMES = ("one", "two")

number = st.integers(-(2**62), 2**62)
levels = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)), max_size=4).map(tuple)
symbol = st.sampled_from(["BTC/USD", "ETH/USD"])
maybe = st.none() | number
times = {"venue_ns": st.integers(0, 10**6), "local_ns": st.just(0)}

event = st.one_of(
    st.builds(Trade, **times, symbol=symbol, price_ticks=number, qty_lots=number, taker=st.sampled_from(Side), trade_id=st.text(max_size=3)),
    st.builds(BookSnapshot, **times, symbol=symbol, bids=levels, asks=levels),
    st.builds(BookUpdate, **times, symbol=symbol, bids=levels, asks=levels),
    st.builds(Ticker, **times, symbol=symbol, last_ticks=maybe, bid_ticks=maybe, bid_lots=number, ask_ticks=maybe, ask_lots=number),
    st.builds(
        CandleEvent, **times, symbol=symbol, open_ns=number, span_ns=number, open_ticks=number, high_ticks=number,
        low_ticks=number, close_ticks=number, volume_lots=number,
    ),
    st.builds(
        ConnectionEvent, **times, symbol=st.just(""), connection=st.sampled_from(NAMES), what=st.sampled_from(ConnectionKind),
        text=st.text(max_size=5),
    ),
)  # fmt: skip


def at(event: MarketEvent, local_ns: int) -> MarketEvent:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return type(event)(**{**fields, "local_ns": local_ns})


@st.composite
def arrivals(draw: st.DrawFn) -> list[tuple[MarketEvent, int]]:
    local_ns, out = 1_000, []
    for each in draw(st.lists(event, min_size=1, max_size=30)):
        local_ns += draw(st.integers(0, 10**6))
        moved = at(each, local_ns)
        connection = NAMES.index(each.connection) if isinstance(each, ConnectionEvent) else draw(st.integers(0, 1))
        out.append((moved, connection))
    return out


def write(path: Path, arrived: list[tuple[MarketEvent, int]]) -> None:
    with TapeWriter(path, venue="coinbase", instruments=[BTC, ETH], connections=NAMES, source="a test") as writer:
        for each, connection in arrived:
            writer.write(each, connection)


@given(arrivals())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_reads_what_was_written(arrived: list[tuple[MarketEvent, int]]) -> None:
    """Every event comes back as it was, with its instrument, in its order; skew, reach and delivery follow their definitions."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        write(path, arrived)
        tape = open_tape(path)
        messages = list(tape.messages())
    assert [message[3] for message in messages] == [each for each, _ in arrived]
    assert tape.instruments == (BTC, ETH)
    assert sum(tape.counts.values()) == len(arrived)
    assert messages[-1][0] == tape.rows - 1
    skews = [min([e.local_ns - e.venue_ns for e, c in arrived if c == index], default=0) for index in (0, 1)]
    assert tape.connections == (Connection("one", skews[0]), Connection("two", skews[1]))
    reach_ns = arrived[0][0].venue_ns
    last = [0, 0]
    for (_, reached, delivered, _), (each, connection) in zip(messages, arrived, strict=True):
        reach_ns = max(reach_ns, each.venue_ns)
        assert reached == reach_ns
        assert delivered == max(reach_ns + FLOOR_NS, each.local_ns - skews[connection])
        assert delivered >= last[connection]
        last[connection] = delivered
    assert (tape.first_ns, tape.last_ns) == (messages[0][1], messages[-1][1])


def test_messages_may_span_row_groups(tmp_path: Path) -> None:
    """A snapshot larger than a row group, and one that begins in one group and ends in the next, come back whole."""
    bids = tuple((ticks, 1) for ticks in range(schema.ROW_GROUP_ROWS + 5, 0, -1))
    big = BookSnapshot(venue_ns=1, local_ns=2, symbol="BTC/USD", bids=bids, asks=())
    small = BookUpdate(venue_ns=3, local_ns=4, symbol="BTC/USD", bids=((1, 0),), asks=((9, 2),))
    with TapeWriter(tmp_path / "a.parquet", venue="coinbase", instruments=[BTC]) as writer:
        for each in (small, big, small, big):
            writer.write(at(each, 4), 0)
    events = [message[3] for message in open_tape(tmp_path / "a.parquet").messages()]
    assert events == [at(each, 4) for each in (small, big, small, big)]
