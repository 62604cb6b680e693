"""What an HTTP request asks of the venue: read by the table in `api`, handed to the Door as the venue's own requests."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from papertape.model.event import Side
from papertape.model.order import NewOrder, OrderType
from papertape.model.request import Op, Refusal, RefusalCode, Request
from papertape.model.units import SECOND, Nanos
from papertape.venues.coinbase.api import CANCELS_MAX, CANDLES_ASKED_MAX, TRADES_MAX, Endpoint, Shape, find, read_body, read_query
from papertape.venues.coinbase.auth import Right
from papertape.venues.coinbase.configuration import KNOWN_CONFIGURATIONS, from_configuration
from papertape.venues.coinbase.errors import Body, bad_argument, not_found
from papertape.venues.coinbase.notation import GRANULARITIES, symbol_of
from papertape.venues.coinbase.page import is_cursor

TOO_MANY_BARS: Final = f"start and end argument is invalid - number of candles requested should be less than {CANDLES_ASKED_MAX}"
SELL_BY_QUOTE: Final = "rpc error: code = InvalidArgument desc = Market sells must be parameterized in base currency"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request as understood.

    Attributes:
        shape: how to answer.
        requests: what it asks of the venue; several for a batch.
        right: what the key must be allowed; None where none is needed.
        refusal: why it comes to nothing although it could be read: the venue never sees its requests.
        limit, cursor: which page of a list.
        start_ns, end_ns: bars that open later, trades that happened later and orders made outside are not wanted.
        config: the order configuration, to be sent back.
        words: which rows of a list are wanted, by parameter, in Coinbase's words; what is not in it is not asked.
        subject: which account, currency or price is wanted.
    """

    shape: Shape
    requests: tuple[Request, ...] = ()
    right: Right | None = None
    refusal: Refusal | None = None
    limit: int | None = None
    offset: int = 0
    cursor: str = ""
    start_ns: Nanos | None = None
    end_ns: Nanos | None = None
    config: dict[str, Any] = {}
    words: dict[str, tuple[str, ...]] = {}
    subject: str = ""


def parse(method: str, path: str, query: Sequence[tuple[str, str]], body: bytes) -> Asked | Body:
    """What an HTTP request asks for, or the answer that says why it asks for nothing.

    Args:
        method: in capitals.
        path: from "/api" or "/v2" on.
        query: names and values in their order; names may come again.
        body: ignored for GET, where some clients send `{}`.
    """
    found = find(method, path)
    return parse_at(*found, query, body) if found is not None else not_found("not found")


def parse_at(endpoint: Endpoint, named: dict[str, str], query: Sequence[tuple[str, str]], body: bytes) -> Asked | Body:
    """The same, where the endpoint and what its path names are known already."""
    values = read_query(endpoint, named, query) if endpoint.method == "GET" else read_body(endpoint, body)
    if isinstance(values, Body):
        return values
    if not is_cursor(values.get("cursor", "")):
        return bad_argument("cursor is none that a page ended with")
    asked = _asked(endpoint.shape, values)
    return asked if isinstance(asked, Body) else msgspec.structs.replace(asked, right=endpoint.right)


