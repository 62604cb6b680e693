"""A small venue behind the port, and two worlds to serve it in: real sockets on loopback, and virtual time with the real URLs."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from papertape.links.coinbase.link import CoinbaseLink, CoinbaseUrls
from papertape.links.permits import Ungated
from papertape.model.account import Balance, Balances, Candle, Market
from papertape.model.event import BookSnapshot, Event, MarketStatus, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.order import Fill, Liquidity, NewOrder, Order, OrderStatus, OrderType, OrderUpdate, Preview
from papertape.model.request import Answer, Channel, Lane, Op, Refusal, RefusalCode, ReplyLost, Request
from papertape.model.units import EXACT, SECOND
from papertape.model.venue import Quota
from papertape.runtime.clock import Clock, LoopClock, VirtualClock
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.world import run_virtual
from papertape.venues.coinbase.auth import Credentials, throwaway_credentials
from papertape.venues.coinbase.rules import RULES
from papertape.wire.caller import Caller
from papertape.wire.coinbase.server import MARKET_HOST, REST_HOST, USER_HOST, CoinbaseServer

EPOCH_NS = 1_786_309_548 * SECOND
LOTS = Quota(count=1_000_000)
KEY = throwaway_credentials("tests")
ED25519_KEY = Credentials("organizations/tests/apiKeys/ed25519", base64.b64encode(bytes(range(32))).decode())
"""The other kind of key that Coinbase hands out."""
BTC = Instrument(
    symbol="BTC/USD",
    venue_symbol="BTC-USD",
    tick=Decimal("0.01"),
    lot=Decimal("0.00000001"),
    amount_min=Decimal("0.00000001"),
    cost_min=Decimal("1"),
)


class Stream:
    """One connection as the scripted venue keeps it."""

    def __init__(self, venue: ScriptedVenue, lane: Lane, send: Callable[[int, Any], None], close: Callable[[int], None]) -> None:
        self.venue, self.lane, self.send_raw, self.close = venue, lane, send, close
        self.sequence = 0
        self.wants: dict[tuple[Channel, str], None] = {}
        self.is_open = True

    def send(self, message: Any) -> None:
        sequence, self.sequence = self.sequence, self.sequence + 1
        self.send_raw(sequence, message)

    def subscribe(
        self,
        channel: Channel,
        symbol: str,
        span_ns: int = 0,
        begun: Callable[[], None] | None = None,
        settled: Callable[[], None] | None = None,
        refused: Callable[[str], None] | None = None,
    ) -> None:
        if begun is not None:
            begun()
        self.wants[channel, symbol] = None
        if channel is Channel.BOOK:
            self.send(self.venue.snapshot)
        if settled is not None:
            settled()

    def unsubscribe(self, channel: Channel, symbol: str, span_ns: int = 0) -> None:
        del self.wants[channel, symbol]

    def say(self, message: object) -> None:
        self.send(message)

    def heard(self, message: object) -> None:
        """Nobody asks."""

    def closed(self, left_ns: int | None = None) -> None:
        self.is_open = False
        self.venue.streams.remove(self)


class ScriptedVenue:
    """Takes every limit order into its list and fills every other at 100; does what the test says on top."""

    rules = msgspec.structs.replace(  # a test asks as often as it likes; those of quotas say so
        RULES, private_quota=LOTS, public_quota=LOTS, dial_quota=LOTS, message_quota=LOTS
    )
    instruments: Sequence[Instrument] = (BTC,)

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.orders: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.requests: list[Request] = []
        self.refuse: dict[Op, Refusal] = {}
        self.lose: dict[Op, int] = {}  # how many answers of an op are lost
        self.shut: dict[Lane, None] = {}
        self.streams: list[Stream] = []
        self.trades: list[Trade] = []
        self.candles: tuple[Candle, ...] = ()
        self.before_answer: Callable[[], None] = lambda: None
        self.balances = Balances({"USD": Balance(Decimal("900.5"), Decimal("99.5")), "BTC": Balance(Decimal("0.1"))})
        self.snapshot = BookSnapshot(venue_ns=self.wall_ns(), local_ns=0, symbol="BTC/USD", bids=((9_900, 5),), asks=((10_100, 7),))

    def wall_ns(self) -> int:
        return self.clock.wall_ns()

    def accepts(self, lane: Lane) -> bool:
        return lane not in self.shut

    def open_stream(self, lane: Lane, send: Callable[[int, Any], None], close: Callable[[int], None], *, can_tell: bool = False) -> Stream:
        stream = Stream(self, lane, send, close)
        self.streams.append(stream)
        return stream

    def open_orders(self) -> Sequence[Order]:
        return [order for order in self.orders.values() if order.status is OrderStatus.OPEN]

    def ticker(self, symbol: str) -> Ticker:
        at_ns, (bid, ask) = self.wall_ns(), (self.snapshot.bids[0], self.snapshot.asks[0])
        best = {"bid_ticks": bid[0], "bid_lots": bid[1], "ask_ticks": ask[0], "ask_lots": ask[1]}
        return Ticker(
            venue_ns=at_ns, local_ns=at_ns, symbol=symbol, last_ticks=self.trades[-1].price_ticks if self.trades else None, **best
        )

    def status(self, symbol: str) -> MarketStatus:
        return MarketStatus(venue_ns=self.wall_ns(), local_ns=self.wall_ns(), symbol=symbol, status="online")

    def day(self, symbol: str) -> Candle | None:
        if not self.trades:
            return None
        prices = [BTC.price(trade.price_ticks) for trade in self.trades]
        volume = BTC.amount(sum(trade.qty_lots for trade in self.trades))
        return Candle(open_ns=0, open=prices[0], high=max(prices), low=min(prices), close=prices[-1], volume=volume)

    def bars(self, symbol: str, span_ns: int, limit: int) -> Sequence[Candle]:
        return self.candles[-limit:]

    def recent_trades(self, symbol: str) -> Sequence[Trade]:
        return self.trades

    def broadcast(self, channel: Channel, symbol: str, message: Event | OrderUpdate) -> None:
        for stream in self.streams:
            if (channel, symbol) in stream.wants:
                stream.send(message)

    def tell(self, order: Order) -> None:
        self.broadcast(Channel.ORDERS, "", OrderUpdate(venue_ns=order.updated_ns, order=order))

    def drop(self, lane: Lane, clean: bool) -> None:
        for stream in [stream for stream in self.streams if stream.lane is lane]:
            self.streams.remove(stream)
            stream.close(1001 if clean else 0)

    def change(self, order_id: str, **facts: Any) -> Order:
        order = msgspec.structs.replace(self.orders[order_id], updated_ns=self.wall_ns(), **facts)
        self.orders[order_id] = order
        return order

    async def request(self, request: Request, *, caller: Caller | None = None, refusal: Refusal | None = None) -> Answer:
        self.requests.append(request)
        await asyncio.sleep(0)
        refusal = refusal or self.refuse.get(request.op)
        answer = Answer(refusal=refusal) if refusal is not None else self._execute(request)
        self.before_answer()
        if self.lose.get(request.op, 0) > 0:
            self.lose[request.op] -= 1
            raise ReplyLost
        return answer

    def _execute(self, request: Request) -> Answer:
        match request.op:
            case Op.MARKETS_FETCH:
                return Answer(
                    markets=tuple(Market(instrument=each, maker_bps=Decimal(40), taker_bps=Decimal(60)) for each in self.instruments)
                )
            case Op.BALANCE_FETCH:
                return Answer(balances=self.balances)
            case Op.ORDER_CREATE:
                return Answer(order=self._create(request))
            case Op.ORDERS_OPEN:
                return Answer(orders=tuple(self.open_orders()))
            case Op.ORDERS_FETCH:
                return Answer(orders=tuple(self.orders.values()))
            case Op.FILLS_FETCH:
                return Answer(fills=tuple(self.fills))
            case Op.TRADES_FETCH:
                return Answer(trades=tuple(self.trades), books=(self.snapshot,))
            case Op.BOOK_FETCH:
                return Answer(books=(self.snapshot,))
            case Op.TIME_FETCH:
                return Answer()
            case Op.ORDER_PREVIEW if not request.order_id:
                return Answer(preview=self._preview(request.order), books=(self.snapshot,))
            case Op.OHLCV_FETCH:
                return Answer(candles=self.candles)
        order = self.orders.get(request.order_id)
        if order is None:
            return Answer(refusal=Refusal(code=RefusalCode.ORDER_NOT_FOUND, message="none"))
        if request.op is Op.ORDER_PREVIEW:
            return Answer(preview=self._preview(request.order), books=(self.snapshot,))
        if request.op is Op.ORDER_CANCEL:
            if order.status is not OrderStatus.OPEN:
                return Answer(refusal=Refusal(code=RefusalCode.ORDER_NOT_OPEN, message="done"))
            order = self.change(order.id, status=OrderStatus.CANCELED)
            self.tell(order)
        elif request.op is Op.ORDER_EDIT:
            assert request.order is not None
            order = self.change(order.id, amount=request.order.amount, price=request.order.price)
            self.tell(order)
        return Answer(order=order)

    def _preview(self, wanted: NewOrder | None) -> Preview:
        assert wanted is not None
        price = wanted.price or Decimal(100)
        amount = wanted.amount if wanted.amount is not None else (wanted.cost or Decimal(0)) / price
        cost = EXACT.multiply(amount, price)
        return Preview(side=wanted.side, amount=amount, cost=cost, fee=EXACT.multiply(cost, Decimal("0.006")))

    def _create(self, request: Request) -> Order:
        wanted = request.order
        assert wanted is not None
        for order in self.orders.values():
            if order.client_order_id == request.client_order_id:
                return order
        now_ns, price = self.wall_ns(), Decimal(100)
        amount = wanted.amount if wanted.amount is not None else wanted.cost / price if wanted.cost is not None else Decimal(0)
        rests = wanted.type is OrderType.LIMIT and wanted.price is not None and (wanted.price < price) is (wanted.side is Side.BUY)
        cost = Decimal(0) if rests else EXACT.multiply(amount, price)
        order = Order(
            id=f"o-{len(self.orders) + 1}",
            client_order_id=request.client_order_id,
            symbol=wanted.symbol,
            type=wanted.type,
            side=wanted.side,
            amount=amount,
            price=wanted.price,
            time_in_force=wanted.time_in_force,
            post_only=wanted.post_only,
            status=OrderStatus.OPEN if rests else OrderStatus.CLOSED,
            created_ns=now_ns,
            updated_ns=now_ns,
            filled=Decimal(0) if rests else amount,
            cost=cost,
            fee=EXACT.multiply(cost, Decimal("0.006")),
            fills_count=0 if rests else 1,
        )
        self.orders[order.id] = order
        if not rests:
            self.fills.append(_fill(order, price))
        self.tell(order)
        return order


def _fill(order: Order, price: Decimal) -> Fill:
    return Fill(
        trade_id=f"t-{order.id}",
        order_id=order.id,
        client_order_id="",
        symbol=order.symbol,
        side=order.side,
        price=price,
        amount=order.filled,
        cost=order.cost,
        fee=order.fee,
        fee_currency="USD",
        liquidity=Liquidity.TAKER,
        venue_ns=order.updated_ns,
    )


class Heard:
    """A receiver that writes down."""

    def __init__(self) -> None:
        self.messages: list[tuple[Lane, int | None, Event | OrderUpdate]] = []
        self.closed: list[tuple[Lane, str]] = []
        self._news = asyncio.Event()

    def on_message(self, lane: Lane, sequence: int | None, message: Event | OrderUpdate) -> None:
        self.messages.append((lane, sequence, message))
        self._news.set()

    def on_closed(self, lane: Lane, reason: str) -> None:
        self.closed.append((lane, reason))
        self._news.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for news until it is so."""
        async with asyncio.timeout(20):
            while not is_so():
                self._news.clear()
                await self._news.wait()

    def of(self, lane: Lane) -> list[Event | OrderUpdate]:
        return [message for where, _, message in self.messages if where is lane]


