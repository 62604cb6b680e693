"""The row with the price: what the market did, and our orders in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from html import escape
from typing import Any

from papertape.model.units import MILLISECOND, Nanos, format_duration
from papertape.reports.html.ink import AMISS, BUY, INK, SELL
from papertape.reports.html.lives import Life
from papertape.reports.html.run_time import at
from papertape.reports.html.series import POINTS_MAX, thinned
from papertape.session.chronicle import Bar, VenueChronicle

Point = tuple[Nanos, float, str]


def market_traces(venue: VenueChronicle, symbol: str, end_ns: Nanos) -> list[dict[str, Any]]:
    """The last price, and the lowest and the highest around it."""
    bars = venue.prices.get(symbol, [])
    if not bars:
        return []
    if bars[-1].at_ns < end_ns:  # the last price is the price until there is another
        bars = [*bars, Bar(end_ns, bars[-1].last, bars[-1].last, bars[-1].last)]
    x = [at(bar.at_ns) for bar in bars]
    edge = {"type": "scatter", "mode": "lines", "x": x, "line": {"width": 0, "shape": "hv"}, "hoverinfo": "skip", "showlegend": False}
    return [
        {**edge, "y": [bar.low for bar in bars]},
        {**edge, "y": [bar.high for bar in bars], "fill": "tonexty", "fillcolor": "rgba(110,110,110,0.25)"},
        {
            "type": "scatter", "mode": "lines", "name": "price, with its range", "x": x, "y": [bar.last for bar in bars],
            "line": {"width": 1, "color": "#6e6e6e", "shape": "hv"}, "hovertemplate": "%{y:,}<br>%{x|%H:%M:%S.%L}<extra></extra>",
        },
    ]  # fmt: skip


def price_range(venue: VenueChronicle, symbol: str, lives: Sequence[Life]) -> dict[str, list[float]]:
    """What to show of prices where somebody else's orders lie far off, as an axis has it; nothing where all may be shown."""
    bars = venue.prices.get(symbol, [])
    own = [
        price for life in lives if not life.foreign for price in (life.price, *(limit for _, _, limit in life.limits)) if price is not None
    ]
    every = [*own, *(bar.low for bar in bars), *(bar.high for bar in bars)]
    if not every or not any(life.foreign for life in lives):
        return {}
    margin = (max(every) - min(every)) * 0.06 or 1.0
    return {"range": [min(every) - margin, max(every) + margin]}


def order_traces(lives: Sequence[Life], told: list[str], symbol: str, end_ns: Nanos) -> list[dict[str, Any]]:
    """Orders as they lived; of very many the odd ones and some of the others."""
    drawable = [life for life in lives if life.price is not None]
    shown = thinned(drawable, POINTS_MAX // 2, lambda life: life.is_odd)
    if len(shown) < len(drawable):
        told.append(
            f"{symbol}: {len(shown):,} of {len(drawable):,} orders are drawn: those of unknown outcome, refused or never sent first, "
            "and of the others one in so many"
        )
    traces = [
        _segments(shown, "buy, resting", lambda life: life.side == "buy" and not life.foreign, color=BUY, width=2),
        _segments(shown, "sell, resting", lambda life: life.side == "sell" and not life.foreign, color=SELL, width=2, dash="dot"),
        _segments(shown, "somebody else's, resting", lambda life: life.foreign, color=INK, width=1, dash="longdashdot"),
        _unknowns(shown, end_ns),
        _points("asked for", "circle-open", INK, 6, [(life.asked_ns, _at(life), _told(life)) for life in shown if not life.foreign]),
        _points("bought", "triangle-up", BUY, 11, _fills(shown, "buy")),
        _points("sold", "triangle-down", SELL, 11, _fills(shown, "sell")),
        _points("cancelled or expired", "line-ns-open", INK, 9, _ends(shown, lambda life: life.outcome in ("cancelled", "expired"))),
        _points("refused, or never sent", "square-x-open", AMISS, 11, _ends(shown, _came_to_nothing)),
    ]
    return [trace for trace in traces if trace["x"]]


def _came_to_nothing(life: Life) -> bool:
    return life.outcome not in ("filled", "cancelled", "expired", "open at the end")


def _at(life: Life) -> float:
    return life.price or 0.0


def _ends(lives: Sequence[Life], is_so: Callable[[Life], bool]) -> list[Point]:
    return [(life.ended_ns, life.limits[-1][2] if life.limits else _at(life), _told(life)) for life in lives if is_so(life)]


def _fills(lives: Sequence[Life], side: str) -> list[Point]:
    return [
        (fill.at_ns, float(fill.price), f"{_told(life)}<br>{escape(fill.trade_id)}: {fill.amount} at {fill.price}, {fill.liquidity}")
        for life in lives
        if life.side == side
        for fill in life.fills
    ]


def _told(life: Life) -> str:
    price = "" if not life.limits else f" at {Decimal(repr(life.limits[-1][2])):,f}"
    rows = [f"<b>{escape(life.key)}</b> {escape(life.type)} {escape(life.side)} {escape(life.amount)}{price}: {escape(life.outcome)}"]
    if life.believed:
        rows.append(f"the bot believes: {escape(life.believed)}")
    if life.unknowns:
        rows.append(f"outcome unknown from {format_duration(life.unknowns[0].begin_ns // MILLISECOND * MILLISECOND)}")
    if life.line:
        rows.append(escape(life.line))
    return "<br>".join(rows)


def _points(name: str, symbol: str, color: str, size: int, points: Sequence[Point]) -> dict[str, Any]:
    shown = thinned(points)
    edge = {"width": 1.4, "color": color if "open" in symbol else "#ffffff"}
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": [at(at_ns) for at_ns, _, _ in shown],
        "y": [price for _, price, _ in shown], "text": [text for _, _, text in shown],
        "marker": {"symbol": symbol, "size": size, "color": color, "line": edge},
        "hovertemplate": f"{escape(name)} at %{{x|%H:%M:%S.%L}}<br>%{{text}}<extra></extra>",
    }  # fmt: skip


def _segments(lives: Sequence[Life], name: str, is_so: Callable[[Life], bool], **line: Any) -> dict[str, Any]:
    """One line with gaps, since a trace for each order would be too many."""
    x: list[float | None] = []
    y: list[float | None] = []
    text: list[str | None] = []
    for life in lives:
        for begin_ns, end_ns, price in life.limits if is_so(life) else ():
            x += [at(begin_ns), at(end_ns), None]
            y += [price, price, None]
            text += [_told(life), _told(life), None]
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "text": text, "line": line, "connectgaps": False,
        "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip


def _unknowns(lives: Sequence[Life], end_ns: Nanos) -> dict[str, Any]:
    x: list[float | None] = []
    y: list[float | None] = []
    text: list[str | None] = []
    for life in lives:
        for unknown in life.unknowns:
            until_ns = end_ns if unknown.end_ns is None else unknown.end_ns
            lasted_ns = (until_ns - unknown.begin_ns) // MILLISECOND * MILLISECOND
            took = "to the end" if unknown.end_ns is None else f"for {format_duration(lasted_ns)}"
            x += [at(unknown.begin_ns), at(until_ns), None]
            y += [_at(life), _at(life), None]
            text += [f"outcome unknown to the client {took}<br>{_told(life)}"] * 2 + [None]
    return {
        "type": "scatter", "mode": "lines+markers", "name": "outcome unknown", "x": x, "y": y, "text": text, "connectgaps": False,
        "line": {"color": AMISS, "width": 4, "dash": "dash"},
        "marker": {"symbol": "diamond-open", "size": 9, "color": AMISS, "line": {"width": 2}},
        "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip
