"""REST requests, written by a client and read by the venue: `parse(encode(request))` asks for the same thing.

What does not travel is what Coinbase does not ask for: the attempt, the symbol of an order named by its id, and the client's own id
anywhere but in a create. The venue's front end knows these again by the order id.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import InvalidOperation
from enum import Enum, auto
from typing import Any, Final

import msgspec

from papertape.model.errors import NotSupported
from papertape.model.event import Side
from papertape.model.order import NewOrder, OrderType
from papertape.model.request import Op, Request
from papertape.model.units import SECOND, Nanos, plain
from papertape.venues.coinbase.errors import Body, bad_argument, not_found
from papertape.venues.coinbase.notation import GRANULARITIES, format_side, format_time, parse_time, product_id, symbol_of
from papertape.venues.coinbase.order import configuration, from_configuration

PREFIX: Final = "/api/v3/"
CANDLES_MAX: Final = 300
TRADES_MAX: Final = 1000
CANCELS_MAX: Final = 100
NO_PRODUCT: Final = "product_id is required"
SPAN_NAMES: Final = {span: name for name, span in GRANULARITIES.items()}


class Call(msgspec.Struct, frozen=True):
    """One HTTP request in the making; `path` follows `/api/v3/`, `params` become query or JSON body by the method."""

    method: str
    path: str
    params: dict[str, Any]
    is_private: bool = True


def encode(request: Request, now_ns: Nanos, cursor: str = "") -> Call:
    """The call that asks for it. `NotSupported` for what Coinbase cannot be asked.

    Args:
        request: what is wanted.
        now_ns: the client's wall clock, nanoseconds since 1970-01-01 UTC; bars without a start are counted back from it.
        cursor: where the next page of a list begins.
    """
    order = request.order
    paging = {"cursor": cursor} if cursor else {}
    match request.op:
        case Op.ORDER_CREATE:
            assert order is not None
            body = {"client_order_id": request.client_order_id, "product_id": product_id(order.symbol), "side": format_side(order.side)}
            return Call("POST", "brokerage/orders", body | {"order_configuration": configuration(order)})
        case Op.ORDER_EDIT:
            assert order is not None
            if order.amount is None or order.price is None:
                raise NotSupported("coinbase: only limit orders can be edited, and both price and amount must be given")
            body = {"order_id": _order_id(request), "price": plain(order.price), "size": plain(order.amount)}
            return Call("POST", "brokerage/orders/edit", body)
        case Op.ORDER_CANCEL:
            return Call("POST", "brokerage/orders/batch_cancel", {"order_ids": [_order_id(request)]})
        case Op.ORDER_FETCH:
            return Call("GET", f"brokerage/orders/historical/{_order_id(request)}", {})
        case Op.ORDERS_OPEN:
            query = {"order_status": "OPEN"} | _product(request) | _limit(request) | paging
            return Call("GET", "brokerage/orders/historical/batch", query)
        case Op.ORDERS_FETCH:
            start = {} if request.since_ns is None else {"start_date": format_time(request.since_ns)}
            return Call("GET", "brokerage/orders/historical/batch", _product(request) | start | _limit(request) | paging)
        case Op.FILLS_FETCH:
            since = {} if request.since_ns is None else {"start_sequence_timestamp": format_time(request.since_ns)}
            ids = {"order_ids": request.order_id} if request.order_id else {}
            return Call("GET", "brokerage/orders/historical/fills", ids | _product(request) | since | _limit(request) | paging)
        case Op.BALANCE_FETCH:
            return Call("GET", "brokerage/accounts", {"limit": "250"} | paging)
        case Op.MARKETS_FETCH:
            return Call("GET", "brokerage/market/products", {"product_type": "SPOT"}, is_private=False)
        case Op.OHLCV_FETCH:
            return _encode_candles(request, now_ns)
        case Op.TRADES_FETCH:
            start = {} if request.since_ns is None else {"start": str(-(-request.since_ns // SECOND)), "end": str(now_ns // SECOND + 1)}
            path = f"brokerage/market/products/{product_id(request.symbol)}/ticker"
            return Call("GET", path, {"limit": str(request.limit or TRADES_MAX)} | start, is_private=False)
        case Op.BOOK_FETCH if request.symbol:
            query = {"product_id": product_id(request.symbol)} | _limit(request)
            return Call("GET", "brokerage/market/product_book", query, is_private=False)
        case Op.BOOK_FETCH:
            return Call("GET", "brokerage/best_bid_ask", {})
        case Op.TIME_FETCH:
            return Call("GET", "brokerage/time", {}, is_private=False)


def _encode_candles(request: Request, now_ns: Nanos) -> Call:
    name = SPAN_NAMES.get(request.span_ns)
    if name is None:
        raise NotSupported(f"coinbase has no bars of {request.span_ns // SECOND} s; it has {', '.join(GRANULARITIES)}")
    span_ns, count = request.span_ns, min(request.limit or CANDLES_MAX, CANDLES_MAX)
    start_ns = (now_ns // span_ns - count + 1) * span_ns if request.since_ns is None else -(-request.since_ns // span_ns) * span_ns
    end_ns = start_ns + (count - 1) * span_ns  # both ends are included
    query = {"granularity": name, "start": str(start_ns // SECOND), "end": str(end_ns // SECOND)}
    return Call("GET", f"brokerage/market/products/{product_id(request.symbol)}/candles", query, is_private=False)


def _order_id(request: Request) -> str:
    if not request.order_id:
        raise NotSupported(f"coinbase: an order can only be named by the venue's id; none is known for {request.client_order_id!r}")
    return request.order_id


def _product(request: Request) -> dict[str, str]:
    return {"product_ids": product_id(request.symbol)} if request.symbol else {}


def _limit(request: Request) -> dict[str, str]:
    return {} if request.limit is None else {"limit": str(request.limit)}


class Shape(Enum):
    """What an answer looks like."""

    TIME = auto()
    PRODUCTS = auto()
    PRODUCT = auto()
    CANDLES = auto()
    FEES = auto()
    ACCOUNTS = auto()
    ACCOUNT = auto()
    WALLETS = auto()
    CREATED = auto()
    EDITED = auto()
    CANCELLED = auto()
    ORDER = auto()
    ORDERS = auto()
    FILLS = auto()
    TRADES = auto()
    BOOK = auto()
    BOOKS = auto()
    CURRENCIES = auto()
    COINS = auto()
    RATES = auto()
    PERMISSIONS = auto()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request as understood.

    Attributes:
        shape: how to answer.
        requests: what it asks of the venue; several for a batch, none where the front end can answer by itself.
        is_private: needs a signature.
        limit, offset: which page of a list.
        start_ns, end_ns: bars that open later, trades that happened later and orders made outside are not wanted.
        config: the order configuration, to be sent back.
        product_type: which kind of products is wanted; empty means all.
        symbols: which instruments are wanted; empty means all.
        statuses: which orders are wanted, in Coinbase's words; empty means all.
        ids: which orders are wanted, by the venue's id; empty means all.
        subject: which account is wanted.
    """

    shape: Shape
    requests: tuple[Request, ...] = ()
    is_private: bool = True
    limit: int = 1000
    offset: int = 0
    start_ns: Nanos | None = None
    end_ns: Nanos | None = None
    config: dict[str, Any] = {}
    product_type: str = ""
    symbols: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    subject: str = ""


