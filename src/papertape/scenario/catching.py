"""Whether canaries are caught: bots with a known bug each, in the very swarm that a healthy bot passes.

A seed counts only where the healthy bot passes it, and where what breaks in the canary's run is what its bug is about: a canary that fails
because everything does has not been caught.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from papertape.bots.canaries import CANARIES, bot_of
from papertape.scenario.crew import Crew
from papertape.scenario.seed_result import SeedResult
from papertape.scenario.worker import Base, Job
from papertape.session.result import Status

HEALTHY: Final = "papertape.bots:MarketMaker"
"""What every canary is, but for its bug."""

WAVE: Final = 10
"""Seeds that are run before anybody looks whether more are needed."""


class Hunt(msgspec.Struct, kw_only=True):
    """What a swarm did to one canary.

    Attributes:
        caught_by: what may name its bug; the first is what is about it.
        tried: seeds it was run with and that the healthy bot passed.
        caught: those of them that caught it.
        first: the first seed that caught it, and what that seed says; None if none did.
        broken: in how many of the tried seeds each kind of failure broke, whatever it was.
    """

    canary: str
    caught_by: tuple[str, ...]
    tried: int = 0
    caught: int = 0
    first: SeedResult | None = None
    broken: dict[str, int] = {}

    def take(self, result: SeedResult) -> None:
        """One more seed that the healthy bot passed."""
        self.tried += 1
        for kind in result.broken:
            self.broken[kind] = self.broken.get(kind, 0) + 1
        if is_caught(result, self.caught_by):
            self.caught += 1
            self.first = self.first or result


def is_caught(result: SeedResult, caught_by: Sequence[str]) -> bool:
    """Whether a run failed, and by something that names the canary's bug; one that proved nothing, or broke down, caught nothing."""
    return result.status is Status.FAILED and any(kind in caught_by for kind in result.broken)


def hunt(
    base: Base,
    names: Sequence[str],
    seeds: range,
    crew: Crew,
    *,
    is_thorough: bool = False,
    told: Callable[[int, int], None] = lambda done, found: None,
) -> tuple[list[Hunt], list[SeedResult]]:
    """Run each canary in the swarm over `base` until it is caught, or with all `seeds`.

    The outcome does not depend on how many processes there are.

    Args:
        base: whose bot is replaced; the healthy market maker is run as well.
        is_thorough: go on to the last seed with all of them, for the rates.
        told: called with (runs done, canaries caught) as they come.

    Returns:
        What became of each canary, and the seeds that the healthy bot did not pass.
    """
    hunts = [Hunt(canary=name, caught_by=CANARIES[name].caught_by) for name in names]
    ill: list[SeedResult] = []
    done = 0

    def count(index: int, result: SeedResult) -> None:
        nonlocal done
        done += 1
        results[index] = result
        told(done, sum(each.first is not None for each in hunts))

    for start in range(seeds.start, seeds.stop, WAVE):
        wanted = [each for each in hunts if is_thorough or each.first is None]
        if not wanted:
            break
        wave = range(start, min(start + WAVE, seeds.stop))
        bots = [HEALTHY, *(bot_of(each.canary) for each in wanted)]
        jobs = [Job(msgspec.structs.replace(base, bot=bot), seed) for bot in bots for seed in wave]
        results: dict[int, SeedResult] = {}
        crew.do(jobs, count)
        healthy = [results[place] for place in range(len(wave))]
        ill += [result for result in healthy if result.status is not Status.PASSED]
        for place, each in enumerate(wanted, start=1):
            for offset, well in enumerate(healthy):
                if well.status is Status.PASSED and (is_thorough or each.first is None):
                    each.take(results[place * len(wave) + offset])
    return hunts, ill
