"""The gate's log: what is written is read again; what was changed, taken out or torn away is noticed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from papertape.model.errors import ConfigError
from papertape.trading.gate.audit import Audit


def written(path: Path, count: int = 5) -> bytes:
    with Audit(path) as audit:
        for number in range(count):
            audit.write(number, "passed", number=number)
    return path.read_bytes()


def test_what_is_written_is_read_again_and_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "audit.jsonl"
    written(path)
    written(path, 2)
    with Audit(path) as audit:
        assert [(each["at"], each["number"]) for each in audit.records] == [(n, n) for n in (0, 1, 2, 3, 4, 0, 1)]


@pytest.mark.parametrize("place", range(4))
def test_a_line_that_was_changed_is_noticed(tmp_path: Path, place: int) -> None:
    path = tmp_path / "audit.jsonl"
    lines = written(path).splitlines(keepends=True)
    lines[place] = lines[place].replace(b'"number":', b'"number":1')
    path.write_bytes(b"".join(lines))
    with pytest.raises(ConfigError, match=rf"audit\.jsonl:{place + 2}: the gate's log does not follow the line before it"):
        Audit(path)


@pytest.mark.parametrize("place", range(4))
def test_a_line_that_was_taken_out_is_noticed(tmp_path: Path, place: int) -> None:
    path = tmp_path / "audit.jsonl"
    lines = written(path).splitlines(keepends=True)
    del lines[place]
    path.write_bytes(b"".join(lines))
    with pytest.raises(ConfigError, match=rf"audit\.jsonl:{place + 1}: "):
        Audit(path)


def test_only_a_last_line_without_its_end_is_cut_off(tmp_path: Path) -> None:
    """It never was on the disk whole, so nothing was sent for it."""
    path = tmp_path / "audit.jsonl"
    whole = written(path)
    path.write_bytes(whole + b'{"before":"12')
    with Audit(path) as audit:
        assert len(audit.records) == 5
        audit.write(9, "passed")
    assert path.read_bytes().startswith(whole)
    with Audit(path) as audit:
        assert len(audit.records) == 6


def test_rubbish_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"not this\n")
    with pytest.raises(ConfigError, match="is no line of it"):
        Audit(path)
    assert path.read_bytes() == b"not this\n"


def test_two_processes_on_one_log_are_refused(tmp_path: Path) -> None:
    with Audit(tmp_path / "audit.jsonl") as audit:
        code = "import sys\nfrom pathlib import Path\nfrom papertape.trading.gate.audit import Audit\nAudit(Path(sys.argv[1]))"
        second = subprocess.run([sys.executable, "-c", code, str(audit.path)], capture_output=True, text=True, check=False)
    assert "another process trades live with this state" in second.stderr
