"""From a failure to a file: shrink it, give it its story for a title, write it, and see that the file fails as it did."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from papertape.model.errors import ConfigError
from papertape.scenario.crew import Crew
from papertape.scenario.make import SUFFIX
from papertape.scenario.seed_result import TOOK_TOO_LONG, SeedResult
from papertape.scenario.shrink import TRIES_MAX, Shrinker, story_of
from papertape.scenario.worker import Base, Job
from papertape.scenario.write import scenario_text
from papertape.session.spec import Scenario


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A failure that is a file now.

    Attributes:
        path: the scenario's file.
        broken: what breaks in it, as in `RunResult`.
        failure: the first sentence about it.
        faults: how many it had before, and how many it has.
        tries: how many scenarios were run to get there.
        caveat: why the file may not show what the seed showed; empty where it does.
    """

    path: Path
    broken: str
    failure: str
    faults: tuple[int, int]
    tries: int
    caveat: str = ""

    @property
    def repro(self) -> str:
        return f"papertape run {self.path.as_posix()}"


def first_failures(results: list[SeedResult], most: int) -> list[SeedResult]:
    """The first failure of each kind, at most so many; not those that took too long, which would again."""
    found: dict[tuple[str, str], SeedResult] = {}
    for result in results:
        if result.is_failure and result.broken and result.broken[0] != TOOK_TOO_LONG:
            found.setdefault((result.scenario, result.broken[0]), result)
    return list(found.values())[:most]


def keep(
    scenario: Scenario,
    target: SeedResult,
    *,
    base: Base,
    crew: Crew,
    path: Path | None = None,
    folder: Path | None = None,
    tries_max: int = TRIES_MAX,
    told: Callable[[int, Scenario], None] | None = None,
) -> Kept:
    """Shrink `scenario` while it fails like `target`, and write it to `path`, or under its story's name into `folder`."""

    def fails(candidate: Scenario) -> bool:
        result = crew.one(_job(base, candidate, candidate.folder))
        if told is not None:
            told(shrinker.tries, shrinker.best)
        return result.fails_like(target)

    shrinker = Shrinker(scenario, fails, tries_max=tries_max)
    small = shrinker.shrink()
    broken = target.broken[0]
    small = msgspec.structs.replace(small, title=story_of(small, broken, Path(base.path).name, target.seed))
    if path is None:
        path = (folder or Path()) / (_slug(Path(base.path).name.removesuffix(SUFFIX), broken, str(target.seed)) + SUFFIX)
    first, second = (crew.one(_job(base, small, path.parent)) for _ in range(2))
    _write(path, scenario_text(small, path.parent))
    return Kept(
        path=path,
        broken=broken,
        failure=first.failures[0] if first.failures else target.failures[0],
        faults=(len(scenario.faults), len(small.faults)),
        tries=shrinker.tries,
        caveat=_caveat(target, first, second),
    )


def _caveat(target: SeedResult, first: SeedResult, second: SeedResult) -> str:
    if first.digest != second.digest:
        return "two runs of the file differ; `papertape run --check-determinism` shows where"
    if not first.fails_like(target):
        return f"the file is {first.status} where the seed was {target.status}"
    return ""


def _job(base: Base, scenario: Scenario, folder: Path) -> Job:
    return Job(base, scenario.seed, scenario_text(scenario, folder), folder.as_posix())


def _slug(*words: str) -> str:
    return "-".join(re.sub(r"[^A-Za-z0-9_]+", "_", word).strip("_") for word in words)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path.as_posix()}: cannot be written: {error.strerror}") from None
