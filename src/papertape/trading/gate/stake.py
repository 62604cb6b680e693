"""What the gate has let through, and what of it could still happen: an account that is kept up, so that no decision walks all orders."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Final

import msgspec

from papertape.model.event import Side
from papertape.model.order import NewOrder
from papertape.model.units import EXACT, Nanos

WIDE: Final = Context(prec=1_000)
"""In which no sum of what orders may come to is rounded, so that what was added can be taken away again to the last digit."""


class Passed(msgspec.Struct, kw_only=True):
    """One order that the gate let through, as far as the venue has told of it.

    Attributes:
        order: as it was wanted first.
        order_id: the venue's own name for it; empty until it told.
        left: base that may still be executed; all of it until the venue says otherwise.
        price: what that is worth at most, quote per base, as it was let through.
        sendings: requests to create it that were let through.
        is_over: nothing of it is at stake any more, unless the venue says later that it is open.
        updated_ns: the venue's time of what is known of it.
    """

    order: NewOrder
    left: Decimal
    price: Decimal
    order_id: str = ""
    sendings: int = 0
    filled: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    is_over: bool = False
    updated_ns: Nanos = 0

    @property
    def worth(self) -> Decimal:
        """Quote that may still change hands."""
        if self.order.cost is not None:
            return max(Decimal(0), EXACT.subtract(self.order.cost, self.cost))
        return EXACT.multiply(self.left, self.price)


class Stake:
    """How far open orders could still move the holding of a currency, if all that is left of them were filled.

    Whoever changes an order that was let through says so by `note`; the sums are then those of a walk over all that are not over.

    Attributes:
        up, down: by so much at most, either way.
    """

    def __init__(self, currency: str) -> None:
        self.up = self.down = Decimal(0)
        self._currency = currency
        self._open: dict[str, tuple[Decimal, Decimal]] = {}  # by client order id, how much of either is its

    def note(self, client_order_id: str, passed: Passed | None) -> None:
        """An order that was let through is now like this, or is no longer one that counts."""
        up, down = self._open.pop(client_order_id, (Decimal(0), Decimal(0)))
        self.up, self.down = WIDE.subtract(self.up, up), WIDE.subtract(self.down, down)
        if passed is not None and not passed.is_over:
            up, down = self._open[client_order_id] = self._of(passed)
            self.up, self.down = WIDE.add(self.up, up), WIDE.add(self.down, down)

    def restart(self) -> None:
        """Nothing is open."""
        self.up = self.down = Decimal(0)
        self._open.clear()

    def instead(self, client_order_id: str, passed: Passed) -> tuple[Decimal, Decimal]:
        """What `up` and `down` would be if the order of that name were like this."""
        up, down = self._open.get(client_order_id, (Decimal(0), Decimal(0)))
        more, less = self._of(passed)
        return WIDE.add(WIDE.subtract(self.up, up), more), WIDE.add(WIDE.subtract(self.down, down), less)

    def _of(self, passed: Passed) -> tuple[Decimal, Decimal]:
        is_base = passed.order.symbol.partition("/")[0] == self._currency
        at_stake = passed.left if is_base else passed.worth
        return (at_stake, Decimal(0)) if (passed.order.side is Side.BUY) == is_base else (Decimal(0), at_stake)
