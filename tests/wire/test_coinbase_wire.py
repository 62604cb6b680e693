"""The real adapter's link against the served venue: the same stories on loopback and in virtual time at Coinbase's own URLs."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from papertape.model.account import Candle
from papertape.model.errors import (
    AuthenticationError,
    BaseError,
    ExchangeNotAvailable,
    InsufficientFunds,
    InvalidOrder,
    NetworkError,
    OrderImmediatelyFillable,
    OrderNotFound,
    RateLimitExceeded,
    never_sent,
    retry_after_ns,
)
from papertape.model.event import BookSnapshot, BookUpdate, Heartbeat, Side, Ticker, Trade
from papertape.model.order import NewOrder, OpenOrders, OrderStatus, OrderType, OrderUpdate, TimeInForce
from papertape.model.request import Channel, Lane, Op, Refusal, RefusalCode, Request
from papertape.model.units import MINUTE, SECOND
from papertape.venues.coinbase.auth import Credentials, throwaway_credentials
from papertape.venues.coinbase.frame import render
from papertape.venues.coinbase.notation import Products
from wire.scripted import BTC, KEY, Wire, in_memory, on_loopback

REST, MARKET, USER = Lane.REST, Lane.MARKET, Lane.USER
BUY = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal("0.5"), price=Decimal("99.01"), post_only=True)
CREATE = Request(op=Op.ORDER_CREATE, client_order_id="run-1", symbol="BTC/USD", order=BUY)


@pytest.fixture(params=[on_loopback, in_memory], ids=["loopback", "memory"])
def tell(request: pytest.FixtureRequest):
    return request.param


def create(order: NewOrder, client_order_id: str = "run-1", attempt: int = 1) -> Request:
    return Request(op=Op.ORDER_CREATE, client_order_id=client_order_id, symbol=order.symbol, order=order, attempt=attempt)


def test_products_come_with_their_steps_and_the_accounts_fees(tell) -> None:
    """Markets are what the venue lists, with tick, lot and minimum, and the fees of this account."""

    async def story(wire: Wire) -> None:
        await wire.link.open(REST)
        answer = await wire.link.request(Request(op=Op.MARKETS_FETCH))
        (market,) = answer.markets
        assert market.instrument == BTC
        assert (market.maker_bps, market.taker_bps, market.active) == (Decimal(40), Decimal(60), True)

    tell(story)


def test_balances_tell_what_is_free_and_what_is_held(tell) -> None:
    """Available is free, hold is used."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        answer = await wire.link.request(Request(op=Op.BALANCE_FETCH))
        assert answer.balances == wire.venue.balances

    tell(story)


def test_a_create_asks_the_venue_for_exactly_what_was_wanted(tell) -> None:
    """The order reaches the venue to the last digit, and is acknowledged as open under the venue's id."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        answer = await wire.link.request(CREATE)
        assert wire.venue.requests == [CREATE]
        assert answer.order is not None
        assert (answer.order.id, answer.order.status, answer.order.amount) == ("o-1", OrderStatus.OPEN, Decimal("0.5"))

    tell(story)


@pytest.mark.parametrize(
    "order",
    [
        NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=Side.BUY, cost=Decimal("25.5")),
        NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=Side.SELL, amount=Decimal("0.01")),
        NewOrder(
            symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal(1), price=Decimal(101), time_in_force=TimeInForce.IOC
        ),
        NewOrder(
            symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal(1), price=Decimal(101), time_in_force=TimeInForce.FOK
        ),
    ],
)
def test_an_order_that_cannot_rest_returns_with_what_became_of_it(tell, order: NewOrder) -> None:
    """Coinbase acknowledges by id alone; the link looks once more where the bot wants to know at once."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        answer = await wire.link.request(create(order))
        assert [request.op for request in wire.venue.requests] == [Op.ORDER_CREATE, Op.ORDER_FETCH]
        assert wire.venue.requests[0].order == order
        assert answer.order == wire.venue.orders["o-1"]

    tell(story)


