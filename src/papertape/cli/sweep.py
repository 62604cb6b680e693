"""`papertape sweep` and `papertape shrink`: thousands of seeds in, failures out as small files."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from papertape.cli.pages import check_writable, write_file
from papertape.cli.progress import Tally
from papertape.model.errors import ConfigError
from papertape.model.notes import Mark
from papertape.model.units import SECOND, parse_duration
from papertape.reports.sweep import write as write_report
from papertape.scenario.crew import Crew
from papertape.scenario.keep import Kept, first_failures, keep
from papertape.scenario.make import SUFFIX
from papertape.scenario.seed_result import SeedResult, lines
from papertape.scenario.summary import MARKS_ONCE_ALL, as_json, summarize
from papertape.scenario.swarm import kinds_drawn, swarm
from papertape.scenario.sweep import Collector, bases_of, do_sweep, holes, jobs_of, merged, parse_shard, read_lines
from papertape.scenario.worker import Base, Job
from papertape.scenario.write import scenario_text
from papertape.session.opening import fetch
from papertape.session.result import ExitCode, Status
from papertape.session.spec import Depth

FOUND: Final = Path("found")
"""Where shrunk failures go if nobody says."""


def sweep(
    *paths: Path,
    seeds: int = 100,
    first: int = 0,
    workers: int | None = None,
    shard: str = "1/1",
    shrink: int = 3,
    at_least: int = 0,
    must_happen: list[str] | None = None,
    limit: str = "2m",
    depth: str = "",
    venue: str = "",
    tape: str = "",
    bot: str = "",
    out: Path | None = None,
    report: Path | None = None,
    json: bool = False,
) -> int:
    """Run many seeds of scenarios or bots, each with faults drawn at random beside its own, and shrink what fails.

    A seed says which kinds of fault there are, how many and when; the same seed is the same plan. Faults are over at three quarters of the
    run, or when the scenario heals. A fault that hits nothing is counted, not held against a seed. Ctrl-C ends with what is done.

    Parameters
    ----------
    paths
        Scenario files, folders of them, bots (files with `async def main(exchange)`), or a builtin tape such as builtin:btc-usd.
    seeds
        How many seeds of each.
    first
        The first of them.
    workers
        How many processes; as many as there are cores if left out. The results do not depend on it.
    shard
        i/n: only the i-th of n parts; `papertape sweep merge` puts the parts together.
    shrink
        How many failures, the first of each kind, are made as small as they get and written as scenarios; 0 for none.
    at_least
        How many faults of each kind that can be drawn must have hit something, over all seeds; otherwise the sweep proves nothing, exit 1.
    must_happen
        A mark that must be seen in some seed, such as reconciled_after_lost_reply, or "all"; may be given several times, and adds to what
        the scenarios say must happen.
    limit
        How long one seed may take, in real time.
    depth
        Instead of the scenarios' own: interface or wire.
    venue
        For a bot file or a builtin tape: which venue's rules and manners; coinbase if left out.
    tape
        For a bot file: the market, as `papertape run` takes it: a tape, builtin:NAME, or a TOML file with the keys of a feed.
    bot
        "module:Name", instead of the scenarios' own bot, or on a builtin tape; it gets the settings of one of the same make.
    out
        A folder for one JSON line a seed (seeds.jsonl), for all the counts of the report (coverage.json) and for shrunk scenarios; if left
        out, only the latter are written, to found/.
    report
        Write a page to this file: failures by what broke with links to the shrunk scenarios, and where each fault hit and never did.
    json
        One JSON line a seed on stdout instead of the report.
    """
    if not paths:
        raise ConfigError("sweep: what? Name a scenario file, a folder of them, or a bot.py; `papertape sweep --help` explains")
    _at_least("--seeds", seeds, 1), _at_least("--first", first, 0), _at_least("--shrink", shrink, 0)
    _at_least("--at-least", at_least, 0)
    if report is not None:
        check_writable(report, "--report")
    part = parse_shard(shard)
    bases = bases_of(paths, depth=depth, venue=venue, bot=bot, tape=tape)
    wanted, kinds = _check(bases, first)
    wanted = list(dict.fromkeys([*wanted, *_marks(must_happen or [])]))
    jobs = part.of(jobs_of(bases, first, seeds))
    name = "seeds.jsonl" if part.count == 1 else f"seeds-{part.number}of{part.count}.jsonl"
    size = _at_least("--workers", workers if workers is not None else os.cpu_count() or 1, 1)
    with _sink(out, name) as file, Crew(size, limit_s=_limit_s(limit)) as crew:
        tally = Tally("seeds")
        results, is_cut = do_sweep(jobs, crew, Collector(len(jobs), file, lambda done, all_, last: tally.show(done, all_, last.is_failure)))
        tally.end()
        kept: list[Kept] = []
        if not is_cut:
            kept, is_cut = _keep_first(results, jobs, crew, shrink, FOUND if out is None else out)
    whole = summarize(results, kinds)
    lacking = [] if is_cut or part.count > 1 else whole.shortfalls(at_least=at_least, must_happen=wanted)
    if out is not None:
        _write(out / name.replace("seeds", "coverage").replace(".jsonl", ".json"), as_json(whole))
    if json:
        sys.stdout.write(lines(results))
        for line in lacking:
            print(f"papertape: {line}", file=sys.stderr)
    else:
        write_report(results, sys.stdout, kinds=kinds, kept=kept, lacking=lacking)
    if report is not None:
        _page(report, results, kinds, kept, lacking)
    if is_cut:
        print(f"papertape: interrupted after {len(results)} of {len(jobs)} seeds", file=sys.stderr)
        return ExitCode.INTERRUPTED
    return _code(results, lacking)


def merge(*files: Path, at_least: int = 0, must_happen: list[str] | None = None, report: Path | None = None, json: bool = False) -> int:
    """Put the parts of a sweep together: the report, or the lines, that one run of all of it would have given.

    Seeds that are missing between those that are there prove nothing: exit 1.

    Parameters
    ----------
    files
        JSON lines that `papertape sweep --shard i/n --out DIR` or `--json` wrote.
    at_least
        As for `papertape sweep`, of the kinds that any part has drawn.
    must_happen
        As for `papertape sweep`; what the scenarios say is not known here.
    report
        As for `papertape sweep`; which failures were shrunk is not known here.
    json
        One JSON line a seed on stdout instead of the report.
    """
    if not files:
        raise ConfigError("sweep merge: which files? Name the JSON lines of the parts, such as found/seeds-*.jsonl")
    if report is not None:
        check_writable(report, "--report")
    results = merged([read_lines(path) for path in files], [path.as_posix() for path in files])
    lacking = summarize(results).shortfalls(at_least=_at_least("--at-least", at_least, 0), must_happen=_marks(must_happen or []))
    lacking = [*holes(results), *lacking]
    if json:
        sys.stdout.write(lines(results))
        for line in lacking:
            print(f"papertape: {line}", file=sys.stderr)
    else:
        write_report(results, sys.stdout, lacking=lacking)
    if report is not None:
        _page(report, results, (), (), lacking)
    return _code(results, lacking)


def shrink(file: Path, /, *, out: Path | None = None, seed: int | None = None, tries: int = 400, limit: str = "2m") -> int:
    """Make a failing scenario as small as it gets: fewer faults, then milder ones, then less of the tape.

    What is left breaks the same invariant, or fails with the same error. Prints the scenario, and the command that runs it.

    Parameters
    ----------
    file
        A scenario that fails.
    out
        Where to write what is left; beside the scenario, with -shrunk in its name, if left out.
    seed
        Shrink what a sweep of the file finds with this seed, instead of the file as it stands.
    tries
        How many runs it may take.
    limit
        How long one run may take, in real time.
    """
    _at_least("--tries", tries, 1)
    if file.suffix != ".toml":
        raise ConfigError(f"shrink: {file.as_posix()} is no scenario; expected a file whose name ends in {SUFFIX}")
    base = Base(file.as_posix())
    scenario = base.load() if seed is None else swarm(base.load(), seed)
    path = out or file.with_name(file.name.removesuffix(SUFFIX).removesuffix(".toml") + f"-shrunk{SUFFIX}")
    if path.is_dir():
        raise ConfigError(f"--out {path.as_posix()}: is a folder; expected a file")
    with Crew(1, limit_s=_limit_s(limit)) as crew:
        text, folder = scenario_text(scenario), scenario.folder.as_posix()
        target = crew.one(Job(base, scenario.seed, text, folder))
        if not target.is_failure or not target.broken:
            raise ConfigError(f"shrink: {file.as_posix()} {_verb(target.status)}; there is nothing to shrink")
        tally = Tally("runs")
        kept = keep(
            scenario,
            target,
            base=base,
            crew=crew,
            path=path,
            tries_max=tries,
            told=lambda done, best: tally.say(_so_far(done, best.faults)),
        )
        tally.end()
    sys.stdout.write(path.read_text(encoding="utf-8"))
    print(f"\n# {kept.failure}")
    if kept.caveat:
        print(f"# but {kept.caveat}")
    print(f"# {kept.faults[0]} faults became {kept.faults[1]} in {kept.tries} runs; again: {kept.repro}")
    return ExitCode.PASSED


def _page(path: Path, results: Sequence[SeedResult], kinds: Sequence[str], kept: Sequence[Kept], lacking: Sequence[str]) -> None:
    from papertape.reports.html.swept import page

    write_file(path, page(results, kinds=kinds, kept=kept, lacking=lacking, beside=path.parent))


def _check(bases: Sequence[Base], first: int) -> tuple[list[str], list[str]]:
    """Raise now what every seed would; the marks that must happen in some seed, and the kinds of fault that can be drawn."""
    wanted: list[str] = []
    kinds: list[str] = []
    for base in bases:
        scenario = base.load()
        fetch(scenario, lambda text: print(f"papertape: {text}", file=sys.stderr))
        swarm(scenario, first)
        wanted += scenario.expect.must_happen
        kinds += kinds_drawn(is_wire=scenario.depth is Depth.WIRE)
    return list(dict.fromkeys(wanted)), list(dict.fromkeys(kinds))


def _marks(names: Sequence[str]) -> list[str]:
    known = [str(mark) for mark in Mark]
    for name in names:
        if name != "all" and name not in known:
            raise ConfigError(f"--must-happen {name}: no mark is called that; expected all, or one of {', '.join(known)}")
    return [*MARKS_ONCE_ALL] if "all" in names else list(names)


def _keep_first(results: list[SeedResult], jobs: Sequence[Job], crew: Crew, most: int, folder: Path) -> tuple[list[Kept], bool]:
    """The first failures as files, and whether it was interrupted before all of them were."""
    bases = {job.base.path: job.base for job in jobs}
    kept: list[Kept] = []
    tally = Tally("runs")
    try:
        for result in first_failures(results, most):
            base = bases[result.scenario]
            scenario = swarm(base.load(), result.seed)
            what = f"shrinking seed {result.seed} of {result.scenario} ({result.broken[0]})"
            kept.append(
                keep(
                    scenario, result, base=base, crew=crew, folder=folder,
                    told=lambda done, best, what=what: tally.say(f"{what}: {_so_far(done, best.faults)}"),  # type: ignore[misc]  # bound at once
                )
            )  # fmt: skip
    except KeyboardInterrupt:
        return kept, True
    finally:
        tally.end()
    return kept, False


def _so_far(done: int, faults: Sequence[object]) -> str:
    return f"{done} runs, {len(faults)} faults left"


def _code(results: Sequence[SeedResult], lacking: Sequence[str]) -> int:
    proved_nothing = bool(lacking) or all(result.status is Status.VACUOUS for result in results)
    return max([result.exit_code for result in results] + [int(ExitCode.FAILED) if proved_nothing else 0])


def _at_least(option: str, value: int, least: int) -> int:
    if value < least:
        raise ConfigError(f"{option} {value}: expected {least} or more")
    return value


def _limit_s(text: str) -> float:
    try:
        limit_ns = parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"--limit {text}: {error}") from None
    return _at_least("--limit", limit_ns, 1) / SECOND


def _verb(status: Status) -> str:
    return "passes" if status is Status.PASSED else f"is {status}"


@contextlib.contextmanager
def _sink(out: Path | None, name: str) -> Iterator[IO[str] | None]:
    if out is None:
        yield None
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = (out / name).open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {out.as_posix()}: cannot be written: {error.strerror}") from None
    with file:
        yield file


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {path.as_posix()}: cannot be written: {error.strerror}") from None
