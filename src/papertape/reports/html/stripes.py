"""The row of stripes: how each lane stood, when each fault was at work, and what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Final

import msgspec

from papertape.model.units import MILLISECOND, format_duration
from papertape.reports.html.ink import HIT, INK
from papertape.reports.html.lanes import Span
from papertape.reports.html.run_time import at
from papertape.reports.html.series import thinned
from papertape.reports.html.story import Act, Band, Story

STYLES: Final = {
    "up": ("#dbe9dd", ""), "repairing": ("#f3e6b8", "."), "dialling": ("#f0d2a8", "/"), "down": ("#d99a9a", "x"),
    "waiting": ("#f3e6b8", "-"), "closed": ("#e3e3e3", ""),
}  # fmt: skip
"""Fill and pattern of each state; the pattern alone tells them apart."""

OTHER: Final = ("#e3e3e3", "|")
FAULTS_MAX: Final = 14
"""With more faults in the plan, those of a kind share a stripe."""

MARKS: Final = "seen"


class Stripes(msgspec.Struct, kw_only=True):
    """Stripes, top to bottom, and what is drawn on them."""

    names: list[str]
    traces: list[dict[str, Any]]


def stripes(story: Story, told: list[str]) -> Stripes:
    """All stripes of a run; `told` gets a sentence about what was left out."""
    made = Stripes(names=[], traces=[])
    _lanes(story, made, told)
    _faults(story, made, told)
    if story.marks:
        made.names.append(MARKS)
        shown = thinned(story.marks)
        if len(shown) < len(story.marks):
            told.append(f"seen: {len(shown):,} of {len(story.marks):,} marks are drawn")
        made.traces.append(
            _points(
                "something seen", "star-diamond", INK, [at(mark.at_ns) for mark in shown], [MARKS] * len(shown),
                [f"<b>{escape(mark.mark)}</b><br>{escape(mark.detail)}" for mark in shown],
            )
        )  # fmt: skip
    return made


def _lanes(story: Story, made: Stripes, told: list[str]) -> None:
    by_state: dict[str, list[tuple[str, Span]]] = {}
    for lane, spans in story.lanes.items():
        made.names.append(escape(lane))
        shown = thinned(spans, 800, lambda span: span.state != "up")
        if len(shown) < len(spans):
            told.append(f"{lane}: {len(shown):,} of {len(spans):,} states are drawn")
        for span in shown:
            by_state.setdefault(span.state, []).append((escape(lane), span))
    for state in sorted(by_state, key=lambda state: [*STYLES, state].index(state)):
        color, pattern = STYLES.get(state, OTHER)
        made.traces.append(
            _bars(
                f"lane {state}" if state != "waiting" else "book waiting", color, pattern, by_state[state],
                [f"{lane}: {escape(state)}{f' ({escape(span.meanwhile)})' if span.meanwhile else ''}" for lane, span in by_state[state]],
                [escape(state + (", polled" if "polling" in span.meanwhile else "")) for _, span in by_state[state]],
            )
        )  # fmt: skip


def _faults(story: Story, made: Stripes, told: list[str]) -> None:
    plan = [fault for fault in story.header.get("faults", ()) if isinstance(fault, dict)]
    is_crowded = len(plan) > FAULTS_MAX

    def name(each: Band | Act) -> str:
        return escape(each.kind if is_crowded or not each.label else f"{each.label} {each.kind}")

    listed = [
        str(fault.get("kind", "")) if is_crowded else f"F{place} {fault.get('kind', '')}" for place, fault in enumerate(plan, start=1)
    ]
    made.names += dict.fromkeys([*map(escape, listed), *map(name, story.bands), *map(name, story.acts)])
    windows = thinned([band for band in story.bands if band.end_ns > band.begin_ns], 800)
    if windows:
        spans = [(name(band), Span(state="", meanwhile="", begin_ns=band.begin_ns, end_ns=band.end_ns)) for band in windows]
        hovers = [f"{name(band)}{', as planned' if band.is_planned else ''}" for band in windows]
        made.traces.append(_bars("a fault at work", "#bdbdbd", "\\", spans, hovers, [""] * len(spans)))
    acts = [*story.acts, *(_opened(band) for band in story.bands if band.end_ns <= band.begin_ns)]
    shown = thinned(sorted(acts, key=lambda act: act.at_ns))
    if len(shown) < len(acts):
        told.append(f"faults: {len(shown):,} of {len(acts):,} hits are drawn")
    if shown:
        made.traces.append(
            _points(
                "a fault hits", "x", HIT, [at(act.at_ns) for act in shown], [name(act) for act in shown],
                [f"<b>{name(act)}</b><br>{escape(act.words)}" for act in shown],
            )
        )  # fmt: skip


def _opened(band: Band) -> Act:
    return Act(label=band.label, kind=band.kind, at_ns=band.begin_ns, words="hit")


def _bars(
    name: str, color: str, pattern: str, spans: Sequence[tuple[str, Span]], hovers: Sequence[str], words: Sequence[str]
) -> dict[str, Any]:
    return {
        "type": "bar", "orientation": "h", "name": escape(name), "y": [row for row, _ in spans],
        "base": [at(span.begin_ns) for _, span in spans],
        "x": [(span.end_ns - span.begin_ns) / MILLISECOND for _, span in spans], "width": 0.72, "text": list(words),
        "textposition": "inside", "insidetextanchor": "middle", "textangle": 0, "textfont": {"size": 10, "color": "#222222"},
        "customdata": [
            f"{hover}<br>{format_duration(span.begin_ns // MILLISECOND * MILLISECOND)} to "
            f"{format_duration(span.end_ns // MILLISECOND * MILLISECOND)}"
            for hover, (_, span) in zip(hovers, spans, strict=True)
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {
            "color": color, "line": {"color": "#777777", "width": 0.6},
            "pattern": {"shape": pattern, "fgcolor": "#555555", "bgcolor": color, "size": 6, "solidity": 0.25, "fillmode": "replace"},
        },
    }  # fmt: skip


def _points(name: str, symbol: str, color: str, x: list[float], y: list[str], text: list[str]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": x, "y": y, "text": text, "cliponaxis": False,
        "marker": {"symbol": symbol, "size": 10, "color": color, "line": {"width": 1, "color": "#ffffff"}},
        "hovertemplate": "%{text}<br>%{x|%H:%M:%S.%L}<extra></extra>",
    }  # fmt: skip