def test_the_same_id_again_answers_the_old_order_as_it_stands_now(tell) -> None:
    """A repeated create makes no second order, and tells what became of the first."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        await wire.link.request(CREATE)
        done = wire.venue.change("o-1", status=OrderStatus.CLOSED, filled=Decimal("0.5"), cost=Decimal("49.505"), fills_count=1)
        answer = await wire.link.request(create(BUY, attempt=2))
        assert answer.order == done
        assert len(wire.venue.orders) == 1
        assert [request.attempt for request in wire.venue.requests if request.op is Op.ORDER_CREATE] == [1, 2]

    tell(story)


def test_a_lost_reply_leaves_the_outcome_open_and_the_order_made(tell) -> None:
    """The connection ends after the venue did it and before a byte of the answer: not never-sent, and not sent twice by anyone."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        wire.venue.lose[Op.ORDER_CREATE] = 1
        with pytest.raises(NetworkError) as caught:
            await wire.link.request(CREATE)
        assert not isinstance(caught.value, RateLimitExceeded)
        assert not never_sent(caught.value)
        assert list(wire.venue.orders) == ["o-1"]
        assert len(wire.venue.requests) == 1
        answer = await wire.link.request(create(BUY, attempt=2))
        assert answer.order == wire.venue.orders["o-1"]
        assert len(wire.venue.orders) == 1

    tell(story)


def test_a_refused_connection_was_never_sent(tell) -> None:
    """Where no connection came about, nothing can have reached the venue, and the error says so."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        await wire.link.close(REST)
        wire.venue.shut[REST] = None
        with pytest.raises(NetworkError) as caught:
            await wire.link.open(REST)
        assert never_sent(caught.value) is (tell is in_memory)  # on loopback the port is still open; the server hangs up
        assert wire.venue.requests == []

    tell(story)


def test_a_port_where_nobody_listens_was_never_sent() -> None:
    """The same on real sockets."""

    async def story(wire: Wire) -> None:
        await wire.link.open(REST)
        rest = wire.link._rest
        rest._client.urls["api"]["rest"] = "http://127.0.0.1:9"  # discard; nobody is there
        with pytest.raises(ExchangeNotAvailable) as caught:
            await wire.link.request(CREATE)
        assert never_sent(caught.value)

    on_loopback(story)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (RefusalCode.INSUFFICIENT_FUNDS, InsufficientFunds),
        (RefusalCode.PRICE_OFF_TICK, InvalidOrder),
        (RefusalCode.AMOUNT_TOO_SMALL, InvalidOrder),
        (RefusalCode.POST_ONLY_WOULD_TAKE, OrderImmediatelyFillable),
    ],
)
def test_a_refusal_raises_what_it_would_raise_in_process(tell, code: RefusalCode, error: type[BaseError]) -> None:
    """Coinbase's words are understood, where ccxt would raise ExchangeError for most of them."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        wire.venue.refuse[Op.ORDER_CREATE] = Refusal(code=code, message="no")
        with pytest.raises(error) as caught:
            await wire.link.request(CREATE)
        assert type(caught.value) is error

    tell(story)


def test_too_many_requests_says_how_long_to_wait(tell) -> None:
    """429 with Retry-After, certainly not executed."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        wire.venue.refuse[Op.ORDER_CREATE] = Refusal(code=RefusalCode.RATE_LIMITED, message="slow", retry_after_ns=1_500_000_000)
        with pytest.raises(RateLimitExceeded) as caught:
            await wire.link.request(CREATE)
        assert retry_after_ns(caught.value) == 2 * SECOND  # HTTP counts whole seconds
        assert wire.venue.orders == {}

    tell(story)


def test_a_lane_that_is_opened_too_fast_is_not_open(tell) -> None:
    """A 429 to the time that opening asks for is no answer: it says how long to be quiet, and the lane opens after that."""

    async def story(wire: Wire) -> None:
        wire.venue.refuse[Op.TIME_FETCH] = Refusal(code=RefusalCode.RATE_LIMITED, message="slow", retry_after_ns=2 * SECOND)
        with pytest.raises(RateLimitExceeded, match="brokerage/time") as caught:
            await wire.link.open(REST)
        assert retry_after_ns(caught.value) == 2 * SECOND
        wire.venue.refuse.clear()
        await wire.link.open(REST)

    tell(story)


def test_a_venue_that_is_away_leaves_the_outcome_open(tell) -> None:
    """503 says nothing about whether it was carried out."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        wire.venue.refuse[Op.ORDER_CREATE] = Refusal(code=RefusalCode.UNAVAILABLE, message="away")
        with pytest.raises(ExchangeNotAvailable) as caught:
            await wire.link.request(CREATE)
        assert not never_sent(caught.value)

    tell(story)


@pytest.mark.parametrize("key", [Credentials(KEY.name, throwaway_credentials("another").secret), throwaway_credentials("unknown")])
def test_a_wrong_key_opens_nothing(tell, key: Credentials) -> None:
    """Signatures are really checked: a key of that name with another secret is refused, and so is one that nobody knows."""

    async def story(wire: Wire) -> None:
        await wire.link.open(REST)
        with pytest.raises(AuthenticationError, match="401"):
            await wire.link.request(Request(op=Op.BALANCE_FETCH))
        assert [request.op for request in wire.venue.requests] == [Op.TIME_FETCH]  # which opening the lane asks for

    tell(story, key)


