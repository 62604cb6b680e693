"""An order as the venue keeps it while it lives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from papertape.model.errors import ConfigError
from papertape.model.event import Side
from papertape.model.instrument import Instrument
from papertape.model.order import NewOrder, Order, OrderStatus, OrderType, TimeInForce
from papertape.model.units import EXACT, Nanos
from papertape.sim.fees.base import FeeModel
from papertape.sim.fills.base import Place


class LiveOrder:
    """The one mutable noun of the venue; everybody else gets a `snapshot`.

    Attributes:
        limit_ticks: its price; None for a market order.
        amount_lots: asked for; for a market buy by cost, what the cost bought.
        left_lots: not yet executed.
        arrived_ns: when it took its place in the queue, venue clock; trades up to then are not for it. Losing priority renews it.
        rates: what its fills are charged: those of the time when it was placed.
        held: what the ledger holds for it, quote for a buy, base for a sell.
        place: its place in the queue while it rests.
        expires_ns: when it ends by itself, venue clock; None where it does not.
        trigger_ticks: of a stop order, what a trade must reach, and `stop_direction` from which side.
        stop_ticks: of a bracket, what a trade must fall to; `exit_ticks` is the limit that it then has.
        is_triggered: a trade has.
        shown_ticks: of a triggered bracket the limit that it was asked for with, which it goes on showing.
    """

    __slots__ = (
        "_shot", "_shot_of", "amount_lots", "arrived_ns", "client_order_id", "cost", "created_ns", "exit_ticks", "expires_ns", "fee",
        "filled_lots", "fills_count", "held", "id", "instrument", "is_by_cost", "is_triggered", "left_lots", "limit_ticks", "place",
        "post_only", "rates", "reason", "shown_ticks", "side", "status", "stop_direction", "stop_ticks", "time_in_force",
        "trigger_ticks", "type", "updated_ns",
    )  # fmt: skip

    def __init__(
        self,
        order_id: str,
        client_order_id: str,
        wanted: NewOrder,
        instrument: Instrument,
        limit_ticks: int | None,
        lots: int,
        now_ns: Nanos,
        rates: FeeModel,
    ) -> None:
        self.rates = rates
        self.id = order_id
        self.client_order_id = client_order_id
        self.instrument = instrument
        self.type: OrderType = wanted.type
        self.side: Side = wanted.side
        self.time_in_force: TimeInForce = wanted.time_in_force
        self.post_only = wanted.post_only
        self.is_by_cost = wanted.cost is not None
        self.limit_ticks = limit_ticks
        self.amount_lots = lots
        self.left_lots = lots
        self.filled_lots = 0
        self.cost = Decimal(0)
        self.fee = Decimal(0)
        self.fills_count = 0
        self.held = Decimal(0)
        self.status = OrderStatus.OPEN
        self.reason = ""
        self.created_ns = self.updated_ns = self.arrived_ns = now_ns
        self.place: Place | None = None
        self.expires_ns: Nanos | None = wanted.expires_ns
        self.trigger_ticks = None if wanted.trigger_price is None else instrument.to_ticks(wanted.trigger_price)
        self.stop_direction = wanted.stop_direction
        self.stop_ticks = None if wanted.stop_loss_price is None else instrument.to_ticks(wanted.stop_loss_price)
        self.exit_ticks = 0 if self.stop_ticks is None else exit_of(self.stop_ticks)
        self.is_triggered = False
        self.shown_ticks: int | None = None
        self._shot: Order | None = None
        self._shot_of: tuple[Any, ...] = ()

    @property
    def rests(self) -> bool:
        """Whether what is not executed at once stays in the book."""
        return self.type is OrderType.LIMIT and self.time_in_force.rests

    @property
    def is_dormant(self) -> bool:
        """Whether it waits for its stop, in no book."""
        return self.trigger_ticks is not None and not self.is_triggered

    @property
    def is_plain(self) -> bool:
        """Whether it can be edited: a limit order that rests until it is cancelled, and nothing more."""
        return self.type is OrderType.LIMIT and self.expires_ns is None and self.trigger_ticks is None and self.stop_ticks is None

    def trigger(self) -> None:
        """A trade has set off its stop; a bracket has another limit from now on."""
        self.is_triggered = True
        if self.stop_ticks is not None:
            self.shown_ticks, self.limit_ticks = self.limit_ticks, self.exit_ticks

    def snapshot(self) -> Order:
        """The order as it stands, for anybody to keep; the same object as long as nothing happens to it."""
        state = (self.updated_ns, self.fills_count, self.status, self.amount_lots, self.limit_ticks, self.is_triggered, self.reason)
        if self._shot is None or self._shot_of != state:
            self._shot, self._shot_of = self._snapshot(), state
        return self._shot

    def _snapshot(self) -> Order:
        amount_lots = 0 if self.is_by_cost and self.status is OrderStatus.OPEN else self.amount_lots
        it, limit_ticks = self.instrument, self.limit_ticks if self.shown_ticks is None else self.shown_ticks
        if self.trigger_ticks is None and self.stop_ticks is None and self.expires_ns is None:
            terms: dict[str, Any] = {}
        else:
            terms = {
                "expires_ns": self.expires_ns,
                "trigger_price": None if self.trigger_ticks is None else it.price(self.trigger_ticks),
                "stop_direction": self.stop_direction,
                "stop_loss_price": None if self.stop_ticks is None else it.price(self.stop_ticks),
                "is_triggered": self.is_triggered,
            }
        return Order(
            id=self.id,
            client_order_id=self.client_order_id,
            symbol=it.symbol,
            type=self.type,
            side=self.side,
            amount=it.amount(amount_lots),
            price=None if limit_ticks is None else it.price(limit_ticks),
            time_in_force=self.time_in_force,
            post_only=self.post_only,
            status=self.status,
            created_ns=self.created_ns,
            updated_ns=self.updated_ns,
            filled=it.amount(self.filled_lots),
            cost=self.cost,
            fee=self.fee,
            fills_count=self.fills_count,
            reason=self.reason,
            **terms,
        )


EXIT_PERCENT: Final = 5
"""How far beyond the stop of a bracket its limit then lies: "When triggered, a stop limit order is automatically placed with a limit price
5% higher for BUYS and 5% lower for SELLS" (Coinbase, Create Order, `stop_trigger_price`)."""


