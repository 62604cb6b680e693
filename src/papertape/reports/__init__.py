"""Reports: results as people and machines want them. A new one is a file here and a word in `REPORTS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

from papertape.session.result import RunResult

REPORTS: Final = {
    "table": "papertape.reports.table",
    "json": "papertape.reports.json",
    "junit": "papertape.reports.junit",
    "html": "papertape.reports.html",
    "markdown": "papertape.reports.markdown",
}
"""Every report by its name: a module with `render(results) -> str`, imported when used."""


def render(report: str, results: Sequence[RunResult]) -> str:
    """The report of that name."""
    make: Callable[[Sequence[RunResult]], str] = import_module(REPORTS[report]).render
    return make(results)
