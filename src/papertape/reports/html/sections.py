"""What a page says of a run in words and tables: the verdict first, then why, then what there was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape
from typing import Any, Final

from papertape.invariants import INVARIANTS
from papertape.model.units import MILLISECOND, SECOND, Nanos, format_duration
from papertape.reports.html.lives import Life, lives_of
from papertape.reports.html.page import element
from papertape.reports.html.run_time import at
from papertape.reports.html.story import Story
from papertape.reports.table import money, recovery
from papertape.session.result import RunResult, Status

SIGNS: Final = {
    Status.PASSED: "✔ passed", Status.FAILED: "✘ failed", Status.SUSPECT: "? suspect", Status.VACUOUS: "○ vacuous", Status.ERROR: "! error",
}  # fmt: skip

MEANINGS: Final = {
    Status.PASSED: "everything that was judged held",
    Status.FAILED: "something was not as it must be",
    Status.SUSPECT: "the program sent an order again before it could know what had become of the first",
    Status.VACUOUS: "the run proved nothing",
    Status.ERROR: "the run could not be carried out",
}

ORDERS_LISTED: Final = 200
AROUND_NS: Final = 5 * SECOND
"""How much of the chart to show around an instant that somebody has clicked on, on each side."""


def verdict(result: RunResult | None) -> str:
    """The box at the top."""
    if result is None:
        return (
            '<div class="verdict unknown"><div class="word">? no verdict</div><div>The journal does not say what came of it: it is of '
            "trading, or its run was killed, or it was written by an older papertape.</div></div>"
        )
    rows = "".join(element("li", failure) for failure in result.failures) or element("li", MEANINGS[result.status])
    return f'<div class="verdict {result.status}"><div class="word">{SIGNS[result.status]}</div><ul>{rows}</ul></div>'


def again(result: RunResult | None) -> str:
    """The command that gives this run again."""
    if result is None or not result.repro:
        return ""
    return f'<div class="again"><span class="note">this run again: </span>{element("code", result.repro)}</div>'


def facts(story: Story | None, result: RunResult | None) -> str:
    """A row of figures."""
    pairs: list[tuple[str, str]] = []
    if result is not None:
        pairs = [
            ("seed", str(result.seed)), ("depth", result.depth), ("lasted", recovery(result.virtual_ns) if result.virtual_ns else "-"),
            ("market events", f"{result.events:,}"), ("orders", f"{result.orders:,}"), ("fills", f"{result.fills:,}"),
            ("faults fired", f"{sum(bool(fault.fired) for fault in result.faults)} of {len(result.faults)}"),
            ("gain after fees", ", ".join(f"{money(amount, signed=True)} {name}" for name, amount in result.pnl.items()) or "-"),
            ("fees", ", ".join(f"{money(amount)} {name}" for name, amount in result.fees.items()) or "-"),
            ("digest", result.digest[:12] or "-"),
        ]  # fmt: skip
    elif story is not None:
        pairs = [("seed", str(story.header.get("seed", "-"))), ("to", format_duration(story.end_ns))]
    if story is not None:
        pairs.append(("journal lines", f"{story.lines:,}"))
    items = "".join(f"<li>{element('span', name, class_='name')}{element('span', value, class_='value')}</li>" for name, value in pairs)
    return f'<ul class="facts">{items}</ul>'


def led_there(result: RunResult, chart: str) -> str:
    """The requests that led to the verdict."""
    several = len({each.venue for each in result.timeline}) > 1
    rows = [
        [
            instant(each.at_ns, chart),
            element("code", each.line),
            escape(f"{each.venue}: " if several else "") + escape(each.what),
            escape(each.outcome),
        ]
        for each in result.timeline
    ]
    heads = ["at", "line", "asked for", "what came of it"]
    if not any(each.line for each in result.timeline):  # nobody knows
        heads, rows = [heads[0], *heads[2:]], [[row[0], *row[2:]] for row in rows]
    return table("What led there", heads, rows)


def belief_and_truth(result: RunResult) -> str:
    """The two sides at the end."""
    heads = ("", "the bot believes", "the venue has")
    cells = "".join(element("th", head) for head in heads)
    rows = "".join(
        f"<tr{' class=differs' if row.differs else ''}>"
        + "".join(element("td", text) for text in (f"{row.venue}: {row.what}", row.client, row.truth))
        + "</tr>"
        for row in result.sides
    )
    return f"<section><h2>Belief beside truth, at the end</h2><table><tr>{cells}</tr>{rows}</table></section>" if rows else ""


def judged(story: Story, result: RunResult) -> str:
    """Each invariant, and what came of it; broken ones first."""
    why: dict[str, str] = {}
    for each in result.not_judged:
        name, _, reason = each.partition(": ")
        why.setdefault(name.partition(" (")[0], reason)
    names = dict.fromkeys([*(name for name in result.broken if name in INVARIANTS), *story.chronicle.invariants])
    rows = []
    for name in names:
        if name in result.broken:
            state, more = '<span class="badge failed">✘ broken</span>', ""
        elif name in why:
            state, more = '<span class="badge vacuous">○ not judged</span>', why[name]
        else:
            state, more = '<span class="badge passed">✔ held</span>', ""
        rows.append([element("code", name), state, escape(more)])
    others = [name for name in result.broken if name not in INVARIANTS]
    rows = [[element("code", name), '<span class="badge failed">✘ broken</span>', ""] for name in others] + rows
    for mark in story.chronicle.must_happen:
        count = result.marks.get(mark, 0)
        state = '<span class="badge passed">✔ happened</span>' if count else '<span class="badge failed">✘ did not happen</span>'
        rows.append([element("code", mark), state, f"had to happen; seen ×{count:,}"])
    return table("What had to hold", ("invariant", "verdict", ""), rows)


def faults(story: Story | None, result: RunResult, chart: str) -> str:
    """Each fault of the plan, what it did, and how long the client took to be well again."""
    plan: Sequence[dict[str, Any]] = [] if story is None else [each for each in story.header.get("faults", ()) if isinstance(each, dict)]
    begins: dict[str, Nanos] = {}
    if story is not None:
        starts = [(band.label, band.begin_ns) for band in story.bands] + [(act.label, act.at_ns) for act in story.acts]
        for label, at_ns in starts:
            begins[label] = min(at_ns, begins.get(label, at_ns))
    rows = []
    left = dict(enumerate(plan, start=1))
    for fault in result.faults:
        place = next((place for place, table_ in left.items() if table_.get("kind") == fault.kind), None)
        settings = left.pop(place) if place is not None else {}
        label = f"F{place}" if place is not None else ""
        first = instant(begins[label], chart) if label in begins else ""
        words = " ".join(f"{key}={_setting(value)}" for key, value in settings.items() if key != "kind")
        took = recovery(fault.recovery_ns)
        rows.append(
            [label, element("code", fault.kind), element("code", words), f"×{fault.fired:,}" if fault.fired else "hit nothing", first, took]
        )
    return table("Faults", ("", "kind", "as planned", "fired", "first", "recovered in"), rows)


def seen(result: RunResult) -> str:
    """What was seen, and how often."""
    return table("Seen", ("mark", "times"), [[element("code", mark), f"{count:,}"] for mark, count in result.marks.items()], numbers=(1,))


def lines(story: Story) -> str:
    """The lines of the user's code that acted."""
    found: dict[str, dict[str, int]] = {}
    for venue in story.chronicle.venues:
        for wish in venue.wishes:
            if wish.line:
                _count(found, wish.line, "orders wanted")
        for asked in venue.asked:
            if asked.line:
                _count(found, asked.line, asked.op)
    rows = [
        [
            element("code", line),
            element("code", story.chronicle.sources.get(line, "")),
            escape(", ".join(f"{op} ×{count:,}" for op, count in ops.items())),
        ]
        for line, ops in sorted(found.items(), key=lambda each: -sum(each[1].values()))[:40]
    ]
    return table("Lines that acted", ("line", "source", "what it asked for"), rows)


