"""A tape is read in batches; where one ends must not show."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.errors import TapeError
from papertape.model.event import BookSnapshot, Side, Trade
from papertape.tape import TapeWriter, batch, open_tape
from papertape.tape.edit import cut_tape
from tape.strategies import BTC, ETH, Arrived, arrivals, write


def batches_of(rows: int) -> pytest.MonkeyPatch:
    patch = pytest.MonkeyPatch()
    patch.setattr(batch, "BATCH_ROWS", rows)
    return patch


@given(arrivals(), st.integers(1, 5), st.none() | st.integers(0, 10**6), st.none() | st.integers(0, 10**6))
@settings(deadline=None, max_examples=50)
def test_the_size_of_batches_does_not_show(arrived: Arrived, rows: int, start_ns: int | None, end_ns: int | None) -> None:
    """Messages, books and times that reach over several batches are the same as read in one."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "a.parquet", arrived)
        tape = open_tape(Path(folder) / "a.parquet")
        at_once = list(tape.arrivals(start_ns, end_ns))
        patch = batches_of(rows)
        try:
            assert list(tape.arrivals(start_ns, end_ns)) == at_once
        finally:
            patch.undo()


def trade(venue_ns: int, local_ns: int, symbol: str = "BTC/USD") -> Trade:
    return Trade(venue_ns=venue_ns, local_ns=local_ns, symbol=symbol, price_ticks=7, qty_lots=1, taker=Side.BUY)


def test_a_clock_that_goes_back_between_two_batches_is_seen(tmp_path: Path) -> None:
    """The last row of one batch and the first of the next are in order too, or the tape is refused."""
    path = tmp_path / "a.parquet"
    with TapeWriter(path, venue="coinbase", instruments=[BTC]) as writer:
        for local_ns in (1, 5, 6, 7):
            writer.write(trade(1, local_ns))
    file = pq.ParquetFile(path)
    head, rows = file.read_row_group(0), file.read_row_group(1).to_pydict()
    rows["local_ns"] = [1, 5, 3, 7]
    with pq.ParquetWriter(path, file.schema_arrow) as writer:
        writer.write_table(head)
        writer.write_table(head.schema.empty_table().from_pydict(rows, schema=file.schema_arrow))
        writer.add_key_value_metadata({key: value for key, value in file.metadata.metadata.items() if key.startswith(b"papertape")})
    patch = batches_of(2)
    try:
        with pytest.raises(TapeError, match="not in the order of arrival"):
            list(open_tape(path).messages())
    finally:
        patch.undo()


def test_an_empty_book_takes_a_row_too(tmp_path: Path) -> None:
    """Two books open a late start, the second of them empty: their rows are two different ones, right before the first that is kept."""
    path = tmp_path / "a.parquet"
    with TapeWriter(path, venue="coinbase", instruments=[BTC, ETH]) as writer:
        writer.write(BookSnapshot(venue_ns=1, local_ns=1, symbol="BTC/USD", bids=((5, 1),), asks=((6, 1),)))
        writer.write(BookSnapshot(venue_ns=1, local_ns=1, symbol="ETH/USD", bids=(), asks=()))
        writer.write(trade(9, 9))
    messages = list(open_tape(path).messages(9))
    assert [(row, event.symbol) for row, _, _, event in messages] == [(1, "BTC/USD"), (2, "ETH/USD"), (3, "BTC/USD")]
    cut_tape(path, tmp_path / "b.parquet", start_ns=9)
    assert list(open_tape(tmp_path / "b.parquet").messages()) == messages
