"""The link to Coinbase: three lanes to its real hosts, or to whatever answers under their names.

Importing this imports ccxt, which takes seconds; do it before a run in virtual time begins, not inside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from typing import Final, TypeVar

import msgspec

from papertape.links.base import Receiver
from papertape.links.coinbase.connections import Connections
from papertape.links.coinbase.memory import Memory
from papertape.links.coinbase.rest import CoinbaseRest, Reply
from papertape.links.coinbase.stream import CoinbaseStream, OnClosed, OnFrame
from papertape.links.permits import Permits, permits_for
from papertape.links.purse import Purse
from papertape.links.refusal import error_of
from papertape.model.account import KeyRights
from papertape.model.errors import BadSymbol, BaseError, ExchangeError, ExchangeNotAvailable, NetworkError, NotSupported
from papertape.model.event import Event
from papertape.model.order import NewOrder, OpenOrders, Order, OrderStatus, OrderType, OrderUpdate, TimeInForce
from papertape.model.request import Answer, Channel, Lane, Op, Request
from papertape.model.units import SECOND, Nanos
from papertape.model.venue import VenueRules
from papertape.runtime.clock import Clock
from papertape.venues.coinbase import answer as answers
from papertape.venues.coinbase.account import decode_fees, decode_rights, together
from papertape.venues.coinbase.auth import Credentials, sign
from papertape.venues.coinbase.errors import decode_refusal
from papertape.venues.coinbase.frame import CANDLE_SPAN_NS
from papertape.venues.coinbase.notation import Products, product_id
from papertape.venues.coinbase.product import decode_aliases
from papertape.venues.coinbase.request import Call, encode

T = TypeVar("T")

CHANNELS: Final = {
    Channel.BOOK: "level2",
    Channel.TRADES: "market_trades",
    Channel.TICKER: "ticker",
    Channel.TICKER_BATCH: "ticker_batch",
    Channel.CANDLES: "candles",
    Channel.STATUS: "status",
    Channel.HEARTBEATS: "heartbeats",
    Channel.ORDERS: "user",
}


class CoinbaseUrls(msgspec.Struct, frozen=True):
    """Where the three lanes lead.

    Attributes:
        ca: a file with the authority that signed for these hosts; empty for those that everybody trusts.
    """

    rest: str = "https://api.coinbase.com"
    market: str = "wss://advanced-trade-ws.coinbase.com"
    user: str = "wss://advanced-trade-ws-user.coinbase.com"
    ca: str = ""


class CoinbaseLink:
    """Three lanes to Coinbase; see `links.base.Link`.

    Coinbase acknowledges a create by its id alone. What can rest is returned as open and unfilled, and the user lane tells the rest; what
    cannot rest, and what may be an older order because the same id was sent before, is looked at once more. A cancel and an edit are
    acknowledged by a yes: the order is returned as last heard of.

    One call may be several requests: the first is the caller's to pay for, each other waits in ccxt's own `throttle` for the limiter that
    `spend_by` names.

    Args:
        permits: what may change something needs one of these; None only without credentials.
    """

    def __init__(
        self,
        credentials: Credentials | None,
        *,
        rules: VenueRules,
        clock: Clock,
        urls: CoinbaseUrls | None = None,
        timeout_ns: Nanos = 10 * SECOND,
        permits: Permits | None = None,
    ) -> None:
        self.rules = rules
        self._permits = permits_for(rules.name, permits, has_key=credentials is not None)
        self._credentials = credentials
        self._urls = urls or CoinbaseUrls()
        self._timeout_ns = timeout_ns
        self._rest = CoinbaseRest(credentials, clock, self._urls.rest, timeout_ns, self._urls.ca)
        self._clock: Clock = self._rest.venue_clock
        self._streams: dict[Lane, Connections] = {}
        self._may_dial: Callable[[Lane], Awaitable[object]] | None = None
        self._may_say: Callable[[], Awaitable[object]] | None = None
        self._products = Products()
        self._memory = Memory()
        self._receiver: Receiver | None = None
        self._tokens = 0

    def bind(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def spend_by(self, spend: Callable[[Op], Awaitable[object]], on_limited: Callable[[Nanos | None], object]) -> None:
        """Whose budget requests come out of; to be told before a lane is opened.

        Args:
            spend: awaited before each request beyond the one that `request` was called for.
            on_limited: told at once how long the venue wants quiet, whichever of a call's requests it said so to, and whether or not the
                call comes to a good end without that one; None where the venue does not say.
        """
        self._rest.spend, self._rest.on_limited = spend, on_limited

    def admit_by(self, dial: Callable[[Lane], Awaitable[object]], message: Callable[[], Awaitable[object]]) -> None:
        """Await these before each connection and message beyond those that the link is called for; to be told before a lane is opened."""
        self._may_dial, self._may_say = dial, message

    async def open(self, lane: Lane) -> None:
        if lane is Lane.REST:
            await self._rest.open()
            return
        receiver = self._receiver
        assert receiver is not None, "bind a receiver before opening a stream lane"

        def on_message(sequence: int | None, message: Event | OrderUpdate) -> None:
            if type(message) is OrderUpdate:
                message = self._memory.complete_update(message)
            elif type(message) is OpenOrders:
                message = self._memory.complete_list(message)
            receiver.on_message(lane, sequence, message)

        def on_closed(reason: str) -> None:
            self._streams.pop(lane, None)
            receiver.on_closed(lane, reason)

        url = self._urls.user if lane is Lane.USER else self._urls.market

        async def dial(on_frame: OnFrame, on_closed: OnClosed) -> CoinbaseStream:
            return await CoinbaseStream.dial(url, self._products, self._clock, on_frame, on_closed, self._timeout_ns, self._urls.ca)

        connections = Connections(
            dial,
            clock=self._clock,
            heartbeat_ns=self.rules.heartbeat_ns,
            may_dial=None if self._may_dial is None else partial(self._may_dial, lane),
            may_say=self._may_say,
            token=None if self._credentials is None else self._token,
            on_message=on_message,
            on_closed=on_closed,
        )
        await connections.open()
        self._streams[lane] = connections

    def volume(self, lane: Lane) -> int:
        """Bytes that have come by a lane's open connections: a sign of life while a large message is on its way."""
        connections = self._streams.get(lane)
        return 0 if connections is None else connections.volume

    async def close(self, lane: Lane) -> None:
        if lane is Lane.REST:
            await self._rest.close()
            return
        stream = self._streams.pop(lane, None)
        if stream is not None:
            await stream.close()

    def abandon(self) -> None:
        self._streams.clear()
        self._rest.abandon()

    async def subscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None:
        await self._wish("subscribe", lane, channel, symbol, span_ns)

    async def unsubscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None:
        await self._wish("unsubscribe", lane, channel, symbol, span_ns)

    async def _wish(self, type: str, lane: Lane, channel: Channel, symbol: str, span_ns: Nanos) -> None:
        stream = self._streams.get(lane)
        if stream is None:
            raise NetworkError(f"coinbase: the {lane} lane is closed")
        if symbol and symbol not in self._products.by_symbol:
            raise BadSymbol(f"coinbase: {symbol} is not among its products")
        if channel is Channel.CANDLES and span_ns not in (0, CANDLE_SPAN_NS):
            raise NotSupported(f"coinbase streams bars of five minutes only, not of {span_ns // SECOND} s")
        if type == "subscribe" and symbol:
            self._products.follow(symbol)
        await stream.say(type, CHANNELS[channel], product_id(symbol))

    def _token(self) -> str:
        """One for each message: Coinbase wants a fresh one, and limits those who do not say who they are."""
        assert self._credentials is not None
        self._tokens += 1
        now_ns = self._clock.wall_ns()
        return sign(self._credentials, now_ns, nonce=f"{now_ns:x}{self._tokens:x}")

    async def request(self, request: Request) -> Answer:
        with self._permits.sending(request):
            return await self._carry_out(request)

    async def _carry_out(self, request: Request) -> Answer:
        if not request.order_id and request.op in (Op.ORDER_FETCH, Op.ORDER_CANCEL, Op.ORDER_EDIT):
            request = msgspec.structs.replace(request, order_id=self._memory.id_of(request.client_order_id))
        purse = Purse(request.op)
        match request.op:
            case Op.ORDER_CREATE:
                return await self._create(request, purse)
            case Op.MARKETS_FETCH:
                return await self._markets(request, purse)
            case Op.ORDER_CANCEL | Op.ORDER_EDIT:
                await self._ask(request, purse)
                return Answer(order=await self._order_after(request, purse))
            case Op.ORDER_FETCH:
                answer = await self._ask(request, purse)
                assert answer.order is not None
                return Answer(order=self._memory.complete(answer.order))
            case Op.ORDERS_OPEN | Op.ORDERS_FETCH:
                pages = await self._pages(request, purse)  # the newest page came first
                return Answer(orders=tuple(self._memory.complete(order) for page in reversed(pages) for order in page.orders))
            case Op.FILLS_FETCH:
                pages = await self._pages(request, purse)
                fills = [self._memory.complete_fill(fill) for page in reversed(pages) for fill in page.fills]
                return Answer(fills=tuple(fills))
            case Op.BALANCE_FETCH:
                found = [page.balances for page in await self._pages(request, purse) if page.balances is not None]
                return Answer(balances=together(found))
        return await self._ask(request, purse)

    async def key_rights(self) -> KeyRights:
        """What the key may do; raises as `request` does."""
        reply = await self._rest.call(Call("GET", "brokerage/key_permissions", {}), Purse(Op.BALANCE_FETCH))
        refusal = decode_refusal(reply.status, reply.body, reply.headers)
        if refusal is not None:
            raise error_of(refusal, "coinbase GET brokerage/key_permissions")
        return self._readable(Op.BALANCE_FETCH, lambda: decode_rights(reply.body))

    async def _create(self, request: Request, purse: Purse) -> Answer:
        wanted = request.order
        assert wanted is not None
        self._memory.wanted(request.client_order_id, wanted)
        reply = await self._rest.call(encode(request, self._clock.wall_ns()), purse)
        self._read(request, reply)
        order_id = self._readable(request.op, lambda: answers.acknowledged_id(reply.body))
        order = _acknowledged(request, wanted, order_id, self._clock.wall_ns())
        may_be_old = request.attempt > 1
        if may_be_old or wanted.type is OrderType.MARKET or wanted.time_in_force is not TimeInForce.GTC:
            try:
                return Answer(order=await self._look(order.id, wanted.symbol, purse))
            except BaseError as error:
                if may_be_old:  # what it says now is not known, and asking again is safe
                    raise ExchangeNotAvailable(f"coinbase: order {order.id} exists, but was not shown: {error}") from error
        known = self._memory.order(order.id)  # the user lane may have been faster
        return Answer(order=known if known is not None else self._memory.complete(order))

    async def _order_after(self, request: Request, purse: Purse) -> Order:
        """Where an order stands after a yes to a cancel or an edit, as far as we were told."""
        known = self._memory.order(request.order_id)
        if known is None:
            try:
                return await self._look(request.order_id, request.symbol, purse)
            except ExchangeError:
                raise
            except BaseError as error:  # the command itself was carried out
                raise ExchangeNotAvailable(f"coinbase: {request.op} was taken, but the order was not shown: {error}") from error
        if request.op is Op.ORDER_EDIT and request.order is not None and request.order.amount is not None:
            known = msgspec.structs.replace(known, amount=request.order.amount, price=request.order.price)
        return known

    async def _look(self, order_id: str, symbol: str, purse: Purse) -> Order:
        answer = await self._ask(Request(op=Op.ORDER_FETCH, order_id=order_id, symbol=symbol), purse)
        assert answer.order is not None
        return self._memory.complete(answer.order)

    async def _markets(self, request: Request, purse: Purse) -> Answer:
        reply = await self._rest.call(encode(request, self._clock.wall_ns()), purse)
        answer = self._read(request, reply)[0]
        aliases = self._readable(request.op, lambda: decode_aliases(reply.body))
        self._products.learn((market.instrument for market in answer.markets), aliases)
        maker_bps, taker_bps = self.rules.maker_bps, self.rules.taker_bps
        if self._credentials is not None:
            call, private = Call("GET", "brokerage/transaction_summary", {"product_type": "SPOT"}), Purse(Op.BALANCE_FETCH, paid=0)
            fees = await self._rest.call(call, private)
            refusal = decode_refusal(fees.status, fees.body, fees.headers)
            if refusal is not None:
                raise error_of(refusal, f"coinbase {request.op}")
            maker_bps, taker_bps = self._readable(Op.MARKETS_FETCH, lambda: decode_fees(fees.body))
        markets = [msgspec.structs.replace(market, maker_bps=maker_bps, taker_bps=taker_bps) for market in answer.markets]
        return Answer(markets=tuple(markets))

    async def _pages(self, request: Request, purse: Purse) -> list[Answer]:
        pages: list[Answer] = []
        cursor, seen = "", dict[str, None]()
        while True:
            reply = await self._rest.call(encode(request, self._clock.wall_ns(), cursor), purse)
            answer, cursor = self._read(request, reply)
            pages.append(answer)
            if not cursor or cursor in seen or request.limit is not None:
                return pages
            seen[cursor] = None  # a venue that leads us in a circle has told us everything

    async def _ask(self, request: Request, purse: Purse) -> Answer:
        reply = await self._rest.call(encode(request, self._clock.wall_ns()), purse)
        return self._read(request, reply)[0]

    def _read(self, request: Request, reply: Reply) -> tuple[Answer, str]:
        answer, cursor = self._readable(
            request.op, lambda: answers.decode(request, reply.status, reply.body, reply.headers, self._products)
        )
        if answer.refusal is not None:
            raise error_of(answer.refusal, f"coinbase {request.op}")
        return answer, cursor

    def _readable(self, op: Op, read: Callable[[], T]) -> T:
        """What an answer says; one that cannot be read leaves open what was done."""
        try:
            return read()
        except (ValueError, KeyError, TypeError, ArithmeticError, AttributeError, AssertionError, IndexError) as error:
            raise ExchangeNotAvailable(f"coinbase {op}: an answer that cannot be read: {error!r}") from error


def _acknowledged(request: Request, wanted: NewOrder, order_id: str, now_ns: Nanos) -> Order:
    return Order(
        id=order_id,
        client_order_id=request.client_order_id,
        symbol=wanted.symbol,
        type=wanted.type,
        side=wanted.side,
        amount=wanted.amount if wanted.amount is not None else Decimal(0),
        price=wanted.price,
        time_in_force=wanted.time_in_force,
        post_only=wanted.post_only,
        status=OrderStatus.OPEN,
        created_ns=now_ns,
        updated_ns=now_ns,
        expires_ns=wanted.expires_ns,
        trigger_price=wanted.trigger_price,
        stop_direction=wanted.stop_direction,
        stop_loss_price=wanted.stop_loss_price,
    )
