"""What is written to a tape is what is read from it."""

from __future__ import annotations

import tempfile
import tracemalloc
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from papertape.model.errors import TapeError
from papertape.model.event import BookSnapshot, BookUpdate, MarketEvent, Side, Trade
from papertape.tape import FLOOR_NS, Connection, TapeWriter, open_tape, schema
from papertape.tape.check import check_tape
from tape.strategies import BTC, ETH, Arrived, arrivals, write

TRADE = Trade(venue_ns=1, local_ns=4, symbol="BTC/USD", price_ticks=1, qty_lots=1, taker=Side.BUY)


def make(path: Path, *events: MarketEvent) -> Path:
    with TapeWriter(path, venue="coinbase", instruments=[BTC]) as writer:
        for event in events:
            writer.write(event)
    return path


@given(arrivals())
@settings(deadline=None, max_examples=60)
def test_reads_what_was_written(arrived: Arrived) -> None:
    """Every event comes back as it was, with its instrument, in its order; skew, reach and delivery follow their definitions."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        write(path, arrived)
        tape = open_tape(path)
        messages = list(tape.messages())
        assert check_tape(path) == []
    assert [message[3] for message in messages] == [each for each, _ in arrived]
    assert tape.instruments == (BTC, ETH)
    assert sum(tape.counts.values()) == len(arrived)
    assert messages[-1][0] == tape.rows - 1
    least = min(e.local_ns - e.venue_ns for e, _ in arrived)  # of a connection that brought nothing
    skews = [min([e.local_ns - e.venue_ns for e, c in arrived if c == index], default=least) for index in (0, 1)]
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


@given(arrivals())
@settings(deadline=None, max_examples=20)
def test_one_other_number_is_another_hash(arrived: Arrived) -> None:
    """Two tapes that differ in one time have different hashes; two that do not have the same, and the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        one, same, other = (Path(folder) / f"{name}.parquet" for name in "abc")
        write(one, arrived)
        write(same, arrived)
        last, connection = arrived[-1]
        write(other, [*arrived[:-1], (msgspec.structs.replace(last, venue_ns=last.venue_ns + 1), connection)])
        assert open_tape(one).content_hash == open_tape(same).content_hash != open_tape(other).content_hash
        assert one.read_bytes() == same.read_bytes()


def big_and_small() -> tuple[BookSnapshot, BookUpdate]:
    bids = tuple((ticks, 1) for ticks in range(schema.ROW_GROUP_ROWS + 5, 0, -1))
    big = BookSnapshot(venue_ns=1, local_ns=4, symbol="BTC/USD", bids=bids, asks=())
    return big, BookUpdate(venue_ns=3, local_ns=4, symbol="BTC/USD", bids=((1, 0),), asks=((9, 2),))


def test_messages_may_span_row_groups(tmp_path: Path) -> None:
    """A snapshot larger than a row group, and one that begins in one group and ends in the next, come back whole."""
    big, small = big_and_small()
    path = make(tmp_path / "a.parquet", small, big, small, big)
    assert [message[3] for message in open_tape(path).messages()] == [small, big, small, big]
    assert check_tape(path) == []


def test_content_hash_does_not_depend_on_how_the_file_is_stored(tmp_path: Path) -> None:
    """Written again by other software, with other row groups and compression, the rows still have the hash that the footer says."""
    big, small = big_and_small()
    path, again = make(tmp_path / "a.parquet", small, big, small), tmp_path / "b.parquet"
    file = pq.ParquetFile(path)
    with pq.ParquetWriter(again, file.schema_arrow, compression="snappy") as other:
        other.write_table(file.read_row_group(0))
        other.write_table(file.read_row_groups(range(1, file.metadata.num_row_groups)), row_group_size=50_001)
        other.add_key_value_metadata({key: value for key, value in file.metadata.metadata.items() if key.startswith(b"papertape")})
    assert again.read_bytes() != path.read_bytes()
    assert check_tape(again) == []


def test_memory_does_not_grow_with_the_tape(tmp_path: Path) -> None:
    """Reading a tape three times as long needs no more memory at its peak."""
    levels = tuple((ticks, 1) for ticks in range(200, 0, -1))
    event = BookSnapshot(venue_ns=1, local_ns=4, symbol="BTC/USD", bids=levels, asks=())
    peaks = []
    for count in (170, 510):
        path = make(tmp_path / f"{count}.parquet", *[event] * count)
        tracemalloc.start()
        for _ in open_tape(path).messages():
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_a_failed_write_leaves_the_old_tape(tmp_path: Path) -> None:
    """An exception inside the `with` block throws the new file away; the tape that was there before is untouched, and no scraps stay."""
    path = make(tmp_path / "a.parquet", TRADE)
    before = path.read_bytes()
    with pytest.raises(TapeError, match="goes back"):
        make(path, TRADE, msgspec.structs.replace(TRADE, local_ns=3))
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.parquet"]


def test_a_tape_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    """Until `close` has synced and renamed it, nothing stands at the path."""
    path = tmp_path / "a.parquet"
    writer = TapeWriter(path, venue="coinbase", instruments=[BTC])
    writer.write(TRADE)
    assert not path.exists()
    writer.close()
    assert open_tape(path).counts == {"trade": 1}


def test_units_stand_in_the_file(tmp_path: Path) -> None:
    """Every column says its unit and its meaning to whoever opens the file with something else."""
    fields = pq.read_schema(make(tmp_path / "a.parquet", TRADE))
    assert all(field.metadata[b"unit"] and field.metadata[b"meaning"] for field in fields)
    assert fields.field("venue_ns").metadata[b"unit"] == b"ns since 1970-01-01 UTC"


def test_steps_that_change_are_instruments_of_their_own(tmp_path: Path) -> None:
    """Of one symbol's instruments a message names the one that holds at its time."""
    early = msgspec.structs.replace(BTC, valid_to_ns=100)
    late = msgspec.structs.replace(BTC, lot=BTC.tick, valid_from_ns=100)
    with TapeWriter(tmp_path / "a.parquet", venue="coinbase", instruments=[early, late]) as writer:
        for venue_ns in (99, 100):
            writer.write(msgspec.structs.replace(TRADE, venue_ns=venue_ns))
    assert open_tape(tmp_path / "a.parquet").instruments == (early, late)
    rows = pq.read_table(tmp_path / "a.parquet").column("instrument").to_pylist()
    assert rows == [0, 1, 0, 1]
