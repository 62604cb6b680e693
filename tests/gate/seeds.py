"""The gate's seeds: which bots, how many of each, and what has to be seen somewhere among them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

from papertape.scenario.seed_result import SeedResult
from papertape.scenario.summary import MARKS_ONCE_ALL
from papertape.scenario.worker import Base, Job, Runner

HERE: Final = Path(__file__).parent

BASES: Final = {name: Base(os.path.relpath(HERE / f"{name}.toml")) for name in ("market_maker", "twap", "momentum_taker", "wire")}

FIRST: Final = 1

SEEDS: Final = {"market_maker": 80, "twap": 60, "momentum_taker": 50, "wire": 10}
"""Two hundred in all."""

PIECE: Final = 10
"""Seeds in one test, so that several processes can share the work."""

PIECES: Final = [(name, start) for name, seeds in SEEDS.items() for start in range(FIRST, FIRST + seeds, PIECE)]

MUST_HAPPEN: Final = MARKS_ONCE_ALL


def results_of(name: str, seeds: range) -> Iterator[SeedResult]:
    """Run seeds of one base in this process."""
    runner = Runner()
    for seed in seeds:
        yield runner.run(Job(BASES[name], seed))


def complaint(result: SeedResult) -> str:
    """What broke, and the one command that shows it again."""
    return f"seed {result.seed} of {result.scenario} {result.status}: {'; '.join(result.failures)}\nagain: {result.repro}"


class Ledger:
    """What every piece of the gate found, kept where all processes of a test run see it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    @classmethod
    def of(cls, factory: pytest.TempPathFactory) -> Ledger:
        """The one of this test run, whichever process asks."""
        base = factory.getbasetemp()
        return cls((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "gate")

    def note(self, name: str, start: int, results: list[SeedResult]) -> None:
        """What one piece found."""
        path = self._folder / f"{name}-{start}"
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(msgspec.json.encode(results))
        part.rename(path)  # at once, so that nobody reads half of it

    def all(self) -> list[SeedResult] | None:
        """Everything, once all pieces are there."""
        paths = [self._folder / f"{name}-{start}" for name, start in PIECES]
        if not all(path.exists() for path in paths):
            return None
        return [result for path in paths for result in msgspec.json.decode(path.read_bytes(), type=list[SeedResult])]
