"""A queue in which cancellations fall by the logarithm of how much stands on either side of us."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from papertape.sim.fills.cancelling import DIGITS, CancellingFills

FORMS: Final = (1, 2)


class LogQueueFills(CancellingFills, frozen=True, tag="log_queue", kw_only=True):
    """As `queue`, but some of those who cancel stood before us: a share by logarithms of what is ahead and behind.

    An order fills exactly when it would with `queue`, at its limit and as a maker, and earlier by what is taken to have been cancelled
    ahead of it. When its level shrinks by more than trades explain, then of each lot that went, with `front` base ahead and `back` base
    behind, this chance stood behind and the rest ahead (never more behind than there were), with f(x) = ln(1 + x):
    - form 1: f(back) / (f(back) + f(front)), hftbacktest's LogProbQueueFunc;
    - form 2: f(back) / f(back + front), its LogProbQueueFunc2, which takes fewer to have stood ahead.

    As the logarithm grows slowly, a long side cancels less than its share: in a deep queue about half of what goes stood ahead. It depends
    on the unit: x is base (bitcoin, not lots), as at hftbacktest.

    Attributes:
        form: 1 or 2.
    """

    form: int = 1

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ValueError(f"log queue, key `form`: holds {self.form}; expected 1 or 2")

    def behind(self, front: Decimal, back: Decimal) -> Decimal:
        here = _log(back)
        return DIGITS.divide(here, _log(DIGITS.add(back, front)) if self.form == 2 else DIGITS.add(here, _log(front)))


def _log(amount: Decimal) -> Decimal:
    return DIGITS.ln(DIGITS.add(amount, Decimal(1)))
