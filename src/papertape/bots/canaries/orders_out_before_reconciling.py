"""The line is back, so trade; what happened meanwhile can wait."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from papertape.bots.canaries.base import BrokenShell
from papertape.exchanges.line import Line
from papertape.model.units import DAY


class OrdersOutBeforeReconciling(BrokenShell):
    """Lets new orders leave while the own-order lane is away, or back and not yet reconciled.

    The bug: REST answers, so orders may go. What was filled while nobody listened is not known yet, and each new order is decided on a
    position that may be wrong.

    From: QuantConnect/Lean.Brokerages.InteractiveBrokers#249 and deepentropy/ibx#113 (fills missed during a disconnect),
    hummingbot/hummingbot#3374 (orders lost on network errors fill later; the inventory blows up).

    Caught by `orders_after_reconciling`: a new order left while the client could not know its own position.
    """

    caught_by: ClassVar[tuple[str, ...]] = ("orders_after_reconciling",)

    def sabotage(self, line: Line) -> None:
        line.placing._line_is_up = line.placing._rest_is_live
        # A client of that kind does not ask by REST while the lane is away either.
        line._polling._settings = msgspec.structs.replace(line.settings, poll_after_ns=DAY)
