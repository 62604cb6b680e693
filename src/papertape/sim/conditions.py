"""What orders wait for besides the market: a stop that a trade must reach, an end that comes by the clock."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final

from papertape.model.event import Side, Trade
from papertape.model.order import OrderStatus, StopDirection
from papertape.model.units import Nanos
from papertape.sim.order import LiveOrder

NEVER: Final = 1 << 62


class Conditions:
    """Orders with a stop or an end, until that has come or the order is done otherwise.

    Attributes:
        next_end_ns: when the next of them may end, venue clock; `NEVER` where none does.
        stops: orders whose stop has not been set off, by symbol, oldest first; a symbol without any has no entry.
    """

    def __init__(self) -> None:
        self.next_end_ns: Nanos = NEVER
        self.stops: dict[str, list[LiveOrder]] = {}
        self._ends: list[tuple[Nanos, int, LiveOrder]] = []
        self._count = 0

    def add(self, order: LiveOrder) -> None:
        """An open order is there now; one that waits for nothing but the market is none of ours."""
        if order.expires_ns is not None:
            self._count += 1
            heappush(self._ends, (order.expires_ns, self._count, order))
            self.next_end_ns = self._ends[0][0]
        if not order.is_triggered and (order.trigger_ticks is not None or order.stop_ticks is not None):
            self.stops.setdefault(order.instrument.symbol, []).append(order)

    def ended(self, now_ns: Nanos) -> list[LiveOrder]:
        """Open orders whose end has come by `now_ns`, venue clock; in the order of their ends, then of their age."""
        found = []
        while self._ends and self._ends[0][0] <= now_ns:
            _, _, order = heappop(self._ends)
            if order.status is OrderStatus.OPEN:
                found.append(order)
        self.next_end_ns = self._ends[0][0] if self._ends else NEVER
        return found

    def set_off(self, trade: Trade) -> list[LiveOrder]:
        """Orders whose stop this trade has reached, oldest first.

        A trade that happened before an order came is not for it, however late it is printed. What a bracket has sold of its amount at its
        limit ends its stop: "As soon as a fill occurs for the order at one of the specified price levels, the other side is automatically
        disabled" (Coinbase, Advanced API Order Management).
        """
        found: list[LiveOrder] = []
        left: list[LiveOrder] = []
        for order in self.stops.get(trade.symbol, ()):
            if order.status is not OrderStatus.OPEN or (order.stop_ticks is not None and order.filled_lots):
                continue
            (found if trade.venue_ns > order.created_ns and _reaches(trade.price_ticks, order) else left).append(order)
        if left:
            self.stops[trade.symbol] = left
        else:
            self.stops.pop(trade.symbol, None)
        return found


def direction_of(side: Side, asked: StopDirection | None) -> StopDirection:
    """The side from which a stop is reached; that of a stop that protects where it was not said."""
    return asked or (StopDirection.UP if side is Side.BUY else StopDirection.DOWN)


def _reaches(ticks: int, order: LiveOrder) -> bool:
    if order.trigger_ticks is None:
        return order.stop_ticks is not None and ticks <= order.stop_ticks  # a bracket sells
    if direction_of(order.side, order.stop_direction) is StopDirection.UP:
        return ticks >= order.trigger_ticks
    return ticks <= order.trigger_ticks
