"""The money side of orders: what each holds, what each fill moves, and what the user lane says of it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import reduce

from papertape.model.errors import ConfigError, InsufficientFunds
from papertape.model.event import Side
from papertape.model.order import Fill, Liquidity, OrderStatus, OrderUpdate
from papertape.model.units import HOUR, Nanos
from papertape.sim.fees.base import FeeModel, rates_at
from papertape.sim.ledger import MONEY, Ledger
from papertape.sim.order import LiveOrder
from papertape.sim.taking import Taking


class Settlement:
    """Keeps the ledger in step with the orders.

    A hold covers at any time exactly what the rest of its order can still cost: a buy holds its limit price plus the worse of the two
    fees, in quote; a sell holds its amount, in base. What a fill pays less than that is free at once.

    Attributes:
        fills: every fill, oldest first.
        open: orders that may still change, oldest first.
        at_ns: venue clock.
    """

    def __init__(self, ledger: Ledger, fees: FeeModel, emit: Callable[[OrderUpdate], None], clock: Callable[[], Nanos]) -> None:
        self.ledger = ledger
        self.fees = fees
        self.fills: list[Fill] = []
        self.open: dict[str, LiveOrder] = {}
        self._rated = -1, fees  # for which hour
        self._emit = emit
        self._clock = clock

    @property
    def at_ns(self) -> Nanos:
        return self._clock()

    @property
    def rates(self) -> FeeModel:
        """What an order is charged that is placed now."""
        if not self.fees.counts_volume:
            return self.fees
        hour = self.at_ns // HOUR
        if self._rated[0] != hour:
            self._rated = hour, rates_at(self.fees, self.fills, self.at_ns)
        return self._rated[1]

    def accept(self, order: LiveOrder, taking: Taking) -> None:
        """Take an order on: hold what it needs, or raise `ccxt.InsufficientFunds` and change nothing. `taking` is what it takes at once."""
        self.hold(order, self.demanded(order, taking))
        self.open[order.id] = order
        self.tell(order)

    def resume(self, order: LiveOrder) -> None:
        """An order is open as it was before this venue stood: hold what it needs, tell nobody. `ConfigError` where that is not there."""
        try:
            self.hold(order, self.needed(order, order.limit_ticks or 0, order.left_lots))
        except InsufficientFunds as error:
            raise ConfigError(f"order {order.id} is open, and the account does not cover it: {error}") from error
        self.open[order.id] = order

    def demanded(self, order: LiveOrder, taking: Taking) -> Decimal:
        """What an order that is not in the books yet must hold, given what it takes at once."""
        if order.limit_ticks is None and order.side is Side.BUY:
            # Never rests, so it holds just what it takes; the fee is a taker's, but a fill releases by the same rule as any other.
            return reduce(MONEY.add, (_with_fee(order, ticks, lots) for ticks, lots in taking.levels), Decimal(0))
        return self.needed(order, order.limit_ticks or 0, order.left_lots)

    def afford(self, order: LiveOrder, amount: Decimal) -> None:
        """Raise `ccxt.InsufficientFunds` if the ledger could not hold this much for an order; change nothing."""
        currency = order.instrument.quote if order.side is Side.BUY else order.instrument.base
        self.ledger.afford(currency, MONEY.subtract(amount, order.held))

    def needed(self, order: LiveOrder, limit_ticks: int, lots: int) -> Decimal:
        """What an order with this limit and so much left must hold."""
        return order.instrument.amount(lots) if order.side is Side.SELL else _with_fee(order, limit_ticks, lots)

    def hold(self, order: LiveOrder, amount: Decimal) -> None:
        """Make what the ledger holds for an order this much, or raise `ccxt.InsufficientFunds` and change nothing."""
        currency = order.instrument.quote if order.side is Side.BUY else order.instrument.base
        more = MONEY.subtract(amount, order.held)
        if more > 0:
            self.ledger.hold(order.id, currency, more, self.at_ns)
        else:
            self.ledger.release(order.id, currency, more.copy_negate(), self.at_ns)
        order.held = amount

    def fill(self, order: LiveOrder, ticks: int, lots: int, liquidity: Liquidity) -> None:
        """Book one execution; the matcher has taken `lots` off the order already."""
        it = order.instrument
        amount, cost = it.amount(lots), it.cost(ticks, lots)
        fee = order.rates.fee(cost, liquidity)
        still = self._still_held(order, ticks, lots)
        released = MONEY.subtract(order.held, still)
        order.held = still
        if order.side is Side.BUY:
            self.ledger.bought(order.id, it.base, it.quote, amount=amount, cost=cost, fee=fee, released=released, at_ns=self.at_ns)
        else:
            self.ledger.sold(order.id, it.base, it.quote, amount=amount, cost=cost, fee=fee, at_ns=self.at_ns)
        order.filled_lots += lots
        order.cost = MONEY.add(order.cost, cost)
        order.fee = MONEY.add(order.fee, fee)
        order.fills_count += 1
        order.updated_ns = self.at_ns
        if not order.left_lots:
            order.status = OrderStatus.CLOSED
            del self.open[order.id]
        fill = Fill(
            trade_id=f"t-{len(self.fills) + 1:06d}", order_id=order.id, client_order_id=order.client_order_id, symbol=it.symbol,
            side=order.side, price=it.price(ticks), amount=amount, cost=cost, fee=fee, fee_currency=it.quote, liquidity=liquidity,
            venue_ns=self.at_ns,
        )  # fmt: skip
        self.fills.append(fill)
        self.tell(order, fill)

    def finish(self, order: LiveOrder, status: OrderStatus, reason: str, at_ns: Nanos | None = None) -> None:
        """End an order that is out of the book: its hold is free again. It ends now, or did `at_ns` where that was before."""
        self.hold(order, Decimal(0))
        order.status, order.reason, order.updated_ns = status, reason, self.at_ns if at_ns is None else at_ns
        del self.open[order.id]
        self.tell(order)

    def withhold(self, order: LiveOrder) -> Callable[[], None] | None:
        """Hold what an order held until it was cancelled, just now, for as long as what this returns is not called."""
        currency = order.instrument.quote if order.side is Side.BUY else order.instrument.base
        amount = self.needed(order, order.limit_ticks or 0, order.left_lots)
        if not amount:
            return None
        self.ledger.hold(order.id, currency, amount, self.at_ns)
        return lambda: self.ledger.release(order.id, currency, amount, self.at_ns)

    def tell(self, order: LiveOrder, fill: Fill | None = None) -> None:
        """Let the user lane know how an order stands."""
        self._emit(OrderUpdate(venue_ns=self.at_ns, order=order.snapshot(), fill=fill))

    def _still_held(self, order: LiveOrder, ticks: int, lots: int) -> Decimal:
        if order.side is Side.SELL or order.limit_ticks is not None:
            return self.needed(order, order.limit_ticks or 0, order.left_lots)
        if not order.left_lots:
            return Decimal(0)
        return MONEY.subtract(order.held, _with_fee(order, ticks, lots))


def _with_fee(order: LiveOrder, ticks: int, lots: int) -> Decimal:
    cost = order.instrument.cost(ticks, lots)
    return MONEY.add(cost, order.rates.worst(cost))