def test_cancel_edit_and_fetch_name_the_order_by_the_venues_id(tell) -> None:
    """What does not travel is known again at the venue: whose order it is, and its symbol."""

    async def story(wire: Wire) -> None:
        await wire.connect(USER)
        await wire.link.subscribe(USER, Channel.ORDERS, "")
        await wire.until(lambda: bool(wire.venue.streams and wire.venue.streams[0].wants))
        await wire.link.request(CREATE)
        edited = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal(1), price=Decimal("98.5"), post_only=True)
        answer = await wire.link.request(Request(op=Op.ORDER_EDIT, order_id="o-1", client_order_id="run-1", symbol="BTC/USD", order=edited))
        assert answer.order is not None
        assert (answer.order.amount, answer.order.price) == (Decimal(1), Decimal("98.5"))
        assert wire.venue.requests[-1] == Request(op=Op.ORDER_EDIT, order_id="o-1", client_order_id="run-1", symbol="BTC/USD", order=edited)
        await wire.link.request(Request(op=Op.ORDER_CANCEL, order_id="o-1", client_order_id="run-1", symbol="BTC/USD"))
        assert wire.venue.requests[-1] == Request(op=Op.ORDER_CANCEL, order_id="o-1", client_order_id="run-1", symbol="BTC/USD")
        answer = await wire.link.request(Request(op=Op.ORDER_FETCH, client_order_id="run-1"))
        assert answer.order is not None
        assert answer.order.status is OrderStatus.CANCELED
        await wire.heard.until(lambda: len(wire.heard.of(USER)) >= 3)
        last = wire.heard.of(USER)[-1]
        assert isinstance(last, OrderUpdate)
        assert (last.order.status, last.order.amount) == (OrderStatus.CANCELED, Decimal(1))  # the channel no longer says the amount
        with pytest.raises(OrderNotFound):
            await wire.link.request(Request(op=Op.ORDER_CANCEL, order_id="o-1"))
        with pytest.raises(OrderNotFound):
            await wire.link.request(Request(op=Op.ORDER_FETCH, order_id="o-9"))

    tell(story)


def test_open_orders_come_page_by_page(tell) -> None:
    """However many there are, all of them come, oldest first."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        for n in range(3):
            await wire.link.request(create(BUY, f"run-{n}"))
        answer = await wire.link.request(Request(op=Op.ORDERS_OPEN, symbol="BTC/USD"))
        assert list(answer.orders) == list(wire.venue.orders.values())
        limited = await wire.link.request(Request(op=Op.ORDERS_OPEN, symbol="BTC/USD", limit=2))
        assert len(limited.orders) == 2

    tell(story)


def test_fills_come_oldest_first_with_our_own_id(tell) -> None:
    """Coinbase names no client order id on a fill; the link knows whose it is. More than a page is fetched page by page."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        sell = NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=Side.SELL, amount=Decimal("0.01"))
        for n in range(2):
            await wire.link.request(create(sell, f"run-{n}"))
        wire.venue.fills = [msgspec.structs.replace(fill, trade_id=f"{fill.trade_id}-{n}") for fill in wire.venue.fills for n in range(75)]
        answer = await wire.link.request(Request(op=Op.FILLS_FETCH, symbol="BTC/USD", since_ns=1 * SECOND))
        assert [fill.client_order_id for fill in answer.fills] == ["run-0"] * 75 + ["run-1"] * 75
        assert [fill.trade_id for fill in answer.fills] == [fill.trade_id for fill in wire.venue.fills]
        assert wire.venue.requests[-1].since_ns == 1 * SECOND

    tell(story)


def test_bars_are_asked_for_by_their_span_and_come_oldest_first(tell) -> None:
    """Start and end are counted so that the venue is asked for as many bars as wanted."""

    async def story(wire: Wire) -> None:
        await wire.connect()
        bars = [
            Candle(open_ns=n * MINUTE, open=Decimal(n), high=Decimal(n), low=Decimal(n), close=Decimal("1.5"), volume=Decimal(0))
            for n in range(1, 4)
        ]
        wire.venue.candles = tuple(bars)
        answer = await wire.link.request(Request(op=Op.OHLCV_FETCH, symbol="BTC/USD", span_ns=MINUTE, since_ns=30 * SECOND, limit=2))
        asked = wire.venue.requests[-1]
        assert (asked.symbol, asked.since_ns, asked.limit, asked.span_ns) == ("BTC/USD", MINUTE, 2, MINUTE)
        assert list(answer.candles) == bars[:2]

    tell(story)


