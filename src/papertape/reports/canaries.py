"""What became of the canaries, as a table, and what caught them, as another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from papertape.reports.table import PLAIN_WIDTH
from papertape.scenario.catching import Hunt
from papertape.scenario.seed_result import SeedResult


def write(hunts: Sequence[Hunt], ill: Sequence[SeedResult], file: IO[str]) -> None:
    """Write the report to `file`.

    Args:
        ill: the seeds that the healthy bot did not pass; nothing was tried with them.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(file=file, width=None if file.isatty() else PLAIN_WIDTH, highlight=False, markup=False, emoji=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=False)
    for name in ("canary", "caught", "first by seed", "named", "also broke"):
        table.add_column(name, justify="left", no_wrap=name != "also broke", overflow="fold")
    for each in hunts:
        named = [kind for kind in each.caught_by if kind in each.broken]
        others = [f"{kind} {count}" for kind, count in each.broken.items() if kind not in named]
        first = "never" if each.first is None else str(each.first.seed)
        table.add_row(
            each.canary,
            f"{each.caught} of {each.tried}",
            first,
            ", ".join(f"{kind} {each.broken[kind]}" for kind in named),
            ", ".join(others),
        )
    console.print(table)
    for each in hunts:
        if each.first is None:
            names = " or ".join(each.caught_by)
            console.print(f"{each.canary} was never caught by {names}: this swarm, or what is expected, cannot see its bug", soft_wrap=True)
    if ill:
        seeds = ", ".join(str(result.seed) for result in ill[:8]) + (", …" if len(ill) > 8 else "")
        console.print(f"left out: {len(ill)} seeds that the healthy bot did not pass: {seeds}; again: {ill[0].repro}", soft_wrap=True)
    caught = sum(each.first is not None for each in hunts)
    console.print(f"{caught} of {len(hunts)} canaries caught")