def _asked(shape: Shape, values: dict[str, Any]) -> Asked | Body:
    match shape:
        case Shape.TIME | Shape.CURRENCIES | Shape.COINS | Shape.PERMISSIONS | Shape.PORTFOLIOS:
            return Asked(shape=shape, requests=(Request(op=Op.TIME_FETCH),))
        case Shape.RATES:
            return Asked(shape=shape, requests=(Request(op=Op.TIME_FETCH),), subject=values["currency"])
        case Shape.PRICE:
            symbol = symbol_of(values["pair"])
            return Asked(shape=shape, requests=(Request(op=Op.BOOK_FETCH, symbol=symbol, limit=1),), subject=values["side"])
        case Shape.PRODUCTS:
            words = _words(values, "product_ids", "product_type")
            request = Request(op=Op.MARKETS_FETCH)
            return Asked(shape=shape, requests=(request,), words=words, limit=values["limit"], offset=values["offset"])
        case Shape.FEES:
            return Asked(shape=shape, requests=(Request(op=Op.MARKETS_FETCH),))
        case Shape.PRODUCT:
            return Asked(shape=shape, requests=(Request(op=Op.MARKETS_FETCH, symbol=symbol_of(values["product_id"])),))
        case Shape.CANDLES:
            return _candles(values)
        case Shape.TRADES:
            return _trades(values)
        case Shape.BOOK:
            request = Request(op=Op.BOOK_FETCH, symbol=symbol_of(values["product_id"]), limit=values["limit"])
            if (step := values["aggregation_price_increment"]) is not None and step <= 0:
                return bad_argument("aggregation_price_increment must be above zero")
            return Asked(shape=shape, requests=(request,), subject="" if step is None else format(step, "f"))
        case Shape.BOOKS:
            return Asked(shape=shape, requests=(Request(op=Op.BOOK_FETCH, limit=1),), words=_words(values, "product_ids"))
        case Shape.ACCOUNTS | Shape.WALLETS:
            cursor = values["cursor" if shape is Shape.ACCOUNTS else "starting_after"]
            return Asked(shape=shape, requests=(Request(op=Op.BALANCE_FETCH),), limit=values["limit"], cursor=cursor)
        case Shape.ACCOUNT | Shape.WALLET:
            subject = values["account_uuid" if shape is Shape.ACCOUNT else "account_id"]
            return Asked(shape=shape, requests=(Request(op=Op.BALANCE_FETCH),), subject=subject)
        case Shape.ORDER:
            return Asked(shape=shape, requests=(Request(op=Op.ORDER_FETCH, order_id=values["order_id"]),))
        case Shape.ORDERS:
            return _orders(values)
        case Shape.FILLS:
            return _fills(values)
        case Shape.CREATED | Shape.PREVIEWED:
            return _wanted(shape, values)
        case Shape.EDITED | Shape.EDIT_PREVIEWED:
            op = Op.ORDER_EDIT if shape is Shape.EDITED else Op.ORDER_PREVIEW
            return Asked(shape=shape, requests=(Request(op=op, order_id=values["order_id"], order=_change(values)),))
        case Shape.CANCELLED:
            ids = values["order_ids"]
            if len(ids) > CANCELS_MAX:
                return bad_argument("too many order_ids")
            return Asked(shape=shape, requests=tuple(Request(op=Op.ORDER_CANCEL, order_id=each) for each in ids))


def _words(values: dict[str, Any], *names: str) -> dict[str, tuple[str, ...]]:
    """What a list is narrowed to, by parameter."""
    found = {name: values[name] if isinstance(values[name], tuple) else (values[name],) for name in names if values[name]}
    return {name: tuple(word for word in words if not word.startswith("UNKNOWN_")) for name, words in found.items()}


def _only(values: dict[str, Any], name: str) -> str:
    """The one value of a parameter that may have many; "" if it has none or several."""
    return values[name][0] if len(values[name]) == 1 else ""


def _orders(values: dict[str, Any]) -> Asked | Body:
    statuses = values["order_status"]
    if "OPEN" in statuses and len(statuses) > 1:
        return bad_argument("order_status: OPEN cannot be asked for together with others")
    op = Op.ORDERS_OPEN if statuses == ("OPEN",) else Op.ORDERS_FETCH
    names = ["order_ids", "product_ids", "product_type", "order_types", "order_side", "time_in_forces", "order_placement_source"]
    if op is Op.ORDERS_FETCH:
        names.append("order_status")
    return Asked(
        shape=Shape.ORDERS,
        requests=(Request(op=op, symbol=symbol_of(_only(values, "product_ids"))),),
        words=_words(values, *names),
        limit=values["limit"],
        cursor=values["cursor"],
        start_ns=values["start_date"],
        end_ns=values["end_date"],
    )


