"""Fills by nothing but trades beyond our price."""

from __future__ import annotations

from typing import ClassVar

from papertape.model.instrument import Instrument
from papertape.sim.fills.base import FillModel, Place
from papertape.sim.fills.cross import LastPlace


class ThroughFills(FillModel, frozen=True, tag="through"):
    """A resting order fills only when the tape prints a trade through its price; the most cautious model.

    It fills, at its own limit and as a maker, by a trade at a price beyond its own (under a bid, over an ask) that happened after the order
    arrived, up to that trade's volume, which several orders of ours share by price, then time. Whoever was ahead at its price was hit
    before that trade, so no guess about the queue is needed; and a trade is a fact, where a quote may be gone before anyone can hit it.

    It does not fill by trades at its price, nor by levels of the other side that arrive at or through it: those stay where they are.
    """

    meets_levels: ClassVar[bool] = False

    def join(self, lots: int | None, mark: int, instrument: Instrument) -> Place:
        return LastPlace(mark)
