"""Measuring one thing beside another in the same run, and the table at its end.

What runs in this process is measured in CPU seconds, so that a busy machine distorts less; what runs in processes of its own in wall
seconds. Work and baseline alternate, and the medians of their rounds are compared: only ratios hold from one machine to the next.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

from pytest_benchmark.fixture import BenchmarkFixture

ROUNDS: Final = 3

Figures = dict[str, Any]
"""What goes to `extra_info`, and into the table."""

TABLE: Final[list[Figures]] = []
"""A line for each benchmark that ran."""


def process_time() -> float:
    """Seconds of processor time. A run looks for whoever holds the clock itself, and here it would be held by another caller each time."""
    return time.process_time()


def beside(
    benchmark: BenchmarkFixture,
    name: str,
    work: Callable[[], object],
    baseline: Callable[[], object],
    *,
    count: int,
    unit: str,
    timer: Callable[[], float] = process_time,
    rounds: int = ROUNDS,
    least: bool = False,
) -> Figures:
    """Measure `work`, which handles `count` units, each round right after `baseline`, which does the same with nothing around it.

    With `least`, the shortest rounds are compared and not the medians.
    """
    bare: list[float] = []
    benchmark._timer = timer

    def before() -> None:
        bare.append(timed(baseline, timer))
        gc.collect()

    benchmark.pedantic(work, setup=before, rounds=rounds, iterations=1)
    return report(benchmark, name, benchmark.stats.stats.sorted_data, bare, count=count, unit=unit, least=least)


def report(
    benchmark: BenchmarkFixture, name: str, seconds: list[float], bare: list[float], *, count: int, unit: str, least: bool = False
) -> Figures:
    """Put figures into `extra_info` and the table."""
    took, base = (min(seconds), min(bare)) if least else (statistics.median(seconds), statistics.median(bare))
    figures: Figures = {
        "name": name,
        "unit": unit,
        "count": count,
        "seconds": took,
        "per_second": round(count / took),
        "microseconds_each": took / count * 1e6,
        "bare_seconds": base,
        "times_bare": took / base,
        "spread": (max(seconds) - min(seconds)) / took,
    }
    benchmark.extra_info.update(figures)
    TABLE.append(figures)
    return figures


def timed(work: Callable[[], object], timer: Callable[[], float] = process_time) -> float:
    """Seconds that `work` takes, without the garbage collector, as in a run."""
    gc.collect()
    gc.disable()
    try:
        begun = timer()
        work()
        return timer() - begun
    finally:
        gc.enable()


def as_table(rows: list[Figures]) -> list[str]:
    """Markdown lines."""
    head = ["| what | count | seconds | a second | µs each | times its baseline | spread |", "|---|---|---|---|---|---|---|"]
    return head + [_line(row) for row in rows]


def _line(row: Figures) -> str:
    return (
        f"| {row['name']} | {row['count']:,} {row['unit']} | {row['seconds']:.2f} | {row['per_second']:,} "
        f"| {row['microseconds_each']:,.2f} | {row['times_bare']:.1f} | {row['spread']:.0%} |"
    )
