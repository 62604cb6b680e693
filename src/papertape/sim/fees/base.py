"""What a fee model decides: the price of a fill."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from papertape.model.order import Liquidity
from papertape.model.units import EXACT


class FeeModel(msgspec.Struct, frozen=True, tag_field="kind"):
    """What the venue charges for a fill, always in the quote currency and never rounded."""

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
