"""Where faults hit: in which state the order was and how the lanes stood, as far as the journal tells."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from papertape.model.order import OrderStatus

LANE_WORDS: Final = {
    "no connection": "a lane down", "dialled": "a lane dialling", "connected": "a lane repairing",
}  # fmt: skip
"""By the first word of what a lane says of itself, gravest first; see `resilience.reconnect.LaneState`."""

LANES_UP: Final = "all lanes up"

_LANE: Final = re.compile(r"\w+ lane: ([^;]+)")
_ENDS: Final = "ends"
"""All else that the journal says of a fault is that it began or did something."""


class Coverage:
    """Hears a journal line by line, as `run_scenario(listen=…)`.

    Attributes:
        cells: how often each (kind of fault, state of the order, state of the lanes) was hit. Faults of the network are not in it, since
            the journal has them not.
    """

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str, str], int] = {}
        self._orders: dict[str, str] = {}  # at the venue, by client order id
        self._open = 0
        self._lanes: dict[str, str] = {}  # by venue
        self._decode = msgspec.json.Decoder().decode

    def __call__(self, kind: str, line: bytes) -> None:
        if kind == "order":
            self._order(self._decode(line))
        elif kind == "health":
            fact = self._decode(line)
            self._lanes[fact["venue"]] = LANES_UP if fact["healthy"] else lanes_of(fact["why"])
        elif kind == "fault":
            fact = self._decode(line)
            if fact["what"] != _ENDS:
                cell = (fact["fault"], self._state(fact), self._worst())
                self.cells[cell] = self.cells.get(cell, 0) + 1

    def _order(self, fact: dict[str, Any]) -> None:
        before, after = self._orders.get(fact["client_order_id"]), fact["status"]
        self._orders[fact["client_order_id"]] = after
        self._open += (after == OrderStatus.OPEN) - (before == OrderStatus.OPEN)

    def _state(self, fact: dict[str, Any]) -> str:
        """Of the request's own order at the venue; of any order where the fault is about none."""
        if fact.get("client_order_id"):
            return self._orders.get(fact["client_order_id"], "not at the venue")
        return "orders open" if self._open else "no order open"

    def _worst(self) -> str:
        states = list(self._lanes.values())
        return next((word for word in LANE_WORDS.values() if word in states), LANES_UP)


def lanes_of(why: str) -> str:
    """The gravest that a lane says of itself in a line of the journal.

    >>> lanes_of("rest lane: dialled; no answer yet; user lane: no connection; waiting to dial"), lanes_of("book BTC/USD: no snapshot yet")
    ('a lane down', 'all lanes up')
    """
    said = _LANE.findall(why)
    return next((word for head, word in LANE_WORDS.items() if any(each.startswith(head) for each in said)), LANES_UP)
