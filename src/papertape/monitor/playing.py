"""A journal as lines in the order of time, to be looked at from any instant to any other.

What the market did is not in a journal's lines; a run that was to be looked at afterwards leaves it in the journal's tail, as prices of
short stretches. So there are candles and no book.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from papertape.model.units import MINUTE, SECOND, Nanos
from papertape.monitor.screen import Screen
from papertape.monitor.source import Line
from papertape.reports.html.story import Story, journal_entries, read_story
from papertape.session.chronicle import Filled, Placed, VenueChronicle

_NOT_LOGGED: Final = ("delivered", "told", "order", "header")
_SPANS: Final = (SECOND, 5 * SECOND, 15 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE)
_CANDLES: Final = 120
"""How many candles a run is shown in, about."""


class Player:
    """Shows a journal as it stood at any instant.

    Args:
        path: a journal's file; raises `ConfigError` where it is none.

    Attributes:
        title: of the run.
        begin_ns, end_ns: of the run, since 1970-01-01 UTC.
        screen: as it stands at `now_ns`; another object after going back.
    """

    def __init__(self, path: Path) -> None:
        story = read_story(path)
        self.title = str(story.header.get("title") or path.name)
        self.begin_ns = _begin_ns(story.header)
        self.end_ns = self.begin_ns + story.end_ns
        self.now_ns = self.begin_ns
        self._timed = sorted(_lines(story, path, self.begin_ns), key=itemgetter(0))
        self._times = [at_ns for at_ns, _ in self._timed]
        self._span_ns = next((span for span in _SPANS if span * _CANDLES >= story.end_ns), _SPANS[-1])
        self._done = 0
        self.screen = self._begun(story.header)
        self._header = story.header
        self.notable_ns = [at_ns for at_ns, line in self._timed if line["kind"] == "fault" and line.get("what") == "begins"]

    def seek(self, ns: Nanos) -> Screen:
        """The screen as it stood then."""
        ns = min(max(ns, self.begin_ns), self.end_ns)
        upto = bisect_right(self._times, ns)
        if upto < self._done:
            self.screen, self._done = self._begun(self._header), 0
        for _, line in self._timed[self._done : upto]:
            self.screen.take(line)
        self._done, self.now_ns = upto, ns
        self.screen.now_ns = max(self.screen.now_ns, ns)
        return self.screen

    def _begun(self, header: dict[str, Any]) -> Screen:
        screen = Screen(self._span_ns)
        screen.take({
            "kind": "standing", "mode": str(header.get("mode") or "replay"), "exchange": ", ".join(header.get("venues") or ()),
            "bot": str(header.get("bot") or header.get("program") or ""),
        })  # fmt: skip
        return screen


def _begin_ns(header: dict[str, Any]) -> Nanos:
    """The date of run time 0."""
    for venue in (header.get("venues") or {}).values():
        for feed in venue.get("feed") or () if isinstance(venue, dict) else ():
            if isinstance(feed, dict) and isinstance(feed.get("start"), int):
                return int(feed["start"])
    return 0


def _lines(story: Story, path: Path, begin_ns: Nanos) -> Iterator[tuple[Nanos, Line]]:
    for venue in story.chronicle.venues:
        yield from _prices(venue, begin_ns)
        yield from _orders(venue, begin_ns)
    yield from _lanes(story, begin_ns)
    for entry in journal_entries(path):
        if entry["kind"] not in _NOT_LOGGED and "result" not in entry:
            at_ns = begin_ns + entry["t"]
            yield at_ns, {**entry, "ns": at_ns}


def _prices(venue: VenueChronicle, begin_ns: Nanos) -> Iterator[tuple[Nanos, Line]]:
    for symbol, bars in venue.prices.items():
        for bar in bars:
            at_ns = begin_ns + bar.at_ns
            yield at_ns, {"kind": "price", "symbol": symbol, "ns": at_ns, "low": bar.low, "high": bar.high, "last": bar.last}


def _orders(venue: VenueChronicle, begin_ns: Nanos) -> Iterator[tuple[Nanos, Line]]:
    fills: dict[str, list[Filled]] = {}
    for fill in venue.fills:
        fills.setdefault(fill.order_id, []).append(fill)
    for order in venue.orders:
        yield from _order(order, fills.get(order.id, []), begin_ns)


def _order(order: Placed, fills: list[Filled], begin_ns: Nanos) -> Iterator[tuple[Nanos, Line]]:
    """An order each time that something changed about it, as the venue had it."""
    filled, cost = Decimal(0), Decimal(0)
    price = f"{order.limits[0][1]:.10g}" if order.limits else None

    def line(at_ns: Nanos, status: str, reason: str = "") -> tuple[Nanos, Line]:
        return begin_ns + at_ns, {
            "kind": "state", "symbol": order.symbol, "ns": begin_ns + at_ns, "id": order.id, "client_order_id": order.client_order_id,
            "type": order.type, "side": order.side, "price": price, "amount": order.amount, "filled": str(filled), "cost": str(cost),
            "status": status, "reason": reason,
        }  # fmt: skip

    steps: list[tuple[Nanos, int, Any]] = [(order.created_ns, 0, None)]
    steps += [(at_ns, 1, limit) for at_ns, limit in order.limits[1:]]
    steps += [(fill.at_ns, 2, fill) for fill in fills]
    steps.sort(key=itemgetter(0, 1))
    for at_ns, what, given in steps:
        if what == 1:
            price = f"{given:.10g}"
        elif what == 2:
            filled += Decimal(given.amount)
            cost += Decimal(given.amount) * Decimal(given.price)
        yield line(at_ns, "open")
    if order.ended_ns is not None:
        yield line(order.ended_ns, order.status, order.reason)


def _lanes(story: Story, begin_ns: Nanos) -> Iterator[tuple[Nanos, Line]]:
    """How the lanes stood from each instant at which one of them changed."""
    changes = sorted(
        ((span.begin_ns, name, span.state, span.meanwhile) for name, spans in story.lanes.items() for span in spans), key=itemgetter(0)
    )
    standing: dict[str, tuple[str, str]] = {}
    for at_ns, group in groupby(changes, key=itemgetter(0)):
        standing |= {name: (state, meanwhile) for _, name, state, meanwhile in group}
        wrong = {name: how for name, how in standing.items() if how[0] not in ("up", "closed")}
        told = [f"{name} {state}{f' ({meanwhile})' if meanwhile else ''}" for name, (state, meanwhile) in wrong.items()]
        yield begin_ns + at_ns, {"kind": "lanes", "ns": begin_ns + at_ns, "lanes": dict(standing), "why": "; ".join(told)}
