"""What came of one seed of a sweep: plain data, one JSON line, the same whoever ran it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from papertape.session.result import ExitCode, RunResult, Status
from papertape.session.spec import Scenario

DIED = "a worker died"
TOOK_TOO_LONG = "took too long"


class Hits(msgspec.Struct, frozen=True):
    """How often one drawn fault hit something."""

    kind: str
    fired: int


class Cell(msgspec.Struct, frozen=True):
    """How often a kind of fault hit while the order and the lanes were in a state; see `session.coverage`."""

    kind: str
    order: str
    lanes: str
    count: int


class SeedResult(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a sweep. It holds no wall-clock time, so that two sweeps can be compared byte by byte.

    Attributes:
        scenario: the base, as the user named it.
        failures: as in `RunResult`.
        broken: what kinds of failure; as in `RunResult`.
        not_judged: names of invariants that nobody could judge.
        faults: of the base and of the plan, in their order.
        repro: the command that runs this seed again.
        exit_code: what `sweep` returns for it; 0 where nothing was judged, since that is counted instead.
    """

    scenario: str
    seed: int
    status: Status
    failures: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    not_judged: tuple[str, ...] = ()
    faults: tuple[Hits, ...] = ()
    marks: dict[str, int] = {}
    cells: tuple[Cell, ...] = ()
    digest: str = ""
    events: int = 0
    orders: int = 0
    fills: int = 0
    repro: str = ""
    exit_code: int = 0

    @property
    def is_failure(self) -> bool:
        """Something went wrong; that nothing was judged is no failure of a seed."""
        return self.status not in (Status.PASSED, Status.VACUOUS)

    def fails_like(self, other: SeedResult) -> bool:
        """Whether the first thing that broke in `other` broke here too."""
        return self.is_failure and self.status is other.status and other.broken[:1] != () and other.broken[0] in self.broken


def of_run(result: RunResult, scenario: Scenario, cells: dict[tuple[str, str, str], int], name: str, repro: str) -> SeedResult:
    """The line for a run."""
    return SeedResult(
        scenario=name,
        seed=scenario.seed,
        status=result.status,
        failures=result.failures,
        broken=result.broken,
        not_judged=tuple(dict.fromkeys(each.partition(" ")[0] for each in result.not_judged)),
        faults=tuple(Hits(fault.kind, fault.fired) for fault in result.faults),
        marks=result.marks,
        cells=tuple(Cell(*cell, count) for cell, count in sorted(cells.items())),
        digest=result.digest,
        events=result.events,
        orders=result.orders,
        fills=result.fills,
        repro=repro,
        exit_code=0 if result.status is Status.VACUOUS else int(result.exit_code),
    )


def of_error(name: str, seed: int, broken: str, failure: str, repro: str, exit_code: ExitCode = ExitCode.INTERNAL) -> SeedResult:
    """The line for a seed that has no result of its own."""
    return SeedResult(
        scenario=name, seed=seed, status=Status.ERROR, failures=(failure,), broken=(broken,), repro=repro, exit_code=int(exit_code)
    )


def lines(results: Sequence[SeedResult]) -> str:
    """JSON lines."""
    return "".join(msgspec.json.encode(result).decode() + "\n" for result in results)
