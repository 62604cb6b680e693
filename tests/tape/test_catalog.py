"""What a folder holds, and what a tape holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from papertape.model.errors import TapeError
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, ConnectionKind, Side, Trade
from papertape.model.instrument import Instrument
from papertape.tape import TapeWriter
from papertape.tape.catalog import Catalog
from papertape.tape.info import Gap, tape_info
from tape.strategies import BTC, ETH


def make(path: Path, start_ns: int, instrument: Instrument = BTC, venue: str = "coinbase") -> Path:
    with TapeWriter(path, venue=venue, instruments=[instrument]) as writer:
        for venue_ns in (start_ns, start_ns + 50):
            writer.write(Trade(venue_ns=venue_ns, local_ns=venue_ns, symbol=instrument.symbol, price_ticks=7, qty_lots=2, taker=Side.BUY))
    return path


def test_a_catalog_finds_tapes_by_what_they_hold(tmp_path: Path) -> None:
    """By venue, by symbol and by time; earliest first; folders below count too."""
    late = make(tmp_path / "a.parquet", 200)
    early = make(tmp_path / "below" / "b.parquet", 100)
    other = make(tmp_path / "c.parquet", 100, ETH, "binance")
    catalog = Catalog(tmp_path)
    assert len(catalog) == 3
    assert [tape.path for tape in catalog] == [late, early, other]
    assert [tape.path for tape in catalog.find(symbol="BTC/USD")] == [early, late]
    assert [tape.path for tape in catalog.find(venue="binance")] == [other]
    assert [tape.path for tape in catalog.find(symbol="BTC/USD", start_ns=151)] == [late]
    assert [tape.path for tape in catalog.find(symbol="BTC/USD", end_ns=200)] == [early]
    assert catalog.find(symbol="DOGE/USD") == []


def test_a_catalog_goes_on_past_a_broken_tape(tmp_path: Path) -> None:
    """One damaged file is told, the others are listed; a file that is still being written is neither."""
    good = make(tmp_path / "a.parquet", 100)
    (tmp_path / "b.parquet").write_bytes(good.read_bytes()[:-5])
    (tmp_path / ".c.parquet.1.1.part").touch()
    (tmp_path / ".d.parquet").touch()
    catalog = Catalog(tmp_path)
    assert [tape.path for tape in catalog] == [good]
    ((path, why),) = catalog.faulty
    assert path == tmp_path / "b.parquet"
    assert "cut short" in why


def test_a_catalog_of_nothing(tmp_path: Path) -> None:
    """A folder that does not exist is an error, an empty one is not."""
    assert len(Catalog(tmp_path)) == 0
    with pytest.raises(TapeError, match="there is no such folder"):
        Catalog(tmp_path / "none")


def test_info_tells_what_went_wrong_in_the_recording(tmp_path: Path) -> None:
    """Gaps with their words, silences, a crossed book, lag beyond the skew, and the range of prices."""
    path = tmp_path / "a.parquet"
    with TapeWriter(path, venue="coinbase", instruments=[BTC], connections=["ws"]) as writer:
        writer.write(BookSnapshot(venue_ns=1_000, local_ns=400, symbol="BTC/USD", bids=((9, 1), (8, 1)), asks=((11, 1),)))
        writer.write(Trade(venue_ns=2_000, local_ns=9_000_000, symbol="BTC/USD", price_ticks=9, qty_lots=3, taker=Side.SELL))
        gap = ConnectionEvent(venue_ns=2_000, local_ns=9_000_000, symbol="", connection="ws", what=ConnectionKind.GAP, text="4 came")
        writer.write(gap, is_timed=False)
        writer.write(BookUpdate(venue_ns=9_000, local_ns=9_000_000, symbol="BTC/USD", bids=((11, 1),)))
        writer.write(Trade(venue_ns=9_500, local_ns=9_000_000, symbol="BTC/USD", price_ticks=12, qty_lots=4, taker=Side.BUY))
    about = tape_info(path)
    assert about.messages == {"trade": 2, "snapshot": 1, "delta": 1, "gap": 1}
    assert about.rows == {"snapshot": 3, "trade": 2, "gap": 1, "delta": 1}
    assert about.gaps == [Gap(at_ns=2_000, connection="ws", what=ConnectionKind.GAP, text="4 came")]
    assert (about.silence_ns, about.silence_at_ns) == (7_000, 2_000)
    (each,) = about.instruments
    assert (each.trades, each.low_ticks, each.high_ticks, each.volume_lots) == (2, 9, 12, 7)
    assert (each.messages, each.snapshots, each.crossed) == (4, 1, 1)
    (line,) = about.connections
    assert (line.skew_ns, line.messages) == (-600, 5)
    assert line.lag_max_ns == 9_000_000 + 600 - 2_000
