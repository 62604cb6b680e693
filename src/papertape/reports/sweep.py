"""What a sweep found, as tables: verdicts, what broke, which faults hit where, what was seen, what never was; and the files with what
was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Final

from papertape.reports.table import PLAIN_WIDTH
from papertape.scenario.keep import Kept
from papertape.scenario.seed_result import SeedResult
from papertape.scenario.summary import LANES, MARKET_STATES, ORDER_STATES, Summary, summarize
from papertape.session.result import Status

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SEEDS_SHOWN: Final = 8

LEGEND: Final = f"(each: while {', '.join(LANES)}; - is never)"


def write(
    results: Sequence[SeedResult],
    file: IO[str],
    *,
    kinds: Sequence[str] = (),
    kept: Sequence[Kept] = (),
    lacking: Sequence[str] = (),
) -> None:
    """Write the report to `file`.

    Args:
        kinds: faults that could have been drawn; those that were not are told of as well.
        kept: the failures that are files now.
        lacking: what is missing for the sweep to prove something, a sentence each.
    """
    from rich.console import Console

    whole = summarize(results, kinds)
    console = Console(file=file, width=None if file.isatty() else PLAIN_WIDTH, highlight=False, markup=False, emoji=False)
    for table in (_verdicts(results), _faults(whole), *_cells(whole), _marks(whole), _hollow(whole), _not_judged(whole), _broken(results)):
        if table.row_count:
            console.print(table)
    for line in never(whole):
        console.print(line, soft_wrap=True)
    for each in kept:
        _tell(each, console)
    for line in lacking:
        console.print(line, soft_wrap=True)
    console.print(summary(results))


def never(whole: Summary) -> list[str]:
    """What could have been and never was, a line each; nothing where there were no seeds."""
    if not whole.judged_seeds:
        return []
    found = [f"never hit anything: {', '.join(whole.never_hit())}"] if whole.never_hit() else []
    found += [f"judged in no seed: {', '.join(whole.never_judged())}"] if whole.never_judged() else []
    by_state: dict[str, list[str]] = {}
    for kind, states in whole.never_exercised().items():
        for state in states:
            by_state.setdefault(state, []).append(kind)
    return found + [f'never hit while "{state}": {", ".join(kinds)}' for state, kinds in sorted(by_state.items())]


def summary(results: Sequence[SeedResult]) -> str:
    """How many of each verdict.

    >>> summary([SeedResult(scenario="a", seed=0, status=Status.PASSED)])
    '1 seed: 1 passed'
    """
    counts = [(status, sum(result.status is status for result in results)) for status in Status]
    words = ", ".join(f"{count} {status}" for status, count in counts if count) or "nothing ran"
    return f"{len(results):,} seed{'' if len(results) == 1 else 's'}: {words}"


def brief(count: int) -> str:
    """A count in at most four characters.

    >>> [brief(count) for count in (0, 7, 9_999, 10_000, 123_456, 7_654_321)]
    ['-', '7', '9999', '10k', '123k', '7M']
    """
    if count < 10_000:
        return str(count or "-")
    return f"{count // 1000}k" if count < 1_000_000 else f"{count // 1_000_000}M"


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


def _faults(whole: Summary) -> Table:
    table = _table("fault", "seeds drawn", "seeds hit", "drawn", "hit something", "hits")
    for kind, count in whole.faults.items():
        table.add_row(kind, *(f"{number:,}" for number in (count.seeds_drawn, count.seeds_hit, count.drawn, count.hit, count.hits)))
    return table


def _cells(whole: Summary) -> list[Table]:
    """A row a fault: on a request, by where its order stood; otherwise by whether orders were open. In each the lanes' states."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for kind, order, lanes, count in whole.cells:
        row = counts.setdefault((kind, order), {})
        row[lanes] = row.get(lanes, 0) + count
    others = tuple(dict.fromkeys(order for _, order, _, _ in whole.cells if order not in ORDER_STATES + MARKET_STATES))
    tables = []
    for head, states in (("fault on a request, its order", ORDER_STATES + others), ("fault begins or hits", MARKET_STATES)):
        table = _table(head, *states)
        for kind in sorted({kind for kind, order in counts if order in states}):
            cells = [" ".join(brief(counts.get((kind, state), {}).get(lanes, 0)).rjust(4) for lanes in LANES) for state in states]
            table.add_row(kind, *cells)
        if table.row_count:
            table.caption, table.caption_justify = LEGEND, "left"
        tables.append(table)
    return tables


def _marks(whole: Summary) -> Table:
    table = _table("seen", "seeds", "times")
    for mark, (seeds, times) in sorted(whole.marks.items()) if whole.judged_seeds else ():
        table.add_row(mark, f"{seeds:,}", f"{times:,}")
    return table


def _hollow(whole: Summary) -> Table:
    table = _table("why seeds proved nothing", "seeds", "the first")
    table.columns[0].no_wrap = False
    for reason in whole.hollow.values():
        table.add_row(reason.words, f"{reason.seeds:,}", str(reason.first))
    return table


def _not_judged(whole: Summary) -> Table:
    table = _table("invariant", "judged in seeds", "not judged in")
    for name, seeds in whole.not_judged.items():
        if seeds:
            table.add_row(name, f"{whole.judged_seeds - seeds:,}", f"{seeds:,}")
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
    if kept.caveat:
        console.print(f"  but {kept.caveat}", soft_wrap=True)
    console.print(f"  again: {kept.repro}", soft_wrap=True)
    console.print(f"  to hand it on: papertape bundle {kept.path.as_posix()}", soft_wrap=True)
