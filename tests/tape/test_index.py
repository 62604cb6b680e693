"""An index holds what its tape does, and no index is ever trusted that might not."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tests.tape.strategies import BTC, ETH, Arrived, arrivals, write

from papertape.model.errors import ConfigError
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, Trade
from papertape.tape.block import Block, read_blocks
from papertape.tape.index import indexer, store
from papertape.tape.index.block import Indexed
from papertape.tape.index.layout import MAGIC, SEAL, WORD, read_directory
from papertape.tape.index.store import VARIABLE, Tuning, find, first_block, make, places
from papertape.tape.reader import Tape, open_tape
from papertape.tape.writer import TapeWriter

ROWS = 7
"""In a block."""


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Every tape is worth an index, of many blocks, and the user's cache folder is this test's."""
    with small_tapes_count():
        monkeypatch.setenv("PAPERTAPE_CACHE", str(tmp_path / "cache"))
        yield


def small_tapes_count() -> Any:
    patch = pytest.MonkeyPatch()
    patch.setattr(Tuning, "rows_min", 0)
    patch.setattr(Tuning, "is_patient", False)
    patch.setattr(Tuning, "block_rows", ROWS)
    patch.setenv(VARIABLE, "auto")

    class Undo:
        def __enter__(self) -> None:
            return None

        def __exit__(self, *_: object) -> None:
            patch.undo()

    return Undo()


def all_of(block: Block | None) -> list[Block]:
    found = []
    while block is not None:
        found.append(block)
        block = block.following()
    return found


def played(tape: Tape) -> list[Block]:
    return all_of(first_block(tape, tape.first_ns, tape.last_ns + 1))


def said(blocks: list[Block]) -> list[Any]:
    return [(reach_ns, event) for block in blocks for _, reach_ns, _, event in block.messages(0, block.count)]


@settings(max_examples=25, deadline=None)
@given(arrived=arrivals())
def test_an_index_holds_what_the_tape_does(tmp_path_factory: pytest.TempPathFactory, arrived: Arrived) -> None:
    """Every message, and every question that a block answers, whole or in part; and the books as each block begins."""
    path = tmp_path_factory.mktemp("index") / "any.parquet"
    write(path, arrived)
    tape = open_tape(path)
    read = all_of(read_blocks(tape, tape.first_ns, tape.last_ns + 1, rows_max=ROWS))
    if make(tape) is None:
        assert any(block.is_odd for block in read)  # type: ignore[attr-defined]  # they are `Rows`
        return
    indexed = played(tape)
    assert all(isinstance(block, Indexed) for block in indexed)
    assert said(indexed) == said(read) == [(message[1], message[3]) for message in tape.messages()]
    books: list[tuple[dict[int, int], dict[int, int]]] = [({}, {}) for _ in tape.instruments]
    for mine, its in zip(indexed, read, strict=True):
        for number, book in enumerate(books):
            assert tuple(dict(side) for side in mine.book(number)) == book
        alike(mine, its, len(books))
        mine.release()
        alike(mine, its, len(books))
        for _, _, _, event in its.messages(0, its.count):
            follow(tape, books, event)


def alike(mine: Block, its: Block, instruments: int) -> None:
    assert (mine.first, mine.count) == (its.first, its.count)
    assert list(mine.reaches) == list(its.reaches)
    assert list(mine.arrivals) == list(its.arrivals)
    assert list(mine.barriers) == list(its.barriers)
    half = its.count // 2
    for begin, end in ((0, its.count), (0, half), (half, its.count)):
        for kinds in ((1,), (3,), (1, 3)):
            wanted = [{1: Trade, 3: BookUpdate}[kind] for kind in kinds]
            found, there = ([each for each in block.chosen(begin, end, kinds) if type(each[1]) in wanted] for block in (mine, its))
            assert found == there
        told = [
            event for event in its.market(begin, end) if type(event) is Trade or (type(event) is BookUpdate and event.bids + event.asks)
        ]
        assert list(mine.market(begin, end)) == told
        for number in range(instruments):
            assert mine.bars(number, begin, end) == its.bars(number, begin, end)
            assert mine.trades(number, begin, end) == its.trades(number, begin, end)
            for side in (0, 1):
                for since_ns in (-1, 5 * 10**5):
                    assert mine.facts(number, side, begin, end, since_ns) == its.facts(number, side, begin, end, since_ns)


def follow(tape: Tape, books: list[Any], event: Any) -> None:
    symbols = [instrument.symbol for instrument in tape.instruments]
    if isinstance(event, BookSnapshot):
        books[symbols.index(event.symbol)] = tuple({t: q for t, q in side if q} for side in (event.bids, event.asks))
    elif isinstance(event, BookUpdate):
        for side, changes in zip(books[symbols.index(event.symbol)], (event.bids, event.asks), strict=True):
            side.update(changes)
            for ticks in [ticks for ticks, lots in side.items() if not lots]:
                del side[ticks]
    elif isinstance(event, ConnectionEvent) and event.loses_market:
        books[:] = [({}, {}) for _ in symbols]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from papertape.model.units import SECOND
    from papertape.tape.synth import Synth, write_synth

    path = tmp_path_factory.mktemp("market") / "some.parquet"
    write_synth(Synth(seed=5, duration_ns=2 * SECOND, events_per_second=60), path)
    return path


