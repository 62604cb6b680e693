"""A queue in which cancellations fall by a power of how much stands on either side of us."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from papertape.sim.fills.cancelling import DIGITS, CancellingFills

EXPONENT_MAX: Final = Decimal(10)
FORMS: Final = (1, 2, 3)


class PowerQueueFills(CancellingFills, frozen=True, tag="power_queue", kw_only=True):
    """As `queue`, but some of those who cancel stood before us: a share by powers of what is ahead and behind.

    An order fills exactly when it would with `queue`, at its limit and as a maker, and earlier by what is taken to have been cancelled
    ahead of it. When its level shrinks by more than trades explain, then of each lot that went, with `front` base ahead and `back` base
    behind, this chance stood behind and the rest ahead (never more behind than there were):
    - form 1: back^n / (back^n + front^n), hftbacktest's PowerProbQueueFunc;
    - form 2: back^n / (back + front)^n, its PowerProbQueueFunc2;
    - form 3: 1 - (front / (front + back))^n, its PowerProbQueueFunc3.

    Nobody cancels by chance: it is the expectation that counts. A higher exponent in form 1 takes those who stand on the longer side to be
    those who cancel; an order near the front then waits longer, one far behind moves up faster. Form 2 is kind to us with a high exponent,
    form 3 with a low one.

    Attributes:
        exponent: n, above 0 and at most 10; hftbacktest's examples use 2 and 3.
        form: 1, 2 or 3.
    """

    exponent: Decimal = Decimal(3)
    form: int = 1

    def __post_init__(self) -> None:
        if not self.exponent.is_finite() or not 0 < self.exponent <= EXPONENT_MAX:
            raise ValueError(f"power queue, key `exponent`: holds {self.exponent}; expected a number above 0, at most {EXPONENT_MAX}")
        if self.form not in FORMS:
            raise ValueError(f"power queue, key `form`: holds {self.form}; expected 1, 2 or 3")

    def behind(self, front: Decimal, back: Decimal) -> Decimal:
        both = DIGITS.add(front, back)
        if self.form == 3:
            return DIGITS.subtract(Decimal(1), self._power(DIGITS.divide(front, both)))
        if self.form == 2:
            return self._power(DIGITS.divide(back, both))
        here = self._power(DIGITS.divide(back, both))
        return DIGITS.divide(here, DIGITS.add(here, self._power(DIGITS.divide(front, both))))

    def _power(self, share: Decimal) -> Decimal:
        return DIGITS.power(share, self.exponent)