ROUTES: Final = tuple(
    (method, re.compile(pattern), shape, is_private)
    for method, pattern, shape, is_private in (
        ("GET", r"/api/v3/brokerage/time", Shape.TIME, False),
        ("GET", r"/v2/time", Shape.TIME, False),
        ("GET", r"/v2/currencies", Shape.CURRENCIES, False),
        ("GET", r"/v2/currencies/crypto", Shape.COINS, False),
        ("GET", r"/v2/exchange-rates", Shape.RATES, False),
        ("GET", r"/v2/accounts", Shape.WALLETS, True),
        ("GET", r"/api/v3/brokerage/market/products", Shape.PRODUCTS, False),
        ("GET", r"/api/v3/brokerage/products", Shape.PRODUCTS, True),
        ("GET", r"/api/v3/brokerage/market/products/(?P<product>[^/]+)", Shape.PRODUCT, False),
        ("GET", r"/api/v3/brokerage/products/(?P<product>[^/]+)", Shape.PRODUCT, True),
        ("GET", r"/api/v3/brokerage/market/products/(?P<product>[^/]+)/candles", Shape.CANDLES, False),
        ("GET", r"/api/v3/brokerage/products/(?P<product>[^/]+)/candles", Shape.CANDLES, True),
        ("GET", r"/api/v3/brokerage/market/products/(?P<product>[^/]+)/ticker", Shape.TRADES, False),
        ("GET", r"/api/v3/brokerage/products/(?P<product>[^/]+)/ticker", Shape.TRADES, True),
        ("GET", r"/api/v3/brokerage/market/product_book", Shape.BOOK, False),
        ("GET", r"/api/v3/brokerage/product_book", Shape.BOOK, True),
        ("GET", r"/api/v3/brokerage/best_bid_ask", Shape.BOOKS, True),
        ("GET", r"/api/v3/brokerage/key_permissions", Shape.PERMISSIONS, True),
        ("GET", r"/api/v3/brokerage/transaction_summary", Shape.FEES, True),
        ("GET", r"/api/v3/brokerage/accounts", Shape.ACCOUNTS, True),
        ("GET", r"/api/v3/brokerage/accounts/(?P<account>[^/]+)", Shape.ACCOUNT, True),
        ("POST", r"/api/v3/brokerage/orders", Shape.CREATED, True),
        ("POST", r"/api/v3/brokerage/orders/edit", Shape.EDITED, True),
        ("POST", r"/api/v3/brokerage/orders/batch_cancel", Shape.CANCELLED, True),
        ("GET", r"/api/v3/brokerage/orders/historical/batch", Shape.ORDERS, True),
        ("GET", r"/api/v3/brokerage/orders/historical/fills", Shape.FILLS, True),
        ("GET", r"/api/v3/brokerage/orders/historical/(?P<order>[^/]+)", Shape.ORDER, True),
    )
)