def test_the_book_starts_with_a_snapshot_in_band(tell) -> None:
    """A subscription is answered on the stream itself: snapshot, then updates; the numbers go up by one, acknowledgements left out."""

    async def story(wire: Wire) -> None:
        await wire.connect(MARKET)
        await wire.link.subscribe(MARKET, Channel.HEARTBEATS, "")
        await wire.link.subscribe(MARKET, Channel.BOOK, "BTC/USD")
        await wire.link.subscribe(MARKET, Channel.TRADES, "BTC/USD")
        await wire.link.subscribe(MARKET, Channel.TICKER, "BTC/USD")
        await wire.heard.until(lambda: bool(wire.heard.messages))
        (stream,) = wire.venue.streams
        await wire.until(lambda: len(stream.wants) == 4)
        at = {"venue_ns": wire.clock.wall_ns(), "local_ns": 0, "symbol": "BTC/USD"}
        told = [
            BookUpdate(**at, bids=((9_901, 3),), asks=((10_100, 0),)),
            Trade(**at, price_ticks=10_000, qty_lots=4, taker=Side.BUY, trade_id="7"),
            Ticker(**at, last_ticks=10_000, bid_ticks=9_901, bid_lots=3),
            Heartbeat(venue_ns=at["venue_ns"], local_ns=0, symbol="", counter=3),
        ]
        for channel, message in zip((Channel.BOOK, Channel.TRADES, Channel.TICKER, Channel.HEARTBEATS), told, strict=True):
            wire.venue.broadcast(channel, message.symbol, message)
        await wire.heard.until(lambda: len(wire.heard.messages) == 5)
        found = wire.heard.of(MARKET)
        assert isinstance(found[0], BookSnapshot)
        assert (found[0].bids, found[0].asks) == (((9_900, 5),), ((10_100, 7),))
        for sent, got in zip(told, found[1:], strict=True):
            assert {**_facts(sent), "local_ns": 0} == {**_facts(got), "local_ns": 0}
        assert [sequence for _, sequence, _ in wire.heard.messages] == [0, 1, 2, 3, 4]

    tell(story)


def _facts(message: object) -> dict[str, object]:
    return {name: getattr(message, name) for name in message.__struct_fields__}  # type: ignore[attr-defined]  # a msgspec struct


def test_a_missing_number_shows_through(tell) -> None:
    """A frame lost on its way leaves a gap in what the shell is told, and frames that say nothing leave none."""

    async def story(wire: Wire) -> None:
        await wire.connect(MARKET)
        await wire.link.subscribe(MARKET, Channel.HEARTBEATS, "")
        await wire.link.subscribe(MARKET, Channel.TRADES, "BTC/USD")
        await wire.until(lambda: bool(wire.venue.streams) and len(wire.venue.streams[0].wants) == 2)
        (stream,) = wire.venue.streams
        trade = Trade(venue_ns=wire.clock.wall_ns(), local_ns=0, symbol="BTC/USD", price_ticks=1, qty_lots=1, taker=Side.BUY)
        stream.send(trade)
        stream.sequence += 1
        await wire.link.unsubscribe(MARKET, Channel.HEARTBEATS, "")
        await wire.until(lambda: len(stream.wants) == 1)
        stream.send(trade)
        await wire.heard.until(lambda: len(wire.heard.messages) == 2)
        assert [sequence for _, sequence, _ in wire.heard.messages] == [0, 2]

    tell(story)


def test_a_book_of_more_than_five_megabytes_comes_through(tell) -> None:
    """The real BTC-USD snapshot is one frame of 5,079,379 bytes; libraries stop at one megabyte unless told."""

    async def story(wire: Wire) -> None:
        bids = tuple((6_500_000 - n, 10**6 + n) for n in range(25_000))
        asks = tuple((6_500_001 + n, 10**6 + n) for n in range(22_000))
        wire.venue.snapshot = BookSnapshot(
            venue_ns=wire.clock.wall_ns() // 1000 * 1000 + 1, local_ns=0, symbol="BTC/USD", bids=bids, asks=asks
        )
        assert len(render(wire.venue.snapshot, 0, Products([BTC]))) > 5_079_379
        await wire.connect(MARKET)
        await wire.link.subscribe(MARKET, Channel.BOOK, "BTC/USD")
        await wire.heard.until(lambda: bool(wire.heard.messages))
        (snapshot,) = wire.heard.of(MARKET)
        assert isinstance(snapshot, BookSnapshot)
        assert (snapshot.bids, snapshot.asks) == (bids, asks)

    tell(story)


