"""Money that a cancelled order goes on holding."""

from __future__ import annotations

from typing import Any, ClassVar

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.request import Op, Request
from papertape.model.units import Nanos, parse_duration


class LateRelease(Fault, frozen=True, kw_only=True, tag="late_release"):
    """A cancel is done and answered, and what its order held is free `held_for` later: until then balances show it as used.

    A client that spends at once what the cancel seems to have freed is refused for want of money. By request: the nth matching cancel; by
    window: every cancel in it. Heal frees all of it. It has hit something once a cancelled order had money to hold.

    interface: fetch_balance shows it as used; a new order that needs it raises InsufficientFunds.
    wire: the same in the venue's own bodies: of a Coinbase, `hold` of the account, and INSUFFICIENT_FUND.

    Attributes:
        held_for: how long, from when the order was cancelled.
    """

    held_for: str = "5s"

    default_on: ClassVar[Op | None] = Op.ORDER_CANCEL

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any] | None:
        """Never: only who has little to spare feels it, and a sweep's bots are rich."""
        return None

    def durations(self) -> list[tuple[str, str | None]]:
        return [("held_for", self.held_for)]

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        if self.on not in (None, Op.ORDER_CANCEL):
            found.append(("on", f'holds "{self.on}"; only "{Op.ORDER_CANCEL}" sets free what an order held'))
        if not found and not parse_duration(self.held_for):
            found.append(("held_for", f'holds "{self.held_for}"; money that is free at once is as always'))
        return found

    def withholds_ns(self, request: Request) -> Nanos:
        return parse_duration(self.held_for) if request.op is Op.ORDER_CANCEL else 0
