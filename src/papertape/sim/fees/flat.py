"""One rate for makers, one for takers."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from papertape.model.order import Liquidity
from papertape.sim.fees.base import FeeModel

BPS_MAX: Final = Decimal(10_000)


class FlatFees(FeeModel, frozen=True, tag="flat", kw_only=True):
    """The same rates for every fill, whatever was traded before.

    Attributes:
        maker_bps: for fills that rested; below zero is a rebate.
        taker_bps: for fills that came to the book.

    >>> FlatFees(maker_bps=Decimal("40"), taker_bps=Decimal("60")).fee(Decimal("1000.10"), Liquidity.TAKER)
    Decimal('6.000600')
    """

    maker_bps: Decimal
    taker_bps: Decimal

    def __post_init__(self) -> None:
        for name in ("maker_bps", "taker_bps"):
            value: Decimal = getattr(self, name)
            if not value.is_finite() or not -BPS_MAX < value < BPS_MAX or value.adjusted() < -12:
                raise ValueError(f"{name} is {value}; expected hundredths of a percent between -10000 and 10000")

    def bps(self, liquidity: Liquidity) -> Decimal:
        return self.maker_bps if liquidity is Liquidity.MAKER else self.taker_bps
