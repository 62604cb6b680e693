"""A spool gives back what was written whole, however it ended."""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.errors import TapeError
from papertape.model.event import Side, Trade
from papertape.recorder.repair import is_being_written, repair
from papertape.recorder.spool import BUFFER_MAX, OpenedSpool, Row, Spool, SpoolHead
from papertape.tape import open_tape
from papertape.tape.check import check_tape
from tape.strategies import BTC, ETH, Arrived, arrivals

HEAD = SpoolHead(venue="coinbase", instruments=(BTC, ETH), connections=("one", "two"), source="a test")
numbers = st.none() | st.integers(0, 2**53)
TWO: Arrived = [
    (Trade(venue_ns=1, local_ns=4, symbol="BTC/USD", price_ticks=1, qty_lots=1, taker=Side.BUY, trade_id="1"), 0),
    (Trade(venue_ns=2, local_ns=5, symbol="BTC/USD", price_ticks=2, qty_lots=1, taker=Side.SELL, trade_id="2"), 1),
]


def spooled(path: Path, arrived: Arrived, sequences: list[int | None]) -> list[Row]:
    """A spool of them, as a recorder leaves it behind that is killed after its last flush."""
    spool = Spool(path, HEAD)
    rows = [(connection, sequence, event) for (event, connection), sequence in zip(arrived, sequences, strict=True)]
    for row in rows:
        spool.write(*row)
    spool.flush()
    spool.close()
    return rows


def read(path: Path) -> tuple[list[Row], int]:
    opened = OpenedSpool(path)
    rows = list(opened.rows())
    return rows, opened.torn_bytes


@given(arrivals(), st.data())
@settings(deadline=None, max_examples=60)
def test_a_spool_that_was_cut_anywhere_is_a_prefix(arrived: Arrived, data: st.DataObject) -> None:
    """Cut at any byte, it gives the first so many rows; what is lost is less than a line, and no row comes back other than it was."""
    sequences = data.draw(st.lists(numbers, min_size=len(arrived), max_size=len(arrived)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.spool"
        rows = spooled(path, arrived, sequences)
        assert read(path) == (rows, 0)
        whole = path.read_bytes()
        size = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:size])
        found, torn = read(path) if size else ([], 0)
        assert found == rows[: len(found)]
        if size:
            assert len(found) == max(0, whole[:size].count(b"\n") - 1)
            assert torn == size - (whole[:size].rfind(b"\n") + 1)


@given(arrivals(min_size=2), st.data())
@settings(deadline=None, max_examples=60)
def test_a_spool_with_a_wrong_byte_ends_before_it(arrived: Arrived, data: st.DataObject) -> None:
    """A disk that gives back something else is noticed: the rows before it are read, none after it, and never another row."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.spool"
        rows = spooled(path, arrived, [None] * len(arrived))
        whole = bytearray(path.read_bytes())
        place = data.draw(st.integers(whole.index(b"\n") + 1, len(whole) - 1))
        whole[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(whole)
        found, torn = read(path)
    assert found == rows[: len(found)]
    assert len(found) < len(rows)
    assert torn > 0


@given(arrivals(), st.data())
@settings(deadline=None, max_examples=20)
def test_a_repaired_spool_is_a_sound_tape_of_its_rows(arrived: Arrived, data: st.DataObject) -> None:
    """The tape has what the spool had, row for row; the spool and every beginning of a tape are gone."""
    sequences = data.draw(st.lists(numbers, min_size=len(arrived), max_size=len(arrived)))
    torn = data.draw(st.binary(max_size=40).filter(lambda tail: b"\n" not in tail))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.spool"
        rows = spooled(path, arrived, sequences)
        path.write_bytes(path.read_bytes() + torn)
        (Path(folder) / ".a.parquet.4711.1.part").write_bytes(b"begun and killed")
        repaired = repair(path)
        assert repaired.torn_bytes == len(torn)
        assert [each.name for each in Path(folder).iterdir()] == ["a.parquet"]
        tape = open_tape(Path(folder) / "a.parquet")
        assert check_tape(tape.path) == []
        assert [(connection, sequence, message[3]) for connection, sequence, message in tape.numbered()] == rows


def test_a_tape_that_was_finished_is_not_made_twice(tmp_path: Path) -> None:
    """Killed between the tape's last byte and the spool's removal: only the removal is left to do."""
    path = tmp_path / "a.spool"
    spooled(path, TWO, [0, 1])
    kept = path.read_bytes()
    repair(path)
    made = (tmp_path / "a.parquet").read_bytes()
    path.write_bytes(kept)
    assert repair(path).was_done
    assert [each.name for each in tmp_path.iterdir()] == ["a.parquet"]
    assert (tmp_path / "a.parquet").read_bytes() == made


def test_another_tape_of_the_name_is_left_alone(tmp_path: Path) -> None:
    """What is there and says something else stays; the spool's tape stands beside it."""
    path = tmp_path / "a.spool"
    spooled(path, TWO[:1], [0])
    repair(path)
    other = (tmp_path / "a.parquet").read_bytes()
    spooled(path, TWO, [0, 1])
    repaired = repair(path)
    assert repaired.path == tmp_path / "a-repaired2.parquet"
    assert (tmp_path / "a.parquet").read_bytes() == other


