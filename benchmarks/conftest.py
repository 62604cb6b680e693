"""The tape, and the table at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.market import bench_tape
from benchmarks.measure import TABLE, as_table


@pytest.fixture(scope="session")
def tape() -> Path:
    """The benchmark tape; generated the first time."""
    return bench_tape()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the medians of all rounds say."""
    if TABLE:
        terminalreporter.section("papertape")
        for line in as_table(TABLE):
            terminalreporter.write_line(line)
