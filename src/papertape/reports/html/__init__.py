"""A page with charts of what happened in runs: one file for people, that opens offline. Its charts need the extra `report`."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Sequence
from html import escape
from typing import Any

import msgspec

from papertape.reports.html import sections
from papertape.reports.html.figure import figure
from papertape.reports.html.page import document, element
from papertape.reports.html.story import Story
from papertape.reports.table import short_name
from papertape.scenario.bundle.secrets import Secrets
from papertape.session.result import RunResult, Status


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One run for a page.

    Attributes:
        name: how the user named it.
        result: None where nobody knows what came of it.
        story: None where there is no journal, as of a scenario that could not be read.
    """

    name: str
    result: RunResult | None
    story: Story | None = None


def render(results: Sequence[RunResult]) -> str:
    """A page of verdicts without charts, for whoever has nothing but results."""
    return page([Told(name=result.scenario, result=result) for result in results])


def page(runs: Sequence[Told], planned: int = 0) -> str:
    """The page: of one run all there is; of several a table, and each run below it, those that did not pass first.

    Where more runs were `planned` than there are, it says so on top of all.
    """
    secrets = Secrets(os.environ)
    runs = [_without_secrets(told, secrets) for told in runs]
    figures: dict[str, Any] = {}
    if len(runs) == 1:
        (told,) = runs
        title = _title(told)
        return document(
            f"{title} · papertape", [_cut(runs, planned), _heading(title, told), *_body(told, "run-1", figures)], figures, secrets
        )
    ordered = sorted(runs, key=lambda told: told.result is not None and told.result.is_passed)
    body = [_cut(runs, planned), f'<div class="brand">papertape</div><h1>{len(runs)} runs</h1>', _counts(runs), _index(ordered)]
    for number, told in enumerate(ordered, start=1):
        sign = "? no verdict" if told.result is None else sections.SIGNS[told.result.status]
        is_open = number == 1 and not (told.result is not None and told.result.is_passed)
        inner = "".join([element("h1", _title(told)), *_body(told, f"run-{number}", figures)])
        opened, head = " open" if is_open else "", escape(f"{sign} · {_short(told)}")
        body.append(f'<details class="run" id="of-run-{number}"{opened}><summary>{head}</summary>{inner}</details>')
    return document(f"{len(runs)} runs · papertape", body, figures, secrets)


def _cut(runs: Sequence[Told], planned: int) -> str:
    if planned <= len(runs):
        return ""
    told = f"Interrupted: {len(runs):,} of {planned:,} runs are here. Nothing is known of the others."
    return f'<div class="verdict error"><div class="word">! not whole</div><ul>{element("li", told)}</ul></div>'


def _body(told: Told, name: str, figures: dict[str, Any]) -> list[str]:
    result, story = told.result, told.story
    parts = [sections.verdict(result), sections.again(result), sections.facts(story, result)]
    if result is not None and (result.timeline or result.sides):
        parts.append(f'<div class="tables">{sections.led_there(result, name)}{sections.belief_and_truth(result)}</div>')
    left_out: list[str] = []
    drawn = None if story is None else figure(story)
    if drawn is None or not drawn.data:
        story = None  # it was over before anything happened
    else:
        left_out = drawn.thinned
        figures[f"{name}-figure"] = {"data": drawn.data, "layout": drawn.layout}
        parts.append("<h2>What happened</h2>")
        parts.append(f'<div class="chart" id="{name}" data-figure="{name}-figure" style="height:{drawn.layout["height"]}px"></div>')
    if result is not None:
        held = sections.judged(story, result) if story is not None else ""
        parts.append(f'<div class="tables">{held}{sections.faults(story, result, name)}{sections.seen(result)}</div>')
    if story is not None:
        parts += [sections.lines(story), sections.orders(story, name)]
    parts.append(
        sections.notes(result, left_out) if result is not None and story is not None else sections.left_out(left_out) if story else ""
    )
    return parts


def _heading(title: str, told: Told) -> str:
    return f'<div class="brand">papertape · {escape(_short(told))}</div>{element("h1", title)}'


def _title(told: Told) -> str:
    titles = ["" if told.result is None else told.result.title, "" if told.story is None else str(told.story.header.get("title", ""))]
    return next((title for title in titles if title), told.name)


def _short(told: Told) -> str:
    return told.name if told.result is None else short_name(told.result)


def _counts(runs: Sequence[Told]) -> str:
    counts = [(status, sum(told.result is not None and told.result.status is status for told in runs)) for status in Status]
    return (
        "<p>"
        + " ".join(f'<span class="badge {status}">{sections.SIGNS[status]} {count}</span>' for status, count in counts if count)
        + "</p>"
    )


def _index(runs: Sequence[Told]) -> str:
    rows = []
    for number, told in enumerate(runs, start=1):
        result = told.result
        status, sign = ("unknown", "? no verdict") if result is None else (str(result.status), sections.SIGNS[result.status])
        why = "" if result is None or not result.failures else result.failures[0]
        figures = ("", "", "") if result is None else (f"{result.events:,}", f"{result.orders:,}", f"{result.fills:,}")
        rows.append(
            [f'<a href="#of-run-{number}">{escape(_short(told))}</a>', f'<span class="badge {status}">{sign}</span>', *figures, escape(why)]
        )
    return sections.table("All of them", ("scenario", "verdict", "events", "orders", "fills", "first reason"), rows, numbers=(2, 3, 4))


def _without_secrets(told: Told, secrets: Secrets) -> Told:
    """What names say is secret in settings and arguments is learnt here, and taken out of all texts as the page is put together."""
    if told.story is not None:
        config = told.story.header.get("bot_config")
        if isinstance(config, dict):
            told.story.header["bot_config"] = secrets.of_table(config)
        args = told.story.header.get("program_args")
        if isinstance(args, list):
            told.story.header["program_args"] = list(secrets.of_args([str(arg) for arg in args]))
    if told.result is None:
        return told
    with contextlib.suppress(ValueError):  # a title with a quote in it is no command
        secrets.of_args(shlex.split(told.result.repro))
    plain = RunResult.from_dict(msgspec.json.decode(secrets.of_text(msgspec.json.encode(told.result.to_dict()).decode())[0]))
    return Told(name=secrets.of_text(told.name)[0], result=plain, story=told.story)
