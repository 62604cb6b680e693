"""Delays that are mostly alike and now and then much longer."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cached_property
from typing import Final

from papertape.model.units import Nanos
from papertape.sim.latency.base import LatencyLaw, duration
from papertape.sim.latency.quantiles import QUANTILES

STEPS: Final = 1000
"""The table has a knot at each thousandth, so that the median and the 99th percentile are met exactly."""

_DIGITS: Final = Context(prec=28, rounding=ROUND_HALF_EVEN)  # decimal's ln and exp are correctly rounded, the same everywhere


class LognormalLatency(LatencyLaw, frozen=True, dict=True, kw_only=True, tag="lognormal"):
    """Half of all delays are under `median`, 99 of 100 under `p99`; the longest is that of the 99.99th percentile.

    >>> law = LognormalLatency(median="20ms", p99="180ms")
    >>> law.ns(2**63), law.ns(2**64 * 99 // 100), law.ns(2**64 - 1)
    (20000000, 179999999, 670702569)
    """

    median: str
    p99: str

    def __post_init__(self) -> None:
        median_ns, p99_ns = duration("lognormal", "median", self.median), duration("lognormal", "p99", self.p99)
        if not 0 < median_ns <= p99_ns:
            raise ValueError(f'lognormal latency: median "{self.median}" and p99 "{self.p99}"; expected 0 < median <= p99')

    @cached_property
    def _knots(self) -> tuple[Nanos, ...]:
        """Delays at each thousandth of probability."""
        median_ns, p99_ns = duration("lognormal", "median", self.median), duration("lognormal", "p99", self.p99)
        ratio = _DIGITS.ln(_DIGITS.divide(Decimal(p99_ns), Decimal(median_ns)))
        upper, lower = [], []
        for quantile in QUANTILES:
            factor = _DIGITS.exp(_DIGITS.divide(_DIGITS.multiply(ratio, Decimal(quantile)), Decimal(QUANTILES[490])))
            upper.append(int(_DIGITS.multiply(factor, Decimal(median_ns)).to_integral_value(ROUND_HALF_EVEN)))
            lower.append(int(_DIGITS.divide(Decimal(median_ns), factor).to_integral_value(ROUND_HALF_EVEN)))
        return tuple(lower[:0:-1] + upper)

    def ns(self, draw: int) -> Nanos:
        step, rest = divmod(draw * STEPS, 1 << 64)
        low, high = self._knots[step], self._knots[step + 1]
        return low + ((high - low) * rest >> 64)
