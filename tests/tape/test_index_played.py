"""What a run leaves for later ones: a mark, then an index; and of what lies in the cache folder no more than there may be."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.tape.test_index import ROWS, is_indexed, small_tapes_count

from papertape.model.units import SECOND
from papertape.tape.builtin import cache_folder
from papertape.tape.index import indexer, played
from papertape.tape.index.store import Tuning, places
from papertape.tape.reader import Tape, open_tape
from papertape.tape.synth import Synth, write_synth


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with small_tapes_count():
        monkeypatch.setattr(Tuning, "is_patient", True)
        monkeypatch.setenv("PAPERTAPE_CACHE", str(tmp_path / "cache"))
        yield


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    return made(tmp_path, 5)


def made(folder: Path, seed: int) -> Tape:
    path = folder / f"tape {seed}.parquet"
    write_synth(Synth(seed=seed, duration_ns=SECOND, events_per_second=40), path)
    return open_tape(path)


def test_the_first_run_leaves_a_mark_the_second_an_index_and_the_third_plays_it(tape: Tape) -> None:
    """A tape that is played once costs no index; it is the same tape wherever it lies."""
    assert not is_indexed(tape)
    assert not any(path.exists() for path in places(tape))
    moved = open_tape(tape.path.rename(tape.path.with_name("moved.parquet")))
    assert [is_indexed(moved), is_indexed(moved)] == [False, True]


def test_where_no_mark_can_be_left_the_first_run_leaves_an_index(tape: Tape, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, where a folder should be")
    assert [is_indexed(tape), is_indexed(tape)] == [False, True]


def test_marks_are_forgotten_the_longest_ago_first(tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(played, "MARKS_MAX", 4)
    tapes = [made(tmp_path, seed) for seed in range(5)]
    for number, each in enumerate(tapes):
        assert not played.note(each)
        if number < 4:
            os.utime(cache_folder() / played.MARKS / played.key_of(each), (number, number))
    assert [(cache_folder() / played.MARKS / played.key_of(each)).exists() for each in tapes] == [False, False, True, True, True]


def test_indexes_in_the_cache_folder_make_room_for_new_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those go whose tapes were not played for longest, and what was left unfinished; nothing else that lies there does."""
    locked = indexer._locked

    def refusing(path: Path) -> Any:
        if path.parent == tmp_path:
            raise PermissionError(errno.EACCES, "no")
        return locked(path)

    monkeypatch.setattr(indexer, "_locked", refusing)
    tapes = [made(tmp_path, seed) for seed in range(4)]
    for each in tapes[:3]:
        assert [is_indexed(each), is_indexed(each), is_indexed(each)] == [False, False, True]
    assert is_indexed(tapes[0])  # once more: it is not the oldest by now
    for number, each in enumerate((tapes[1], tapes[2], tapes[0])):
        os.utime(cache_folder() / played.MARKS / played.key_of(each), (number, number))
    others = [cache_folder() / name for name in ("mine.index", "market.parquet", f"{'f' * 32}.index.part")]
    for path in others:
        path.write_bytes(b"x" * 99)
    written = locked(cache_folder() / f"{'e' * 32}.index.part")  # by somebody else, at this moment
    size = places(tapes[0])[1].stat().st_size
    monkeypatch.setattr(Tuning, "cached_max", 2 * size + size // 2 + tapes[3].rows * 56)
    assert [is_indexed(tapes[3]), is_indexed(tapes[3]), is_indexed(tapes[3])] == [False, False, True]
    assert [places(each)[1].exists() for each in tapes] == [True, False, True, True]
    assert [path.exists() for path in others] == [True, True, False]
    written.close()
    assert (cache_folder() / f"{'e' * 32}.index.part").exists()
    assert tapes[0].rows > ROWS
