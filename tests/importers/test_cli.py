"""`papertape import`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from papertape.cli.main import main
from papertape.tape import open_tape


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "capture.txt"
    frames = [
        json.dumps({"type": "l2update", "product_id": "FOO-USD", "changes": [["buy", "1.00", "1"]], "time": "2026-01-05T00:00:00.5Z"}),
        "{half a frame",
        json.dumps({"type": "last_match", "product_id": "FOO-USD"}),
    ]
    path.write_text("".join(f"{1_767_571_200_600_000_000 + index} {frame}\n" for index, frame in enumerate(frames)))
    return path


def test_import_tells_what_became_of_the_capture(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is on the tape, the measured skew and what was left out on stdout; lines that do not parse, with their numbers, on stderr."""
    out = capture.with_name("tape.parquet")
    words = ["import", str(capture), "--venue", "coinbase-exchange", "--out", str(out), "--instrument", "FOO/USD=0.01,0.001"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "1 delta from 3 frames" in said.out
    assert "connection feed: clock skew 100ms" in said.out
    assert "left out: 1 trades before the recording began" in said.out
    assert f"1 lines do not parse and were left out:\n  {capture}:2: " in said.err
    assert open_tape(out).counts == {"delta": 1}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--venue", "coinbase-exchange"], 2, "whose tick and lot neither its product list nor the table"),
        (["--venue", "bitfinex"], 2, 'no importer is called "bitfinex"'),
        (["--venue", "coinbase-exchange", "--instrument", "FOO=1"], 2, '--instrument "FOO=1": expected SYMBOL=TICK,LOT'),
        (["--venue", "coinbase-exchange", "--instrument", "FOO/USD=0,1"], 2, "a step must be above zero"),
        (["--venue", "coinbase-exchange", "--instrument", "FOO/USD=one,1"], 2, '"one" is no number'),
        (["--venue", "coinbase"], 4, "nothing to import"),
    ],
)
def test_mistakes_are_one_message(words: list[str], code: int, message: str, capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback: what is wrong, and what was expected; no tape is left."""
    out = capture.with_name("tape.parquet")
    assert main(["import", str(capture), *words, "--out", str(out)]) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not out.exists()
