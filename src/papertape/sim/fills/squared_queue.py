"""A queue in which cancellations fall by the square of how much stands on either side of us."""

from __future__ import annotations

from decimal import Decimal

from papertape.sim.fills.cancelling import DIGITS, CancellingFills


class SquaredQueueFills(CancellingFills, frozen=True, tag="squared_queue"):
    """As `queue`, but some of those who cancel stood before us: a share by the squares of what is ahead and behind.

    An order fills exactly when it would with `queue`, at its limit and as a maker, and earlier by what is taken to have been cancelled
    ahead of it. When its level shrinks by more than trades explain, then of each lot that went, with `front` base ahead and `back` base
    behind, back² / (back² + front²) stood behind and the rest ahead (never more behind than there were): hftbacktest's
    SquareProbQueueModel, the same as `power_queue` with exponent 2 in form 1.
    """

    def behind(self, front: Decimal, back: Decimal) -> Decimal:
        here, there = DIGITS.multiply(back, back), DIGITS.multiply(front, front)
        return DIGITS.divide(here, DIGITS.add(here, there))
