"""The same delay every time."""

from __future__ import annotations

from functools import cached_property

from papertape.model.units import Nanos
from papertape.sim.latency.base import LatencyLaw, duration


class ConstantLatency(LatencyLaw, frozen=True, dict=True, tag="constant"):
    """Always `value`.

    >>> ConstantLatency("15ms").ns(draw=7)
    15000000
    """

    value: str

    def __post_init__(self) -> None:
        duration("constant", "value", self.value)

    @cached_property
    def _value_ns(self) -> Nanos:
        return duration("constant", "value", self.value)

    def ns(self, draw: int) -> Nanos:
        return self._value_ns
