"""How a client's lanes stood over time, from what the journal says of its health."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from papertape.model.request import Lane
from papertape.model.units import Nanos

_LANE: Final = re.compile(
    r"(\w+) lane: (no connection; waiting to dial|dialled; no answer yet|connected; repairing[^;(]*|[^;(]+)( \([^)]*\))?"
)
_BOOK: Final = re.compile(r"book (\S+): ")

STATES: Final = {"up": "up", "no connection": "down", "dialled": "dialling", "connected": "repairing"}
"""A word for each state of a lane, by the first words of what it says of itself; see `resilience.reconnect.LaneState`."""


class Span(msgspec.Struct, kw_only=True):
    """A time in which a lane stood so.

    Attributes:
        state: up, down, dialling, repairing, waiting (books), closed, or the lane's own words.
        meanwhile: what was done about it, such as "polling by REST"; empty where nothing was.
    """

    state: str
    meanwhile: str
    begin_ns: Nanos
    end_ns: Nanos


class Lanes:
    """Takes up health line by line."""

    def __init__(self, *, several: bool) -> None:
        self._several = several
        self._spans: dict[str, list[Span]] = {}
        self._known: dict[str, None] = {}

    def on(self, at_ns: Nanos, venue: str, *, is_healthy: bool, why: str) -> None:
        """The health of a venue's client from then on.

        >>> lanes = Lanes(several=False)
        >>> lanes.on(0, "coinbase", is_healthy=False, why="user lane: no connection; waiting to dial (polling by REST)")
        >>> [(span.state, span.meanwhile) for span in lanes.ended(9)["user lane"]]
        [('down', 'polling by REST')]
        """
        prefix = f"{venue} " if self._several else ""
        states = {f"{prefix}{lane} lane": ("up", "") for lane in Lane}
        if why == "disconnected":
            states = dict.fromkeys(states, ("closed", ""))
        for lane, words, meanwhile in _LANE.findall(why) if not is_healthy else ():
            word = next((word for first, word in STATES.items() if words.startswith(first)), words)
            states[f"{prefix}{lane} lane"] = word, meanwhile.strip(" ()")
        books = f"{prefix}books"
        stale = _BOOK.findall(why)
        if stale or books in self._spans:
            states[books] = ("waiting", ", ".join(stale)) if stale else ("up", "")
        for name, (state, meanwhile) in states.items():
            spans = self._spans.setdefault(name, [])
            if spans and (spans[-1].state, spans[-1].meanwhile) == (state, meanwhile):
                continue
            if spans:
                spans[-1].end_ns = at_ns
            spans.append(Span(state=state, meanwhile=meanwhile, begin_ns=at_ns, end_ns=-1))

    def ended(self, end_ns: Nanos) -> dict[str, list[Span]]:
        """All spans, by lane."""
        for spans in self._spans.values():
            spans[-1].end_ns = max(end_ns, spans[-1].begin_ns)
        return {name: [span for span in spans if span.end_ns > span.begin_ns] for name, spans in self._spans.items()}
