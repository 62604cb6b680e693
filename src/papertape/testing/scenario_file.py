"""Scenario files as tests: `pytest scenarios/` runs each, and one that does not pass says what `papertape run` would."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from papertape.model.errors import ConfigError, TapeError
from papertape.testing.plugin import SUFFIX


class ScenarioFile(pytest.File):
    """One `*.scenario.toml`; it holds one test."""

    def collect(self) -> Iterator[ScenarioItem]:
        item: ScenarioItem = ScenarioItem.from_parent(self, name=self.path.name.removesuffix(SUFFIX))
        yield item


class ScenarioItem(pytest.Item):
    """One scenario; it fails unless its verdict is `passed`."""

    def runtest(self) -> None:
        from papertape.scenario.load import load_scenario
        from papertape.session.run import run_scenario
        from papertape.session.stepped import KEPT

        scenario = load_scenario(_short(self.path, self.config.invocation_params.dir))
        result = run_scenario(scenario, kept=KEPT)
        if not result.is_passed:
            raise ScenarioFailed(result)
        if self.config.getoption("--papertape-check-determinism"):
            self._check_repeats(scenario)

    def _check_repeats(self, scenario: Any) -> None:
        from papertape.reports.divergence import first_divergence
        from papertape.session.run import run_scenario
        from papertape.testing.repeat import NotTheSame

        with tempfile.TemporaryDirectory(prefix="papertape-") as folder:
            journals = [Path(folder, name) for name in ("first.jsonl", "second.jsonl")]
            for path in journals:
                run_scenario(scenario, journal_path=path)
            parted = first_divergence(*journals)
        if parted is not None:
            raise NotTheSame(f"{parted.render('the first run', 'the second')}\nagain: {scenario.repro} --check-determinism")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from papertape.testing.repeat import NotTheSame
        from papertape.testing.report import message_only

        error = excinfo.value
        if isinstance(error, ScenarioFailed):
            return message_only(self, error.text())
        if isinstance(error, (ConfigError, TapeError, NotTheSame)):
            return message_only(self, str(error))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"scenario: {self.name}"


class ScenarioFailed(Exception):
    """A scenario did not pass."""

    def __init__(self, result: Any) -> None:
        super().__init__(f"{result.scenario}: {result.status}")
        self.result = result

    def text(self) -> str:
        """The first reason, then everything."""
        from papertape.reports.table import explanation

        result = self.result
        reason = result.failures[0] if result.failures else str(result.status)
        return f"{result.status}: {reason}\n{result.title}\n{explanation(result).rstrip()}\n  again: {result.repro}"


def _short(path: Path, folder: Path) -> Path:
    """The path as somebody who stands in `folder` would name it."""
    return path.relative_to(folder) if path.is_relative_to(folder) and folder == Path.cwd() else path