def exit_of(stop_ticks: int) -> int:
    """The limit of a sell bracket whose stop was set off; between two ticks the lower, as it is there to get out."""
    return max(stop_ticks * (100 - EXIT_PERCENT) // 100, 1)


def resumed(kept: Iterable[Order], instruments: Mapping[str, Instrument], rates: FeeModel) -> Iterator[LiveOrder]:
    """Orders as another venue of the account kept them.

    `ConfigError` for one that is open in a market that is not among `instruments`, or whose steps it does not fit.
    """
    for order in kept:
        instrument = instruments.get(order.symbol)
        if instrument is None and order.status is OrderStatus.OPEN:
            raise ConfigError(f"order {order.id} is open, and {order.symbol} is not traded any more")
        if instrument is None or not fits(order, instrument):
            if order.status is OrderStatus.OPEN:
                raise ConfigError(f"order {order.id} is open, and does not fit the steps that {order.symbol} has now")
            prices = order.price, order.trigger_price, order.stop_loss_price
            steps = _step(*prices), _step(order.amount, order.filled)  # its own figures', as nothing else is left of its market
            instrument = Instrument(symbol=order.symbol, venue_symbol=order.symbol, tick=steps[0], lot=steps[1])
        yield _resumed(order, instrument, rates)


def fits(order: Order, instrument: Instrument) -> bool:
    """Whether an order's prices and amounts are whole steps of its market."""
    prices = (order.price, order.trigger_price, order.stop_loss_price)
    steps = [(price, instrument.tick) for price in prices] + [(order.amount, instrument.lot), (order.filled, instrument.lot)]
    return not any(EXACT.remainder(figure, step) for figure, step in steps if figure)


def _resumed(kept: Order, instrument: Instrument, rates: FeeModel) -> LiveOrder:
    wanted = NewOrder(
        symbol=kept.symbol, type=kept.type, side=kept.side, amount=kept.amount, price=kept.price, time_in_force=kept.time_in_force,
        post_only=kept.post_only, expires_ns=kept.expires_ns, trigger_price=kept.trigger_price, stop_direction=kept.stop_direction,
        stop_loss_price=kept.stop_loss_price,
    )  # fmt: skip
    limit_ticks = None if kept.price is None else instrument.to_ticks(kept.price)
    lots = _lots(instrument, kept.amount)
    order = LiveOrder(kept.id, kept.client_order_id, wanted, instrument, limit_ticks, lots, kept.created_ns, rates)
    order.filled_lots = _lots(instrument, kept.filled)
    order.left_lots = lots - order.filled_lots
    order.cost, order.fee, order.fills_count = kept.cost, kept.fee, kept.fills_count
    order.status, order.reason, order.updated_ns = kept.status, kept.reason, kept.updated_ns
    if kept.is_triggered:
        order.trigger()
    return order


def _lots(instrument: Instrument, amount: Decimal) -> int:
    return instrument.to_lots(amount) if amount else 0


def _step(*figures: Decimal | None) -> Decimal:
    """The largest power of ten that all of these are multiples of."""
    exponents = [int(figure.normalize().as_tuple().exponent) for figure in figures if figure]
    return Decimal(1).scaleb(min(exponents, default=0))