@pytest.fixture
def tape(market: Path, tmp_path: Path) -> Tape:
    return open_tape(shutil.copy(market, tmp_path / "some.parquet"))


def is_indexed(tape: Tape) -> bool:
    """Whether the next run plays an index; each answer is held against the tape."""
    blocks = played(tape)
    assert said(blocks) == [(message[1], message[3]) for message in tape.messages()]
    return isinstance(blocks[0], Indexed)


def test_a_run_over_a_tape_makes_its_index_and_the_next_one_plays_it(tape: Tape) -> None:
    assert [is_indexed(tape), is_indexed(tape)] == [False, True]
    beside, in_cache = places(tape)
    assert (beside.exists(), in_cache.exists()) == (True, False)


def test_where_a_tapes_folder_takes_nothing_its_index_is_in_the_cache(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    locked, beside = indexer._locked, places(tape)[0]

    def refusing(path: Path) -> Any:
        if path.parent == beside.parent:
            raise PermissionError(errno.EACCES, "no")
        return locked(path)

    monkeypatch.setattr(indexer, "_locked", refusing)
    assert [is_indexed(tape), is_indexed(tape)] == [False, True]
    assert (beside.exists(), places(tape)[1].exists()) == (False, True)


def last_word_of(said: bytes) -> int:
    """Where in an index's bytes the last word of its last block is."""
    part = read_directory(io.BytesIO(said)).blocks[-1].rest
    return part.offset + part.words * WORD - WORD


def with_another_count(said: bytes) -> bytes:
    """A bit of its directory flipped, which reads all the same and tells of as many words: only the checksum knows."""
    directory = read_directory(io.BytesIO(said))
    begin, length, _, magic = SEAL.unpack(said[-SEAL.size :])
    for where in range(begin, begin + length):
        told = said[begin:where] + bytes([said[where] ^ 1]) + said[where + 1 : begin + length]
        damaged = said[:begin] + told + SEAL.pack(begin, length, zlib.crc32(told), magic)  # as if that had been sealed
        with contextlib.suppress(Exception):
            other = read_directory(io.BytesIO(damaged))
            if [block.rows for block in other.blocks] != [block.rows for block in directory.blocks]:
                return said[:begin] + told + said[-SEAL.size :]
    raise AssertionError("no bit of the directory is a count")


def damages() -> dict[str, Any]:
    def flipped(where: int) -> Any:
        def damage(said: bytes) -> bytes:
            return said[:where] + bytes([said[where] ^ 1]) + said[where + 1 :]

        return damage

    return {
        "empty": lambda said: b"",
        "half": lambda said: said[: len(said) // 2],
        "without its last byte": lambda said: said[:-1],
        "no index": lambda said: b"x" * len(said),
        "a time": flipped(65_536),
        "a level": lambda said: flipped(last_word_of(said))(said),
        "the directory": lambda said: flipped(len(said) - SEAL.size - 20)(said),
        "a count in the directory": with_another_count,
        "the seal": lambda said: flipped(len(said) - SEAL.size + 2)(said),
        "the beginning": flipped(len(MAGIC) - 2),
    }


@pytest.mark.parametrize("name", damages())
def test_an_index_that_is_damaged_is_made_anew(tape: Tape, name: str) -> None:
    """Nobody plays it, wherever the damage is."""
    assert not is_indexed(tape)
    path = places(tape)[0]
    whole = path.read_bytes()
    path.unlink()  # another file, as the disk would give it back
    path.write_bytes(damages()[name](whole))
    assert path.read_bytes() != whole
    assert [is_indexed(tape), is_indexed(tape)] == [False, True]
    assert path.read_bytes() == whole


def test_an_index_of_another_tape_is_made_anew(tape: Tape, tmp_path: Path) -> None:
    """Also where that says the same of itself: rows were changed, and the header was kept."""
    import pyarrow.parquet as pq

    assert not is_indexed(tape)
    file = pq.ParquetFile(tape.path)
    groups = [file.read_row_group(number) for number in range(file.metadata.num_row_groups)]
    prices = groups[1].column("price_ticks").to_pylist()
    prices[-1] += 1
    groups[1] = groups[1].set_column(7, groups[1].schema.field(7), [prices])
    changed = tmp_path / "changed.parquet"
    with pq.ParquetWriter(changed, file.schema_arrow, write_page_checksum=True) as writer:
        for group in groups:
            writer.write_table(group)
        writer.add_key_value_metadata(
            {key.decode(): value.decode() for key, value in file.metadata.metadata.items() if key[:5] == b"paper"}
        )
    os.replace(changed, tape.path)
    stale = open_tape(tape.path)
    assert stale.content_hash == tape.content_hash
    assert [is_indexed(stale), is_indexed(stale)] == [False, True]


def test_of_two_at_once_one_makes_the_index(tape: Tape) -> None:
    """The other reads the tape; and what a killed one left behind is written over."""
    one = first_block(tape, tape.first_ns, tape.last_ns + 1)
    part = places(tape)[0].with_name(places(tape)[0].name + indexer.SUFFIX_PART)
    assert part.exists()
    assert not is_indexed(tape)
    assert not any(path.exists() for path in places(tape))
    assert said(all_of(one)) == [(message[1], message[3]) for message in tape.messages()]
    assert (part.exists(), find(tape) is None) == (False, False)
    places(tape)[0].unlink()
    part.write_bytes(b"left behind by one that was killed" * 99)
    assert [is_indexed(tape), is_indexed(tape)] == [False, True]
    assert not part.exists()


def test_a_run_that_ends_early_leaves_nothing_behind(tape: Tape) -> None:
    block = first_block(tape, tape.first_ns, tape.last_ns + 1)
    assert block is not None
    assert block.following() is not None
    block.reading.close()
    assert [path.name for path in tape.path.parent.iterdir() if path.is_file()] == ["some.parquet"]


def test_a_full_disk_is_nobodys_trouble(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no index, then, and nothing of one."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(indexer._Words, "put", full)
    assert not is_indexed(tape)
    assert [path.name for path in tape.path.parent.iterdir() if path.is_file()] == ["some.parquet"]
    monkeypatch.undo()
    with small_tapes_count():
        monkeypatch.setattr(indexer.os, "fsync", full)
        assert not is_indexed(tape)
    assert [path.name for path in tape.path.parent.iterdir() if path.is_file()] == ["some.parquet"]


def test_who_wants_no_indexes_gets_none(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "off")
    assert [is_indexed(tape), is_indexed(tape)] == [False, False]
    monkeypatch.setenv(VARIABLE, "of")
    with pytest.raises(ConfigError, match=r'\$PAPERTAPE_INDEX holds "of"; expected "auto" \(which it is without it\) or "off"'):
        played(tape)


def test_a_part_of_a_tape_ends_where_it_should(tape: Tape) -> None:
    assert make(tape) is not None
    for end_ns in range(tape.first_ns, tape.last_ns + 2, (tape.last_ns - tape.first_ns) // 9):
        blocks = all_of(first_block(tape, tape.first_ns, end_ns))
        assert said(blocks) == [(message[1], message[3]) for message in tape.messages(tape.first_ns, end_ns)]
        assert [len(block.reaches) for block in blocks] == [len(block.arrivals) for block in blocks] == [block.count for block in blocks]
        assert all(isinstance(block, Indexed) for block in blocks)


@settings(max_examples=25, deadline=None)
@given(arrived=arrivals(min_size=4), begin=st.integers(0, 10**6 + 10), span=st.integers(1, 10**6))
@example(arrived=[(BookUpdate(venue_ns=1, local_ns=10**6, symbol="BTC/USD", bids=((9, 0),), asks=((10, 1),)), 0)] * 9, begin=1, span=1)
def test_a_part_begins_with_the_books_as_they_stood(
    tmp_path_factory: pytest.TempPathFactory, arrived: Arrived, begin: int, span: int
) -> None:
    """Whether an index tells how they stood, or the tape must; on one connection it is the index."""
    path = tmp_path_factory.mktemp("part") / "any.parquet"
    calm = [(each, 0) for each, _ in arrived if not isinstance(each, ConnectionEvent)]
    assume(calm)
    with TapeWriter(path, venue="coinbase", instruments=[BTC, ETH], connections=["one"], source="a test") as writer:
        for each, connection in calm:
            writer.write(each, connection)
    tape = open_tape(path)
    read = all_of(read_blocks(tape, begin, begin + span, rows_max=ROWS))
    if make(tape) is None:
        return
    indexed = all_of(first_block(tape, begin, begin + span))
    assert said(indexed) == said(read) == [(message[1], message[3]) for message in tape.messages(begin, begin + span)]
    assert [at_ns for block in indexed for at_ns in block.arrivals] == [at_ns for block in read for at_ns in block.arrivals]
    assert [block.first for block in indexed] == [sum(each.count for each in indexed[:number]) for number in range(len(indexed))]


def test_where_a_part_begins_is_looked_up(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing before it is read."""
    assert make(tape) is not None
    middle_ns = (tape.first_ns + tape.last_ns) // 2
    wanted = [(message[1], message[3]) for message in tape.messages(middle_ns)]
    monkeypatch.setattr(store, "read_blocks", None)
    assert said(all_of(first_block(tape, middle_ns, tape.last_ns + 1))) == wanted
