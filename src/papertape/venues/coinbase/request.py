"""REST requests as a client writes them; `asked` is how the venue reads them: `parse(encode(request))` asks for the same thing.

What does not travel is what Coinbase does not ask for: the attempt, the symbol of an order named by its id, and the client's own id
anywhere but in a create. The venue's front end knows these again by the order id.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from papertape.model.errors import NotSupported
from papertape.model.request import Op, Request
from papertape.model.units import SECOND, Nanos, plain
from papertape.venues.coinbase.api import TRADES_MAX
from papertape.venues.coinbase.configuration import configuration
from papertape.venues.coinbase.notation import GRANULARITIES, format_side, format_time, product_id

CANDLES_MAX: Final = 300
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
            return Call("POST", "brokerage/orders/edit", _change(request))
        case Op.ORDER_PREVIEW if request.order_id:
            return Call("POST", "brokerage/orders/edit_preview", _change(request))
        case Op.ORDER_PREVIEW:
            assert order is not None
            body = {"product_id": product_id(order.symbol), "side": format_side(order.side)}
            return Call("POST", "brokerage/orders/preview", body | {"order_configuration": configuration(order)})
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


def _change(request: Request) -> dict[str, str]:
    order = request.order
    assert order is not None
    if order.amount is None or order.price is None:
        raise NotSupported("coinbase: only limit orders can be edited, and both price and amount must be given")
    return {"order_id": _order_id(request), "price": plain(order.price), "size": plain(order.amount)}


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
