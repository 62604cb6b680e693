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


@pytest.mark.parametrize("left", range(5))
def test_a_log_that_has_lost_its_end_is_noticed(tmp_path: Path, left: int) -> None:
    """Truncated at a line's end its hashes are in order; the count beside it says how many lines there were."""
    path = tmp_path / "audit.jsonl"
    lines = written(path).splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:left]))
    with pytest.raises(
        ConfigError, match=rf"has lost its end: 5 lines were written, and {left} are there\. .* put audit\.jsonl and audit\.count"
    ):
        Audit(path)
    path.write_bytes(b"".join(lines[:left]) + lines[left][:-1])
    with pytest.raises(ConfigError, match="has lost its end"):
        Audit(path)
    path.unlink()
    with pytest.raises(ConfigError, match="has lost its end: 5 lines were written, and 0 are there"):
        Audit(path)


@pytest.mark.parametrize("words", [None, b"", b"000000000005", b"x y\n", b"\xff\xfe", b"-00000000001 0000000000000000\n"])
def test_a_count_that_was_lost_or_spoilt_is_noticed(tmp_path: Path, words: bytes | None) -> None:
    path = tmp_path / "audit.jsonl"
    written(path)
    count = path.with_suffix(".count")
    count.unlink() if words is None else count.write_bytes(words)
    with pytest.raises(ConfigError, match="the gate's log "):
        Audit(path)


def test_the_log_of_another_account_is_not_taken_for_this_one(tmp_path: Path) -> None:
    written(tmp_path / "a.jsonl")
    with Audit(tmp_path / "b.jsonl") as other:
        for number in range(7):
            other.write(number + 100, "passed")
    (tmp_path / "b.jsonl").replace(tmp_path / "a.jsonl")
    with pytest.raises(ConfigError, match=r"is not the one that a\.count counts"):
        Audit(tmp_path / "a.jsonl")


def test_a_kill_between_a_line_and_its_count_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    written(path, 3)
    before = path.with_suffix(".count").read_bytes()
    written(path, 1)
    path.with_suffix(".count").write_bytes(before)
    with Audit(path) as audit:
        assert len(audit.records) == 4
    assert path.with_suffix(".count").read_bytes() != before


def test_a_disk_that_is_full_tears_no_line_and_a_later_line_follows(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with Audit(path) as audit:
        audit.write(1, "passed")
        whole, real = path.read_bytes(), audit._file

        class Full:
            """Takes half of a line."""

            def __getattr__(self, name: str) -> object:
                return getattr(real, name)

            def write(self, line: bytes) -> int:
                return real.write(line[: len(line) // 2])  # type: ignore[attr-defined]  # a file

        audit._file = Full()  # type: ignore[assignment]  # as good as one
        with pytest.raises(ConfigError, match="cannot be written: No space left on device; nothing more is sent"):
            audit.write(2, "passed")
        assert path.read_bytes() == whole
        audit._file = real
        audit.write(3, "passed")
    with Audit(path) as audit:
        assert [each["at"] for each in audit.records] == [1, 3]


def test_a_log_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    with pytest.raises(ConfigError, match="cannot be opened: Is a directory; nothing is sent without it"):
        Audit(tmp_path / "audit.jsonl")
