"""`papertape tape …`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from papertape.cli.main import main
from papertape.tape import open_tape


@pytest.fixture
def tape(tmp_path: Path) -> str:
    path = str(tmp_path / "mine.parquet")
    assert main(["tape", "synth", path, "--seed", "5", "--duration", "20s"]) == 0
    return path


def test_synth_says_what_it_made(tape: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line: where, how much, and the beginning of the content hash."""
    capsys.readouterr()
    assert main(["tape", "synth", tape, "--seed", "6", "--duration", "2s"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{tape}: ")
    assert open_tape(tape).content_hash[:16] in said


def test_info_reads_like_a_page_or_as_json(tape: str, capsys: pytest.CaptureFixture[str]) -> None:
    """People get a table, programs one object."""
    capsys.readouterr()
    assert main(["tape", "info", tape]) == 0
    page = capsys.readouterr().out
    for words in (
        "a tape of coinbase, schema 1",
        "synthetic: papertape generator",
        "BTC/USD (BTC-USD): tick 0.01, lot 0.00000001",
        "no gaps",
    ):
        assert words in page
    assert main(["tape", "info", tape, "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["messages"] == open_tape(tape).counts
    assert about["instruments"][0]["instrument"]["tick"] == "0.01"


def test_info_lists_a_folder(tape: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Tapes are listed; a damaged one is told on stderr and makes the exit code 4."""
    folder = Path(tape).parent
    capsys.readouterr()
    assert main(["tape", "info", str(folder)]) == 0
    assert "mine.parquet  coinbase  BTC/USD  2026-01-05T00:00:00.000Z" in capsys.readouterr().out
    (folder / "broken.parquet").write_bytes(b"PAR1 and no more")
    assert main(["tape", "info", str(folder)]) == 4
    assert "broken.parquet: the tape is cut short" in capsys.readouterr().err


def test_check_tells_sound_from_faulty(tape: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0 if all are sound, 1 if one is not; a folder is checked whole."""
    assert main(["tape", "check", tape]) == 0
    broken = Path(tape).with_name("broken.parquet")
    broken.write_bytes(Path(tape).read_bytes()[:-1])
    capsys.readouterr()
    assert main(["tape", "check", str(broken.parent)]) == 1
    said = capsys.readouterr().out
    assert f"{tape}: sound" in said
    assert f"{broken}: faulty\n  the tape is cut short" in said


def test_cut_and_merge(tape: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Two halves of a tape, merged, are as many trades as the whole."""
    halves = [str(Path(tape).with_name(name)) for name in ("a.parquet", "b.parquet")]
    assert main(["tape", "cut", tape, halves[0], "--end", "10s"]) == 0
    assert main(["tape", "cut", tape, halves[1], "--start", "2026-01-05T00:00:10Z"]) == 0
    whole = str(Path(tape).with_name("whole.parquet"))
    assert main(["tape", "merge", *halves, "--out", whole]) == 0
    assert open_tape(whole).counts["trade"] == open_tape(tape).counts["trade"]
    assert main(["tape", "check", *halves, whole]) == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["tape", "info", "nowhere.parquet"], 4, "nowhere.parquet: there is no such file"),
        (["tape", "info", "builtin:eur-usd"], 2, 'no builtin market is called "eur-usd"'),
        (["tape", "check"], 2, "name at least one tape"),
        (["tape", "merge", "--out", "x.parquet"], 2, "name at least one tape"),
        (["tape", "synth", "x.parquet", "--market", "btc-us"], 2, 'did you mean "btc-usd"?'),
        (["tape", "synth", "x.parquet", "--duration", "long"], 2, '"long" is no duration'),
        (["tape", "synth", "x.parquet", "--events-per-second", "0"], 2, "expected a whole number from 1"),
    ],
)
def test_mistakes_are_one_message(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback: what is wrong, and what was expected."""
    monkeypatch.chdir(tmp_path)
    assert main(words) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_cut_names_the_span_when_nothing_is_left(tape: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A part that holds nothing is an error that says from when to when the tape goes."""
    assert main(["tape", "cut", tape, "x.parquet", "--start", "1h"]) == 4
    assert "nothing happens between these times; the tape goes from 2026-01-05T00:00:00.000Z" in capsys.readouterr().err
    assert main(["tape", "cut", tape, "x.parquet", "--start", "soon"]) == 2
    assert '"soon" is no duration' in capsys.readouterr().err
