"""A link that does as it is told, a venue behind it that fits on a page, and a world to run an exchange over both."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar

import msgspec

from papertape.exchanges.resilient import ResilientExchange
from papertape.links.base import Receiver
from papertape.model.account import Balance, Balances, Candle, Market
from papertape.model.errors import (
    AuthenticationError,
    DuplicateOrderId,
    ExchangeNotAvailable,
    InsufficientFunds,
    MarketClosed,
    NetworkError,
    OrderNotFound,
    RateLimitExceeded,
    RequestTimeout,
    as_never_sent,
    with_retry_after,
)
from papertape.model.event import BookSnapshot, BookUpdate, Event, Heartbeat, Side, Trade
from papertape.model.instrument import Instrument
from papertape.model.notes import Mark
from papertape.model.order import Fill, Liquidity, OpenOrders, Order, OrderStatus, OrderUpdate
from papertape.model.phase import Phase
from papertape.model.request import Answer, Channel, Lane, Op, Request
from papertape.model.units import MILLISECOND, MINUTE, SECOND
from papertape.model.venue import Numbering, Quota, Reconcile, VenueRules
from papertape.resilience.intents import MemoryIntents, Sending, Wanted
from papertape.resilience.settings import ShellSettings
from papertape.runtime.chance import Chance
from papertape.runtime.clock import VirtualClock
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.world import run_virtual

T = TypeVar("T")

BTC = Instrument(
    symbol="BTC/USD", venue_symbol="BTC-USD", tick=Decimal("0.01"), lot=Decimal("0.001"), amount_min=Decimal("0.01"), cost_min=Decimal(1)
)
ETH = Instrument(symbol="ETH/USD", venue_symbol="ETH-USD", tick=Decimal("0.01"), lot=Decimal("0.001"))
EPOCH_NS = 1_700_000_000 * SECOND - 1_700_000_000 % 60 * SECOND
WAY_NS = 10 * MILLISECOND
TIMEOUT_NS = 10 * SECOND

RULES = VenueRules(
    name="scripted",
    reconcile=Reconcile.IDENTICAL_REPOST,
    private_quota=Quota(count=30),
    public_quota=Quota(count=10),
    maker_bps=Decimal(0),
    taker_bps=Decimal(0),
)


class Fate(Enum):
    """What becomes of a request."""

    ANSWERED = "as it should be"
    LOST_BEFORE = "it never reaches the venue, and no answer comes"
    LOST_AFTER = "the venue does it, and no answer comes"
    RESET_AFTER = "the venue does it, and the connection breaks at once"
    LIMITED = "refused before anyone looked: too many requests"
    NEVER_SENT = "it does not even leave"
    POOR = "refused: no money"
    ROTTEN = "the venue does it, and its answer makes no sense"


class ScriptedLink:
    """Three lanes to a venue of one page.

    Attributes:
        fates: for each op what becomes of its next requests, first first; answered when the list is empty.
        refuses: lanes that cannot be opened, with why.
        mute: lanes that are open and say nothing.
        requests: every request that left, with the run time.
        subscribed: what each lane was asked for on its present connection.
        asked_for: what the market lane was ever asked for.
        on_request: called with each request before anything becomes of it.
    """

    def __init__(self, loop: VirtualLoop, rules: VenueRules = RULES) -> None:
        self.rules = rules
        self.loop = loop
        self.clock = VirtualClock(loop)
        self.fates: dict[Op, list[Fate]] = defaultdict(list)
        self.refuses: dict[Lane, Exception] = {}
        self.mute: dict[Lane, None] = {}
        self.requests: list[tuple[int, Request]] = []
        self.opened: list[tuple[int, Lane]] = []
        self.subscribed: dict[Lane, list[tuple[Channel, str]]] = {lane: [] for lane in Lane}
        self.asked_for: list[tuple[Channel, str]] = []
        self.on_request: Callable[[Request], None] = lambda request: None
        self.orders: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.candles: tuple[Candle, ...] = ()
        self.snapshots: dict[str, BookSnapshot] = {"BTC/USD": snapshot()}
        self.streamed: dict[str, BookSnapshot] = {}  # where the stream's snapshot is another than REST's
        self.is_mute = False  # of own orders nothing is told, nor listed, and a subscription that was made meanwhile stays dead
        self.list_size = 50  # orders in one message of a list
        self.is_in_order = False  # a snapshot shows the book as it is when it goes out, with whatever went out before
        self.traded: list[Trade] = []  # what REST tells of the market
        self.executed: list[Request] = []
        self.hides_orders = False  # neither lists nor lookups show any
        self.hangs: dict[str, None] = {}  # "open", "close", "request": never comes back
        self.is_open: dict[Lane, bool] = dict.fromkeys(Lane, False)
        self.sequence: dict[Lane, int] = dict.fromkeys(Lane, 0)
        self.counted: dict[str, int] = defaultdict(int)  # the same by symbol, where the rules say that each instrument is counted
        self.instruments = (BTC, ETH)
        self.phases: dict[str, Phase] = {}  # in which REST says that markets are, and by which the venue goes
        self.receiver: Receiver | None = None
        self.tells_orders = True

    # links.base.Link

    def bind(self, receiver: Receiver) -> None:
        self.receiver = receiver

    async def open(self, lane: Lane) -> None:
        self.opened.append((self.loop.now_ns, lane))
        await self._hang("open")
        await self.clock.sleep_ns(WAY_NS)
        if lane in self.refuses:
            raise self.refuses[lane]
        self.is_open[lane] = True
        self.sequence[lane] = 0
        if lane is Lane.MARKET:
            self.counted.clear()
        self.subscribed[lane] = []

    async def close(self, lane: Lane) -> None:
        self.is_open[lane] = False
        await self._hang("close")

    def abandon(self) -> None:
        self.is_open = dict.fromkeys(Lane, False)

    async def subscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: int = 0) -> None:
        if not self.is_open[lane]:
            raise NetworkError(f"{lane} lane is closed")
        self.subscribed[lane].append((channel, symbol))
        if lane is Lane.MARKET:
            self.asked_for.append((channel, symbol))
        if channel is Channel.HEARTBEATS:
            self.loop.call_later(0.5, self._beat, lane, len(self.opened))
        elif channel is Channel.ORDERS:
            self.tells_orders = not self.is_mute
            if self.rules.lists_own_orders and self.tells_orders:
                self.loop.call_later(0.012, self._list, self._open_orders())
        elif channel is Channel.BOOK and symbol in self.snapshots:
            asked = self.streamed.get(symbol, self.snapshots[symbol])
            self.loop.call_later(0.01, lambda: self.push(lane, self.snapshots[symbol] if self.is_in_order else asked))

    async def unsubscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: int = 0) -> None:
        self.subscribed[lane].remove((channel, symbol))

    async def request(self, request: Request) -> Answer:
        self.on_request(request)
        self.requests.append((self.loop.now_ns, request))
        await self._hang("request")
        fates = self.fates[request.op]
        fate = fates.pop(0) if fates else Fate.ANSWERED
        if fate is Fate.NEVER_SENT:
            raise as_never_sent(ExchangeNotAvailable("connection refused"))
        await self.clock.sleep_ns(WAY_NS)
        if fate is Fate.LIMITED:
            raise with_retry_after(RateLimitExceeded("too many requests"), 3 * SECOND)
        if fate is Fate.POOR:
            raise InsufficientFunds("no money")
        answer: Answer | Exception | None = None
        if fate is not Fate.LOST_BEFORE:
            try:
                answer = self.execute(request)
            except Exception as error:
                answer = error
        if fate in (Fate.LOST_BEFORE, Fate.LOST_AFTER):
            await self.clock.sleep_ns(TIMEOUT_NS)
            raise RequestTimeout("no answer")
        if fate is Fate.RESET_AFTER:
            raise NetworkError("connection reset by peer")
        if fate is Fate.ROTTEN:
            raise KeyError("success")
        await self.clock.sleep_ns(WAY_NS)
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return answer

    async def _hang(self, what: str) -> None:
        if what in self.hangs:
            await self.loop.create_future()

    # The venue

    def execute(self, request: Request) -> Answer:
        match request.op:
            case Op.ORDER_CREATE:
                return self._create(request)
            case Op.ORDER_FETCH:
                return Answer(order=self._find(request))
            case Op.ORDER_CANCEL:
                order = self._find(request)
                if order.status.is_final:
                    raise OrderNotFound("not open")
                return Answer(order=self.change(order.client_order_id, status=OrderStatus.CANCELED))
            case Op.ORDER_EDIT:
                assert request.order is not None
                order = self._find(request)
                self.executed.append(request)
                return Answer(order=self.change(order.client_order_id, amount=request.order.amount, price=request.order.price))
            case Op.ORDERS_OPEN:
                orders = [] if self.hides_orders else self._open_orders()
                return Answer(orders=tuple(orders))
            case Op.ORDERS_FETCH:
                since_ns = request.since_ns or 0
                return Answer(orders=() if self.hides_orders else tuple(o for o in self.orders.values() if o.created_ns >= since_ns))
            case Op.FILLS_FETCH:
                return Answer(fills=() if self.hides_orders else tuple(self.fills))
            case Op.BALANCE_FETCH:
                return Answer(balances=Balances({"USD": Balance(Decimal(1000))}))
            case Op.MARKETS_FETCH:
                free = {"maker_bps": Decimal(0), "taker_bps": Decimal(0)}
                listed = [(each, self.phases.get(each.symbol, Phase.ONLINE)) for each in self.instruments]
                return Answer(markets=tuple(Market(instrument=each, phase=phase, **free) for each, phase in listed))
            case Op.OHLCV_FETCH:
                return Answer(candles=self.candles)
            case Op.TRADES_FETCH:
                found = [each for each in self.traded if each.symbol == request.symbol and each.venue_ns >= (request.since_ns or 0)]
                books = [self.snapshots[request.symbol]] if request.symbol in self.snapshots else []
                return Answer(trades=tuple(found), books=tuple(books))
            case Op.BOOK_FETCH:
                books = [self.snapshots[request.symbol]] if request.symbol in self.snapshots else []
                return Answer(books=tuple(books))
        raise NotImplementedError(request.op)

    def _create(self, request: Request) -> Answer:
        wanted, key = request.order, request.client_order_id
        assert wanted is not None
        if key in self.orders:
            if self.rules.reconcile is Reconcile.IDENTICAL_REPOST:
                return Answer(order=self.orders[key])
            raise DuplicateOrderId(f"{key} exists")
        if not self.phases.get(wanted.symbol, Phase.ONLINE).takes(wanted):
            raise MarketClosed(f"{wanted.symbol}: {self.phases[wanted.symbol].words}")
        self.executed.append(request)
        now_ns = self.loop.wall_ns()
        self.orders[key] = Order(
            id=f"v-{len(self.orders) + 1}", client_order_id=key, symbol=wanted.symbol, type=wanted.type, side=wanted.side,
            amount=wanted.amount or Decimal(0), price=wanted.price, time_in_force=wanted.time_in_force, post_only=wanted.post_only,
            status=OrderStatus.OPEN, created_ns=now_ns, updated_ns=now_ns,
        )  # fmt: skip
        self.tell(key)
        return Answer(order=self.orders[key])

    def _find(self, request: Request) -> Order:
        for order in self.orders.values():
            named = request.order_id == order.id or (not request.order_id and request.client_order_id == order.client_order_id)
            if named and not self.hides_orders:
                return order
        raise OrderNotFound("no such order")

    def change(self, key: str, **facts: Any) -> Order:
        """Something happens to an order at the venue, and the user lane is told."""
        order = msgspec.structs.replace(self.orders[key], updated_ns=self.loop.wall_ns() + 1, **facts)
        self.orders[key] = order
        self.tell(key)
        return order

    def fill(self, key: str, amount: str) -> Order:
        order = self.orders[key]
        filled = order.filled + Decimal(amount)
        price = order.price or Decimal(100)
        self.fills.append(
            Fill(
                trade_id=f"t-{len(self.fills)}",
                order_id=order.id,
                client_order_id=key,
                symbol=order.symbol,
                side=order.side,
                price=price,
                amount=Decimal(amount),
                cost=price * Decimal(amount),
                fee=Decimal(0),
                fee_currency="USD",
                liquidity=Liquidity.MAKER,
                venue_ns=self.loop.wall_ns(),
            )
        )
        status = OrderStatus.CLOSED if filled == order.amount else OrderStatus.OPEN
        return self.change(key, filled=filled, cost=price * filled, status=status)

    # What it says

    def tell(self, key: str) -> None:
        update = OrderUpdate(venue_ns=self.loop.wall_ns(), order=self.orders[key])
        self.loop.call_later(0.012, self._tell, update, len(self.opened))

    def _tell(self, update: OrderUpdate, connection: int) -> None:
        if (Channel.ORDERS, "") in self.subscribed[Lane.USER] and self.tells_orders:
            self.push(Lane.USER, update)

    def mute_orders(self) -> None:
        """The lane lives, and own orders go mute."""
        self.is_mute, self.tells_orders = True, False

    def _open_orders(self) -> list[Order]:
        return [order for order in self.orders.values() if not order.status.is_final]

    def _list(self, orders: list[Order]) -> None:
        at_ns = self.loop.wall_ns()
        for start in range(0, max(1, len(orders)), self.list_size):
            part = tuple(orders[start : start + self.list_size])
            self.push(Lane.USER, OpenOrders(venue_ns=at_ns, local_ns=at_ns, symbol="", orders=part))

    def push(self, lane: Lane, message: Event | OrderUpdate) -> None:
        if self.is_open[lane]:
            number = self._number(lane, getattr(message, "symbol", ""))
            if lane not in self.mute:
                assert self.receiver is not None
                self.receiver.on_message(lane, number, message)

    def skip(self, lane: Lane, symbol: str = "") -> None:
        """A message is lost on its way."""
        self._number(lane, symbol)

    def _number(self, lane: Lane, symbol: str) -> int:
        if lane is Lane.MARKET and self.rules.numbering is Numbering.INSTRUMENT:
            self.counted[symbol] += 1
            return self.counted[symbol] - 1
        self.sequence[lane] += 1
        return self.sequence[lane] - 1

    def drop(self, lane: Lane) -> None:
        """The connection breaks."""
        if self.is_open[lane]:
            self.is_open[lane] = False
            assert self.receiver is not None
            self.receiver.on_closed(lane, "reset")

    def _beat(self, lane: Lane, connection: int) -> None:
        if (self.is_open[lane] and connection == len(self.opened)) or self.is_open[lane]:
            self.push(lane, Heartbeat(venue_ns=self.loop.wall_ns(), local_ns=self.loop.wall_ns(), symbol="", counter=0))
            self.loop.call_later(1, self._beat, lane, connection)

    def creates(self) -> list[Request]:
        return [request for _, request in self.requests if request.op is Op.ORDER_CREATE]

    def asked(self, op: Op) -> list[Request]:
        return [request for _, request in self.requests if request.op is op]


class NotesTaken:
    """Everything the shell said of itself."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.marks: list[Mark] = []
        self.health: list[tuple[int, bool, str]] = []

    def mark(self, mark: Mark, detail: str = "") -> None:
        self.marks.append(mark)

    def health_changed(self, is_healthy: bool, why: str) -> None:
        self.health.append((self.loop.now_ns, is_healthy, why))


