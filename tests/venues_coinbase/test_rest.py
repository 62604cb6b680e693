"""REST requests and answers: what one side writes is what the other side reads."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.model.account import Balance, Balances, Candle, Market
from papertape.model.errors import NotSupported
from papertape.model.event import BookSnapshot, Side, Trade
from papertape.model.order import Fill, NewOrder, Order, OrderType, TimeInForce
from papertape.model.phase import Phase
from papertape.model.request import Answer, Op, Refusal, RefusalCode, Request
from papertape.model.units import MINUTE, SECOND
from papertape.venues.coinbase import answer as answers
from papertape.venues.coinbase.account import decode_fees
from papertape.venues.coinbase.asked import Asked, parse
from papertape.venues.coinbase.errors import CANCEL_REASONS, CREATE_REASONS, Body, decode_refusal, render_refusal
from papertape.venues.coinbase.notation import GRANULARITIES
from papertape.venues.coinbase.order import STATUS_TO_WIRE
from papertape.venues.coinbase.product import decode_product, render_product
from papertape.venues.coinbase.request import CANDLES_MAX, Call, encode
from venues_coinbase.strategies import INSTRUMENTS, PRODUCTS, fills, ids, new_orders, orders, snapshots, symbols, times, trades

NOW_NS = 1_786_309_548 * SECOND


def travel(call: Call) -> Asked | Body:
    """The call over HTTP and into the venue's parser."""
    query = urlencode(call.params, doseq=True) if call.method == "GET" else ""
    body = b"" if call.method == "GET" else json.dumps(call.params).encode()
    return parse(call.method, f"/api/v3/{call.path}", parse_qsl(query), body)


def asked_for(request: Request, now_ns: int = NOW_NS) -> Asked:
    asked = travel(encode(request, now_ns))
    assert isinstance(asked, Asked), asked
    return asked


def back(request: Request, answer: Answer, asked: Asked | None = None) -> Answer:
    """The venue's answer over HTTP and into the client's decoder."""
    body = answers.render(asked or asked_for(request), [answer], NOW_NS, products=PRODUCTS)
    content = body.content if isinstance(body.content, str) else json.loads(msgspec.json.encode(body.content))
    return answers.decode(request, body.status, content, body.headers, PRODUCTS)[0]


@given(order=new_orders(), client_order_id=ids)
def test_a_create_asks_for_exactly_the_order(order: NewOrder, client_order_id: str) -> None:
    """Every order that Coinbase offers reaches it as it was meant, to the last digit."""
    request = Request(op=Op.ORDER_CREATE, client_order_id=client_order_id, symbol=order.symbol, order=order)
    (found,) = asked_for(request).requests
    assert found == request


def test_a_market_order_cannot_be_fill_or_kill() -> None:
    """What the spot market does not offer is refused before it is sent, in words."""
    order = NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=Side.BUY, amount=Decimal(1), time_in_force=TimeInForce.FOK)
    with pytest.raises(NotSupported, match="fill-or-kill"):
        encode(Request(op=Op.ORDER_CREATE, client_order_id="c", order=order), NOW_NS)


@pytest.mark.parametrize(
    "request_",
    [
        Request(op=Op.ORDER_CANCEL, order_id="o-1"),
        Request(op=Op.ORDER_FETCH, order_id="o-1"),
        Request(op=Op.ORDERS_OPEN),
        Request(op=Op.ORDERS_OPEN, symbol="BTC/USD"),
        Request(op=Op.FILLS_FETCH, order_id="o-1"),
        Request(op=Op.FILLS_FETCH, symbol="BTC/USD", since_ns=1_786_309_548_123_456_789),
        Request(op=Op.ORDERS_FETCH, symbol="BTC/USD"),
        Request(op=Op.TRADES_FETCH, symbol="BTC/USD", limit=7),
        Request(op=Op.BOOK_FETCH, symbol="BTC/USD", limit=7),
        Request(op=Op.BOOK_FETCH, symbol="BTC/USD", limit=1000),
        Request(op=Op.BOOK_FETCH, limit=1),
        Request(op=Op.TIME_FETCH),
        Request(op=Op.BALANCE_FETCH),
        Request(op=Op.MARKETS_FETCH),
    ],
)
def test_every_other_request_asks_for_the_same(request_: Request) -> None:
    """What the client encodes is what the venue parses."""
    assert asked_for(request_).requests == (request_,)


