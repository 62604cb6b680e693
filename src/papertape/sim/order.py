"""An order as the venue keeps it while it lives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from papertape.model.errors import ConfigError
from papertape.model.event import Side
from papertape.model.instrument import Instrument
from papertape.model.order import NewOrder, Order, OrderStatus, OrderType, TimeInForce
from papertape.model.units import EXACT, Nanos
from papertape.sim.fills.base import Place


class LiveOrder:
    """The one mutable noun of the venue; everybody else gets a `snapshot`.

    Attributes:
        limit_ticks: its price; None for a market order.
        amount_lots: asked for; for a market buy by cost, what the cost bought.
        left_lots: not yet executed.
        arrived_ns: when it took its place in the queue, venue clock; trades up to then are not for it. Losing priority renews it.
        held: what the ledger holds for it, quote for a buy, base for a sell.
        place: its place in the queue while it rests.
    """

    __slots__ = (
        "amount_lots", "arrived_ns", "client_order_id", "cost", "created_ns", "fee", "filled_lots", "fills_count", "held", "id",
        "instrument", "is_by_cost", "left_lots", "limit_ticks", "place", "post_only", "reason", "side", "status", "time_in_force", "type",
        "updated_ns",
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
    ) -> None:
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

    @property
    def rests(self) -> bool:
        """Whether what is not executed at once stays in the book."""
        return self.type is OrderType.LIMIT and self.time_in_force is TimeInForce.GTC

    def snapshot(self) -> Order:
        """The order as it stands, for anybody to keep."""
        amount_lots = 0 if self.is_by_cost and self.status is OrderStatus.OPEN else self.amount_lots
        it = self.instrument
        return Order(
            id=self.id,
            client_order_id=self.client_order_id,
            symbol=it.symbol,
            type=self.type,
            side=self.side,
            amount=it.amount(amount_lots),
            price=None if self.limit_ticks is None else it.price(self.limit_ticks),
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
        )


def resumed(kept: Iterable[Order], instruments: Mapping[str, Instrument]) -> Iterator[LiveOrder]:
    """Orders as another venue of the account kept them; `ConfigError` for one that is open in a market that is not among `instruments`, or
    whose steps it does not fit.
    """
    for order in kept:
        instrument = instruments.get(order.symbol)
        if instrument is None and order.status is OrderStatus.OPEN:
            raise ConfigError(f"order {order.id} is open, and {order.symbol} is not traded any more")
        if instrument is None or not fits(order, instrument):
            if order.status is OrderStatus.OPEN:
                raise ConfigError(f"order {order.id} is open, and does not fit the steps that {order.symbol} has now")
            steps = _step(order.price), _step(order.amount, order.filled)  # its own figures', as nothing else is left of its market
            instrument = Instrument(symbol=order.symbol, venue_symbol=order.symbol, tick=steps[0], lot=steps[1])
        yield _resumed(order, instrument)


def fits(order: Order, instrument: Instrument) -> bool:
    """Whether an order's price and amounts are whole steps of its market."""
    steps = ((order.price or Decimal(0), instrument.tick), (order.amount, instrument.lot), (order.filled, instrument.lot))
    return not any(EXACT.remainder(figure, step) for figure, step in steps)


def _resumed(kept: Order, instrument: Instrument) -> LiveOrder:
    wanted = NewOrder(
        symbol=kept.symbol, type=kept.type, side=kept.side, amount=kept.amount, price=kept.price, time_in_force=kept.time_in_force,
        post_only=kept.post_only,
    )  # fmt: skip
    limit_ticks = None if kept.price is None else instrument.to_ticks(kept.price)
    lots = _lots(instrument, kept.amount)
    order = LiveOrder(kept.id, kept.client_order_id, wanted, instrument, limit_ticks, lots, kept.created_ns)
    order.filled_lots = _lots(instrument, kept.filled)
    order.left_lots = lots - order.filled_lots
    order.cost, order.fee, order.fills_count = kept.cost, kept.fee, kept.fills_count
    order.status, order.reason, order.updated_ns = kept.status, kept.reason, kept.updated_ns
    return order


def _lots(instrument: Instrument, amount: Decimal) -> int:
    return instrument.to_lots(amount) if amount else 0


def _step(*figures: Decimal | None) -> Decimal:
    """The largest power of ten that all of these are multiples of."""
    exponents = [int(figure.normalize().as_tuple().exponent) for figure in figures if figure]
    return Decimal(1).scaleb(min(exponents, default=0))
