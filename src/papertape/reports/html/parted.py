"""The page of two runs that differ: the first line of their journals that is not the same, what led there, and both runs' charts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from typing import Any, Final

import msgspec

from papertape.model.units import format_duration
from papertape.reports.divergence import Divergence, first_unlike
from papertape.reports.html.figure import figure
from papertape.reports.html.ink import HIT
from papertape.reports.html.page import document, element
from papertape.reports.html.run_time import at
from papertape.reports.html.sections import instant, left_out
from papertape.reports.html.story import Story
from papertape.scenario.bundle.secrets import Secrets

ENDED: Final = "the journal ends here"

SETTINGS_DIFFER: Final = (
    "They part in their first line, which says what was run: these are two different runs, not one that came out differently. "
    "Title, seed, settings, faults and tapes are all in it."
)


def page(found: Divergence | None, names: tuple[str, str], stories: tuple[Story, Story]) -> str:
    """The page; `found` is None where the two are the same."""
    secrets = Secrets(os.environ)
    for story in stories:
        config = story.header.get("bot_config")
        if isinstance(config, dict):
            secrets.of_table(config)
    figures: dict[str, Any] = {}
    body = ['<div class="brand">papertape · two runs compared</div>', element("h1", f"{names[0]} and {names[1]}")]
    if found is None:
        body.append(_box("passed", "= the same", "Every line of the two journals is the same."))
    else:
        body += _first(found, names)
    for number, (name, story) in enumerate(zip(names, stories, strict=True), start=1):
        drawn = figure(story)
        if found is not None:
            _mark(drawn.layout, _at_ns(found))
        figures[f"run-{number}-figure"] = {"data": drawn.data, "layout": drawn.layout}
        height = drawn.layout["height"]
        body.append(element("h2", f"{'−' if number == 1 else '+'} {name}: {_verdict(story)}"))
        body.append(f'<div class="chart" id="run-{number}" data-figure="run-{number}-figure" style="height:{height}px"></div>')
        body.append(left_out(drawn.thinned))
    return document(f"{names[0]} and {names[1]} · papertape", body, figures, secrets)


def _first(found: Divergence, names: tuple[str, str]) -> list[str]:
    at_ns = _at_ns(found)
    entry = found.left or found.right or {}
    keys = f"; differs in: {', '.join(found.keys)}" if found.left and found.right else ""
    told = f"They part at line {found.line}, event {entry.get('n', '?')}, run time {format_duration(at_ns)}{keys}"
    body = [_box("failed", "≠ they part", told)]
    if found.line == 1:
        body.append(element("p", SETTINGS_DIFFER))
    if found.before:
        body += ["<h2>The last lines that are the same</h2>", f"<pre>{escape(_lines(found.before))}</pre>"]
    body.append("<h2>The first that are not</h2>")
    left, right = _texts(found)
    panes = [
        f"<div><h3>{sign} {escape(name)}</h3><pre>{text}</pre></div>"
        for sign, name, text in (("−", names[0], left), ("+", names[1], right))
    ]
    body.append(f'<div class="sides">{"".join(panes)}</div>')
    body.append(f'<p class="note">in the charts: <span>− {instant(at_ns, "run-1")}</span> · <span>+ {instant(at_ns, "run-2")}</span></p>')
    return body


def _texts(found: Divergence) -> tuple[str, str]:
    """Both lines, a fact a row, with what differs marked from its first unlike character on."""
    left, right = found.left, found.right
    if left is None or right is None:
        return (escape(ENDED) if left is None else _whole(left), escape(ENDED) if right is None else _whole(right))
    keys = dict.fromkeys([*left, *right])
    sides: list[list[str]] = [[], []]
    for key in keys:
        one, other = (_value(side[key]) if key in side else None for side in (left, right))
        for rows, mine, theirs in ((sides[0], one, other), (sides[1], other, one)):
            if mine is None:
                rows.append(f"<mark>{escape(key)}: (none)</mark>")
            elif mine == theirs:
                rows.append(escape(f"{key}: {mine}"))
            else:
                same = first_unlike(mine, theirs or "")
                rows.append(f"{escape(f'{key}: {mine[:same]}')}<mark>{escape(mine[same:]) or '∅'}</mark>")
    return "\n".join(sides[0]), "\n".join(sides[1])


def _whole(entry: dict[str, Any]) -> str:
    return "\n".join(f"<mark>{escape(f'{key}: {_value(value)}')}</mark>" for key, value in entry.items())


def _lines(entries: Sequence[dict[str, Any]]) -> str:
    return "\n".join(_value(entry) for entry in entries)


def _value(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _at_ns(found: Divergence) -> int:
    times = [entry["t"] for entry in (found.left, found.right) if entry is not None]
    return min(times, default=0)


def _mark(layout: dict[str, Any], at_ns: int) -> None:
    """A line through all rows, and its word on top."""
    line = {"color": HIT, "width": 2, "dash": "solid"}
    layout["shapes"].append(
        {"type": "line", "xref": "x", "yref": "paper", "x0": at(at_ns), "x1": at(at_ns), "y0": 0, "y1": 1, "line": line}
    )
    layout["margin"]["t"] += 18
    layout["height"] += 18
    where = {"xref": "x", "yref": "paper", "x": at(at_ns), "y": 1, "yanchor": "bottom"}
    layout["annotations"] = [{**where, "text": "they part", "showarrow": False, "font": {"color": HIT}}]


def _verdict(story: Story) -> str:
    return "no verdict" if story.result is None else str(story.result.status)


def _box(kind: str, word: str, text: str) -> str:
    return f'<div class="verdict {kind}"><div class="word">{escape(word)}</div><ul>{element("li", text)}</ul></div>'
