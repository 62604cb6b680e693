"""`papertape run`: scenarios in, verdicts out."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from cyclopts import Parameter

from papertape import reports
from papertape.cli.main import bug
from papertape.cli.pages import Pages, step_summary, write_file
from papertape.cli.progress import Progress
from papertape.cli.watchdog import Watchdog
from papertape.faults.base import Fault
from papertape.journal.tail import append_tail
from papertape.model.errors import ConfigError, PapertapeError, TapeError
from papertape.model.units import Nanos
from papertape.reports.table import write as write_table
from papertape.runtime.clock import wall_seconds
from papertape.scenario.fault_text import parse_fault, rerun_command
from papertape.scenario.load import find_scenarios, load_scenario
from papertape.scenario.quick import DEFAULT_VENUE, bot_scenario
from papertape.session.chronicle import Chronicler
from papertape.session.opening import fetch
from papertape.session.result import ExitCode, RunResult, Status
from papertape.session.run import run_scenario
from papertape.session.spec import Scenario

if TYPE_CHECKING:
    from papertape.runtime.trace import Trace

BUNDLE_SUFFIX: Final = ".bundle"  # as in scenario.bundle, which is imported when there is one

TRACE_VARIABLE: Final = "PAPERTAPE_TRACE"

Load = Callable[[], Scenario]


class Named(NamedTuple):
    """One thing to run: how the user named it, the command that runs it alone, and what is made of its result."""

    name: str
    load: Load
    command: str
    seen: Callable[[RunResult], RunResult] = lambda result: result


class Asked(NamedTuple):
    """What the command line says of each thing that it names."""

    seed: int | None
    depth: str | None
    venue: str | None
    tape: str | None
    faults: Sequence[Fault]
    program_args: Sequence[str] | None

    def of(self, path: Path) -> str:
        """The command for one of them, for where it does not get so far as to be a scenario, which knows its own."""
        return rerun_command(path, **self._asdict())


ProgramArgs = Annotated[Sequence[str] | None, Parameter(parse=False)]
"""What stands after `--`; the command line's own parser never sees it."""


def run(
    *paths: Path,
    seed: int | None = None,
    depth: str | None = None,
    venue: str | None = None,
    tape: str | None = None,
    fault: list[str] | None = None,
    json: bool = False,
    junit: Path | None = None,
    journal: Path | None = None,
    report: Path | None = None,
    parquet: Path | None = None,
    evidence: Path | None = None,
    check_determinism: bool = False,
    program_args: ProgramArgs = None,
) -> int:
    """Run scenarios, or a bot or any asyncio program against the builtin market.

    Results go to stdout, progress and what programs print to stderr. What stands after `--` is for the program.

    Parameters
    ----------
    paths
        Scenario files, folders of them, a bot (a file with `async def main(exchange)`), any other Python program, or bundles.
    seed
        Instead of the scenario's own.
    depth
        Instead of the scenario's own: interface or wire.
    venue
        For a bot file: which venue's rules and manners; coinbase if left out.
    tape
        For a bot file: the market, a tape, builtin:NAME, or a TOML file with the keys of a feed, such as of somebody else's files that are
        read in place; builtin:btc-usd if left out. It has money for all that is traded there.
    fault
        One more fault: KIND[,key=value...], such as lost_reply,nth=3 or disconnect,at=90s,lasts=5s. May be given several times.
    json
        One JSON object for each scenario on stdout instead of the table.
    junit
        Write a JUnit XML report to this file.
    journal
        Write what happened, line by line, to this file (to a folder, if several scenarios run).
    report
        Write a page with charts of all that happened to this file, such as out.html; it opens offline, in any browser.
    parquet
        Write orders.parquet, fills.parquet, faults.parquet and events.parquet to this folder.
    evidence
        Write what a verdict rests on to this file: commits, hashes, versions, verdicts, and what the models leave out.
    check_determinism
        Run each scenario once more in another process with another PYTHONHASHSEED; exit 3 if the two runs differ.
    """
    if not paths:
        raise ConfigError("run: what? Name a scenario file, a folder of them, or a bot.py; `papertape run --help` explains")
    asked = Asked(seed, depth, venue, tape, [parse_fault(text) for text in fault or []], program_args)
    pages = Pages(report, parquet, evidence)
    with contextlib.ExitStack() as unpacked:
        jobs = _jobs(paths, asked, unpacked)
        if journal is None and pages.are_wanted:
            journal = Path(unpacked.enter_context(tempfile.TemporaryDirectory(prefix="papertape-")))
        results, code = _run_all(jobs, journal, check=check_determinism, seen=pages.take)
        if json:
            sys.stdout.write(reports.render("json", results))
        elif results:
            write_table(results, sys.stdout)
        if junit is not None:
            write_file(junit, reports.render("junit", results))
        step_summary(results)
        pages.write(len(jobs))
    return code


