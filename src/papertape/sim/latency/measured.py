"""Delays as they were measured, as a table of quantiles."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Final

from papertape.model.units import Nanos
from papertape.sim.latency.base import LatencyLaw, duration

QUANTILES_MAX: Final = 10_001


class MeasuredLatency(LatencyLaw, frozen=True, dict=True, kw_only=True, tag="measured"):
    """Delays spread as a table of quantiles says: its first is the shortest, its last the longest, the others lie at even steps between.

    Between two quantiles delays are spread evenly, so that no delay is shorter than the first or longer than the last. `papertape tape
    latency TAPE` fits such a table to a recording.

    Attributes:
        quantiles: at least two durations, none shorter than the one before it. Of five, the third is the median.

    >>> law = MeasuredLatency(quantiles=("10ms", "12ms", "50ms"))
    >>> law.ns(0), law.ns(2**62), law.ns(2**63), law.ns(2**64 - 1)
    (10000000, 11000000, 12000000, 49999999)
    """

    quantiles: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.quantiles) <= QUANTILES_MAX:
            raise ValueError(f"measured latency, key `quantiles`: holds {len(self.quantiles)}; expected 2 to {QUANTILES_MAX} durations")
        found = [duration("measured", "quantiles", text) for text in self.quantiles]
        for (one, shorter), (other, longer) in pairwise(zip(self.quantiles, found, strict=True)):
            if longer < shorter:
                raise ValueError(f'measured latency, key `quantiles`: "{other}" comes after "{one}"; expected none to be shorter')

    @cached_property
    def _knots(self) -> tuple[Nanos, ...]:
        return tuple(duration("measured", "quantiles", text) for text in self.quantiles)

    def ns(self, draw: int) -> Nanos:
        step, rest = divmod(draw * (len(self._knots) - 1), 1 << 64)
        low, high = self._knots[step], self._knots[step + 1]
        return low + ((high - low) * rest >> 64)
