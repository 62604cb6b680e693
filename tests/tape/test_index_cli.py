"""`papertape tape index`, as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from papertape.cli.main import main
from papertape.tape.index import indexer
from papertape.tape.index.layout import Unfit


def test_index_makes_one_and_leaves_a_good_one_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says where; exit 1 where there is none in the end, 2 and 4 where there is nothing to do it to."""
    tape = tmp_path / "mine.parquet"
    assert main(["tape", "synth", str(tape), "--seed", "5", "--duration", "2s"]) == 0
    capsys.readouterr()
    assert main(["tape", "index", str(tape)]) == 0
    assert capsys.readouterr().out.startswith(f"{tape}: indexed by {tape}.index, ")
    assert main(["tape", "index", str(tape)]) == 0
    assert capsys.readouterr().out == f"{tape}: indexed already by {tape}.index\n"
    (tmp_path / "mine.parquet.index").write_bytes(b"")

    def busy(path: Path) -> None:
        raise Unfit

    monkeypatch.setattr(indexer, "_locked", busy)
    assert main(["tape", "index", str(tape)]) == 1
    assert "not indexed: there is no room in" in capsys.readouterr().out
    assert main(["tape", "index"]) == 2
    assert main(["tape", "index", str(tmp_path / "none.parquet")]) == 4
    assert "there is no such file" in capsys.readouterr().err