def _run_all(
    jobs: Sequence[Named], journal: Path | None, *, check: bool, seen: Callable[[RunResult, Path | None], None]
) -> tuple[list[RunResult], int]:
    """The results, of as many as there were before an interrupt, and the exit code."""
    journals = _journals(journal, [job.name for job in jobs])
    progress = Progress(len(jobs))
    results: list[RunResult] = []
    code = 0
    try:
        for job, journal_path in zip(jobs, journals, strict=True):
            results.append(told_whole(job, journal_path, progress, check=check))
            code = max(code, results[-1].exit_code)
            seen(results[-1], journal_path)
    except KeyboardInterrupt:
        print("papertape: interrupted", file=sys.stderr)
        code = ExitCode.INTERRUPTED
    return results, code


def told_whole(job: Named, journal_path: Path | None, progress: Progress, *, check: bool = False) -> RunResult:
    """The result of one of them, as `attempt` has it; its journal ends with what came of it and its chronicle."""
    chronicler = None if journal_path is None else Chronicler()
    result = job.seen(attempt(job.name, job.load, journal_path, progress, job.command, check=check, chronicler=chronicler))
    if journal_path is not None and chronicler is not None and chronicler.chronicle is not None:
        append_tail(journal_path, result.to_dict(), chronicler.chronicle)
    return result


def attempt(
    name: str,
    load: Load,
    journal_path: Path | None,
    progress: Progress,
    command: str,
    *,
    check: bool = False,
    chronicler: Chronicler | None = None,
) -> RunResult:
    """The result of one scenario, whatever happens; only an interrupt gets through. `command` is told where it cannot be loaded."""
    began_s = wall_seconds()
    progress.begin(name)
    scenario: Scenario | None = None
    try:
        scenario = load()
        if check:
            result = _checked(scenario, journal_path, progress, chronicler)
        else:
            result = _once(scenario, journal_path, progress, _trace_asked_for(), chronicler)
    except Exception as error:
        result = _error(name, scenario, error, command)
    progress.end(str(result.status), wall_seconds() - began_s)
    return result


def _once(
    scenario: Scenario, journal_path: Path | None, progress: Progress, trace: Trace | None, chronicler: Chronicler | None
) -> RunResult:
    fetch(scenario, progress.say)  # takes as long as it takes, and nobody watches over it
    listening = contextlib.nullcontext() if trace is None else trace
    with Watchdog() as watchdog, contextlib.redirect_stdout(sys.stderr), listening:  # what a bot prints is no result

        def moved_on(now_ns: Nanos, total_ns: Nanos) -> None:
            watchdog.feed()
            progress.advance(now_ns, total_ns)

        return run_scenario(scenario, journal_path=journal_path, progress=moved_on, trace=trace, chronicler=chronicler)


def _trace_asked_for() -> Trace | None:
    """Set where this process is one that `--check-determinism` started."""
    if TRACE_VARIABLE not in os.environ:
        return None
    from papertape.cli.determinism import trace_asked_for

    return trace_asked_for()


