"""A venue with a book, no tape and no bot: its Door, a link, and everything that the link hears."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

from papertape.faults import Fault
from papertape.journal import Journal
from papertape.links.simulated import SimulatedLink
from papertape.model.event import BookSnapshot, BookUpdate, Event, Side
from papertape.model.instrument import Instrument
from papertape.model.order import NewOrder, OrderType, OrderUpdate
from papertape.model.request import Lane, Op, Request
from papertape.model.units import SECOND, Nanos
from papertape.runtime.chance import Chance
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.rank import MARKET
from papertape.runtime.world import run_virtual
from papertape.sim.door import Door
from papertape.sim.fees import FlatFees
from papertape.sim.fills import QueueFills
from papertape.sim.latency import ConstantLatency
from papertape.sim.venue import SimVenue
from papertape.venues import VENUES

BTC = Instrument(symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.00000001"))
RULES = VENUES["coinbase"]
BUY = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal("0.5"), price=Decimal("99.00"))


class Room:
    """A venue with a book and no tape, its Door and a link; notes all that the link hears."""

    def __init__(self, loop: VirtualLoop, faults: tuple[Fault, ...]) -> None:
        self.loop = loop
        self.journal = Journal({})
        told: list[Callable[[OrderUpdate], None]] = []
        self.venue = SimVenue(
            RULES, [BTC], {"USD": Decimal(1000), "BTC": Decimal(1)}, fills=QueueFills(),
            fees=FlatFees(maker_bps=Decimal(0), taker_bps=Decimal(0)), epoch_ns=loop.epoch_ns, emit=lambda update: told[0](update),
        )  # fmt: skip
        law = ConstantLatency(value="15ms")
        self.door = Door(
            self.venue, name="coinbase", timeline=loop, chance=Chance(1), journal=self.journal, faults=faults,
            order_law=law, answer_law=law, heartbeat_ns=SECOND, epoch_ns=loop.epoch_ns,
        )  # fmt: skip
        told.append(self.door.tell)
        self.link = SimulatedLink(self.door, RULES, loop, request_timeout_ns=10 * SECOND)
        self.heard: list[tuple[Nanos, Lane, int | None, Event | OrderUpdate]] = []
        self.closed: list[tuple[Nanos, Lane, str]] = []
        self.link.bind(self)
        self.market(BookSnapshot(venue_ns=0, local_ns=0, symbol="BTC/USD", bids=((9900, 5),), asks=((10100, 10**8),)))

    def on_message(self, lane: Lane, sequence: int | None, message: Event | OrderUpdate) -> None:
        self.heard.append((self.loop.now_ns, lane, sequence, message))

    def on_closed(self, lane: Lane, reason: str) -> None:
        self.closed.append((self.loop.now_ns, lane, reason))

    def market(self, event: Event) -> None:
        """A market message reaches the venue now, and the client at once."""
        self.door.broadcast.reached += 1
        self.venue.apply(event, self.loop.now_ns)
        self.door.broadcast.deliver(self.door.broadcast.reached, event)

    def market_at(self, when_ns: Nanos, event: Event) -> None:
        self.loop.schedule_ns(when_ns, MARKET, self.market, event)

    async def create(self, client_order_id: str = "pt-1", order: NewOrder = BUY) -> Any:
        return (await self.link.request(Request(op=Op.ORDER_CREATE, client_order_id=client_order_id, symbol="BTC/USD", order=order))).order

    def sequences(self, lane: Lane) -> list[int | None]:
        return [sequence for _, at, sequence, _ in self.heard if at is lane]


def in_room(story: Callable[[Room], Coroutine[Any, Any, None]], *faults: Fault) -> None:
    async def main(loop: VirtualLoop) -> None:
        await story(Room(loop, faults))
        assert loop.unhandled == []

    run_virtual(main, limit_ns=300 * SECOND)


def change(lots: int) -> BookUpdate:
    return BookUpdate(venue_ns=0, local_ns=0, symbol="BTC/USD", bids=((9900, lots),))