def parse(method: str, path: str, query: Sequence[tuple[str, str]], body: bytes) -> Asked | Body:
    """What an HTTP request asks for, or the answer that says why it asks for nothing.

    Args:
        method: in capitals.
        path: from "/api" or "/v2" on.
        query: names and values in their order; names may come again.
        body: ignored for GET, where some clients send `{}`.
    """
    for verb, pattern, shape, is_private in ROUTES:
        found = pattern.fullmatch(path) if verb == method else None
        if found is None:
            continue
        try:
            if method == "POST":
                content = msgspec.json.decode(body, type=dict[str, Any])
                return _parse_post(shape, content)
            return _parse_get(shape, is_private, found.groupdict(), _Query(query))
        except (ValueError, TypeError, KeyError, InvalidOperation, AttributeError) as error:
            return bad_argument(f"invalid argument: {error}")
    return not_found("not found")


class _Query:
    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = pairs

    def all(self, *names: str) -> list[str]:
        return [part for name, value in self._pairs if name in names for part in value.split(",") if part]

    def first(self, *names: str) -> str:
        return next(iter(self.all(*names)), "")

    def moment(self, name: str) -> Nanos | None:
        text = self.first(name)
        return parse_time(text) if text else None

    def number(self, name: str, default: int) -> int:
        return int(self.first(name) or default)


def _parse_get(shape: Shape, is_private: bool, named: dict[str, str], query: _Query) -> Asked | Body:
    page: dict[str, Any] = {"shape": shape, "is_private": is_private, "offset": query.number("cursor", 0)}
    symbol = symbol_of(query.first("product_id", "product_ids"))
    match shape:
        case Shape.PRODUCTS:
            wanted = tuple(symbol_of(name) for name in query.all("product_ids"))
            return Asked(**page, requests=(Request(op=Op.MARKETS_FETCH),), symbols=wanted, product_type=query.first("product_type"))
        case Shape.PRODUCT:
            return Asked(**page, requests=(Request(op=Op.MARKETS_FETCH, symbol=symbol_of(named["product"])),))
        case Shape.FEES:
            return Asked(**page, requests=(Request(op=Op.MARKETS_FETCH),))
        case Shape.CANDLES:
            return _parse_candles(page, symbol_of(named["product"]), query)
        case Shape.ACCOUNTS | Shape.WALLETS:
            return Asked(**page, requests=(Request(op=Op.BALANCE_FETCH),), limit=query.number("limit", 49))
        case Shape.ACCOUNT:
            return Asked(**page, requests=(Request(op=Op.BALANCE_FETCH),), subject=named["account"])
        case Shape.TRADES:
            return _parse_trades(page, symbol_of(named["product"]), query)
        case Shape.BOOK:
            depth = query.number("limit", 0) or None
            return Asked(**page, requests=(Request(op=Op.BOOK_FETCH, symbol=symbol, limit=depth),)) if symbol else bad_argument(NO_PRODUCT)
        case Shape.BOOKS:
            wanted = tuple(symbol_of(name) for name in query.all("product_ids"))
            return Asked(**page, requests=(Request(op=Op.BOOK_FETCH, limit=1),), symbols=wanted)
        case Shape.TIME | Shape.CURRENCIES | Shape.COINS | Shape.RATES | Shape.PERMISSIONS:
            return Asked(**page, requests=(Request(op=Op.TIME_FETCH),))
        case Shape.ORDER:
            return Asked(**page, requests=(Request(op=Op.ORDER_FETCH, order_id=named["order"]),))
        case Shape.ORDERS:
            statuses = tuple(query.all("order_status"))
            if "OPEN" in statuses and len(statuses) > 1:
                return bad_argument("order_status: OPEN cannot be asked for together with others")
            op = Op.ORDERS_OPEN if statuses == ("OPEN",) else Op.ORDERS_FETCH
            return Asked(
                **page,
                requests=(Request(op=op, symbol=symbol),),
                limit=query.number("limit", 1000),
                statuses=statuses if op is Op.ORDERS_FETCH else (),
                ids=tuple(query.all("order_ids")),
                start_ns=query.moment("start_date"),
                end_ns=query.moment("end_date"),
            )
        case Shape.FILLS:
            request = Request(
                op=Op.FILLS_FETCH,
                symbol=symbol,
                order_id=query.first("order_id", "order_ids"),
                since_ns=query.moment("start_sequence_timestamp"),
            )
            return Asked(**page, requests=(request,), limit=query.number("limit", 100))
    raise AssertionError(f"{shape} is not asked for by GET")


