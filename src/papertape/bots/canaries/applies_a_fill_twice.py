"""The venue says it twice, so it happened twice."""

from __future__ import annotations

from typing import ClassVar

from papertape.bots.canaries.base import BrokenShell
from papertape.exchanges.line import Line
from papertape.model.order import Order


class AppliesAFillTwice(BrokenShell):
    """Counts a fill that the user lane tells twice as two.

    The bug: what is told is added to the position without asking whether it was told before. All is well until a venue repeats itself.

    From: bitrich-info/xchange-stream#498 (past trades come again after a reconnect), hummingbot/hummingbot#1663 and #4990 (the same trade
    by stream and by REST).

    Caught by `position_matches`: the client believes that it holds more than its fills at the venue sum to.
    """

    caught_by: ClassVar[tuple[str, ...]] = ("position_matches", "nothing_counted_twice")

    def sabotage(self, line: Line) -> None:
        tracker, hear = line.account.tracker, line.account.hear
        told: dict[str, Order] = {}

        def count_again(order: Order, *, by: str = "", show: bool = False, is_streamed: bool = False) -> Order:
            if is_streamed and order.filled:
                before, told[order.id] = told.get(order.id), order
                if before is not None and before.filled == order.filled and before.status is order.status:
                    tracker._count(None, order)
            return hear(order, by=by, show=show, is_streamed=is_streamed)

        line.account.hear = count_again  # type: ignore[method-assign]  # on this one object
