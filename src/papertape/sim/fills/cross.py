"""Fills by what would have traded with us whoever stood ahead."""

from __future__ import annotations

from collections.abc import Sequence

from papertape.model.instrument import Instrument
from papertape.sim.fills.base import FillModel, Place, Told
from papertape.sim.fills.queue import UNKNOWN
from papertape.sim.fills.touch import FrontPlace


class LastPlace(FrontPlace):
    """Last in the queue for as long as anybody stands there."""

    __slots__ = ()

    @property
    def ahead(self) -> int:
        return UNKNOWN

    def on_trade(self, lots: int, absorbed: int, told: Sequence[Told]) -> int:
        return 0

    def on_through(self, lots: int, absorbed: int, told: Sequence[Told], mark: int) -> int:
        return FrontPlace.on_trade(self, lots, absorbed, told)


class CrossFills(FillModel, frozen=True, tag="cross"):
    """A resting order fills when the market crosses its price; a trade at its very price is always somebody else's.

    It fills, at its own limit and as a maker, by
    - a trade at a price beyond its own that happened after the order arrived, up to that trade's volume;
    - a level of the other side that stands at or through its price when a message ends, up to that level's size, which is then taken.

    It does not fill by trades at its price, however many there are, nor by what happens to its own side of the book. Several orders of
    ours share a volume by price, then time. It is the rule of backtests without a queue ("fill when the best ask is at or under the bid"),
    held to the volume that was there.
    """

    def join(self, lots: int | None, mark: int, instrument: Instrument) -> Place:
        return LastPlace(mark)
