"""Results as a table on a terminal, and below it, for everything that did not pass, why, what led there and how to see it again."""

from __future__ import annotations

import io
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from papertape.model.units import MILLISECOND, SECOND, Nanos, format_duration, plain
from papertape.session.result import Moment, Row, RunResult, Status
from papertape.session.suspicion import moment

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PLAIN_WIDTH: Final = 160
"""Columns to use where the output is no terminal, and so has no width of its own."""

TIMELINE_WIDTH: Final = 100
"""Columns that a line of a timeline may take; what came of a request goes to a line of its own where it is longer."""

_STYLE: Final = {
    Status.PASSED: "green",
    Status.FAILED: "bold red",
    Status.SUSPECT: "bold magenta",
    Status.VACUOUS: "yellow",
    Status.ERROR: "bold red",
}

_BELIEVES: Final = "the client believes"

_NUMBERS: Final = ("events", "orders", "fills", "recovery", "balances", "PnL")


def render(results: Sequence[RunResult]) -> str:
    """The report as plain text."""
    text = io.StringIO()
    write(results, text)
    return text.getvalue()


def write(results: Sequence[RunResult], file: IO[str]) -> None:
    """Write the report to `file`, in colour and to its width if that is a terminal."""
    from rich.console import Console

    console = Console(file=file, width=None if file.isatty() else PLAIN_WIDTH, highlight=False, markup=False, emoji=False)
    console.print(table(results))
    for result in results:
        if not result.is_passed or result.notes or result.intercepted:
            _explain(result, console)
    console.print(summary(results))


def explanation(result: RunResult) -> str:
    """Why a run did not pass and what led there, as plain text; its name and how to see it again are left to whoever shows it."""
    from rich.console import Console

    text = io.StringIO()
    console = Console(file=text, width=PLAIN_WIDTH, highlight=False, markup=False, emoji=False)
    _reasons(result, console)
    return text.getvalue()


