"""The link to any venue that ccxt knows. REST is its unified calls; the market lane is ccxt.pro where it has all that is asked for.

Importing this imports ccxt, which takes seconds; do it before a run in virtual time begins, not inside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from papertape.links.base import Receiver
from papertape.links.ccxt.manners import MANNERS, Manners, rules_for
from papertape.links.ccxt.own import Own
from papertape.links.ccxt.reading import (
    read_balances,
    read_book,
    read_candle,
    read_fill,
    read_market,
    read_order,
    read_trade,
)
from papertape.links.ccxt.rest import CcxtRest
from papertape.links.ccxt.watch import METHOD, Watch
from papertape.links.coinbase.memory import Memory
from papertape.links.permits import Permits, permits_for
from papertape.links.purse import Purse
from papertape.model.account import KeyRights
from papertape.model.errors import (
    BadSymbol,
    BaseError,
    ExchangeError,
    ExchangeNotAvailable,
    NetworkError,
    NotSupported,
    OrderNotFound,
)
from papertape.model.event import Event, Side
from papertape.model.instrument import Instrument
from papertape.model.order import NewOrder, Order, OrderType, OrderUpdate, TimeInForce
from papertape.model.request import Answer, Channel, Lane, Op, Request
from papertape.model.units import HOUR, MILLISECOND, MINUTE, SECOND, Nanos, plain
from papertape.model.venue import Reconcile
from papertape.runtime.clock import Clock

SPANS: Final = {60: "1m", 180: "3m", 300: "5m", 900: "15m", 1800: "30m", 3600: "1h", 7200: "2h", 14400: "4h", 21600: "6h", 86400: "1d"}
"""ccxt's names of bars, by seconds."""

OWN_EVERY_NS: Final[Nanos] = 1 * SECOND
"""How often own orders are asked for."""

OWN_PART: Final = 4
"""Asking for own orders takes at most about one part in so many of the private quota."""

LEVELS: Final = 100
"""How much of a book REST is asked for, from the best price down, on each side: as much as the venues have that give little."""

LACKS_FIRST_NS: Final = 5 * MINUTE
LACKS_MAX_NS: Final = HOUR
"""How long all of a market is polled for want of a stream before the lane is tried again, each time twice as long, and the longest: whoever
wanted that stream may not want it any more, and is not heard of while there is no connection."""

UNREADABLE: Final = (ValueError, KeyError, TypeError, ArithmeticError, AttributeError, IndexError)


