"""What is wrong with a file is one sentence that names it and says what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from papertape.model.errors import TapeError
from papertape.model.event import BookUpdate, MarketEvent, Side, Trade
from papertape.tape import TapeWriter, open_tape, schema
from papertape.tape.check import check_tape
from tape.strategies import BTC


def trade(local_ns: int, symbol: str = "BTC/USD") -> Trade:
    return Trade(venue_ns=local_ns, local_ns=local_ns, symbol=symbol, price_ticks=7, qty_lots=1, taker=Side.BUY, trade_id=str(local_ns))


def make(path: Path, events: list[MarketEvent] | None = None) -> Path:
    with TapeWriter(path, venue="coinbase", instruments=[BTC]) as writer:
        for event in events or [trade(1), trade(2), trade(3)]:
            writer.write(event)
    return path


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return make(tmp_path / "a.parquet")


def rewrite(
    path: Path, change: Callable[[dict[str, list]], None] = lambda columns: None, metadata: dict[bytes, bytes] | None = None
) -> None:
    """Write the tape again as a careless program would: some numbers changed, the footer kept or changed too."""
    file = pq.ParquetFile(path)
    head, rows = file.read_row_group(0), file.read_row_groups(range(1, file.metadata.num_row_groups))
    columns = rows.to_pydict()
    change(columns)
    said = {key: value for key, value in file.metadata.metadata.items() if key.startswith(b"papertape")}
    with pq.ParquetWriter(path, file.schema_arrow) as writer:
        writer.write_table(head)
        writer.write_table(pa.table(columns, schema=file.schema_arrow))
        writer.add_key_value_metadata({**said, **(metadata or {})})


def refuses(path: Path, *words: str) -> None:
    """Opening and reading fail with one sentence that names the file and has these words; `tape check` finds it too."""
    with pytest.raises(TapeError) as caught:
        list(open_tape(path).messages())
    text = str(caught.value)
    assert text.startswith(str(path))
    assert [word for word in words if word not in text] == []
    assert "\n" not in text
    assert check_tape(path) != []


def test_missing_file(tmp_path: Path) -> None:
    """A tape that is not there is named."""
    refuses(tmp_path / "none.parquet", "there is no such file")


def test_folder(tmp_path: Path) -> None:
    """A folder is no tape."""
    refuses(tmp_path, "is a folder")


def test_cut_short(tape: Path) -> None:
    """A download that broke off has no footer."""
    tape.write_bytes(tape.read_bytes()[:-100])
    refuses(tape, "cut short", "Fetch or import it again")


def test_not_parquet(tmp_path: Path) -> None:
    """A capture handed in as a tape: the message says how to import it."""
    path = tmp_path / "capture.jsonl"
    path.write_text('{"channel": "l2_data"}\n')
    refuses(path, "not a Parquet file", "papertape import --venue VENUE CAPTURE --out TAPE")


def test_empty_file(tmp_path: Path) -> None:
    """An empty file is no Parquet either."""
    (tmp_path / "a.parquet").touch()
    refuses(tmp_path / "a.parquet", "not a Parquet file")


def test_foreign_parquet(tmp_path: Path) -> None:
    """Somebody else's Parquet file is no tape."""
    path = tmp_path / "trades.parquet"
    pq.write_table(pa.table({"price": [1.5]}), path)
    refuses(path, "a Parquet file, but no tape", "papertape import")


def test_newer_schema(tape: Path) -> None:
    """A tape of a later papertape is refused, not misread."""
    rewrite(tape, metadata={schema.KEY_SCHEMA.encode(): b"3"})
    refuses(tape, "written with tape schema 3", "reads schema 2", "Install a newer papertape")


@pytest.mark.parametrize(
    ("key", "value"),
    [(schema.KEY_SCHEMA, b"one"), (schema.KEY_CONNECTIONS, b"[[1]]"), (schema.KEY_ROWS, b"many"), (schema.KEY_COUNTS, b"{")],
)
def test_broken_footer(tape: Path, key: str, value: bytes) -> None:
    """A footer that does not read is damage."""
    rewrite(tape, metadata={key.encode(): value})
    refuses(tape, "the tape is damaged")


def test_no_instruments(tape: Path) -> None:
    """Without instruments ticks mean nothing."""
    file = pq.ParquetFile(tape)
    empty = file.read().slice(0, 0)
    with pq.ParquetWriter(tape, file.schema_arrow) as writer:
        writer.write_table(empty)
        writer.add_key_value_metadata({key: value for key, value in file.metadata.metadata.items() if key.startswith(b"papertape")})
    refuses(tape, "the tape has no instruments", "--instrument SYMBOL=TICK,LOT")


def test_flipped_bytes(tmp_path: Path) -> None:
    """A bad disk block in the middle of the rows does not become a price."""
    path = make(tmp_path / "a.parquet", [trade(n) for n in range(1, 5_000)])
    content = bytearray(path.read_bytes())
    file = pq.ParquetFile(path)
    column = file.metadata.row_group(1).column(schema.NARROW.index("qty_lots"))
    at = column.data_page_offset + column.total_compressed_size // 2
    content[at] ^= 0xFF
    path.write_bytes(content)
    refuses(path, "its rows do not decode")