class World:
    """One exchange over one scripted link."""

    def __init__(
        self,
        loop: VirtualLoop,
        rules: VenueRules,
        settings: Mapping[str, Any],
        store: MemoryIntents | None,
        run_id: str,
        link: ScriptedLink | None = None,
    ) -> None:
        self.loop = loop
        self.clock = VirtualClock(loop)
        self.link = link or ScriptedLink(loop, rules)
        self.notes = NotesTaken(loop)
        self.store = store or MemoryIntents()
        self.errors: list[BaseException] = []
        self.exchange = ResilientExchange(
            self.link, clock=self.clock, chance=Chance(1), notes=self.notes, store=self.store, run_id=run_id,
            settings=ShellSettings(**settings), on_bot_error=self.errors.append,
        )  # fmt: skip

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def buy(self, symbol: str = "BTC/USD", amount: str = "1", price: str | None = "100", **rest: Any) -> Awaitable[Order]:
        return self.exchange.place_order(symbol, "limit" if price else "market", "buy", amount, price, **rest)

    def start_buy(self, symbol: str = "BTC/USD", **rest: Any) -> asyncio.Task[Order]:
        return asyncio.ensure_future(self.buy(symbol, **rest))  # type: ignore[arg-type]  # place_order is a coroutine, which Awaitable does not say

    def logged(self, key: str) -> tuple[bool, int]:
        """Whether the log durably has an intent, and how many sendings of it."""
        records = list(self.store.load())
        wanted = any(isinstance(record, Wanted) and record.client_order_id == key for record in records)
        return wanted, sum(isinstance(record, Sending) and record.client_order_id == key for record in records)