def _count(found: dict[str, dict[str, int]], line: str, what: str) -> None:
    ops = found.setdefault(line, {})
    ops[what] = ops.get(what, 0) + 1


def orders(story: Story, chart: str) -> str:
    """The orders, odd ones first where there are many."""
    parts = []
    for venue in story.chronicle.venues:
        every = lives_of(story, venue)
        shown = every if len(every) <= ORDERS_LISTED else sorted(every, key=lambda life: not life.is_odd)[:ORDERS_LISTED]
        rows = [_order_row(life, chart) for life in shown]
        which = "" if len(shown) == len(every) else f": {len(shown):,} of {len(every):,}, the odd ones first"
        name = f" at {venue.venue}" if len(story.chronicle.venues) > 1 else ""
        heads = ("asked", "order", "what", "at the venue", "filled", "the bot believes", "outcome unknown", "line")
        parts.append(table(f"Orders{name}{which}", heads, rows))
    return "".join(parts)


def _order_row(life: Life, chart: str) -> list[str]:
    price = f" at {priced(life.limits[-1][2])}" if life.limits else ""
    unknowns = ", ".join(
        f"from {_short(unknown.begin_ns)} "
        + ("to the end" if unknown.end_ns is None else f"for {_short(unknown.end_ns - unknown.begin_ns)}")
        for unknown in life.unknowns
    )
    filled = f"{len(life.fills)} fill{'s' if len(life.fills) != 1 else ''}" if life.fills else "-"
    return [
        instant(life.asked_ns, chart), element("code", life.key), escape(f"{life.type} {life.side} {life.amount} {life.symbol}{price}"),
        escape(life.outcome), filled, escape(life.believed), escape(unknowns), element("code", life.line) if life.line else "",
    ]  # fmt: skip


