"""Two journals: the same, or where they part."""

from __future__ import annotations

from pathlib import Path

import pytest

from papertape.journal import Journal
from papertape.journal.reading import journal_entries
from papertape.model.errors import ConfigError
from papertape.reports.divergence import first_divergence, is_prefix, parted
from papertape.runtime.trace import Trace


def journal(path: Path, *amounts: str) -> Path:
    with Journal({"seed": 7}, path) as written:
        for index, amount in enumerate(amounts, start=1):
            written.write(index * 1_000_000_000, "command", op="order.create", amount=amount)
    return path


def test_equal_journals_do_not_part(tmp_path: Path) -> None:
    """Line for line the same."""
    assert first_divergence(journal(tmp_path / "a", "1", "2"), journal(tmp_path / "b", "1", "2")) is None


def test_the_first_difference_is_shown_with_what_came_before(tmp_path: Path) -> None:
    """Its number, its time, both sides and the facts that differ."""
    found = first_divergence(journal(tmp_path / "a", "1", "2", "3"), journal(tmp_path / "b", "1", "5", "6"))
    assert found is not None
    assert (found.line, found.keys) == (3, ("amount",))
    assert [each["kind"] for each in found.before] == ["header", "command"]
    text = found.render("a", "b")
    assert text.startswith("a and b part at line 3, event 2, run time 2s:")
    assert "  -      2              2s  command    op=order.create amount=2" in text
    assert "  +      2              2s  command    op=order.create amount=5" in text
    assert text.endswith("differs in: amount")


def test_a_journal_that_ends_early_parts_there(tmp_path: Path) -> None:
    """The shorter one says that it ends."""
    found = first_divergence(journal(tmp_path / "a", "1"), journal(tmp_path / "b", "1", "2"))
    assert found is not None
    assert found.left is None
    assert "  - the journal ends here" in found.render("a", "b")


@pytest.mark.parametrize("text", ["hello", '{"n": 1}', "[1]", '{"n":"x","t":0,"kind":"header"}'])
def test_a_file_that_is_no_journal_is_named(tmp_path: Path, text: str) -> None:
    """File and line, and how journals are made."""
    (tmp_path / "a").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a: line 1 is no journal line; `papertape run … --journal FILE` writes journals"):
        first_divergence(tmp_path / "a", tmp_path / "a")
    with pytest.raises(ConfigError, match="there is no such file"):
        first_divergence(tmp_path / "b", tmp_path / "a")


def traced(folder: Path, *events: bytes, elsewhere: bool = False) -> Path:
    with Trace(folder) as trace:
        for event in events:
            if elsewhere and event == events[-1]:
                trace.event("mark", event)
            else:
                trace.event("mark", event)
    return folder


def test_a_journal_whose_last_line_was_cut_short_is_not_the_same_as_one_without_it(tmp_path: Path) -> None:
    """Who reads a page of it may do without; whoever wants to know whether two are the same may not."""
    whole, cut = journal(tmp_path / "a", "1"), journal(tmp_path / "b", "1", "2")
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(ConfigError, match="b: line 3 is no journal line"):
        first_divergence(whole, cut)
    assert len(list(journal_entries(cut))) == 2


def test_both_stacks_are_shown_where_they_are_not_the_same(tmp_path: Path) -> None:
    """Each run's own line of the program, with its name."""
    found = parted(traced(tmp_path / "a", b"1", b"2"), traced(tmp_path / "b", b"1", b"3", elsewhere=True), repeats=True)
    assert (found.index, found.step) == (1, None)
    text = found.render("one", "other")
    assert text.startswith("one and other part at record 1, run time 0s: event, mark\n")
    lines = [line.strip() for line in text.splitlines()]
    one, other = (lines.index(f"{who} was at") for who in ("one", "other"))
    assert [line for line in lines[one:other] if "in traced" in line] != [line for line in lines[other:] if "in traced" in line]
    assert all(any(line.startswith("> ") and "in traced" in line for line in part) for part in (lines[one:other], lines[other:]))


def test_a_run_in_which_nothing_more_happens_is_told_so(tmp_path: Path) -> None:
    """The other's stack alone is shown; there is no other."""
    found = parted(traced(tmp_path / "a", b"1"), traced(tmp_path / "b", b"1", b"2"), repeats=False)
    text = found.render("one", "other")
    assert "  - nothing more happens\n" in text
    assert "  other was at\n" in text
    assert "one was at" not in text
    assert "neither repeats itself" in text


def test_the_same_up_to_a_record_means_that_record_too(tmp_path: Path) -> None:
    """What has gone apart at record 1 is the same up to record 0."""
    one, other = traced(tmp_path / "a", b"1", b"2"), traced(tmp_path / "b", b"1", b"3")
    assert [is_prefix(one, other, index) for index in (0, 1)] == [True, False]
    assert is_prefix(one, one, 1)
