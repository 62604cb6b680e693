"""Pages of what happened: `--report` of `run`, and `papertape report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from papertape.model.errors import ConfigError
from papertape.session.result import ExitCode, RunResult

if TYPE_CHECKING:
    from papertape.reports.html import Told


class Pages:
    """Gathers the runs of one command line for its page.

    Raises:
        ConfigError: the page could not be drawn or written; said before anything runs.
    """

    def __init__(self, report: Path | None) -> None:
        self._report = report
        self._runs: list[Told] = []
        if report is not None:
            from papertape.reports.html.page import require_plotly

            require_plotly()
            check_writable(report, "--report")

    @property
    def are_wanted(self) -> bool:
        """Whether somebody will read the journals."""
        return self._report is not None

    def take(self, result: RunResult, journal: Path | None) -> None:
        """A run is over, and its journal whole."""
        if self._report is None:
            return
        from papertape.reports.html import Told
        from papertape.reports.html.story import read_story

        story = read_story(journal) if journal is not None and journal.is_file() and journal.stat().st_size else None
        self._runs.append(Told(name=result.scenario, result=result, story=story))

    def write(self) -> None:
        if self._report is not None and self._runs:
            from papertape.reports.html import page

            write_file(self._report, page(self._runs))


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