@pytest.mark.parametrize("op", [Op.ORDER_CANCEL, Op.ORDER_FETCH, Op.ORDER_EDIT])
def test_an_order_is_named_by_the_venues_id_only(op: Op) -> None:
    """Coinbase cannot look an order up by the client's id; the message says so."""
    order = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal(1), price=Decimal(1))
    with pytest.raises(NotSupported, match="venue's id"):
        encode(Request(op=op, client_order_id="c", order=order), NOW_NS)


@given(
    span_ns=st.sampled_from(list(GRANULARITIES.values())),
    since_ns=st.none() | st.integers(0, NOW_NS),
    limit=st.none() | st.integers(1, 400),
)
def test_bars_are_asked_for_whole_and_no_more_than_allowed(span_ns: int, since_ns: int | None, limit: int | None) -> None:
    """The venue is asked for as many bars as wanted, from the first at or after the start; without one, for the last."""
    (found,) = asked_for(Request(op=Op.OHLCV_FETCH, symbol="BTC/USD", span_ns=span_ns, since_ns=since_ns, limit=limit)).requests
    count = min(limit or CANDLES_MAX, CANDLES_MAX)
    assert (found.span_ns, found.limit) == (span_ns, count)
    assert found.since_ns is not None
    assert found.since_ns % span_ns == 0
    if since_ns is None:
        assert found.since_ns + (count - 1) * span_ns <= NOW_NS < found.since_ns + count * span_ns
    else:
        assert since_ns <= found.since_ns < since_ns + span_ns


@pytest.mark.parametrize("size", ["NaN", "Infinity", "-Infinity", "one"])
def test_a_size_that_is_no_number_is_a_bad_argument(size: str) -> None:
    """It never reaches the venue."""
    config = {"limit_limit_gtc": {"base_size": size, "limit_price": "1"}}
    body = {"client_order_id": "c", "product_id": "BTC-USD", "side": "BUY", "order_configuration": config}
    found = parse("POST", "/api/v3/brokerage/orders", [], json.dumps(body).encode())
    assert isinstance(found, Body)
    assert (found.status, found.content["error"]) == (400, "INVALID_ARGUMENT")


def test_a_span_that_coinbase_lacks_is_named() -> None:
    """Bars of seven minutes do not exist."""
    with pytest.raises(NotSupported, match="420 s"):
        encode(Request(op=Op.OHLCV_FETCH, symbol="BTC/USD", span_ns=7 * MINUTE), NOW_NS)


@given(order=orders())
def test_an_order_comes_back_as_it_stands(order: Order) -> None:
    """All of an order's state survives REST, but for when it was cancelled, which Coinbase does not say."""
    request = Request(op=Op.ORDER_FETCH, order_id="o-1")
    assert back(request, Answer(order=order)) == Answer(order=order)
    assert back(Request(op=Op.ORDERS_OPEN), Answer(orders=(order, order))).orders == (order, order)


@given(found=st.lists(orders(), max_size=4).map(tuple))
def test_orders_come_back_oldest_first(found: tuple[Order, ...]) -> None:
    """Written newest first, whatever became of them."""
    assert back(Request(op=Op.ORDERS_FETCH), Answer(orders=found)).orders == found


@given(
    found=st.lists(orders(), max_size=5, unique_by=lambda order: order.id),
    wanted=st.sets(st.sampled_from(["FILLED", "CANCELLED", "EXPIRED", "FAILED"]), min_size=1),
)
def test_only_orders_of_the_wanted_kinds_are_listed(found: list[Order], wanted: set[str]) -> None:
    """By status, in Coinbase's words, and page by page."""
    query = [("order_status", status) for status in sorted(wanted)]
    told: list[str] = []
    cursor, is_first = "", True
    while cursor or is_first:
        is_first = False
        asked = parse("GET", "/api/v3/brokerage/orders/historical/batch", [*query, ("limit", "2"), ("cursor", cursor)], b"")
        assert isinstance(asked, Asked)
        content = answers.render(asked, [Answer(orders=tuple(found))], NOW_NS).content
        told += [row["order_id"] for row in content["orders"]]
        assert content["has_next"] is bool(content["cursor"])
        cursor = content["cursor"]
    assert told == [order.id for order in reversed(found) if STATUS_TO_WIRE[order.status] in wanted]


