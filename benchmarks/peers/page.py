"""The page of the latest figures."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.peers.rows import MARKS, MEASURED


def page(
    rounds: Mapping[str, Sequence[Mapping[str, Any]]],
    fills: Mapping[str, Any],
    starts: Mapping[str, float],
    versions: Mapping[str, str],
    *,
    sizes: tuple[int, int],
) -> str:
    """Markdown: ratios beside their marks, then what they were made of, then how the fills compare."""
    speeds = {name: statistics.median(each["rows"] / each["seconds"] for each in found) for name, found in rounds.items()}
    count = len(next(iter(rounds.values())))
    text = [
        "# Beside the peers",
        "",
        f"Made by `make peers` on {time.strftime('%Y-%m-%d')}: {', '.join(versions.values())}; papertape on Python",
        f"{platform.python_version()}, {os.cpu_count()} cores with other work on them. One synthetic tape in each system's own format:",
        f"{sizes[0]:,} events for bots that are not shown each, {sizes[1]:,} for those that are. Rounds alternate; medians of {count},",
        "CPU seconds of a process each; only ratios hold. Peers are timed without loading, wrangling and compiling; papertape without",
        "loading its modules, and with all it does: reading the tape, faults armed, fees, journal, digest.",
        "",
        "| what | ratio | first | then | |",
        "|---|---|---|---|---|",
    ]
    for mark in MARKS:
        ratio = speeds[mark.ours] / speeds[mark.theirs]
        text.append(f"| {mark.what} | {ratio:.3g} | ≥ {mark.first:g} | ≥ {mark.then:g} | {_reached(ratio, mark.first, mark.then)} |")
    text += [_below(*row) for row in _limits(rounds, starts)]
    text += ["", "| measured | events a second | spread | orders | fills |", "|---|---|---|---|---|"]
    for row in MEASURED:
        found = rounds[row.name]
        each = [one["rows"] / one["seconds"] for one in found]
        spread = (max(each) - min(each)) / speeds[row.name]
        text.append(f"| {row.name} | {speeds[row.name]:,.0f} | {spread:.0%} | {found[0]['orders']:,} | {found[0]['fills']:,} |")
    text += ["", *_fills(fills)]
    return "\n".join(text) + "\n"


def _limits(rounds: Mapping[str, Sequence[Mapping[str, Any]]], starts: Mapping[str, float]) -> list[tuple[str, float, float, float, str]]:
    """(what, measured, first, then, unit) of what shall stay below a mark."""

    def median(name: str, of: str) -> float:
        return statistics.median(each[of] for each in rounds[name])

    builtin, quiet = MEASURED[13].name, MEASURED[14].name
    short, long = MEASURED[9].name, MEASURED[10].name
    before = median(short, "peak_mb")
    times = rounds[long][0]["rows"] / rounds[short][0]["rows"]
    return [
        ("wire depth, a message", median(builtin, "seconds") / rounds[builtin][0]["rows"] * 1e6, 60, 30, "µs"),
        ("wire depth, a virtual hour at a message a second", median(quiet, "seconds"), 1, 0.4, "s"),
        ("the smallest scenario from the command line (wall)", starts["smallest"], 0.6, 0.3, "s"),
        ("`papertape --help` (wall)", starts["help"], 0.25, 0.15, "s"),
        (f"peak memory on a tape {times:.0f} times as long ({before:.0f} MB on the short one)", median(long, "peak_mb"), 300, 200, "MB"),
    ]


def _below(what: str, measured: float, first: float, then: float, unit: str) -> str:
    reached = _reached(-measured, -first, -then)
    return f"| {what} | {measured:.3g} {unit} | ≤ {first:g} {unit} | ≤ {then:g} {unit} | {reached} |"


def _reached(ratio: float, first: float, then: float) -> str:
    return "then" if ratio >= then else "first" if ratio >= first else "**not yet**"


def _fills(fills: Mapping[str, Any]) -> list[str]:
    text = [
        "## Are the fills comparable?",
        "",
        f"{fills['orders']} limit orders, one after the other, 10 ms to the venue and back, sent and withdrawn at the same times in all",
        f"systems (`market.py`). Here {fills['papertape']} were filled at least in part (fill model `queue`).",
        "",
        "| | filled | filled alike, to the lot | more here | less here |",
        "|---|---|---|---|---|",
    ]
    for peer in ("hftbacktest", "nautilus"):
        it = fills[peer]
        text.append(f"| {peer} | {it['filled']} | {it['alike']:.1%} | {it['more']} | {it['less']} |")
    return [
        *text,
        "",
        "hftbacktest (risk-averse queue, partial fills) fills an order whole as soon as a trade prints beyond its price; papertape up to",
        "what was traded there. nautilus (`queue_position`, `liquidity_consumption`) counts volume in other ways again. On real captures",
        "each differing order is told with the rule that made it: `python -m benchmarks.peers.differential`.",
    ]