def _parse_trades(page: dict[str, Any], symbol: str, query: _Query) -> Asked:
    start, end = query.first("start"), query.first("end")
    request = Request(
        op=Op.TRADES_FETCH,
        symbol=symbol,
        since_ns=int(start) * SECOND if start else None,
        limit=None if end else min(query.number("limit", 100), TRADES_MAX),
    )
    return Asked(**page, requests=(request,), limit=query.number("limit", 100), end_ns=int(end) * SECOND if end else None)


def _parse_candles(page: dict[str, Any], symbol: str, query: _Query) -> Asked | Body:
    span_ns = GRANULARITIES.get(query.first("granularity"))
    if span_ns is None:
        return bad_argument("granularity is not supported")
    start_s, end_s = query.number("start", 0), query.number("end", 0)
    start_ns, end_ns = -(-start_s * SECOND // span_ns) * span_ns, end_s * SECOND
    count = max(0, (end_ns - start_ns) // span_ns + 1)
    if count > CANDLES_MAX + 50:  # the limit is 350, whatever the manual says
        return bad_argument("number of candles requested should be less than 350")
    request = Request(op=Op.OHLCV_FETCH, symbol=symbol, since_ns=start_ns, limit=count, span_ns=span_ns)
    return Asked(**page, requests=(request,), end_ns=end_ns)


def _parse_post(shape: Shape, body: dict[str, Any]) -> Asked | Body:
    match shape:
        case Shape.CREATED:
            config = body.get("order_configuration") or {}
            if not body.get("client_order_id"):
                return bad_argument("client_order_id is required")
            if body.get("side") not in ("BUY", "SELL"):
                return bad_argument("side is required")
            order = from_configuration(symbol_of(str(body.get("product_id", ""))), body["side"], config)
            if order is None:
                return bad_argument("order_configuration is not supported")
            request = Request(op=Op.ORDER_CREATE, client_order_id=str(body["client_order_id"]), symbol=order.symbol, order=order)
            return Asked(shape=shape, requests=(request,), config=config)
        case Shape.EDITED:
            limit = {"base_size": body.get("size") or "0", "limit_price": body.get("price") or "0"}
            order = from_configuration("", "BUY", {"limit_limit_gtc": limit})
            assert order is not None
            return Asked(shape=shape, requests=(Request(op=Op.ORDER_EDIT, order_id=str(body["order_id"]), order=order),))
    ids = [str(each) for each in body["order_ids"]]
    if len(ids) > CANCELS_MAX:
        return bad_argument("too many order_ids")
    return Asked(shape=shape, requests=tuple(Request(op=Op.ORDER_CANCEL, order_id=each) for each in ids))


def complete_edit(request: Request, current: NewOrder | None) -> Request:
    """An edit on the wire names an order and two numbers; the rest is what the order already is."""
    wanted = request.order
    assert wanted is not None
    base = current or NewOrder(symbol=request.symbol, type=OrderType.LIMIT, side=Side.BUY)
    return msgspec.structs.replace(request, order=msgspec.structs.replace(base, amount=wanted.amount, price=wanted.price))
