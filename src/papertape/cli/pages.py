"""What is written of runs for later: `--report`, `--parquet` and `--evidence` of `run`, a step summary, and `papertape report`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from papertape.model.errors import ConfigError
from papertape.session.result import ExitCode, RunResult

if TYPE_CHECKING:
    from papertape.reports.html.story import Story


class Pages:
    """Gathers the runs of one command line for what is written of them besides the table.

    Raises:
        ConfigError: a page could not be drawn, or something not be written; said before anything runs.
    """

    def __init__(self, report: Path | None = None, parquet: Path | None = None, evidence: Path | None = None) -> None:
        self._report, self._parquet, self._evidence = report, parquet, evidence
        self._runs: list[tuple[RunResult, Story | None, Path | None]] = []
        if report is not None:
            from papertape.reports.html.page import require_plotly

            require_plotly()
            check_writable(report, "--report")
        if evidence is not None:
            check_writable(evidence, "--evidence")
        if parquet is not None and parquet.is_file():
            raise ConfigError(f"--parquet {parquet.as_posix()}: is a file; expected a folder")

    @property
    def are_wanted(self) -> bool:
        """Whether somebody will read the journals."""
        return not (self._report is None and self._parquet is None and self._evidence is None)

    def take(self, result: RunResult, journal: Path | None) -> None:
        """A run is over, and its journal whole."""
        if not self.are_wanted:
            return
        from papertape.reports.html.story import read_story

        is_there = journal is not None and journal.is_file() and journal.stat().st_size > 0
        self._runs.append((result, read_story(journal) if journal is not None and is_there else None, journal if is_there else None))

    def write(self, planned: int) -> None:
        """Write all that was asked for, of so many runs planned; before the journals go, where nobody asked for them."""
        if not self._runs:
            return
        if self._report is not None:
            from papertape.reports.html import Told, page

            runs = [Told(name=result.scenario, result=result, story=story) for result, story, _ in self._runs]
            write_file(self._report, page(runs, planned))
        if self._parquet is not None:
            from papertape.reports.parquet import write

            write(self._parquet, self._runs)
        if self._evidence is not None:
            from papertape.reports.evidence import render

            write_file(self._evidence, render([(result, story) for result, story, _ in self._runs], Path.cwd(), planned))


def step_summary(results: Sequence[RunResult]) -> None:
    """Add the runs to the page that GitHub Actions shows of a step, where this is one; what goes wrong there decides nothing."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path or not results:
        return
    from papertape.reports.markdown import BYTES_MAX, render

    try:
        room = BYTES_MAX - (os.path.getsize(path) if os.path.exists(path) else 0)
        text = render(results, room)
        if len(text.encode()) <= room:
            with open(path, "a", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        print(f"papertape: the step summary {path} cannot be written: {error.strerror}", file=sys.stderr)


def report(journal: Path, /, *, out: Path | None = None) -> int:
    """Make a page with charts of a run from its journal; it opens offline, in any browser.

    Parameters
    ----------
    journal
        What `papertape run --journal FILE` wrote, or `papertape trade --journal FILE`.
    out
        Where to write the page; beside the journal, with .html for its ending, if left out.
    """
    from papertape.reports.html import Told, page
    from papertape.reports.html.page import require_plotly
    from papertape.reports.html.story import read_story

    require_plotly()
    story = read_story(journal)
    path = journal.with_suffix(".html") if out is None else out
    check_writable(path, "--out")
    write_file(path, page([Told(name=journal.name, result=story.result, story=story)]))
    print(path.as_posix())
    return ExitCode.PASSED


def check_writable(path: Path, option: str) -> None:
    """Say now what would be found out after the run."""
    if path.is_dir():
        raise ConfigError(f"{option} {path.as_posix()}: is a folder; expected a file, such as {(path / 'report.html').as_posix()}")
    if not path.parent.is_dir():
        raise ConfigError(f"{option} {path.as_posix()}: there is no folder {path.parent.as_posix()}")


def write_file(path: Path, text: str) -> None:
    """Write a report; raises `ConfigError` where that cannot be."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path.as_posix()}: cannot be written: {error.strerror}") from None