def test_open_orders_cannot_be_asked_for_together_with_others() -> None:
    """As at Coinbase, where that is a bad argument."""
    query = [("order_status", "OPEN"), ("order_status", "FILLED")]
    found = parse("GET", "/api/v3/brokerage/orders/historical/batch", query, b"")
    assert isinstance(found, Body)
    assert found.status == 400


@given(found=st.lists(trades, max_size=4), best=snapshots)
def test_public_trades_come_back_oldest_first(found: list[Trade], best: BookSnapshot) -> None:
    """To the last digit, with the taker's side; and the best prices beside them, without amounts."""
    told = tuple(msgspec.structs.replace(each, symbol=best.symbol, local_ns=each.venue_ns) for each in found)
    answer = back(Request(op=Op.TRADES_FETCH, symbol=best.symbol), Answer(trades=told, books=(best,)))
    assert answer.trades == told
    (shown,) = answer.books
    assert [[ticks for ticks, _ in side] for side in (shown.bids, shown.asks)] == [
        [ticks for ticks, _ in side[:1]] for side in (best.bids, best.asks)
    ]


@given(found=st.lists(snapshots, min_size=1, max_size=3))
def test_books_come_back_level_by_level(found: list[BookSnapshot]) -> None:
    """One in depth, or the best of each."""
    told = tuple(msgspec.structs.replace(each, local_ns=each.venue_ns) for each in found)
    assert back(Request(op=Op.BOOK_FETCH, symbol=told[0].symbol), Answer(books=told[:1])).books == told[:1]
    assert back(Request(op=Op.BOOK_FETCH), Answer(books=told)).books == told


@given(st.lists(fills(), max_size=4).map(tuple))
def test_fills_come_back_in_their_order(found: tuple[Fill, ...]) -> None:
    """Written newest first, told oldest first, to the last digit."""
    assert back(Request(op=Op.FILLS_FETCH), Answer(fills=found)).fills == found


amounts = st.decimals(0, 10**9, places=8)


@given(st.dictionaries(st.sampled_from(["USD", "BTC", "ETH", "EUR"]), st.builds(Balance, free=amounts, used=amounts)))
def test_balances_come_back(currencies: dict[str, Balance]) -> None:
    """What is free and what is held, for each currency, in the venue's order."""
    answer = Answer(balances=Balances(currencies))
    assert back(Request(op=Op.BALANCE_FETCH), answer) == answer


@given(phases=st.lists(st.sampled_from(Phase), min_size=2, max_size=2))
def test_markets_come_back(phases: list[Phase]) -> None:
    """Steps, minimums and phase of each product; fees are another request's."""
    markets = tuple(
        Market(instrument=instrument, maker_bps=Decimal(0), taker_bps=Decimal(0), phase=phase)
        for instrument, phase in zip(INSTRUMENTS, phases, strict=True)
    )
    assert back(Request(op=Op.MARKETS_FETCH), Answer(markets=markets)).markets == markets


@pytest.mark.parametrize(
    ("row", "phase"),
    [
        ({"cancel_only": True, "limit_only": True, "post_only": True}, Phase.CANCEL_ONLY),
        ({"limit_only": True, "auction_mode": True}, Phase.AUCTION),
        ({"status": "delisted", "limit_only": True}, Phase.OFFLINE),
        ({"view_only": True}, Phase.OFFLINE),
        ({"is_disabled": True}, Phase.OFFLINE),
        ({"trading_disabled": None, "new": True}, Phase.ONLINE),
    ],
)
def test_a_product_is_in_the_strictest_phase_that_its_row_says(row: dict[str, Any], phase: Phase) -> None:
    """Coinbase has a flag for each, and may set several."""
    market = Market(instrument=INSTRUMENTS[0], maker_bps=Decimal(0), taker_bps=Decimal(0))
    assert decode_product(render_product(market, {}) | row).phase is phase


