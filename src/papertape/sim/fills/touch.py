"""Fills that assume we are always first in the queue."""

from __future__ import annotations

from collections.abc import Sequence

from papertape.model.instrument import Instrument
from papertape.sim.fills.base import FillModel, Place, Told, told_before


class FrontPlace:
    """First in the queue, whoever else is there."""

    __slots__ = ("joined",)

    def __init__(self, mark: int) -> None:
        self.joined = mark

    @property
    def ahead(self) -> int:
        return 0

    def on_trade(self, lots: int, absorbed: int, told: Sequence[Told]) -> int:
        return max(lots - told_before(told, self.joined) - absorbed, 0)

    def on_through(self, lots: int, absorbed: int, told: Sequence[Told], mark: int) -> int:
        return self.on_trade(lots, absorbed, told)

    def on_absorbed(self, lots: int) -> None:
        pass

    def on_level(self, lots: int, mark: int, *, is_past: bool) -> None:
        pass


class TouchFills(FillModel, frozen=True, tag="touch"):
    """A resting order fills as soon as the market touches its price; the kindest model that never invents volume.

    It fills, at its own limit and as a maker, when
    - the tape prints a trade that happened after the order arrived, at its price or a worse one for the taker, with the taker on the
      other side: up to the volume of that trade, which several orders of ours share by price, then time;
    - a level of the other side stands at or through its price when a message ends: up to the size of that level, which is then taken.

    It does not fill because the best price of its own side moves away, nor because a level at its price shrinks.
    """

    def join(self, lots: int | None, mark: int, instrument: Instrument) -> Place:
        return FrontPlace(mark)