def test_missing_column(tape: Path) -> None:
    """A tape whose column somebody dropped is damaged."""
    file = pq.ParquetFile(tape)
    table = file.read().drop_columns(["side"])
    with pq.ParquetWriter(tape, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({key: value for key, value in file.metadata.metadata.items() if key.startswith(b"papertape")})
    refuses(tape, "no column `side`")


def test_unsorted_rows(tape: Path) -> None:
    """Rows out of the order of arrival are refused while reading, also across batches."""
    rewrite(tape, lambda columns: columns.update(local_ns=[2, 1, 3]))
    refuses(tape, "not in the order of arrival")


def test_the_writer_refuses_what_is_out_of_order(tmp_path: Path) -> None:
    """A recorder's clock that goes back is refused before it becomes a tape."""
    with pytest.raises(TapeError, match="goes back from 2 to 1 ns"):
        make(tmp_path / "a.parquet", [trade(2), trade(1)])
    assert not list(tmp_path.iterdir())


def test_the_writer_refuses_an_unknown_instrument(tmp_path: Path) -> None:
    """A message about something the tape does not list is refused."""
    with pytest.raises(TapeError, match="no instrument of this tape is called 'ETH/USD'; it has BTC/USD"):
        make(tmp_path / "a.parquet", [trade(2, "ETH/USD")])


def test_the_writer_refuses_a_folder_that_is_a_file(tmp_path: Path) -> None:
    """Where no file can be made, the message names the tape."""
    (tmp_path / "file").touch()
    with pytest.raises(TapeError, match="cannot write a tape there"):
        make(tmp_path / "file" / "a.parquet")


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it fills up at a row group or at the end, the error names the tape, and neither the tape nor a scrap is there."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(TapeError, match=r"a\.parquet: the tape could not be written: No space left on device"):
            make(tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(schema, "ROW_GROUP_ROWS", 500)
    writer = TapeWriter(tmp_path / "b.parquet", venue="coinbase", instruments=[BTC])
    with open("/dev/full", "wb") as disk:
        os.dup2(disk.fileno(), writer._file.fileno())
    for local_ns in range(499):
        writer.write(trade(local_ns))
    with pytest.raises(TapeError, match=r"b\.parquet: the tape could not be written: .*No space left on device"):
        [writer.write(trade(local_ns)) for local_ns in range(499, 10_000)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("kind", [1, 77, 1], "row 1: kind 77 has no place here"),
        ("kind", [1, 0, 1], "row 1: kind 0 has no place here"),
        ("instrument", [0, 0, 4], "row 2: instrument 4, but the tape has 1"),
        ("connection", [3, 3, 3], "row 0 (and 2 more): connection 3, but the tape has 1"),
        ("side", [1, 0, 2], "row 1: a trade without side"),
        ("price_ticks", [1, -5, 2], "row 1: a trade without side, or of a price or amount that is not above zero"),
        ("flags", [3, 2, 3], "row 1: a row that belongs to no message"),
        ("flags", [3, 1, 3], "row 2: a message begins before the one before has ended"),
        ("flags", [3, 3, 1], "row 2: the tape ends in the middle of a message"),
        ("local_ns", [1, 5, 3], "row 2: not in the order of arrival"),
        ("qty_lots", [1, 2, 3], "something was changed"),
        ("text", ["1", "2", None], "something was changed"),
    ],
)
def test_check_finds_it(tape: Path, column: str, values: list, words: str) -> None:
    """Each fault that a careless program can make is found, with its row."""
    rewrite(tape, lambda columns: columns.update({column: values}))
    assert any(words in str(fault) for fault in check_tape(tape)), check_tape(tape)


@pytest.mark.parametrize(("column", "value"), [("kind", 77), ("kind", 0), ("instrument", 1), ("instrument", -2), ("connection", 1)])
def test_reading_refuses_what_the_tape_does_not_have(tape: Path, column: str, value: int) -> None:
    """A row that names a kind, instrument or connection that there is none of is damage, not a crash."""
    rewrite(tape, lambda columns: columns.update({column: [columns[column][0], value, columns[column][2]]}))
    refuses(tape, "names a kind, instrument or connection that there is none of", "papertape tape check")


def test_check_finds_a_footer_that_says_otherwise(tape: Path) -> None:
    """Rows, messages and times in the footer are compared with the rows."""
    rewrite(tape, metadata={schema.KEY_ROWS.encode(): b"4", schema.KEY_LAST.encode(): b"9"})
    assert [str(fault) for fault in check_tape(tape)] == [
        "the footer says 4 of rows, the rows say 3",
        "the footer says 9 of the last time, the rows say 3",
    ]


def test_check_finds_levels_that_cannot_be(tmp_path: Path) -> None:
    """A level has a side, a price above zero and an amount not below it."""
    update = BookUpdate(venue_ns=1, local_ns=1, symbol="BTC/USD", bids=((1, 2),), asks=((0, 4), (5, -1)))
    faults = check_tape(make(tmp_path / "a.parquet", [update]))
    assert [str(fault) for fault in faults] == [
        "row 1 (and 1 more): a book level without side, or of a price not above zero, or of an amount that cannot be"
    ]


def test_a_sound_tape_has_no_fault(tape: Path) -> None:
    """Nothing is found where nothing is wrong; rewriting alone is no fault."""
    assert check_tape(tape) == []
    rewrite(tape)
    assert check_tape(tape) == []