@given(bps=st.decimals(0, 1000, places=2))
def test_fees_come_back(bps: Decimal) -> None:
    """Rates are written as fractions and read as basis points, exactly."""
    asked = parse("GET", "/api/v3/brokerage/transaction_summary", [], b"")
    assert isinstance(asked, Asked)
    market = Market(instrument=INSTRUMENTS[0], maker_bps=bps, taker_bps=bps * 2)
    body = answers.render(asked, [Answer(markets=(market,))], NOW_NS)
    assert decode_fees(body.content) == (bps, bps * 2)


@given(opens=st.lists(st.integers(0, 10_000), unique=True, max_size=5), number=amounts)
def test_bars_come_back_oldest_first(opens: list[int], number: Decimal) -> None:
    """Written newest first; those after the asked-for end are left out."""
    bars = tuple(Candle(open_ns=n * MINUTE, open=number, high=number, low=number, close=number, volume=number) for n in sorted(opens))
    request = Request(op=Op.OHLCV_FETCH, symbol="BTC/USD", span_ns=MINUTE, since_ns=0, limit=300)
    assert back(request, Answer(candles=bars)).candles == tuple(bar for bar in bars if bar.open_ns < 300 * MINUTE)


@pytest.mark.parametrize("code", [code for code in CREATE_REASONS if code is not RefusalCode.UNSUPPORTED] + [RefusalCode.UNSUPPORTED])
def test_a_refused_create_means_what_the_venue_meant(code: RefusalCode) -> None:
    """Every refusal of a create keeps its meaning through Coinbase's words, at status 200."""
    order = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal(1), price=Decimal(1))
    request = Request(op=Op.ORDER_CREATE, client_order_id="c", order=order)
    found = back(request, Answer(refusal=Refusal(code=code, message="no")))
    assert found.refusal is not None
    assert found.refusal.code is code


@pytest.mark.parametrize("code", list(CANCEL_REASONS))
def test_a_refused_cancel_means_what_the_venue_meant(code: RefusalCode) -> None:
    """So does a refused cancel, one reason for each order."""
    found = back(Request(op=Op.ORDER_CANCEL, order_id="o-1"), Answer(refusal=Refusal(code=code, message="no")))
    assert found.refusal is not None
    assert found.refusal.code is code


@pytest.mark.parametrize(
    "code",
    [
        RefusalCode.ORDER_NOT_FOUND,
        RefusalCode.ORDER_NOT_OPEN,
        RefusalCode.PRICE_OFF_TICK,
        RefusalCode.AMOUNT_OFF_LOT,
        RefusalCode.INSUFFICIENT_FUNDS,
        RefusalCode.COST_TOO_SMALL,
        RefusalCode.POST_ONLY_WOULD_TAKE,
    ],
)
def test_a_refused_edit_means_what_the_venue_meant(code: RefusalCode) -> None:
    """And so does a refused edit."""
    order = NewOrder(symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal(1), price=Decimal(1))
    found = back(Request(op=Op.ORDER_EDIT, order_id="o-1", order=order), Answer(refusal=Refusal(code=code, message="no")))
    assert found.refusal is not None
    assert found.refusal.code is code


@pytest.mark.parametrize(
    ("op", "code", "status"),
    [
        (Op.ORDER_FETCH, RefusalCode.ORDER_NOT_FOUND, 404),
        (Op.MARKETS_FETCH, RefusalCode.UNKNOWN_SYMBOL, 404),
        (Op.OHLCV_FETCH, RefusalCode.UNKNOWN_SYMBOL, 400),
        (Op.ORDER_FETCH, RefusalCode.INVALID, 400),
    ],
)
def test_a_refused_look_is_a_status(op: Op, code: RefusalCode, status: int) -> None:
    """Reads are refused by status and a body with the reason twice."""
    body = render_refusal(op, Refusal(code=code, message="no"))
    assert body.status == status
    assert body.content["message"] == body.content["error_details"]
    found = decode_refusal(body.status, body.content, body.headers)
    assert found is not None
    assert found.code is code