def _fills(values: dict[str, Any]) -> Asked:
    request = Request(
        op=Op.FILLS_FETCH,
        symbol=symbol_of(_only(values, "product_ids")),
        order_id=_only(values, "order_ids"),
        since_ns=values["start_sequence_timestamp"],
    )
    return Asked(
        shape=Shape.FILLS,
        requests=(request,),
        words=_words(values, "order_ids", "trade_ids", "product_ids", "order_side"),
        limit=values["limit"],
        cursor=values["cursor"],
        end_ns=values["end_sequence_timestamp"],
        subject=values["sort_by"] or "",
    )


def _trades(values: dict[str, Any]) -> Asked:
    start_s, end_s, limit = values["start"], values["end"], values["limit"]
    request = Request(
        op=Op.TRADES_FETCH,
        symbol=symbol_of(values["product_id"]),
        since_ns=None if start_s is None else start_s * SECOND,
        limit=limit if end_s is None else TRADES_MAX,  # those after the end are taken out of these
    )
    return Asked(shape=Shape.TRADES, requests=(request,), limit=limit, end_ns=None if end_s is None else end_s * SECOND)


def _candles(values: dict[str, Any]) -> Asked | Body:
    span_ns = GRANULARITIES[values["granularity"]]
    start_ns, end_ns = -(-values["start"] * SECOND // span_ns) * span_ns, values["end"] * SECOND
    count = max(0, (end_ns - start_ns) // span_ns + 1)
    if count > CANDLES_ASKED_MAX:
        return bad_argument(TOO_MANY_BARS)
    symbol = symbol_of(values["product_id"])
    request = Request(op=Op.OHLCV_FETCH, symbol=symbol, since_ns=start_ns, limit=count, span_ns=span_ns)
    return Asked(shape=Shape.CANDLES, requests=(request,), end_ns=end_ns, limit=values["limit"])


def _wanted(shape: Shape, values: dict[str, Any]) -> Asked | Body:
    """An order to create or to preview; what the venue does not offer is refused in Coinbase's words for it."""
    symbol, side, config = symbol_of(values["product_id"]), values["side"], values["order_configuration"]
    if len(config) != 1 or next(iter(config)) not in KNOWN_CONFIGURATIONS:
        return bad_argument("order_configuration is not supported")
    name, fields = next(iter(config.items()))
    op = Op.ORDER_CREATE if shape is Shape.CREATED else Op.ORDER_PREVIEW
    request = Request(op=op, client_order_id=values.get("client_order_id") or "", symbol=symbol)
    refusal = None
    if not KNOWN_CONFIGURATIONS[name]:
        refusal = Refusal(code=RefusalCode.UNSUPPORTED, message="")
    elif side == "SELL" and isinstance(fields, dict) and fields.get("quote_size"):
        refusal = Refusal(code=RefusalCode.UNSUPPORTED, message=SELL_BY_QUOTE)
    else:
        try:
            order = from_configuration(symbol, side, config)
        except (ValueError, ArithmeticError):
            order = None
        if order is None:
            return bad_argument("order_configuration: a size or a price is missing, or is no number")
        request = msgspec.structs.replace(request, order=order)
    return Asked(shape=shape, requests=(request,), config=config, refusal=refusal)


def _change(values: dict[str, Any]) -> NewOrder:
    """What an edit names; what it leaves out is 0, as at Coinbase. The side is not known before the order is."""
    price, amount = values["price"], values["size"]
    return NewOrder(symbol="", type=OrderType.LIMIT, side=Side.BUY, amount=amount or Decimal(0), price=price or Decimal(0))


def complete_edit(request: Request, current: NewOrder | None) -> Request:
    """An edit on the wire names an order and two numbers; the rest is what the order already is."""
    wanted = request.order
    assert wanted is not None
    base = current or NewOrder(symbol=request.symbol, type=OrderType.LIMIT, side=Side.BUY)
    return msgspec.structs.replace(request, order=msgspec.structs.replace(base, amount=wanted.amount, price=wanted.price))
