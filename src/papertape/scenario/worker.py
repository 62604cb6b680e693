"""One process of a sweep: a job a line on stdin, a result a line on what was stdout. `python -m papertape.scenario.worker`.

What a bot prints goes to stderr, and it finds nothing on its stdin. Tapes are read once and kept.
"""

from __future__ import annotations

import os
import shlex
import tomllib
from pathlib import Path
from typing import Final

import msgspec

from papertape.model.errors import ConfigError, TapeError
from papertape.scenario.load import load_scenario
from papertape.scenario.make import make_scenario
from papertape.scenario.quick import DEFAULT_VENUE, bot_scenario, market_scenario, with_bot
from papertape.scenario.seed_result import SeedResult, of_error, of_run
from papertape.scenario.shelves import BUILTIN
from papertape.scenario.swarm import span_of, swarm
from papertape.session.coverage import Coverage
from papertape.session.result import ExitCode
from papertape.session.run import run_scenario
from papertape.session.spec import Scenario
from papertape.session.world import KeptRows

READY: Final = b"ready\n"


class Base(msgspec.Struct, frozen=True):
    """What a sweep varies: a scenario file, a bot's file with a venue, or a builtin tape with both.

    Attributes:
        depth, venue: empty means what the file says, or the default.
        bot: "module:Name" instead of the file's; needed where there is only a tape.
        tape: what a bot's file plays, as `quick.bot_scenario` takes it; empty means the builtin market.
    """

    path: str
    depth: str = ""
    venue: str = ""
    bot: str = ""
    tape: str = ""

    def load(self) -> Scenario:
        """The scenario, with its own seed and faults."""
        path = Path(self.path)
        if self.path.startswith(BUILTIN):
            return market_scenario(self.path, self.bot, venue=self.venue or DEFAULT_VENUE, depth=self.depth or None)
        if path.suffix == ".py":
            return bot_scenario(path, venue=self.venue or DEFAULT_VENUE, tape=self.tape or None, depth=self.depth or None)
        scenario = load_scenario(path, depth=self.depth or None)
        return with_bot(scenario, self.bot) if self.bot else scenario

    def repro(self, seed: int) -> str:
        words = ["papertape", "sweep", self.path]
        for option in ("bot", "venue", "tape", "depth"):
            value = getattr(self, option)
            words += [f"--{option}", value] if value else []
        return shlex.join([*words, "--seeds", "1", "--first", str(seed)])


class Job(msgspec.Struct, frozen=True):
    """A seed of a base; or, where `text` is given, a scenario as it stands there, in the folder of the base."""

    base: Base
    seed: int
    text: str = ""
    folder: str = ""


class Runner:
    """Does jobs one after another, and keeps what they have in common."""

    def __init__(self) -> None:
        self._bases: dict[Base, tuple[Scenario, int]] = {}
        self._kept = KeptRows()

    def run(self, job: Job) -> SeedResult:
        """The result of one job, whatever happens."""
        repro = job.base.repro(job.seed)
        try:
            scenario = self._scenario(job)
            coverage = Coverage()
            result = run_scenario(scenario, listen=coverage, kept=self._kept)
            return of_run(result, scenario, coverage.cells, job.base.path, repro)
        except (ConfigError, TapeError) as error:
            code = ExitCode.CONFIG if isinstance(error, ConfigError) else ExitCode.DATA
            return of_error(job.base.path, job.seed, type(error).__name__, str(error), repro, code)
        except Exception as error:
            kind = type(error).__name__
            return of_error(job.base.path, job.seed, kind, f"an error of papertape's own, {kind}: {error}", repro)

    def _scenario(self, job: Job) -> Scenario:
        if job.text:
            return make_scenario(tomllib.loads(job.text), source=job.base.path, folder=Path(job.folder))
        if job.base not in self._bases:
            base = job.base.load()
            self._bases[job.base] = (base, span_of(base))
        base, span_ns = self._bases[job.base]
        return swarm(base, job.seed, span_ns)


def main() -> None:
    """Work until stdin ends."""
    with os.fdopen(os.dup(0), "rb") as jobs, os.fdopen(os.dup(1), "wb") as results:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        results.write(READY)
        results.flush()
        runner = Runner()
        for line in jobs:
            results.write(msgspec.json.encode(runner.run(msgspec.json.decode(line, type=Job))) + b"\n")
            results.flush()


if __name__ == "__main__":
    main()
