"""The chart of a run, as plotly takes it: rows below each other over one axis of run time.

What a thing is shows in its shape, its dash or its word; colour only helps. plotly reads text as HTML of a kind, so text is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any, Final

import msgspec

from papertape.model.units import HOUR, MILLISECOND, Nanos
from papertape.reports.html.ink import AMISS, BUY, INK, PALE, SELL
from papertape.reports.html.lives import Life, lives_of
from papertape.reports.html.price_row import market_traces, order_traces, price_range
from papertape.reports.html.run_time import at
from papertape.reports.html.series import belief, depth, gain, highest, position, thinned
from papertape.reports.html.story import Story
from papertape.reports.html.stripes import stripes
from papertape.session.chronicle import Asked, VenueChronicle

GAP: Final = 34
"""Pixels between two rows."""

PRICE_FORMAT: Final = ",.10~r"
"""Ten digits that count, and no zeros behind them: a market may move by a cent in 64,000."""

BANDS_MAX: Final = 60
REQUESTS_MAX: Final = 1200
"""Of each kind; a browser draws them one by one."""

MARKETS_MAX: Final = 3
"""How many instruments get rows of their own; those with the most orders come first."""


class Figure(msgspec.Struct, kw_only=True):
    """A chart, and what had to be left out of it, a sentence each."""

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    thinned: list[str]


class _Row(msgspec.Struct, kw_only=True):
    height: int
    traces: list[dict[str, Any]]
    axis: dict[str, Any]


def figure(story: Story) -> Figure:
    """The chart of one run."""
    told: list[str] = []
    rows: list[_Row] = []
    several = len(story.chronicle.venues) > 1
    stripe = stripes(story, told)
    below: list[_Row] = []
    for venue in story.chronicle.venues:
        lives = lives_of(story, venue)
        name = f"{venue.venue} " if several else ""
        markets, left = _markets(venue, lives)
        if left:
            told.append(f"{name}{len(left)} more instruments are not drawn: {', '.join(left)}")
        for symbol in markets:
            base, _, quote = symbol.partition("/")
            mine = [life for life in lives if life.symbol == symbol]
            traces = market_traces(venue, symbol, story.end_ns) + order_traces(mine, told, symbol, story.end_ns)
            axis = _axis(f"{name}{symbol}<br>price ({quote})", tickformat=PRICE_FORMAT, **price_range(venue, symbol, mine))
            rows.append(_Row(height=360, traces=traces, axis=axis))
            below.append(_held(venue, lives, symbol, base, name, story.end_ns))
        for quote in dict.fromkeys(symbol.partition("/")[2] for symbol in markets):
            curve = gain(venue, [symbol for symbol in venue.prices if symbol.partition("/")[2] == quote])
            if curve and venue.fills:
                trace = _steps(highest(curve), "after fees, at the last price", color=INK, width=1.5)
                below.append(
                    _Row(height=110, traces=[trace], axis=_axis(f"{name}gain<br>({quote})", zeroline=True, tickformat=PRICE_FORMAT))
                )
        rows += _requests(venue, lives, told, name, story.end_ns)
    if stripe.traces:
        axis = {**_axis(""), "type": "category", "categoryorder": "array", "categoryarray": stripe.names[::-1], "showgrid": False}
        axis |= {"nticks": 0, "dtick": 1, "range": [-0.6, len(stripe.names) - 0.4], "tickfont": {"size": 11}}
        rows.insert(1 if rows else 0, _Row(height=24 * len(stripe.names) + 10, traces=stripe.traces, axis=axis))
    return _stacked(rows + below, story, told)


def _markets(venue: VenueChronicle, lives: Sequence[Life]) -> tuple[list[str], list[str]]:
    """Instruments to draw, and those that are left out though there were orders in them."""
    counts: dict[str, int] = dict.fromkeys(venue.prices, 0)
    for life in lives:
        if life.symbol:
            counts[life.symbol] = counts.get(life.symbol, 0) + 1
    traded = sorted((symbol for symbol, count in counts.items() if count), key=lambda symbol: -counts[symbol])
    return (traded or list(counts)[:1])[:MARKETS_MAX], traded[MARKETS_MAX:]


def _held(venue: VenueChronicle, lives: Sequence[Life], symbol: str, base: str, name: str, end_ns: Nanos) -> _Row:
    foreign = {order.id: None for order in venue.orders if order.foreign}
    true = position([fill for fill in venue.fills if fill.order_id not in foreign], symbol)
    traces = [_steps(highest(_to_end(true, end_ns)), "the venue's books", color=INK, width=2.5)]
    if venue.has_books:
        believed = _to_end(belief(lives, symbol), end_ns)
        traces.append(_steps(highest(believed), "the bot's belief", color=AMISS, width=1.5, dash="dot"))
    return _Row(height=120, traces=traces, axis=_axis(f"{name}position<br>({base})", zeroline=True))


def _to_end(curve: list[tuple[Nanos, float]], end_ns: Nanos) -> list[tuple[Nanos, float]]:
    return [*curve, (end_ns, curve[-1][1])] if curve and curve[-1][0] < end_ns else curve


_KINDS: Final = (
    ("new order", ("order.create",), "triangle-up-open", BUY),
    ("cancel or edit", ("order.cancel", "order.edit"), "triangle-down-open", SELL),
    ("question", (), "circle-open", PALE),
)


def _requests(venue: VenueChronicle, lives: Sequence[Life], told: list[str], name: str, end_ns: Nanos) -> list[_Row]:
    """How long requests took, and how many of what waited."""
    rows = []
    heard = [each for each in venue.asked if each.ended == "heard" and each.ended_ns is not None and each.ended_ns > each.sent_ns]
    unheard = [each for each in venue.asked if each.ended != "heard"]
    traces = []
    named = [op for _, ops, _, _ in _KINDS for op in ops]
    for kind, ops, symbol, color in _KINDS:
        mine = [each for each in heard if (each.op in ops if ops else each.op not in named)]
        if mine:
            slow = sorted((_took_ns(each) for each in mine), reverse=True)[min(len(mine) - 1, 300)]
            shown = thinned(mine, REQUESTS_MAX, lambda each, slow=slow: _took_ns(each) > slow)  # type: ignore[misc]  # bound at once
            if len(shown) < len(mine):
                told.append(f"{name}requests: {len(shown):,} of {len(mine):,} answers to a {kind} are drawn, the slowest all")
            traces.append(_asked(shown, f"{kind}: answered", symbol, color, end_ns))
    if unheard:
        traces.append(_asked(thinned(unheard, REQUESTS_MAX), "no answer: given up or cut", "x", AMISS, end_ns))
    if traces:
        took = [math.log10(ms) for trace in traces for ms in trace["y"]]
        decades = [math.floor(min(took)) - 0.1, math.ceil(max(took)) + 0.1]
        axis = _axis(f"{name}request took<br>(ms)", type="log", dtick=1, range=decades, tickformat=",~r")
        rows.append(_Row(height=150, traces=traces, axis=axis))
    waited = depth(
        (life.asked_ns, life.ended_ns if life.sent_ns is None else life.sent_ns) for life in lives if venue.has_books and not life.foreign
    )
    flying = depth((each.sent_ns, end_ns if each.ended_ns is None else each.ended_ns) for each in venue.asked)
    unknowns = depth(
        (unknown.begin_ns, end_ns if unknown.end_ns is None else unknown.end_ns) for life in lives for unknown in life.unknowns
    )
    curves = [
        (waited, "orders in the outbox", {"color": BUY, "width": 2}),
        (flying, "requests under way", {"color": PALE, "width": 1}),
        (unknowns, "orders of unknown outcome", {"color": AMISS, "width": 2, "dash": "dash"}),
    ]
    traces = [_steps(highest(curve), title, **style) for curve, title, style in curves if curve]
    top = max((int(count) for curve, _, _ in curves for _, count in curve), default=1)
    if traces:
        rows.append(_Row(height=110, traces=traces, axis=_axis(f"{name}waiting<br>(count)", rangemode="tozero", dtick=-(-top // 4))))
    return rows


def _took_ns(asked: Asked) -> Nanos:
    return 0 if asked.ended_ns is None else asked.ended_ns - asked.sent_ns


def _asked(requests: Sequence[Asked], name: str, symbol: str, color: str, end_ns: Nanos) -> dict[str, Any]:
    took = [(end_ns if each.ended_ns is None else each.ended_ns) - each.sent_ns for each in requests]
    return {
        "type": "scatter", "mode": "markers", "name": name,
        "x": [at(each.sent_ns) for each in requests], "y": [max(ns, 1000) / MILLISECOND for ns in took],
        "marker": {"symbol": symbol, "size": 8, "color": color, "line": {"width": 1.2}},
        "text": [_of_request(each) for each in requests],
        "hovertemplate": "%{text}<br>left at %{x|%H:%M:%S.%L}, took %{y:,.1f} ms<extra></extra>",
    }  # fmt: skip


def _of_request(asked: Asked) -> str:
    refusal = f", {asked.refusal}" if asked.refusal else ""
    text = escape(f"{asked.op} {asked.client_order_id or asked.order_id}: {asked.ended or 'under way at the end'}{refusal}")
    return text + (f"<br>{escape(asked.line)}" if asked.line else "")


def _steps(curve: Sequence[tuple[Nanos, float]], name: str, **line: Any) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "name": name, "line": {"shape": "hv", **line},
        "x": [at(at_ns) for at_ns, _ in curve], "y": [value for _, value in curve],
        "hovertemplate": f"{escape(name)}: %{{y:,}}<br>%{{x|%H:%M:%S.%L}}<extra></extra>",
    }  # fmt: skip


def _axis(title: str, **more: Any) -> dict[str, Any]:
    return {
        "title": {"text": title, "font": {"size": 11}, "standoff": 6}, "automargin": False, "gridcolor": "#ececec", "linecolor": "#bbbbbb",
        "zeroline": False, "zerolinecolor": "#bbbbbb", "ticks": "outside", "ticklen": 3, "tickcolor": "#bbbbbb", "showline": True,
        "tickfont": {"size": 10}, "nticks": 6, **more,
    }  # fmt: skip


def _stacked(rows: Sequence[_Row], story: Story, told: list[str]) -> Figure:
    total = sum(row.height for row in rows) + GAP * max(0, len(rows) - 1) or 1
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "height": total + 106, "margin": {"l": 118, "r": 218, "t": 32, "b": 58, "pad": 0}, "hovermode": "closest", "dragmode": "zoom",
        "paper_bgcolor": "#ffffff", "plot_bgcolor": "#ffffff", "barmode": "overlay", "bargap": 0.25,
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif", "size": 11, "color": "#222222"},
        "hoverlabel": {"align": "left", "bgcolor": "#ffffff", "bordercolor": "#888888", "font": {"color": "#222222", "size": 12}},
        "uniformtext": {"mode": "hide", "minsize": 9}, "shapes": _bands(story, told),
    }  # fmt: skip
    top = 0.0
    for number, row in enumerate(rows, start=1):
        suffix = "" if number == 1 else str(number)
        bottom = top + row.height
        layout[f"yaxis{suffix}"] = {"domain": [max(0.0, 1 - bottom / total), 1 - top / total], "anchor": "x", **row.axis}
        layout[f"legend{suffix}"] = {
            "x": 1.012, "y": 1 - top / total, "xanchor": "left", "yanchor": "top", "bgcolor": "rgba(255,255,255,0)", "font": {"size": 11},
            "itemsizing": "trace", "tracegroupgap": 2, "traceorder": "normal",
        }  # fmt: skip
        data += [{**trace, "xaxis": "x", "yaxis": f"y{suffix}", "legend": f"legend{suffix}"} for trace in row.traces]
        top = bottom + GAP
    is_long = story.end_ns >= HOUR
    layout["xaxis"] = {
        "type": "date", "anchor": f"y{len(rows)}" if len(rows) > 1 else "y", "range": [at(0), at(max(story.end_ns, 1))], "showgrid": True,
        "gridcolor": "#ececec", "linecolor": "#bbbbbb", "ticks": "outside", "ticklen": 4, "tickcolor": "#bbbbbb", "showline": True,
        "title": {"text": f"run time ({'h:min:s' if is_long else 'min:s'})", "font": {"size": 11}},
        "showspikes": True, "spikemode": "across", "spikethickness": 1, "spikedash": "dot", "spikecolor": "#888888",
        "hoverformat": "%H:%M:%S.%L",
        "tickformatstops": [
            {"dtickrange": [None, 1000], "value": "%M:%S.%L"},
            {"dtickrange": [1000, 3_600_000], "value": "%H:%M:%S" if is_long else "%M:%S"},
            {"dtickrange": [3_600_000, 86_400_000], "value": "%H:%M"}, {"dtickrange": [86_400_000, None], "value": "day %-j"},
        ],
    }  # fmt: skip
    return Figure(data=data, layout=layout, thinned=told)


def _bands(story: Story, told: list[str]) -> list[dict[str, Any]]:
    """Where faults were at work, over all rows."""
    shown = [band for band in story.bands if band.end_ns > band.begin_ns]
    if len(shown) > BANDS_MAX:
        told.append(f"bands: {BANDS_MAX} of {len(shown):,} windows of faults are shaded; the row of each fault has all")
    line = {"color": "rgba(90,90,90,0.55)", "width": 1, "dash": "dash"}
    every = {"type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "fillcolor": "rgba(120,120,120,0.10)"}
    return [{**every, "line": line, "x0": at(band.begin_ns), "x1": at(band.end_ns)} for band in thinned(shown, BANDS_MAX)]