def test_the_bodies_are_coinbases_own() -> None:
    """Verbatim, as real clients have met them."""
    order = NewOrder(symbol="BTC/USD", type=OrderType.MARKET, side=Side.BUY, cost=Decimal(10))
    request = Request(op=Op.ORDER_CREATE, client_order_id="c", order=order)
    refusal = Answer(refusal=Refusal(code=RefusalCode.INSUFFICIENT_FUNDS, message="no"))
    body = answers.render(asked_for(request), [refusal], NOW_NS)
    assert (body.status, body.content) == (
        200,
        {
            "success": False,
            "error_response": {
                "error": "INSUFFICIENT_FUND",
                "message": "Insufficient balance in source account",
                "error_details": "",
                "preview_failure_reason": "PREVIEW_INSUFFICIENT_FUND",
                "new_order_failure_reason": "UNKNOWN_FAILURE_REASON",
            },
            "order_configuration": {"market_market_ioc": {"quote_size": "10"}},
        },
    )
    limited = render_refusal(Op.ORDER_CREATE, Refusal(code=RefusalCode.RATE_LIMITED, message="no", retry_after_ns=3 * SECOND))
    assert (limited.status, limited.headers) == (429, {"Retry-After": "3"})
    assert limited.content == {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
    missing = render_refusal(Op.ORDER_FETCH, Refusal(code=RefusalCode.ORDER_NOT_FOUND, message="no"))
    assert missing.content["message"] == "order with this orderID was not found"


def test_a_batch_of_cancels_is_one_request_for_each() -> None:
    """One HTTP request, several requests at the Door, one row of answer for each."""
    asked = parse("POST", "/api/v3/brokerage/orders/batch_cancel", [], b'{"order_ids":["a","b"]}')
    assert isinstance(asked, Asked)
    assert [request.order_id for request in asked.requests] == ["a", "b"]
    no = Answer(refusal=Refusal(code=RefusalCode.ORDER_NOT_FOUND, message="no"))
    rows = answers.render(asked, [Answer(), no], NOW_NS).content["results"]
    assert [(row["order_id"], row["success"], row["failure_reason"]) for row in rows] == [
        ("a", True, "UNKNOWN_CANCEL_FAILURE_REASON"),
        ("b", False, "UNKNOWN_CANCEL_ORDER"),
    ]


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ids, inner, max_size=3),
)


@given(
    body=st.binary(max_size=50)
    | st.fixed_dictionaries(
        {},
        optional={
            "client_order_id": json_values,
            "product_id": json_values,
            "side": st.just("BUY") | json_values,
            "order_configuration": json_values | st.fixed_dictionaries({"limit_limit_gtc": json_values}),
            "order_ids": json_values,
            "order_id": json_values,
            "price": json_values,
            "size": json_values,
        },
    ).map(lambda content: json.dumps(content).encode()),
    path=st.sampled_from(["orders", "orders/edit", "orders/batch_cancel"]),
)
def test_whatever_is_posted_gets_an_answer(body: bytes, path: str) -> None:
    """No body breaks the venue: it understands, or answers 4xx in Coinbase's shape."""
    found = parse("POST", f"/api/v3/brokerage/{path}", [], body)
    if isinstance(found, Body):
        assert 400 <= found.status < 500
        assert set(found.content) == {"error", "error_details", "message"}


@given(
    path=st.sampled_from(
        [
            "accounts",
            "best_bid_ask",
            "market/product_book",
            "market/products/X/ticker",
            "orders/historical/batch",
            "orders/historical/fills",
            "market/products/X/candles",
            "tea",
        ]
    ),
    query=st.lists(
        st.tuples(
            st.sampled_from(["limit", "cursor", "start", "end", "granularity", "order_status", "product_ids", "start_date"]),
            st.text(max_size=8),
        )
    ),
)
def test_whatever_is_asked_for_gets_an_answer(path: str, query: list[tuple[str, str]]) -> None:
    """No query breaks the venue either."""
    found = parse("GET", f"/api/v3/brokerage/{path}", query, b"{}")
    assert isinstance(found, Asked) or 400 <= found.status < 500


@given(symbol=symbols, at=times)
def test_the_time_is_told_in_three_ways(symbol: str, at: int) -> None:
    """Seconds, milliseconds and text, and what /v2/time has."""
    asked = parse("GET", "/api/v3/brokerage/time", [], b"")
    assert isinstance(asked, Asked)
    content = answers.render(asked, [], at).content
    assert (content["epochSeconds"], content["data"]["epoch"]) == (str(at // SECOND), at // SECOND)