def play(
    story: Callable[[World], Awaitable[T]],
    *,
    connect: bool = True,
    rules: VenueRules = RULES,
    store: MemoryIntents | None = None,
    run_id: str = "r",
    limit_s: int = 3_600,
    **settings: Any,
) -> T:
    """Tell a story in virtual time; afterwards no error is unhandled and no task left over."""

    async def main(loop: VirtualLoop) -> T:
        world = World(loop, rules, settings, store, run_id)
        if connect:
            await world.exchange.connect()
        result = await story(world)
        await world.exchange.disconnect()
        assert not loop.unhandled, loop.unhandled
        await asyncio.sleep(0)
        left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert left == []
        return result

    return run_virtual(main, epoch_ns=EPOCH_NS, limit_ns=limit_s * SECOND)


def snapshot(bid: int = 9_900, ask: int = 10_100, at_ns: int = 0) -> BookSnapshot:
    return BookSnapshot(venue_ns=at_ns, local_ns=at_ns, symbol="BTC/USD", bids=((bid, 5), (bid - 1, 5)), asks=((ask, 5),))


def change(ticks: int, lots: int, at_ns: int = 1) -> BookUpdate:
    return BookUpdate(venue_ns=at_ns, local_ns=at_ns, symbol="BTC/USD", bids=((ticks, lots),))


def trade(at_ns: int = 0, ticks: int = 10_000, lots: int = 1, symbol: str = "BTC/USD", key: str = "") -> Trade:
    return Trade(venue_ns=at_ns, local_ns=at_ns, symbol=symbol, price_ticks=ticks, qty_lots=lots, taker=Side.BUY, trade_id=key)


def denied() -> AuthenticationError:
    return AuthenticationError("who are you?")


LOOKUP = msgspec.structs.replace(RULES, reconcile=Reconcile.LOOKUP)
SCAN = msgspec.structs.replace(RULES, reconcile=Reconcile.SCAN_RECENT)
LONG = 10 * MINUTE