def table(results: Sequence[RunResult]) -> Table:
    """One row for each scenario."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=SIMPLE_HEAD, pad_edge=False, expand=False)
    for name in ("scenario", "verdict", "events", "orders", "fills", "faults fired", "recovery", "balances", "PnL", "digest"):
        grid.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=name != "scenario", overflow="fold")
    for result in results:
        grid.add_row(
            Text(short_name(result)),
            Text(str(result.status), style=_STYLE[result.status]),
            f"{result.events:,}", f"{result.orders:,}", f"{result.fills:,}",
            "\n".join(f"{fault.kind} ×{fault.fired}" for fault in result.faults) or "none",
            "\n".join(recovery(fault.recovery_ns) for fault in result.faults),
            "\n".join(f"{money(amount)} {currency}" for amounts in result.balances.values() for currency, amount in amounts.items()),
            "\n".join(f"{money(amount, signed=True)} {currency}" for currency, amount in result.pnl.items()),
            result.digest[:12],
        )  # fmt: skip
    return grid


def short_name(result: RunResult) -> str:
    """The file's name without folder and ending, or the title.

    >>> short_name(RunResult(scenario="scenarios/lost.scenario.toml", seed=0, status=Status.PASSED))
    'lost'
    """
    name = result.scenario.removesuffix(".scenario.toml")
    short = name if name == result.scenario and not name.endswith(".py") else Path(name).name
    return short if result.depth == "interface" else f"{short} ({result.depth})"


def recovery(ns: Nanos | None) -> str:
    """How long until trading was allowed again, to a precision that people read; a dash where nothing had to recover.

    >>> recovery(1_234_567_890), recovery(15_000_000), recovery(None)
    ('1.23s', '15ms', '-')
    """
    if ns is None:
        return "-"
    return format_duration(ns // (10 * MILLISECOND) * 10 * MILLISECOND if ns >= SECOND else ns // MILLISECOND * MILLISECOND)


def money(amount: Decimal, *, signed: bool = False) -> str:
    """An amount as people read it: from 100 up to the hundredth, below that to 8 decimals; thousands marked.

    >>> money(Decimal("99999.2000")), money(Decimal("-0.01250000"), signed=True), money(Decimal("3"), signed=True)
    ('99,999.20', '-0.0125', '+3')
    """
    rounded = round(amount, 2) if abs(amount) >= 100 else Decimal(plain(round(amount, 8)))
    return f"{rounded:+,f}" if signed and rounded else f"{rounded:,f}"


def summary(results: Sequence[RunResult]) -> str:
    """How many of each verdict, and how long it all took."""
    counts = [(status, sum(result.status is status for result in results)) for status in Status]
    words = ", ".join(f"{count} {status}" for status, count in counts if count) or "nothing ran"
    return f"{words} in {sum(result.wall_s for result in results):.2f} s"


def timeline_lines(timeline: Sequence[Moment]) -> list[str]:
    """A timeline as aligned text: when, which line of the program (and which venue, where there are several), what, what came of it."""
    several = len({each.venue for each in timeline}) > 1
    rows = [(moment(each.at_ns), each.line, each.venue if several else "", each.what, each.outcome) for each in timeline]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    heads = [
        "  ".join(part for part in ("  " + when.rjust(widths[0] + 2), line.ljust(widths[1]), venue.ljust(widths[2])) if part)
        for when, line, venue, _, _ in rows
    ]
    fit = all(len(head) + widths[3] + len(row[4]) + 6 <= TIMELINE_WIDTH for head, row in zip(heads, rows, strict=True))
    lines = []
    for head, (_, _, _, what, outcome) in zip(heads, rows, strict=True):
        whole = f"{head}  {what.ljust(widths[3]) if fit else what}  → {outcome}"
        if len(whole) <= TIMELINE_WIDTH:
            lines.append(whole)
        else:
            margin = max(8, min(len(head), TIMELINE_WIDTH - len(outcome) - 4))
            lines += [f"{head}  {what}", f"{' ' * margin}  → {outcome}"]
    return lines


def side_lines(rows: Sequence[Row]) -> list[str]:
    """Belief beside truth as aligned text: what differs has a mark.

    >>> rows = [Row(venue="coinbase", what="pt7-1", client="buy 1: unknown", truth="buy 1: open, filled 0 in 0", differs=True)]
    >>> print("\\n".join(side_lines(rows)))
               the client believes  the venue has
      ≠ pt7-1  buy 1: unknown       buy 1: open, filled 0 in 0
    """
    several = len({row.venue for row in rows}) > 1
    named = [(f"{row.venue} {row.what}" if several else row.what, row) for row in rows]
    first = max((len(name) for name, _ in named), default=0)
    second = max(len(_BELIEVES), *(len(row.client) for row in rows)) if rows else 0
    lines = [f"    {''.ljust(first)}  {_BELIEVES.ljust(second)}  the venue has"]
    return lines + [
        f"  {'≠' if row.differs else ' '} {name.ljust(first)}  {row.client.ljust(second)}  {row.truth}".rstrip() for name, row in named
    ]


def _explain(result: RunResult, console: Console) -> None:
    console.print(f"{result.scenario}: {result.status}", style=_STYLE[result.status])
    _reasons(result, console)
    if result.repro and not result.is_passed:
        console.print(f"  again: {result.repro}", soft_wrap=True)
    console.print()


def _reasons(result: RunResult, console: Console) -> None:
    for failure in result.failures:
        console.print(f"  {failure}", soft_wrap=True)
    if result.timeline:
        console.print("  what led there:")
        for line in timeline_lines(result.timeline):
            console.print(line, soft_wrap=True)
    if result.sides:
        console.print("  where the two sides stand at the end:")
        for line in side_lines(result.sides):
            console.print(line, soft_wrap=True)
    for note in result.notes:
        console.print(f"  note: {note}", soft_wrap=True)
    reasons: dict[str, list[str]] = {}
    for each in result.not_judged:
        name, _, reason = each.partition(": ")
        reasons.setdefault(reason, []).append(name)
    if result.status is Status.FAILED and reasons:  # beside what was judged and found wrong, why not is of little interest
        every = dict.fromkeys(name.partition(" (")[0] for names in reasons.values() for name in names)
        console.print(f"  not judged: {', '.join(every)}", soft_wrap=True)
        reasons.clear()
    for reason, names in reasons.items():
        console.print(f"  not judged: {', '.join(names)}: {reason}", soft_wrap=True)
    if result.intercepted:
        calls = ", ".join(f"{what} ×{count:,}" + (f" ({line})" if line else "") for what, count, line in result.intercepted)
        console.print(f"  simulated for the program: {calls}", soft_wrap=True)
