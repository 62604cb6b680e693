"""What a sweep found, as tables: verdicts, what broke, which faults hit where, what was seen; and the files with what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Final

from papertape.reports.table import PLAIN_WIDTH
from papertape.scenario.keep import Kept
from papertape.scenario.seed_result import SeedResult
from papertape.session.coverage import LANE_WORDS, LANES_UP
from papertape.session.result import Status

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

LANES: Final = (LANES_UP, *reversed(LANE_WORDS.values()))

SEEDS_SHOWN: Final = 8


def write(results: Sequence[SeedResult], file: IO[str], *, kept: Sequence[Kept] = (), unseen: Sequence[str] = ()) -> None:
    """Write the report to `file`.

    Args:
        kept: the failures that are files now.
        unseen: marks that had to happen somewhere and did not.
    """
    from rich.console import Console

    console = Console(file=file, width=None if file.isatty() else PLAIN_WIDTH, highlight=False, markup=False, emoji=False)
    for table in (_verdicts(results), _faults(results), _cells(results), _marks(results), _broken(results)):
        if table.row_count:
            console.print(table)
    for each in kept:
        _tell(each, console)
    for mark in unseen:
        console.print(f'"{mark}" had to happen in some seed and did in none', soft_wrap=True)
    console.print(summary(results))


def summary(results: Sequence[SeedResult]) -> str:
    """How many of each verdict.

    >>> summary([SeedResult(scenario="a", seed=0, status=Status.PASSED)])
    '1 seed: 1 passed'
    """
    counts = [(status, sum(result.status is status for result in results)) for status in Status]
    words = ", ".join(f"{count} {status}" for status, count in counts if count) or "nothing ran"
    return f"{len(results):,} seed{'' if len(results) == 1 else 's'}: {words}"


def _verdicts(results: Sequence[SeedResult]) -> Table:
    table = _table("scenario", "seeds", *map(str, Status), "events", "orders", "fills")
    for name in dict.fromkeys(result.scenario for result in results):
        own = [result for result in results if result.scenario == name]
        counts = [sum(result.status is status for result in own) for status in Status]
        sums = [sum(getattr(result, what) for result in own) for what in ("events", "orders", "fills")]
        table.add_row(name, *(f"{count:,}" for count in (len(own), *counts, *sums)))
    return table


def _broken(results: Sequence[SeedResult]) -> Table:
    table = _table("what broke", "seeds", "which", "the first of them")
    table.columns[2].justify = table.columns[3].justify = "left"
    table.columns[3].no_wrap = False
    failures = [result for result in results if result.is_failure]
    for kind in dict.fromkeys(kind for result in failures for kind in result.broken):
        own = [result for result in failures if kind in result.broken]
        more = ", …" if len(own) > SEEDS_SHOWN else ""
        seeds = ", ".join(str(result.seed) for result in own[:SEEDS_SHOWN]) + more
        table.add_row(kind, f"{len(own):,}", seeds, own[0].failures[0] if own[0].failures else "")
    return table


def _faults(results: Sequence[SeedResult]) -> Table:
    table = _table("fault", "seeds drawn", "seeds hit", "drawn", "hit something", "hits")
    for kind in dict.fromkeys(sorted(fault.kind for result in results for fault in result.faults)):
        own = [[fault for fault in result.faults if fault.kind == kind] for result in results]
        faults = [fault for each in own for fault in each]
        numbers = (
            sum(bool(each) for each in own), sum(any(fault.fired for fault in each) for each in own), len(faults),
            sum(bool(fault.fired) for fault in faults), sum(fault.fired for fault in faults),
        )  # fmt: skip
        table.add_row(kind, *(f"{number:,}" for number in numbers))
    return table


def _cells(results: Sequence[SeedResult]) -> Table:
    table = _table("fault begins or hits", "while", *LANES)
    table.columns[1].justify = "left"
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for result in results:
        for cell in result.cells:
            row = counts.setdefault((cell.kind, cell.order), {})
            row[cell.lanes] = row.get(cell.lanes, 0) + cell.count
    for (kind, order), row in sorted(counts.items()):
        table.add_row(kind, order, *(f"{row[lanes]:,}" if lanes in row else "-" for lanes in LANES))
    return table


def _marks(results: Sequence[SeedResult]) -> Table:
    table = _table("seen", "seeds", "times")
    for mark in dict.fromkeys(sorted(mark for result in results for mark in result.marks)):
        counts = [result.marks[mark] for result in results if mark in result.marks]
        table.add_row(mark, f"{len(counts):,}", f"{sum(counts):,}")
    return table


def _table(*names: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=False)
    for place, name in enumerate(names):
        table.add_column(name, justify="right" if place else "left", no_wrap=True, overflow="fold")
    return table


def _tell(kept: Kept, console: Console) -> None:
    before, after = kept.faults
    console.print(f"{kept.broken}: shrunk from {before} faults to {after} in {kept.tries} runs")
    console.print(f"  {kept.failure}", soft_wrap=True)
    if kept.doubt:
        console.print(f"  but {kept.doubt}", soft_wrap=True)
    console.print(f"  again: {kept.repro}", soft_wrap=True)
