"""What a fee model decides: the price of a fill."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import reduce
from typing import ClassVar, Final

import msgspec

from papertape.model.order import Fill, Liquidity
from papertape.model.units import DAY, EXACT, HOUR, Nanos


class FeeModel(msgspec.Struct, frozen=True, tag_field="kind"):
    """What the venue charges for a fill, always in the quote currency and never rounded.

    Attributes:
        counts_volume: whether it depends on what was traded before.
    """

    counts_volume: ClassVar[bool] = False

    def after(self, volume: Decimal) -> FeeModel:
        """What an order is charged that is placed when `volume` (quote) was traded in the last thirty days of the run."""
        return self

    def bps(self, liquidity: Liquidity) -> Decimal:
        """Hundredths of a percent of a fill's cost; below zero where the venue pays us."""
        raise NotImplementedError

    def rate(self, liquidity: Liquidity) -> Decimal:
        """The fraction of a fill's cost."""
        return EXACT.scaleb(self.bps(liquidity), -4)

    def fee(self, cost: Decimal, liquidity: Liquidity) -> Decimal:
        """Quote to pay for a fill that cost `cost`."""
        return EXACT.multiply(cost, self.rate(liquidity))

    def worst(self, cost: Decimal) -> Decimal:
        """The most that fills of `cost` together can be charged: what a hold must cover."""
        return EXACT.multiply(cost, max(self.rate(Liquidity.MAKER), self.rate(Liquidity.TAKER), Decimal(0)))


WINDOW_NS: Final = 30 * DAY
"""What a volume is counted over."""


def rates_at(fees: FeeModel, fills: Sequence[Fill], at_ns: Nanos) -> FeeModel:
    """What an order pays that is placed at `at_ns`: by the fills of the thirty days before its full hour, which are counted hourly.

    Args:
        fills: oldest first; those made later are not counted.
    """
    if not fees.counts_volume:
        return fees
    hour_ns = at_ns - at_ns % HOUR
    costs = (fill.cost for fill in fills if hour_ns - WINDOW_NS <= fill.venue_ns < hour_ns)
    return fees.after(reduce(EXACT.add, costs, Decimal(0)))