def _checked(scenario: Scenario, journal_path: Path | None, progress: Progress, chronicler: Chronicler | None) -> RunResult:
    from papertape.cli.determinism import checked

    return checked(lambda path, trace: _once(scenario, path, progress, trace, chronicler), journal_path)


def _error(name: str, scenario: Scenario | None, error: Exception, command: str) -> RunResult:
    exits = ((ConfigError, ExitCode.CONFIG), (TapeError, ExitCode.DATA))
    code = next((code for kind, code in exits if isinstance(error, kind)), ExitCode.INTERNAL)
    if isinstance(error, ConfigError | TapeError):
        message = str(error)
    else:
        message = f"{type(error).__name__}: {error}" if isinstance(error, PapertapeError) else bug(error)
    if scenario is None:
        return RunResult(scenario=name, seed=0, status=Status.ERROR, failures=(message,), error_exit=code, repro=command)
    return RunResult(
        scenario=scenario.name,
        title=scenario.title,
        seed=scenario.seed,
        depth=str(scenario.depth),
        status=Status.ERROR,
        failures=(message,),
        error_exit=code,
        repro=scenario.repro,
    )


def _jobs(paths: Sequence[Path], asked: Asked, unpacked: contextlib.ExitStack) -> list[Named]:
    jobs: list[Named] = []
    for path in paths:
        if path.suffix == ".py":
            jobs.append(Named(path.as_posix(), _bot_job(path, asked), asked.of(path)))
            continue
        if asked.program_args is not None:
            raise ConfigError(f"--: what follows is for a program; {path.as_posix()} is none, a scenario has `program_args`")
        if asked.venue is not None:
            raise ConfigError(f"--venue {asked.venue}: goes with a bot file; {path.as_posix()} says itself which venues it has")
        if asked.tape is not None:
            raise ConfigError(f"--tape {asked.tape}: goes with a bot file; {path.as_posix()} says itself what it plays")
        if path.suffix == BUNDLE_SUFFIX and not path.is_dir():
            jobs.append(_bundle_job(path, asked, unpacked))
            continue
        jobs += [Named(each.as_posix(), _file_job(each, asked), asked.of(each)) for each in find_scenarios(path)]
    return jobs


def _bundle_job(path: Path, asked: Asked, unpacked: contextlib.ExitStack) -> Named:
    """What is in a bundle; where nothing of it is changed, its result is held against the one that was packed."""
    from papertape.scenario.bundle import unpack

    folder = unpacked.enter_context(tempfile.TemporaryDirectory(prefix="papertape-"))
    bundle = unpack(path, Path(folder).resolve())
    is_same = bundle.is_as_packed(seed=asked.seed, depth=asked.depth, faults=asked.faults)
    return Named(
        path.as_posix(),
        lambda: bundle.scenario(seed=asked.seed, depth=asked.depth, faults=asked.faults),
        asked.of(path),
        bundle.compared if is_same else (lambda result: result),
    )


def _bot_job(path: Path, asked: Asked) -> Load:
    told = asked._asdict() | {"venue": asked.venue or DEFAULT_VENUE, "seed": asked.seed or 0}
    return lambda: bot_scenario(path, **told)


def _file_job(path: Path, asked: Asked) -> Load:
    return lambda: load_scenario(path, seed=asked.seed, depth=asked.depth, faults=asked.faults)


def _journals(journal: Path | None, names: Sequence[str]) -> list[Path | None]:
    if journal is None:
        return [None for _ in names]
    if len(names) == 1 and not journal.is_dir():
        if not journal.parent.is_dir():
            raise ConfigError(f"--journal {journal.as_posix()}: there is no folder {journal.parent.as_posix()}")
        return [journal]
    if journal.is_file():
        raise ConfigError(f"--journal {journal.as_posix()}: is a file; {len(names)} scenarios need a folder")
    journal.mkdir(parents=True, exist_ok=True)
    return [journal / (name.replace("/", "-").removesuffix(".toml").removesuffix(".scenario") + ".jsonl") for name in names]