class CcxtLink:
    """Three lanes to one venue by ccxt's unified interface; see `links.base.Link`.

    An order is looked at once more after whatever changed it, since an acknowledgement says as little as each venue likes. The user lane
    asks by REST, see `Own`. A market lane that lacks a stream for something a bot wants is polled by the shell, all of it, until it is
    tried again; see `LACKS_FIRST_NS`.

    One call may be several requests: the first is the caller's to pay for, each other waits in ccxt's own `throttle` for the limiter that
    `spend_by` names.

    Args:
        name: ccxt's id of the venue.
        key: `apiKey`, `secret` and `password`, as far as there are any.
        permits: what may change something needs one of these; None only without a key.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: Clock,
        key: Mapping[str, str] | None = None,
        timeout_ns: Nanos = 10 * SECOND,
        permits: Permits | None = None,
        ca: str = "",
    ) -> None:
        self._name = name
        self._clock = clock
        self._permits = permits_for(name, permits, has_key=bool(key))
        self._manners = MANNERS.get(name, Manners())
        self._rest = CcxtRest(name, clock, dict(key or {}), timeout_ns, self._manners, ca)
        self.rules = rules_for(name, self._rest.rate_limit_ms, *self._rest.fees_bps)
        self._watch: Watch | None = None
        self._own: Own | None = None
        self._fresh: dict[str, Order] = {}  # orders whose end nobody has told on the user lane yet
        self._receiver: Receiver | None = None
        self._memory = Memory()
        self._instruments: dict[str, Instrument] = {}
        self._loses_ids = False  # it was seen to forget a client order id
        self._lacks = ""  # a stream that was wanted and is none of ccxt's, in words
        self._lacks_until_ns: Nanos = 0  # when somebody may no longer want it
        self._lacks_for_ns = LACKS_FIRST_NS

    def bind(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def spend_by(self, spend: Callable[[Op], Awaitable[object]], on_limited: Callable[[Nanos | None], object]) -> None:
        """Whose budget requests come out of, and who is told how long the venue wants quiet; to be told before a lane is opened."""
        self._rest.spend, self._rest.on_limited = spend, on_limited

    # Lanes

    async def open(self, lane: Lane) -> None:
        if lane is Lane.REST:
            await self._rest.open()
            return
        receiver, client = self._receiver, self._rest.client
        assert receiver is not None, "bind a receiver before opening a stream lane"
        if client is None or not client.markets:
            raise NetworkError(f"{self._name}: its markets are not known yet")
        if lane is Lane.USER:
            self._open_own(receiver)
            return
        if self._clock.now_ns() < self._lacks_until_ns:
            raise NotSupported(f"{self._lacks}; all of the market is polled")
        streaming = self._rest.make(is_stream=True)
        if not any(streaming.has.get(method) for method in METHOD.values()):
            await streaming.close()
            raise NotSupported(f"{self._name}: ccxt has no streams of it")
        streaming.papertape_spend = self._rest.spend
        streaming.set_markets(client.markets, client.currencies)

        def on_closed(reason: str) -> None:
            self._watch = None
            asyncio.get_running_loop().create_task(streaming.close(), name=f"{self._name} hangs up")
            receiver.on_closed(lane, reason)

        self._watch = Watch(
            streaming, self._clock, beat_ns=self.rules.heartbeat_ns, on_closed=on_closed,
            on_event=lambda event: receiver.on_message(lane, None, event),
        )  # fmt: skip

    def _open_own(self, receiver: Receiver) -> None:
        def on_closed(reason: str) -> None:
            self._own = None
            receiver.on_closed(Lane.USER, reason)

        def on_message(message: Event | OrderUpdate) -> None:
            if isinstance(message, OrderUpdate) and message.order.status.is_final:
                self._fresh.pop(message.order.id, None)
            receiver.on_message(Lane.USER, None, message)

        quota = self.rules.private_quota
        self._own = Own(
            self._clock, every_ns=max(OWN_EVERY_NS, OWN_PART * quota.per_ns // quota.count), spend=self._paid_for, ask=self.request,
            followed=lambda: list(self._fresh.values()), on_message=on_message, on_closed=on_closed,
        )  # fmt: skip

    async def _paid_for(self, op: Op) -> None:
        if self._rest.spend is not None:
            await self._rest.spend(op)

    async def close(self, lane: Lane) -> None:
        if lane is Lane.MARKET:
            watch, self._watch = self._watch, None
            if watch is not None:
                await watch.close()
        elif lane is Lane.USER:
            own, self._own = self._own, None
            if own is not None:
                own.close()
        elif lane is Lane.REST:
            await self._rest.close()

    def abandon(self) -> None:
        self._rest.client = self._watch = None

    async def subscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None:
        if lane is Lane.USER:
            if self._own is None:
                raise NetworkError(f"{self._name}: the user lane is closed")
            return  # it tells all there is, from the start
        watch = self._watching(lane)
        if channel is Channel.HEARTBEATS:
            return
        try:
            watch.begin(channel, self._instrument(symbol))
        except NotSupported as error:
            if channel not in METHOD:
                raise  # nor could it be polled
            # Streams and polls do not mix: the lane is closed, and for a good while none is opened again.
            self._lacks = str(error)
            self._lacks_until_ns = self._clock.now_ns() + self._lacks_for_ns
            self._lacks_for_ns = min(2 * self._lacks_for_ns, LACKS_MAX_NS)
            await self.close(lane)
            assert self._receiver is not None, "it was bound before the lane was opened"
            self._receiver.on_closed(lane, self._lacks)
            raise NetworkError(f"{self._lacks}; all of the market is polled") from error

    async def unsubscribe(self, lane: Lane, channel: Channel, symbol: str, span_ns: Nanos = 0) -> None:
        if lane is Lane.MARKET:
            self._watching(lane).end(channel, symbol)

    def _watching(self, lane: Lane) -> Watch:
        if self._watch is None:
            raise NetworkError(f"{self._name}: the {lane} lane is closed")
        return self._watch

    def _instrument(self, symbol: str) -> Instrument:
        if symbol not in self._instruments:
            raise BadSymbol(f"{self._name}: {symbol} is not among its spot markets")
        return self._instruments[symbol]

    # REST

    async def key_rights(self) -> KeyRights:
        """Raises NotSupported: ccxt has no unified way to ask what a key may do."""
        raise NotSupported(f"{self._name}: ccxt cannot ask what this key may do, so that nobody can say that it may not withdraw")

    async def request(self, request: Request) -> Answer:
        purse = Purse(request.op)
        try:
            with self._permits.sending(request):
                return await self._ask(request, purse)
        except UNREADABLE as error:
            raise ExchangeNotAvailable(f"{self._name} {request.op}: an answer that cannot be read: {error!r}") from error

    async def _ask(self, request: Request, purse: Purse) -> Answer:
        op, symbol = request.op, request.symbol
        since = None if request.since_ns is None else request.since_ns // MILLISECOND
        now_ns = self._clock.wall_ns()
        match op:
            case Op.MARKETS_FETCH:
                return await self._markets(purse)
            case Op.ORDER_CREATE:
                return Answer(order=await self._create(request, purse))
            case Op.ORDER_CANCEL:
                order_id, symbol = self._which(request)
                try:
                    await self._rest.call(op, purse, "cancel_order", order_id, symbol or None)
                except OrderNotFound:
                    raise
                except ExchangeError as error:  # many a venue says no more than no to whoever cancels what is gone, or never was
                    order = await self._shown(request, order_id, symbol, purse)
                    if order.status.is_final:
                        raise OrderNotFound(f"{self._name} {op}: order {order_id} is {order.status}: {error}") from error
                    raise
                return Answer(order=await self._shown(request, order_id, symbol, purse))
            case Op.ORDER_FETCH:
                return Answer(order=await self._look(request, purse))
            case Op.ORDERS_OPEN:
                told = await self._rest.call(op, purse, "fetch_open_orders", symbol or None)
                return Answer(orders=tuple(self._order(each) for each in told if self._is_ours(each)))
            case Op.ORDERS_FETCH:
                if self._rest.client is not None and self._rest.client.has.get("fetchOrders"):
                    told = await self._rest.call(op, purse, "fetch_orders", symbol or None, since, request.limit)
                else:
                    told = [
                        *await self._rest.call(op, purse, "fetch_open_orders", symbol or None),
                        *await self._rest.call(op, purse, "fetch_closed_orders", symbol or None, since, request.limit),
                    ]
                return Answer(orders=tuple(self._order(each) for each in told if self._is_ours(each)))
            case Op.FILLS_FETCH:
                told = await self._rest.call(op, purse, "fetch_my_trades", symbol or None, since, request.limit)
                return Answer(fills=tuple(self._memory.complete_fill(read_fill(each)) for each in told))
            case Op.BALANCE_FETCH:
                return Answer(balances=read_balances(await self._rest.call(op, purse, "fetch_balance")))
            case Op.OHLCV_FETCH:
                span = SPANS.get(request.span_ns // SECOND, "")
                if span not in (self._rest.client.timeframes if self._rest.client is not None else {}):
                    raise NotSupported(f"{self._name}: no bars of {request.span_ns // SECOND} s")
                rows = await self._rest.call(op, purse, "fetch_ohlcv", symbol, span, since, request.limit)
                return Answer(candles=tuple(read_candle(row) for row in rows))
            case Op.TRADES_FETCH:
                instrument = self._instrument(symbol)
                told = await self._rest.call(op, purse, "fetch_trades", symbol, since, request.limit)
                best = await self._rest.call(op, purse, "fetch_order_book", symbol, LEVELS)
                trades = tuple(read_trade(each, instrument, now_ns) for each in told)
                return Answer(trades=trades, books=(read_book(best, instrument, now_ns),))
            case Op.BOOK_FETCH:
                book = await self._rest.call(op, purse, "fetch_order_book", symbol, LEVELS)
                return Answer(books=(read_book(book, self._instrument(symbol), now_ns),))
            case Op.TIME_FETCH:
                await self._rest.call(op, purse, "fetch_time")
                return Answer()
        raise NotSupported(f"{self._name}: {op} is not in ccxt's unified interface, or not as one step")

    async def _markets(self, purse: Purse) -> Answer:
        told = await self._rest.call(Op.MARKETS_FETCH, purse, "load_markets", True)
        mode = self._rest.client.precisionMode
        markets = tuple(market for each in told.values() if (market := read_market(each, mode)) is not None)
        self._instruments = {market.symbol: market.instrument for market in markets}
        return Answer(markets=markets)

    async def _create(self, request: Request, purse: Purse) -> Order:
        wanted = request.order
        assert wanted is not None
        if self._loses_ids:
            raise NotSupported(
                f"{self._name}: it forgets client order ids, so an order whose answer is lost could never be found; nothing was sent"
            )
        written = self._manners.written(request.client_order_id)
        params = {self._manners.id_key: written, **self._terms(wanted)}
        self._memory.wanted(request.client_order_id, wanted)
        if wanted.amount is None:
            assert wanted.cost is not None, "one of both is wanted"
            self._need("createMarketBuyOrderWithCost")
            if not self._manners.takes_cost:
                raise NotSupported(
                    f"{self._name}: ccxt takes the cost for an amount as it shows the order: give the amount; nothing was sent"
                )
            args: tuple[Any, ...] = ("create_market_buy_order_with_cost", wanted.symbol, plain(wanted.cost), params)
        else:
            if wanted.type is OrderType.MARKET and wanted.side is Side.BUY and self._buys_by_cost():
                raise NotSupported(f"{self._name}: ccxt sends its market buys by cost only: place_order(cost=…); nothing was sent")
            price = None if wanted.price is None else plain(wanted.price)
            args = ("create_order", wanted.symbol, str(wanted.type), str(wanted.side), plain(wanted.amount), price, params)
        told = await self._rest.call(request.op, purse, *args)
        order = self._order({**told, "clientOrderId": written}, wanted)
        if told.get("status") and told.get("clientOrderId") == written and wanted.type is OrderType.LIMIT:
            return order
        try:
            seen = read_order(
                await self._rest.call(Op.ORDER_FETCH, purse, "fetch_order", order.id, wanted.symbol), self._clock.wall_ns(), wanted
            )
        except (BaseError, *UNREADABLE):
            return order  # it was acknowledged; how it stands is asked for again
        self._loses_ids = seen.client_order_id != written
        return self._remember(msgspec.structs.replace(seen, client_order_id=request.client_order_id))

    def _terms(self, wanted: NewOrder) -> dict[str, Any]:
        """What ccxt must add; refused where it does not say that the venue takes it, since what a venue ignores would rest, or take."""
        if wanted.extras:
            raise NotSupported(f"{self._name}: {wanted.extras[0]} orders cannot be written for ccxt; nothing was sent")
        word = "PO" if wanted.post_only else str(wanted.time_in_force)
        if wanted.type is OrderType.MARKET or word == TimeInForce.GTC:
            return {}
        features = ((self._rest.client.features if self._rest.client is not None else None) or {}).get("spot") or {}
        if not ((features.get("createOrder") or {}).get("timeInForce") or {}).get(word):
            raise NotSupported(f"{self._name}: ccxt does not say that it takes {word} orders; nothing was sent")
        return {"postOnly": True} if wanted.post_only else {"timeInForce": word}

    def _buys_by_cost(self) -> bool:
        """Whether ccxt would take a market buy's amount for money."""
        return self._rest.client is not None and bool(self._rest.client.options.get("createMarketBuyOrderRequiresPrice"))

    def _need(self, method: str) -> None:
        if self._rest.client is not None and not self._rest.client.has.get(method):
            raise NotSupported(f"{self._name}: ccxt has no {method} for it; nothing was sent")

    def _which(self, request: Request) -> tuple[str, str]:
        order_id = request.order_id or self._memory.id_of(request.client_order_id)
        known = self._memory.order(order_id)
        if not order_id:
            raise OrderNotFound(f"{self._name} {request.op}: {request.client_order_id} has no id of the venue's that we know")
        return order_id, request.symbol or ("" if known is None else known.symbol)

    async def _look(self, request: Request, purse: Purse) -> Order:
        if not request.order_id and self._manners.reconcile is Reconcile.LOOKUP:
            params = {"clientOrderId": self._manners.written(request.client_order_id)}
            return self._order(await self._rest.call(Op.ORDER_FETCH, purse, "fetch_order", None, request.symbol, params))
        order_id, symbol = self._which(request)
        return self._order(await self._rest.call(Op.ORDER_FETCH, purse, "fetch_order", order_id, symbol or None))

    async def _shown(self, request: Request, order_id: str, symbol: str, purse: Purse) -> Order:
        try:
            return self._order(await self._rest.call(Op.ORDER_FETCH, purse, "fetch_order", order_id, symbol or None))
        except OrderNotFound:
            raise
        except BaseError as error:  # the command itself was carried out
            raise ExchangeNotAvailable(f"{self._name} {request.op}: it was taken, but the order was not shown: {error}") from error

    def _is_ours(self, told: Mapping[str, Any]) -> bool:
        """Whether it is an order of the kinds and markets that we know; stops and margin are somebody else's."""
        is_plain = not any(told.get(price) for price in ("triggerPrice", "stopLossPrice", "takeProfitPrice"))
        return is_plain and told.get("symbol") in self._instruments and told.get("type") in tuple(OrderType)

    def _order(self, told: Mapping[str, Any], wanted: NewOrder | None = None) -> Order:
        order = read_order(told, self._clock.wall_ns(), wanted)
        return self._remember(msgspec.structs.replace(order, client_order_id=self._manners.told(order.client_order_id)))

    def _remember(self, order: Order) -> Order:
        known = self._memory.order(order.id)
        if not order.client_order_id and known is not None:
            order = msgspec.structs.replace(order, client_order_id=known.client_order_id)
        order = self._memory.complete(order)
        if order.status.is_final and self._own is None:
            self._fresh.pop(order.id, None)
        else:
            self._fresh[order.id] = order
        return order