class Wire:
    """A served venue and a link to it."""

    def __init__(
        self, venue: ScriptedVenue, server: CoinbaseServer, clock: Clock, urls: CoinbaseUrls, link: CoinbaseLink, heard: Heard
    ) -> None:
        self.venue, self.server, self.clock, self.urls, self.link, self.heard = venue, server, clock, urls, link, heard

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Let things happen until it is so."""
        async with asyncio.timeout(20):
            while not is_so():
                await self.clock.sleep_ns(SECOND // 100)

    async def connect(self, *lanes: Lane) -> None:
        """REST first, so that the products are known."""
        await self.link.open(Lane.REST)
        await self.link.request(Request(op=Op.MARKETS_FETCH))
        for lane in lanes:
            await self.link.open(lane)
        self.venue.requests.clear()


Story = Callable[[Wire], Awaitable[None]]


def on_loopback(story: Story, credentials: Credentials = KEY) -> None:
    """Tell the story on real sockets and in real time."""

    async def main() -> None:
        await asyncio.wait_for(_tell(story, LoopClock(), None, credentials), 30)

    asyncio.run(main())


def in_memory(story: Story, credentials: Credentials = KEY) -> None:
    """Tell the story in virtual time, on an in-memory network, at Coinbase's own URLs."""

    async def main(loop: VirtualLoop) -> None:
        loop.network = Network(loop)
        await _tell(story, VirtualClock(loop), loop.network, credentials)

    run_virtual(main, epoch_ns=EPOCH_NS, limit_ns=3600 * SECOND)


async def _tell(story: Story, clock: Clock, network: Network | None, credentials: Credentials) -> None:
    from aiohttp import web

    venue = ScriptedVenue(clock)
    server = CoinbaseServer(venue, KEY, ED25519_KEY)
    runner = server.runner()
    await runner.setup()
    if network is None:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        urls = CoinbaseUrls(rest=f"http://127.0.0.1:{port}", market=f"ws://127.0.0.1:{port}", user=f"ws://127.0.0.1:{port}/user")
    else:
        for host, lane in ((REST_HOST, Lane.REST), (MARKET_HOST, Lane.MARKET), (USER_HOST, Lane.USER)):
            await web.TCPSite(runner, host, 443).start()
            network.set_gate(host, lambda _, lane=lane: venue.accepts(lane))
        urls = CoinbaseUrls()
    link = CoinbaseLink(credentials, rules=RULES, clock=clock, urls=urls, timeout_ns=5 * SECOND, permits=Ungated())
    heard = Heard()
    link.bind(heard)
    try:
        await story(Wire(venue, server, clock, urls, link, heard))
    finally:
        for lane in (Lane.MARKET, Lane.USER, Lane.REST):
            await link.close(lane)
        await runner.cleanup()
