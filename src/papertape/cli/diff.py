"""`papertape diff`."""

from __future__ import annotations

from pathlib import Path

from papertape.reports.divergence import first_divergence
from papertape.session.result import ExitCode


def diff(left: Path, right: Path, /, *, report: Path | None = None) -> int:
    """Show where two journals part.

    Exit code 0 if they are the same, 3 if not.

    Parameters
    ----------
    left
        A journal that `papertape run --journal FILE` wrote.
    right
        Another.
    report
        Write a page to this file too: where they part, and both runs' charts.
    """
    if report is not None:
        from papertape.cli.pages import check_writable
        from papertape.reports.html.page import require_plotly

        require_plotly()
        check_writable(report, "--report")
    found = first_divergence(left, right)
    print("the two runs are the same" if found is None else found.render(left.as_posix(), right.as_posix()))
    if report is not None:
        from papertape.cli.pages import write_file
        from papertape.reports.html.parted import page
        from papertape.reports.html.story import read_story

        write_file(report, page(found, (left.as_posix(), right.as_posix()), (read_story(left), read_story(right))))
    return ExitCode.PASSED if found is None else ExitCode.DIFFERED
