"""Which versions of which libraries work on which Python: `make compat` writes docs/compatibility.md.

It runs tests/compat in environments that `.ci/venv` and `.ci/pythons` made, with one version of one library laid over each; what was
laid is kept in .compat/. With --installed nothing is laid over and no page is written: the tests have to pass as everything stands.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
KEPT: Final = ROOT / ".compat"
PAGE: Final = ROOT / "docs" / "compatibility.md"

COLUMNS: Final = {
    "TestConnect": "connect",
    "TestKeepAlive": "keep-alive",
    "TestReconnect": "reconnect",
    "TestBackPressure": "back-pressure",
}


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        tests: the file that tells.
        names: the packages whose versions stand in the line.
        laid: what is laid over the environment, as `pip install` wants it; empty for what is installed there.
    """

    tests: str
    names: tuple[str, ...]
    laid: tuple[str, ...] = ()


ROWS: Final = (
    Row("test_websockets.py", ("websockets",), ("websockets==15.0.1",)),
    Row("test_websockets.py", ("websockets",)),
    Row("test_aiohttp.py", ("aiohttp",), ("aiohttp==3.12.15",)),
    Row("test_aiohttp.py", ("aiohttp",)),
    Row("test_httpx.py", ("httpx", "anyio"), ("httpx==0.28.0", "anyio==4.5.2", "sniffio==1.3.1")),
    Row("test_httpx.py", ("httpx", "anyio")),
    Row("test_ccxt.py", ("ccxt", "aiohttp"), ("ccxt==4.5.40", "aiohttp==3.12.15")),
    Row("test_ccxt.py", ("ccxt", "aiohttp")),
    Row("test_streams.py", ()),
)


@dataclass
class Outcome:
    """What one row did on one Python: how many tests passed and how many there were, by column."""

    versions: str
    passed: dict[str, int] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def cell(self, column: str) -> str:
        passed, total = self.passed.get(column, 0), self.total.get(column, 0)
        return f"{passed} of {total}" if passed < total else f"yes ({total})" if total else "-"

    def is_good(self) -> bool:
        return not self.failed and all(self.total.get(column) for column in COLUMNS.values())


def lay(python: Path, version: str, laid: tuple[str, ...]) -> Path:
    """Install versions beside the environment, once; returns the folder to put before it."""
    folder = KEPT / version / "+".join(each.replace("==", "-") for each in laid)
    mark = folder / ".ready"
    if not mark.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--upgrade"]
        subprocess.run([*command, "--target", str(folder), *laid], check=True)
        mark.touch()
    return folder


def asked(python: Path, code: str, environment: dict[str, str]) -> str:
    return subprocess.run([str(python), "-c", code], env=environment, capture_output=True, text=True, check=True).stdout.strip()


def run(python: Path, row: Row, again: str) -> Outcome:
    """The tests of a row on one Python, in a process of their own."""
    environment = dict(os.environ)
    version = asked(python, "import sys; print('%d.%d' % sys.version_info[:2])", environment)
    if row.laid:
        given = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = str(lay(python, version, row.laid)) + (os.pathsep + given if given else "")
    names = f"import importlib.metadata as m; print(', '.join(f'{{n}} {{m.version(n)}}' for n in {row.names!r}))"
    outcome = Outcome(asked(python, names, environment) or "asyncio streams and protocols")
    KEPT.mkdir(exist_ok=True)
    report = KEPT / f"{version}-{row.tests}-{'+'.join(row.laid) or 'installed'}.xml"
    if again not in row.tests and report.exists():
        read_report(report, outcome)
        return outcome
    report.unlink(missing_ok=True)
    options = ["-q", "-p", "no:randomly", "-p", "no:xdist", f"--junitxml={report}", "-o", "junit_family=xunit2"]
    done = subprocess.run(
        [str(python), "-m", "pytest", *options, f"tests/compat/{row.tests}"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    if not report.exists():
        raise SystemExit(f"{python}: pytest made no report of tests/compat/{row.tests}:\n{done.stdout}{done.stderr}")
    read_report(report, outcome)
    if done.returncode and not outcome.failed:
        outcome.failed.append(f"pytest ended with {done.returncode}:\n{done.stdout[-2_000:]}{done.stderr[-2_000:]}")
    return outcome


def read_report(report: Path, outcome: Outcome) -> None:
    for case in ElementTree.parse(report).iter("testcase"):
        column = COLUMNS.get(case.get("classname", "").rpartition(".")[2], "")
        bad = [child for child in case if child.tag in ("failure", "error", "skipped")]
        outcome.total[column] = outcome.total.get(column, 0) + 1
        if bad:
            outcome.failed.append(f"{case.get('classname')}::{case.get('name')}: {(bad[0].get('message') or '')[:300]}")
        else:
            outcome.passed[column] = outcome.passed.get(column, 0) + 1


def page(pythons: list[str], lines: list[tuple[str, dict[str, Outcome]]]) -> str:
    """The committed page."""
    head = f"| library | {' | '.join(f'Python {version}' for version in pythons)} |"
    text = [
        "# Compatibility",
        "",
        "Made by `make compat`, which runs `tests/compat` with each of these versions on each Python of the machine. In every cell:",
        "connect · keep-alive · reconnect · back-pressure, each `yes` with the number of tests that passed. All of it is in virtual time,",
        "by `https` and `wss` URLs where the library has them, and every test runs its story twice and wants the same bytes on the wire.",
        "",
        head,
        "|---" * (len(pythons) + 1) + "|",
    ]
    for name, outcomes in lines:
        cells = [" · ".join(outcomes[version].cell(column) for column in COLUMNS.values()) for version in pythons]
        text.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(text) + "\n"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("pythons", nargs="+", type=Path, help="interpreters of environments that have papertape and its tests' needs")
    options.add_argument("--installed", action="store_true", help="only the versions that are installed; write no table")
    options.add_argument("--again", default="", metavar="PART", help="run only tests/compat/*PART*, and take the others from the last time")
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = options.parse_args()
    rows = [row for row in ROWS if not (given.installed and row.laid)]
    versions = [asked(python, "import sys; print('%d.%d' % sys.version_info[:2])", dict(os.environ)) for python in given.pythons]
    begun = time.perf_counter()
    with ThreadPoolExecutor(given.jobs) as pool:
        table = [[pool.submit(run, python, row, given.again) for python in given.pythons] for row in rows]
        outcomes = [[each.result() for each in line] for line in table]
    lines = [(line[0].versions, dict(zip(versions, line, strict=True))) for line in outcomes]
    failed = [f"Python {version}, {name}: {each}" for name, line in lines for version, outcome in line.items() for each in outcome.failed]
    bad = sum(not outcome.is_good() for line in outcomes for outcome in line)
    print("\n".join(failed) or f"{len(rows)} libraries on Python {', '.join(versions)}: all work", f"({time.perf_counter() - begun:.0f} s)")
    if not given.installed:
        PAGE.write_text(page(versions, lines))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
