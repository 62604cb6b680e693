"""A desk at a simulated venue: the shortest way to say what the tape tells and what we ask."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from papertape.model.event import BookSnapshot, BookUpdate, Level, MarketEvent, Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.order import Fill, NewOrder, Order, OrderType, OrderUpdate, TimeInForce
from papertape.model.request import Answer, Op, RefusalCode, Request
from papertape.model.units import MILLISECOND
from papertape.model.venue import Quota, Reconcile, VenueRules
from papertape.sim.fees import FlatFees
from papertape.sim.fills import FillModel, QueueFills
from papertape.sim.venue import SimVenue

EPOCH_NS = 1_700_000_000_000_000_000
SYMBOL = "BTC/USD"
ONE = Instrument(symbol=SYMBOL, venue_symbol="BTC-USD", tick=Decimal(1), lot=Decimal(1))


def rules(reconcile: Reconcile = Reconcile.IDENTICAL_REPOST, **more: Any) -> VenueRules:
    return VenueRules(
        name="test",
        reconcile=reconcile,
        private_quota=Quota(count=10),
        public_quota=Quota(count=10),
        maker_bps=Decimal(40),
        taker_bps=Decimal(60),
        **more,
    )


class Desk:
    """A venue with one instrument whose tick and lot are 1, and a clock that moves one millisecond before each call that does not say `at`.

    Levels are (price, amount); amounts and prices are plain numbers.
    """

    def __init__(self, fills: FillModel | None = None, **more: Any) -> None:
        self.told: list[OrderUpdate] = []
        self.now_ns = 0
        settings: dict[str, Any] = {
            "rules": rules(),
            "instruments": [ONE],
            "account": {"USD": Decimal(1_000_000), "BTC": Decimal(1_000_000)},
            "fees": FlatFees(maker_bps=Decimal(0), taker_bps=Decimal(0)),
        }
        self.venue = SimVenue(**{**settings, **more}, fills=fills or QueueFills(), epoch_ns=EPOCH_NS, emit=self.told.append)
        self._ids = 0

    # the tape

    def tell(self, event: type[MarketEvent], *, at: int | None = None, stamp: int | None = None, **fields: Any) -> None:
        """One row reaches the venue at run time `at` (ns), stamped `stamp`, which is now if it does not say."""
        self.now_ns = self.now_ns + MILLISECOND if at is None else at
        venue_ns = EPOCH_NS + (self.now_ns if stamp is None else stamp)
        self.venue.apply(event(venue_ns=venue_ns, local_ns=venue_ns, symbol=SYMBOL, **fields), self.now_ns)

    def snapshot(self, bids: list[Level], asks: list[Level], **when: int) -> None:
        self.tell(BookSnapshot, bids=tuple(bids), asks=tuple(asks), **when)

    def bids(self, *levels: Level, **when: int) -> None:
        self.tell(BookUpdate, bids=levels, **when)

    def asks(self, *levels: Level, **when: int) -> None:
        self.tell(BookUpdate, asks=levels, **when)

    def both(self, bids: list[Level], asks: list[Level], **when: int) -> None:
        self.tell(BookUpdate, bids=tuple(bids), asks=tuple(asks), **when)

    def sold(self, price: int, amount: int, **when: int) -> None:
        """A trade whose taker sold, so that bids were hit."""
        self.tell(Trade, price_ticks=price, qty_lots=amount, taker=Side.SELL, **when)

    def bought(self, price: int, amount: int, **when: int) -> None:
        self.tell(Trade, price_ticks=price, qty_lots=amount, taker=Side.BUY, **when)

    # requests

    def ask(self, op: Op, *, at: int | None = None, **fields: Any) -> Answer:
        self.now_ns = self.now_ns + MILLISECOND if at is None else at
        return self.venue.execute(Request(op=op, **fields), self.now_ns)

    def create(self, side: Side, amount: int | str | None, price: int | str | None = None, *, at: int | None = None, **more: Any) -> Answer:
        self._ids += 1
        client_order_id = more.pop("client_order_id", f"c-{self._ids}")
        order = NewOrder(
            symbol=more.pop("symbol", SYMBOL),
            type=more.pop("type", OrderType.MARKET if price is None else OrderType.LIMIT),
            side=side,
            amount=None if amount is None else Decimal(amount),
            price=None if price is None else Decimal(price),
            **more,
        )
        return self.ask(Op.ORDER_CREATE, client_order_id=client_order_id, order=order, at=at)

    def buy(self, amount: int | str | None, price: int | str | None = None, **more: Any) -> Order:
        return accepted(self.create(Side.BUY, amount, price, **more))

    def sell(self, amount: int | str | None, price: int | str | None = None, **more: Any) -> Order:
        return accepted(self.create(Side.SELL, amount, price, **more))

    def no(self, side: Side, amount: int | str | None, price: int | str | None = None, **more: Any) -> RefusalCode:
        """The code with which an order is refused."""
        answer = self.create(side, amount, price, **more)
        assert answer.refusal is not None, answer.order
        assert answer.order is None
        return answer.refusal.code

    def cancel(self, order: Order) -> Order:
        return accepted(self.ask(Op.ORDER_CANCEL, order_id=order.id))

    # truth

    def now(self, order: Order) -> Order:
        """The order as it stands."""
        return next(each for each in self.venue.truth_orders() if each.id == order.id)

    def filled(self, order: Order) -> int:
        return int(self.now(order).filled)

    def fills(self) -> list[tuple[int, int, str]]:
        """(price, amount, liquidity) of every fill."""
        return [(int(fill.price), int(fill.amount), str(fill.liquidity)) for fill in self.venue.truth_fills()]

    def last_fill(self) -> Fill:
        return self.venue.truth_fills()[-1]


def accepted(answer: Answer) -> Order:
    assert answer.refusal is None, answer.refusal
    assert answer.order is not None
    return answer.order


IOC, FOK = TimeInForce.IOC, TimeInForce.FOK


@pytest.fixture(scope="session")
def open_desk() -> Callable[..., Desk]:
    """Opens a desk; `fills`, `fees`, `rules`, `account` and `instruments` may be given."""
    return Desk


@pytest.fixture
def desk() -> Desk:
    """A desk before a book of bids 99 x 10, 98 x 20 and asks 101 x 10, 102 x 20."""
    desk = Desk()
    desk.snapshot([(99, 10), (98, 20)], [(101, 10), (102, 20)])
    return desk
