"""Sweeps: many seeds of some scenarios, in an order that depends on nothing but what was asked for.

A shard is every n-th of the jobs; the shards' lines, merged, are those of one run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final

import msgspec

from papertape.model.errors import ConfigError
from papertape.scenario.crew import Crew
from papertape.scenario.load import find_scenarios
from papertape.scenario.seed_result import SeedResult, lines
from papertape.scenario.shelves import BUILTIN
from papertape.scenario.worker import Base, Job

SHARD_NUMBER: Final = re.compile("[0-9]{1,6}")


class Shard(msgspec.Struct, frozen=True):
    """The `number`-th of `count` parts of a sweep, counted from 1.

    >>> parse_shard("2/3").of([0, 1, 2, 3, 4, 5, 6])
    [1, 4]
    """

    number: int = 1
    count: int = 1

    def of(self, jobs: Sequence[Job]) -> list[Job]:
        return list(jobs[self.number - 1 :: self.count])


def parse_shard(text: str) -> Shard:
    """The shard that "i/n" names.

    Raises:
        ConfigError: it names none.
    """
    number, slash, count = text.partition("/")
    if not (slash and SHARD_NUMBER.fullmatch(number) and SHARD_NUMBER.fullmatch(count) and 1 <= int(number) <= int(count)):
        raise ConfigError(f"--shard {text}: expected i/n with i from 1 to n, such as 2/4 for the second of four parts; n is at most 999999")
    return Shard(int(number), int(count))


def bases_of(paths: Sequence[Path], *, depth: str = "", venue: str = "", bot: str = "", tape: str = "") -> list[Base]:
    """What a sweep of these paths varies: scenario files, those in folders, bots' files, and builtin tapes.

    Raises:
        ConfigError: there is nothing, `venue`, `bot` or `tape` is given where the file says it, or `bot` is not where nothing does.
    """
    bases: list[Base] = []
    for path in paths:
        is_tape = path.as_posix().startswith(BUILTIN)
        if path.suffix != ".py" and venue and not is_tape:
            raise ConfigError(f"--venue {venue}: goes with a bot file; {path.as_posix()} says itself which venues it has")
        if path.suffix != ".py" and tape:
            raise ConfigError(f"--tape {tape}: goes with a bot file; {path.as_posix()} says itself what it plays")
        if path.suffix == ".py" and bot:
            raise ConfigError(f"--bot {bot}: goes with a scenario or a builtin tape; {path.as_posix()} is a bot itself")
        if is_tape and not bot:
            raise ConfigError(f"{path.as_posix()}: which bot? Name one, such as --bot papertape.bots:MarketMaker; `papertape list bots`")
        found = [path] if path.suffix == ".py" or is_tape else find_scenarios(path)
        bases += [Base(each.as_posix(), depth, venue, bot, tape) for each in found]
    return sorted(set(bases), key=lambda base: base.path)


def jobs_of(bases: Sequence[Base], first: int, seeds: int) -> list[Job]:
    """All seeds of the first base, then of the next."""
    return [Job(base, seed) for base in bases for seed in range(first, first + seeds)]


class Collector:
    """Takes results as they come and has them in the order of the jobs; what is complete up to there is written at once."""

    def __init__(self, total: int, file: IO[str] | None = None, told: Callable[[int, int, SeedResult], None] | None = None) -> None:
        self._total = total
        self._file = file
        self._told = told
        self._results: dict[int, SeedResult] = {}
        self._written = 0

    def take(self, index: int, result: SeedResult) -> None:
        self._results[index] = result
        while self._written in self._results:
            self._write(self._results[self._written])
            self._written += 1
        if self._told is not None:
            self._told(len(self._results), self._total, result)

    def finish(self) -> list[SeedResult]:
        """All that there is, in order; whatever an interrupt has left behind a hole is written too."""
        order = sorted(self._results)
        for index in order:
            if index >= self._written:
                self._write(self._results[index])
        self._written = self._total
        return [self._results[index] for index in order]

    def _write(self, result: SeedResult) -> None:
        if self._file is not None:
            self._file.write(lines([result]))
            self._file.flush()


def do_sweep(jobs: Sequence[Job], crew: Crew, collector: Collector) -> tuple[list[SeedResult], bool]:
    """The results in the order of the jobs, and whether it was interrupted before it was through."""
    try:
        crew.do(jobs, collector.take)
    except KeyboardInterrupt:
        return collector.finish(), True
    return collector.finish(), False


def read_lines(path: Path) -> list[SeedResult]:
    """The results in a file of JSON lines.

    Raises:
        ConfigError: there is no such file, or a line is no result.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path.as_posix()}: cannot be read: {error.strerror}") from None
    results = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            results.append(msgspec.json.decode(line, type=SeedResult))
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise ConfigError(f"{path.as_posix()}:{number}: is no line of a sweep: {error}") from None
    return results


def merged(parts: Sequence[Sequence[SeedResult]], names: Sequence[str]) -> list[SeedResult]:
    """Shards as one sweep: by scenario and seed, as one run has them.

    Raises:
        ConfigError: a seed is in two parts and not with one result.
    """
    found: dict[tuple[str, int], tuple[SeedResult, str]] = {}
    for part, name in zip(parts, names, strict=True):
        for result in part:
            key = (result.scenario, result.seed)
            if key in found and found[key][0] != result:
                raise ConfigError(
                    f"{name}: seed {result.seed} of {result.scenario} is in {found[key][1]} as well, with another result; "
                    "parts of one sweep are made by one version of papertape, on one tape"
                )
            found.setdefault(key, (result, name))
    return [found[key][0] for key in sorted(found)]


def holes(results: Sequence[SeedResult]) -> list[str]:
    """What is missing between the first and the last seed of each scenario, a sentence each."""
    seeds: dict[str, list[int]] = {}
    for result in results:
        seeds.setdefault(result.scenario, []).append(result.seed)
    found = []
    for scenario, there in seeds.items():
        lost = max(there) - min(there) + 1 - len(there)
        if lost:
            found.append(
                f"{scenario}: {lost:,} of its seeds from {min(there)} to {max(there)} are in none of the parts; is a file missing?"
            )
    return found
