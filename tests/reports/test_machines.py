"""What machines read: a step summary, tables, evidence."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from papertape import reports
from papertape.cli.main import main
from papertape.reports import evidence
from papertape.reports.html import Told, page
from papertape.reports.html.story import read_story
from papertape.reports.markdown import BYTES_MAX
from papertape.reports.parquet import TABLES
from reports.test_reports import ERROR, FAILED, PASSED, SUSPECT

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs/reports.md").read_text(encoding="utf-8")
SNIPPETS = dict(re.findall(r"```python (\w+)\n(.*?)```", DOCS, flags=re.DOTALL))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One faulted run, with all that machines can get of it."""
    folder = tmp_path_factory.mktemp("machines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
        patch.chdir(folder)
        scenario = str(ROOT / "scenarios/everything_at_once.scenario.toml")
        assert main(["run", scenario, "--parquet", "tables", "--evidence", "evidence.json", "--journal", "journal.jsonl"]) == 0
    return folder


def test_a_step_summary_says_what_came_of_each_run(folder: Path) -> None:
    """Its table has the run, and what did not pass stands first, with its reason and the command."""
    assert "| everything\\_at\\_once | ✅ passed | 19,023 | 20 | 27 |" in (folder / "summary.md").read_text(encoding="utf-8")
    text = reports.render("markdown", [PASSED, FAILED, SUSPECT, ERROR])
    assert text.index("❌ failed") < text.index("✅ passed")
    assert "no_duplicate_exposure: intent 3 has two orders" in text
    assert "again: papertape run scenarios/twice.scenario.toml --seed 1" in text


def test_a_step_summary_is_never_longer_than_github_takes() -> None:
    """Of ten thousand failures those that have room are told, the others counted; and a fence in a reason closes nothing."""
    one = msgspec.structs.replace(FAILED, failures=("x" * 500 + "\n```\nhello",))
    text = reports.render("markdown", [one] * 10_000)
    assert len(text.encode()) <= BYTES_MAX
    assert re.search(r"and [\d,]+ more rows and reasons", text)
    (fence,) = set(re.findall(r"^(`{4,})text$", reports.render("markdown", [one]), flags=re.MULTILINE))
    assert fence == "````"


def test_tables_hold_the_run(folder: Path) -> None:
    """Every order, fill, fault and line of the journal, with the columns that the docs name."""
    import pyarrow.parquet as pq

    tables = {name: pq.read_table(folder / f"tables/{name}.parquet") for name in TABLES}
    assert {name: table.schema.names for name, table in tables.items()} == {name: list(columns) for name, columns in TABLES.items()}
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (len(tables["orders"]), len(tables["fills"]), len(tables["faults"])) == (20, 27, 4)
    assert len(tables["events"]) == len(lines) - 1, "the tail is no event"
    orders = tables["orders"].to_pylist()
    assert [order["unknown_ns"] > 0 for order in orders].count(True) == 1
    assert sum(order["filled"] for order in orders) == pytest.approx(sum(fill["amount"] for fill in tables["fills"].to_pylist()))


@pytest.mark.parametrize("library", ["duckdb", "polars", "pandas"])
def test_the_docs_examples_read_them(folder: Path, library: str) -> None:
    """As they stand in docs/reports.md; each prints what the run holds."""
    done = subprocess.run([sys.executable, "-c", SNIPPETS[library]], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"duckdb": "pt7-2", "polars": "taker", "pandas": "stall"}[library] in done.stdout


def test_evidence_names_what_the_verdict_rests_on(folder: Path) -> None:
    """Hashes of configuration and tape, commit, version, verdict, digest, and what the models leave out."""
    told = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
    (run,) = told["runs"]
    lines = (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    header, tail = json.loads(lines[0]), json.loads(lines[-1])
    assert run["tapes"] == {"coinbase": [header["venues"]["coinbase"]["feed"][0]["content"]]}
    assert re.fullmatch(r"[0-9a-f]{64}", run["config_sha256"])
    assert (run["verdict"], run["digest"]) == ("passed", tail["result"]["digest"])
    assert told["bot"] == {"commit": None, "is_changed": None}, "a folder of no repository"
    assert told["left_out"]
    assert (told["planned"], told["is_whole"]) == (1, True)
    assert "bot_config" not in json.dumps(told)


def test_what_was_interrupted_does_not_look_whole(folder: Path) -> None:
    """Of three runs planned and one there, evidence and page say so, whatever that one came to."""
    story = read_story(folder / "journal.jsonl")
    assert story.result is not None
    told = json.loads(evidence.render([(story.result, story)], folder, 3))
    assert (told["planned"], told["is_whole"], len(told["runs"])) == (3, False, 1)
    text = page([Told(name="one", result=story.result, story=story)], 3)
    assert text.index("1 of 3 runs are here") < text.index("✔ passed")


def test_a_folder_that_is_a_file_is_told_before_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Likewise a file that is a folder."""
    (tmp_path / "taken").write_text("", encoding="utf-8")
    scenario = str(ROOT / "scenarios/lost_reply.scenario.toml")
    assert main(["run", scenario, "--parquet", str(tmp_path / "taken")]) == 2
    assert main(["run", scenario, "--evidence", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "--parquet" in told
    assert "--evidence" in told
    assert "passed" not in told