def test_a_spool_that_is_damaged_in_its_middle_is_kept(tmp_path: Path) -> None:
    """What stands before the damage is a tape; what stands after it is nobody's to throw away."""
    path = tmp_path / "a.spool"
    spooled(path, TWO * 2, [0, 1, 2, 3])
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(whole.replace(lines[2], lines[2].replace(b"local", b"lacol")))
    repaired = repair(path)
    assert repaired.header is not None
    assert repaired.header.rows == 1
    assert repaired.damaged == tmp_path / "a.spool.damaged"
    assert repaired.damaged.stat().st_size == len(whole)


def test_a_spool_whose_head_is_damaged_is_left_alone(tmp_path: Path) -> None:
    """Its rows are there, and nobody knows what they mean; that is said, and nothing is removed."""
    path = tmp_path / "a.spool"
    spooled(path, TWO, [0, 1])
    path.write_bytes(path.read_bytes().replace(b"coinbase", b"coinbose"))
    with pytest.raises(TapeError, match="first line is damaged"):
        repair(path)
    assert path.exists()


@pytest.mark.parametrize("line", [0, 1])
def test_a_spool_of_another_papertape_is_left_alone(tmp_path: Path, line: int) -> None:
    """Whole lines that this version does not understand are no damage: nothing is cut off, nothing removed."""
    path = tmp_path / "a.spool"
    spooled(path, TWO, [0, 1])
    lines = path.read_bytes().splitlines()
    text = b'{"later":"spool"}'
    lines[line] = b"%08x %b" % (zlib.crc32(text), text)
    path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(TapeError, match="another version of papertape"):
        repair(path)
    assert [each.name for each in tmp_path.iterdir()] == ["a.spool"]


@pytest.mark.parametrize("size", [0, 1, 8, 30])
def test_a_spool_without_a_whole_head_is_cleared_away(tmp_path: Path, size: int) -> None:
    """Killed in its first moment, it held nothing."""
    path = tmp_path / "a.spool"
    spooled(path, TWO, [0, 1])
    path.write_bytes(path.read_bytes()[:size])
    repaired = repair(path)
    assert (repaired.path, repaired.torn_bytes) == (None, size)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_spool_is_refused_and_stays(tmp_path: Path) -> None:
    """A file of somebody's is not taken for a torn spool."""
    path = tmp_path / "a.spool"
    path.write_text("dear diary\n")
    with pytest.raises(TapeError, match="no spool"):
        repair(path)
    assert path.read_text() == "dear diary\n"


def test_a_spool_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    """Nobody repairs what a living recorder still writes; when it is gone, anybody may."""
    path = tmp_path / "a.spool"
    spool = Spool(path, HEAD)
    assert is_being_written(path)
    with pytest.raises(TapeError, match="still writing"):
        repair(path)
    spool.close()
    assert not is_being_written(path)


def test_little_waits_in_memory(tmp_path: Path) -> None:
    """What nobody flushes is written all the same before it grows large."""
    spool = Spool(tmp_path / "a.spool", HEAD)
    event, connection = TWO[0]
    written = 0
    while written == (tmp_path / "a.spool").stat().st_size or not written:
        written = written or (tmp_path / "a.spool").stat().st_size
        spool.write(connection, None, event)
    assert (tmp_path / "a.spool").stat().st_size < BUFFER_MAX + 10_000
    spool.discard()


def test_a_disk_that_is_full_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what is kept and how to get it; the rows before are there."""
    path = tmp_path / "a.spool"
    spool = Spool(path, HEAD)
    spool.write(0, 0, TWO[0][0])
    spool.flush()
    file = spool._file

    class Full:
        def write(self, data: memoryview) -> int:
            if len(data) < 20:
                raise OSError(28, os.strerror(28))
            return file.write(data[:-10])  # half of it fits

        def close(self) -> None:
            file.close()

    monkeypatch.setattr(spool, "_file", Full())
    spool.write(1, 1, TWO[1][0])
    with pytest.raises(TapeError, match=r"No space left on device.*tape repair"):
        spool.flush()
    spool.close()
    rows, torn = read(path)
    assert rows == [(0, 0, TWO[0][0])]
    assert torn > 0
