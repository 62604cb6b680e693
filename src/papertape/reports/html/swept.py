"""The page of a sweep: verdicts, failures by what broke with the scenarios they were shrunk to, and where each fault hit and never did."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import quote

from papertape.reports.html.page import document, element
from papertape.reports.html.sections import SIGNS, table
from papertape.reports.sweep import never, summary
from papertape.scenario.keep import Kept
from papertape.scenario.seed_result import SeedResult
from papertape.scenario.summary import LANES, MARKET_STATES, ORDER_STATES, Summary, summarize
from papertape.session.result import Status

SEEDS_SHOWN: Final = 12


def page(
    results: Sequence[SeedResult], *, kinds: Sequence[str] = (), kept: Sequence[Kept] = (), lacking: Sequence[str] = (), beside: Path
) -> str:
    """The page, whose links to shrunk scenarios lead from the folder `beside`; the other arguments are those of `reports.sweep.write`."""
    whole = summarize(results, kinds)
    body = ['<div class="brand">papertape · sweep</div>', element("h1", summary(results)), _verdict(results, lacking)]
    body += [_broken(results, kept, beside), _verdicts(results), _coverage(whole), _faults(whole), _never(whole), _marks(whole)]
    return document("sweep · papertape", [part for part in body if part], {})


def _verdict(results: Sequence[SeedResult], lacking: Sequence[str]) -> str:
    failed = [result for result in results if result.is_failure]
    if failed:
        kinds = {kind: sum(kind in each.broken for each in failed) for result in failed for kind in result.broken}
        sentences = [
            f"{kind}: {count:,} seed{'' if count == 1 else 's'}" for kind, count in sorted(kinds.items(), key=lambda each: -each[1])
        ]
        status = Status.FAILED
    elif lacking or all(result.status is Status.VACUOUS for result in results):
        sentences, status = list(lacking) or ["no seed proved anything"], Status.VACUOUS
    else:
        sentences, status = ["no seed failed"], Status.PASSED
    rows = "".join(element("li", sentence) for sentence in [*sentences, *(lacking if failed else ())])
    return f'<div class="verdict {status}"><div class="word">{SIGNS[status]}</div><ul>{rows}</ul></div>'


def _broken(results: Sequence[SeedResult], kept: Sequence[Kept], beside: Path) -> str:
    """What broke, in how many seeds, and the file in which it is as small as it got."""
    failures = [result for result in results if result.is_failure]
    files: dict[str, list[Kept]] = {}
    for each in kept:
        files.setdefault(each.broken, []).append(each)
    rows = []
    for kind in dict.fromkeys(kind for result in failures for kind in result.broken):
        own = [result for result in failures if kind in result.broken]
        seeds = ", ".join(str(result.seed) for result in own[:SEEDS_SHOWN]) + (", …" if len(own) > SEEDS_SHOWN else "")
        shrunk = "<br>".join(_link(each, beside) for each in files.get(kind, ()))
        first = own[0].failures[0] if own[0].failures else ""
        rows.append([element("code", kind), f"{len(own):,}", escape(seeds), escape(first), element("code", own[0].repro), shrunk or "-"])
    return table("Failures, by what broke", ("what broke", "seeds", "which", "the first of them", "again", "shrunk to"), rows, numbers=(1,))


def _link(kept: Kept, beside: Path) -> str:
    before, after = kept.faults
    href = quote(Path(os.path.relpath(kept.path, beside)).as_posix())
    caveat = f"; but {escape(kept.caveat)}" if kept.caveat else ""
    return f'<a href="{escape(href)}">{escape(kept.path.name)}</a> ({before} faults became {after}{caveat})'


def _verdicts(results: Sequence[SeedResult]) -> str:
    rows = []
    for name in dict.fromkeys(result.scenario for result in results):
        own = [result for result in results if result.scenario == name]
        counts = [sum(result.status is status for result in own) for status in Status]
        sums = [sum(getattr(result, what) for result in own) for what in ("events", "orders", "fills")]
        rows.append([element("code", name), *(f"{count:,}" for count in (len(own), *counts, *sums))])
    heads = ("scenario", "seeds", *map(str, Status), "events", "orders", "fills")
    return table("Verdicts", heads, rows, numbers=range(1, len(heads)))


def _coverage(whole: Summary) -> str:
    """A row a fault, a column a state; a state in which it never hit stands out by its word."""
    counts: dict[tuple[str, str, str], int] = {}
    for kind, order, lanes, count in whole.cells:
        counts[kind, order, lanes] = counts.get((kind, order, lanes), 0) + count
    kinds = sorted({kind for kind, _, _ in counts})
    others = tuple(dict.fromkeys(order for _, order, _ in counts if order not in ORDER_STATES + MARKET_STATES))
    parts = []
    for title, states in (
        ("Coverage: faults that hit a request, by where its order stood", ORDER_STATES + others),
        ("Coverage: faults that begin or hit otherwise, by whether orders were open", MARKET_STATES),
    ):
        mine = [kind for kind in kinds if any((kind, state, lanes) in counts for state in states for lanes in LANES)]
        if not mine:
            continue
        top = "".join(f'<th colspan="{len(LANES)}">{escape(state)}</th>' for state in states)
        below = "".join(element("th", lanes.rpartition(" ")[2], class_="number", title=lanes) for _ in states for lanes in LANES)
        rows = "".join(
            f"<tr><td><code>{escape(kind)}</code></td>"
            + "".join(_cell(counts.get((kind, state, lanes), 0)) for state in states for lanes in LANES)
            + "</tr>"
            for kind in mine
        )
        head = f'<tr><th rowspan="2">fault</th>{top}</tr><tr>{below}</tr>'
        parts.append(f'<section><h2>{escape(title)}</h2><div class="wide"><table class="coverage">{head}{rows}</table></div></section>')
    note = (
        '<p class="note">How often each kind of fault hit, by the state of the order and, below it, of the lanes at that moment: '
        f"{escape(', '.join(LANES))}.</p>"
    )
    return "".join([*parts, note]) if parts else ""


def _cell(count: int) -> str:
    return f'<td class="cell">{count:,}</td>' if count else '<td class="cell none">never</td>'


def _faults(whole: Summary) -> str:
    rows = [
        [element("code", kind), *(f"{number:,}" for number in (count.seeds_drawn, count.seeds_hit, count.drawn, count.hit, count.hits))]
        for kind, count in whole.faults.items()
    ]
    return table("Faults", ("fault", "seeds drawn", "seeds hit", "drawn", "hit something", "hits"), rows, numbers=range(1, 6))


def _never(whole: Summary) -> str:
    rows = "".join(element("li", line) for line in never(whole))
    return f"<section><h2>What never was</h2><ul>{rows}</ul></section>" if rows else ""


def _marks(whole: Summary) -> str:
    rows = [[element("code", mark), f"{seeds:,}", f"{times:,}"] for mark, (seeds, times) in sorted(whole.marks.items())]
    return table("Seen", ("mark", "seeds", "times"), rows if whole.judged_seeds else [], numbers=(1, 2))
