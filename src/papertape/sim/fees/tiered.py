"""Rates that fall with what was traded in the last thirty days."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import ClassVar

import msgspec

from papertape.model.order import Liquidity
from papertape.sim.fees.base import FeeModel
from papertape.sim.fees.flat import FlatFees


class Tier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates from some volume on.

    Attributes:
        volume: what must have been traded in thirty days, quote.
        maker_bps: for fills that rested; below zero is a rebate.
        taker_bps: for fills that came to the book.
    """

    volume: Decimal
    maker_bps: Decimal
    taker_bps: Decimal


class TieredFees(FeeModel, frozen=True, tag="tiered", kw_only=True):
    """Rates by the volume of the last thirty days, as at Coinbase.

    The volume is counted at each full hour of the venue's clock: what was traded before the run, and every fill of the thirty days before
    that hour, makers' and takers', in quote, whatever the quote is. An order pays the rates of the hour in which it was placed for as long
    as it lives, and holds as much: "Fees are calculated based on the current pricing tier you are in when the order is placed, and not on
    the tier you would be in after a trade is completed. … Your fee tier is recalculated hourly based on your total trading volume"
    (Coinbase, "Coinbase Advanced fees"). Coinbase shows its table to those who have signed in only, so there is none here: take yours from
    there, or from `fee_tier` of its `transaction_summary`.

    Attributes:
        tiers: the first from volume 0, each for more volume than the one before it.
        traded: volume of the thirty days before the run; none of it is forgotten while the run lasts.

    >>> fees = TieredFees(tiers=(
    ...     Tier(volume=Decimal(0), maker_bps=Decimal(60), taker_bps=Decimal(120)),
    ...     Tier(volume=Decimal(10_000), maker_bps=Decimal(40), taker_bps=Decimal(60)),
    ... ))
    >>> [fees.after(Decimal(volume)).bps(Liquidity.TAKER) for volume in (0, 9_999, 10_000)]
    [Decimal('120'), Decimal('120'), Decimal('60')]
    """

    counts_volume: ClassVar[bool] = True

    tiers: tuple[Tier, ...]
    traded: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        if not self.tiers or self.tiers[0].volume != 0:
            raise ValueError("tiered fees, key `tiers`: expected a table for each tier, the first from volume 0")
        for tier in self.tiers:
            FlatFees(maker_bps=tier.maker_bps, taker_bps=tier.taker_bps)  # says what is wrong with a rate
        for one, other in pairwise(self.tiers):
            if not other.volume > one.volume:
                raise ValueError(f"tiered fees, key `tiers`: volume {other.volume} comes after {one.volume}; expected them to grow")
        if not self.traded.is_finite() or self.traded < 0:
            raise ValueError(f"tiered fees, key `traded`: holds {self.traded}; expected an amount of quote")

    def after(self, volume: Decimal) -> FlatFees:
        reached = [tier for tier in self.tiers if tier.volume <= self.traded + volume][-1]
        return FlatFees(maker_bps=reached.maker_bps, taker_bps=reached.taker_bps)

    def bps(self, liquidity: Liquidity) -> Decimal:
        """What the first order of a run pays."""
        return self.after(Decimal(0)).bps(liquidity)
