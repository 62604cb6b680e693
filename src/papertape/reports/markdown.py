"""Markdown, as a step summary of GitHub Actions shows it: a table of the runs, and why some did not pass; never longer than it may be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from papertape.reports.table import money, recovery, short_name, side_lines, summary, timeline_lines
from papertape.session.result import RunResult, Status

BYTES_MAX: Final = 1024 * 1024
"""What GitHub takes of one step; one byte more, and it shows nothing of it."""

SIGNS: Final = {Status.PASSED: "✅", Status.FAILED: "❌", Status.SUSPECT: "❓", Status.VACUOUS: "⚪", Status.ERROR: "❗"}


def render(results: Sequence[RunResult], most: int = BYTES_MAX) -> str:
    """At most `most` bytes; the runs that did not pass come first, and what has no room is counted at the end."""
    ordered = sorted(results, key=lambda result: result.is_passed)
    head = (
        f"### papertape: {summary(results)}\n\n| scenario | verdict | events | orders | fills | faults fired | recovery | gain | digest |\n"
    )
    head += "|---|---|--:|--:|--:|---|---|--:|---|\n"
    told = [_row(result) for result in ordered] + ["\n", *(_why(result) for result in ordered if not result.is_passed)]
    room = most - len(head.encode()) - 200
    kept: list[str] = []
    for piece in told:
        room -= len(piece.encode())
        if room < 0:
            break
        kept.append(piece)
    left = len(told) - len(kept)
    more = f"\n… and {left:,} more rows and reasons, which have no room here; `--junit` and `--report` have all.\n" if left else ""
    return head + "".join(kept) + more


def _row(result: RunResult) -> str:
    faults = ", ".join(f"{fault.kind} ×{fault.fired:,}" for fault in result.faults) or "none"
    took = ", ".join(recovery(fault.recovery_ns) for fault in result.faults) or "-"
    gain = ", ".join(f"{money(amount, signed=True)} {name}" for name, amount in result.pnl.items()) or "-"
    cells = [
        _cell(short_name(result)), f"{SIGNS[result.status]} {result.status}", f"{result.events:,}", f"{result.orders:,}",
        f"{result.fills:,}", _cell(faults), took, gain, f"`{result.digest[:12]}`" if result.digest else "-",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |\n"


def _why(result: RunResult) -> str:
    lines = list(result.failures)
    if result.timeline:
        lines += ["what led there:", *timeline_lines(result.timeline)]
    if result.sides:
        lines += ["where the two sides stand at the end:", *side_lines(result.sides)]
    lines.append(f"again: {result.repro}")
    text = "\n".join(lines)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    title = _cell(result.title or short_name(result))
    return f"<details open><summary>{SIGNS[result.status]} <b>{title}</b></summary>\n\n{fence}text\n{text}\n{fence}\n\n</details>\n\n"


def _cell(text: str) -> str:
    """Text that Markdown leaves as it is.

    >>> _cell("a|b <i>")
    'a\\\\|b &lt;i>'
    """
    return re.sub(r"([|\\`*_\[\]])", r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " "))