def test_the_user_lane_begins_with_open_orders_and_goes_on_with_cumulative_updates(tell) -> None:
    """First what is open, more than fifty of them over several messages; then each order's state as it changes."""

    async def story(wire: Wire) -> None:
        await wire.connect(USER)
        for n in range(60):
            await wire.link.request(create(BUY, f"run-{n}"))
        await wire.link.subscribe(USER, Channel.HEARTBEATS, "")
        await wire.link.subscribe(USER, Channel.ORDERS, "")
        await wire.heard.until(lambda: len(wire.heard.of(USER)) == 2)
        listed = [(sequence, len(each.orders)) for _, sequence, each in wire.heard.messages if isinstance(each, OpenOrders)]
        assert listed == [(0, 50), (1, 10)]
        await wire.until(lambda: any((Channel.ORDERS, "") in stream.wants for stream in wire.venue.streams))
        part = wire.venue.change("o-2", filled=Decimal("0.2"), cost=Decimal("19.802"), fee=Decimal("0.07"), fills_count=1)
        wire.venue.tell(part)
        await wire.heard.until(lambda: len(wire.heard.of(USER)) == 3)
        last = wire.heard.of(USER)[-1]
        assert isinstance(last, OrderUpdate)
        assert last.order == part

    tell(story)


def test_a_user_lane_without_a_good_signature_is_told_so_and_lost() -> None:
    """The channel of own orders wants a token; an error frame ends the lane with the venue's words."""

    async def story(wire: Wire) -> None:
        await wire.link.open(REST)
        await wire.link.open(USER)
        await wire.link.subscribe(USER, Channel.ORDERS, "")
        await wire.heard.until(lambda: bool(wire.heard.closed))
        ((lane, reason),) = wire.heard.closed
        assert lane is USER
        assert "authentication failure" in reason

    in_memory(story, throwaway_credentials("unknown"))


@pytest.mark.parametrize("clean", [True, False])
def test_a_dropped_stream_is_reported_once(tell, clean: bool) -> None:
    """Whether the venue says goodbye or the connection is reset, the lane is told gone, and can be opened again."""

    async def story(wire: Wire) -> None:
        await wire.connect(MARKET, USER)
        await wire.until(lambda: len(wire.venue.streams) == 2)
        wire.venue.drop(MARKET, clean)
        await wire.heard.until(lambda: bool(wire.heard.closed))
        assert [lane for lane, _ in wire.heard.closed] == [MARKET]
        with pytest.raises(NetworkError):
            await wire.link.subscribe(MARKET, Channel.BOOK, "BTC/USD")
        await wire.link.open(MARKET)
        await wire.link.subscribe(MARKET, Channel.BOOK, "BTC/USD")
        await wire.heard.until(lambda: bool(wire.heard.of(MARKET)))
        assert wire.heard.messages[-1][1] == 0  # a new connection counts anew

    tell(story)


def test_a_lane_that_is_shut_cannot_be_opened(tell) -> None:
    """The venue refuses, and the link says that nothing was sent."""

    async def story(wire: Wire) -> None:
        wire.venue.shut[USER] = None
        with pytest.raises(ExchangeNotAvailable) as caught:
            await wire.link.open(USER)
        assert never_sent(caught.value)

    tell(story)


def test_closing_a_lane_ourselves_is_no_loss(tell) -> None:
    """Nobody is told of what we did, and the venue learns that the client went away."""

    async def story(wire: Wire) -> None:
        await wire.connect(MARKET)
        await wire.until(lambda: bool(wire.venue.streams))
        await wire.link.close(MARKET)
        await wire.until(lambda: not wire.venue.streams)
        assert wire.heard.closed == []
        await wire.link.close(MARKET)  # closing what is closed does nothing

    tell(story)


def test_who_subscribes_to_nothing_is_shown_the_door() -> None:
    """Five seconds after connecting without a subscription the venue closes the stream."""

    async def story(wire: Wire) -> None:
        await wire.connect(MARKET)
        start_ns = wire.clock.now_ns()
        await wire.heard.until(lambda: bool(wire.heard.closed))
        assert 5 * SECOND <= wire.clock.now_ns() - start_ns < 6 * SECOND
        assert "1008" in wire.heard.closed[0][1]

    in_memory(story)