def notes(result: RunResult, thinned: Sequence[str]) -> str:
    """What is worth knowing, what the simulation stood in for, and what was left out of the chart."""
    found = [*result.notes]
    if result.intercepted:
        calls = ", ".join(f"{what} ×{count:,}" + (f" ({line})" if line else "") for what, count, line in result.intercepted)
        found.append(f"simulated for the program: {calls}")
    return left_out(thinned) + _listed("Notes", found)


def left_out(thinned: Sequence[str]) -> str:
    """What the chart does not show."""
    if not thinned:
        return '<p class="note">The chart shows everything; nothing was thinned out but the price between two points.</p>'
    rows = "".join(element("li", each) for each in thinned)
    return f'<div class="note thinned">So that the page stays quick, not everything is drawn:<ul>{rows}</ul></div>'


def _listed(title: str, sentences: Iterable[str]) -> str:
    rows = "".join(element("li", each) for each in sentences)
    return f"<section><h2>{title}</h2><ul>{rows}</ul></section>" if rows else ""


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A section with a table; cells are HTML already. Nothing where there are no rows."""
    if not rows:
        return ""
    top = "".join(element("th", head, **({"class_": "number"} if place in numbers else {})) for place, head in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(f"<td{' class=number' if place in numbers else ''}>{cell}</td>" for place, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<section><h2>{escape(title)}</h2><div class="wide"><table><tr>{top}</tr>{body}</table></div></section>'


def instant(at_ns: Nanos, chart: str) -> str:
    """A moment of run time, that a click shows in the chart."""
    text = _short(at_ns)
    around = AROUND_NS / MILLISECOND
    return f'<button class="at" data-chart="{escape(chart)}" data-at="{at(at_ns)}" data-around="{around:g}">{text}</button>'


def _short(ns: Nanos) -> str:
    return format_duration(ns // MILLISECOND * MILLISECOND) if ns >= MILLISECOND else format_duration(ns)


def priced(price: float) -> str:
    """A price as people read it.

    >>> priced(64000.5), priced(1e-05)
    ('64,000.5', '0.00001')
    """
    return f"{Decimal(repr(price)):,f}"


def _setting(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_setting(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_setting(each) for each in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
