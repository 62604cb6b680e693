"""The venue's own numbers of its messages, kept beside them; and kinds of rows that came with a later schema."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.errors import TapeError
from papertape.model.event import ConnectionEvent, ConnectionKind, Side, Trade
from papertape.tape import TapeWriter, open_tape, schema
from papertape.tape.check import check_tape
from papertape.tape.edit import cut_tape, merge_tapes
from papertape.tape.stamping import UNTIMED, Stamping
from tape.strategies import BTC, ETH, NAMES, Arrived, arrivals

TRADE = Trade(venue_ns=1, local_ns=4, symbol="BTC/USD", price_ticks=1, qty_lots=1, taker=Side.BUY)
LATENCY = ConnectionEvent(venue_ns=2, local_ns=5, symbol="", connection="one", what=ConnectionKind.LATENCY)
numbers = st.none() | st.integers(0, 2**62)


def written(path: Path, arrived: Arrived, sequences: list[int | None], *, is_numbered: bool = True) -> Path:
    with TapeWriter(path, venue="coinbase", instruments=[BTC, ETH], connections=NAMES, is_numbered=is_numbered) as writer:
        for (event, connection), sequence in zip(arrived, sequences, strict=True):
            writer.write(event, connection, sequence=sequence)
    return path


@given(arrivals(), st.data())
@settings(deadline=None, max_examples=40)
def test_numbers_come_back_with_their_messages(arrived: Arrived, data: st.DataObject) -> None:
    """Each message has the number it was written with; a tape cut from another keeps the rows' numbers, and so does one of several."""
    sequences = data.draw(st.lists(numbers, min_size=len(arrived), max_size=len(arrived)))
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / "a.parquet", arrived, sequences)
        tape = open_tape(path)
        assert [sequence for _, sequence, _ in tape.numbered()] == sequences
        assert [message for _, _, message in tape.numbered()] == list(tape.messages())
        assert check_tape(path) == []
        merge_tapes([path], Path(folder) / "b.parquet")
        assert [sequence for _, sequence, _ in open_tape(Path(folder) / "b.parquet").numbered()] == sequences
        middle_ns = (tape.first_ns + tape.last_ns) // 2
        cut_tape(path, Path(folder) / "c.parquet", end_ns=middle_ns + 1)
        kept = list(open_tape(Path(folder) / "c.parquet").numbered())
        assert [sequence for _, sequence, _ in kept] == sequences[: len(kept)]


@given(arrivals(), st.data())
@settings(deadline=None, max_examples=20)
def test_another_number_is_another_content(arrived: Arrived, data: st.DataObject) -> None:
    """Numbers count in the content hash; a tape that was never numbered and one without a single number have the same."""
    nothing: list[int | None] = [None] * len(arrived)
    place = data.draw(st.integers(0, len(arrived) - 1))
    one = nothing.copy()
    one[place] = data.draw(st.integers(0, 9))
    other = [number if number is None else number + 1 for number in one]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}.parquet" for name in "abcd"]
        written(paths[0], arrived, nothing, is_numbered=False)
        for path, sequences in zip(paths[1:], (nothing, one, other), strict=True):
            written(path, arrived, sequences)
        hashes = [open_tape(path).content_hash for path in paths]
    assert hashes[0] == hashes[1]
    assert len(dict.fromkeys(hashes)) == 3


def test_who_replays_reads_no_numbers(tmp_path: Path) -> None:
    """The column costs nothing where nobody asks for it, and a tape without it says None."""
    numbered = written(tmp_path / "a.parquet", [(TRADE, 0)], [7])
    plain = written(tmp_path / "b.parquet", [(TRADE, 0)], [7], is_numbered=False)
    assert open_tape(numbered).is_numbered
    assert [number for _, number, _ in open_tape(numbered).numbered()] == [7]
    assert not open_tape(plain).is_numbered
    assert [number for _, number, _ in open_tape(plain).numbered()] == [None]
    assert schema.SEQUENCE not in pq.read_schema(plain).names


def test_a_tape_says_the_oldest_schema_that_reads_it(tmp_path: Path) -> None:
    """Only rows of a later kind make a tape that older readers refuse."""
    assert open_tape(written(tmp_path / "a.parquet", [(TRADE, 0)], [1])).header.schema_version == 1
    late = written(tmp_path / "b.parquet", [(TRADE, 0), (LATENCY, 0)], [1, 2])
    assert open_tape(late).header.schema_version == 2
    table = pq.ParquetFile(late)
    said = {**table.metadata.metadata, schema.KEY_SCHEMA.encode(): b"1"}
    with pq.ParquetWriter(tmp_path / "c.parquet", table.schema_arrow) as writer:
        writer.write_table(table.read_row_group(0))
        writer.write_table(pa.Table.from_batches(table.iter_batches(row_groups=[1])))
        writer.add_key_value_metadata({key: value for key, value in said.items() if key.startswith(b"papertape")})
    (fault,) = check_tape(tmp_path / "c.parquet")
    assert "schema 1" in str(fault)


def test_what_has_no_time_is_stamped_with_the_latest_known(tmp_path: Path) -> None:
    """Before the venue has said any time, such messages wait for the first; none of them counts for the clock's skew."""
    untimed = msgspec.structs.replace(LATENCY, venue_ns=UNTIMED)
    with TapeWriter(tmp_path / "a.parquet", venue="coinbase", instruments=[BTC], connections=NAMES) as writer:
        stamping = Stamping(writer)
        for local_ns, event in enumerate((untimed, TRADE, untimed, msgspec.structs.replace(TRADE, venue_ns=30)), 40):
            stamping.write(msgspec.structs.replace(event, local_ns=local_ns), 0)
        assert stamping.waiting == []
    tape = open_tape(tmp_path / "a.parquet")
    assert [event.venue_ns for _, _, _, event in tape.messages()] == [1, 1, 1, 30]
    assert tape.connections[0].skew_ns == 13


def test_only_what_has_no_time_at_all_is_never_written(tmp_path: Path) -> None:
    """Without any word of the venue's clock there is nothing to put on a tape."""
    writer = TapeWriter(tmp_path / "a.parquet", venue="coinbase", instruments=[BTC], connections=NAMES)
    stamping = Stamping(writer)
    stamping.write(msgspec.structs.replace(LATENCY, venue_ns=UNTIMED), 0)
    assert (len(stamping.waiting), writer.rows) == (1, 0)
    with pytest.raises(TapeError, match="goes back"):
        stamping.write(msgspec.structs.replace(TRADE, local_ns=4), 0)
    writer.discard()
