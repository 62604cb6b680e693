"""What a client asks of a venue and what the venue answers, free of any wire format."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from papertape.model.account import Balances, Candle, Market
from papertape.model.event import BookSnapshot, Trade
from papertape.model.order import Fill, NewOrder, Order, Preview
from papertape.model.units import Nanos


class Lane(StrEnum):
    """The three ways to a venue; each lives and dies on its own."""

    REST = "rest"
    MARKET = "market"
    USER = "user"


class Op(StrEnum):
    """What a request wants done; faults and `nth` count by these names."""

    ORDER_CREATE = "order.create"
    ORDER_EDIT = "order.edit"
    ORDER_CANCEL = "order.cancel"
    ORDER_PREVIEW = "order.preview"
    ORDER_FETCH = "order.fetch"
    ORDERS_OPEN = "orders.open"
    ORDERS_FETCH = "orders.fetch"
    FILLS_FETCH = "fills.fetch"
    BALANCE_FETCH = "balance.fetch"
    MARKETS_FETCH = "markets.fetch"
    OHLCV_FETCH = "ohlcv.fetch"
    TRADES_FETCH = "trades.fetch"
    BOOK_FETCH = "book.fetch"
    TIME_FETCH = "time.fetch"


PUBLIC_OPS: Final = (Op.MARKETS_FETCH, Op.OHLCV_FETCH, Op.TRADES_FETCH, Op.BOOK_FETCH, Op.TIME_FETCH)
"""What needs no key; the others spend from the account's own quota."""


class Channel(StrEnum):
    """What can be subscribed to; not every venue has all of them.

    TICKER_BATCH: tickers now and then instead of at each change, and where the venue leaves them out without best prices.
    STATUS: what the venue says of a market as such, now and then, changed or not.
    """

    TRADES = "trades"
    BOOK = "book"
    TICKER = "ticker"
    TICKER_BATCH = "ticker_batch"
    CANDLES = "candles"
    ORDERS = "orders"
    STATUS = "status"
    HEARTBEATS = "heartbeats"


class Request(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One request at the Door.

    Attributes:
        attempt: 1 for the first sending, counted by the client per intent.
        client_order_id: names the intent, where the request is about one.
        order_id: the venue's own id, where the client knows it.
        order: what to create or to preview, or what an edit makes of the order that is named.
        symbol: empty means all, where a request can be about all.
        since_ns: nanoseconds since 1970-01-01 UTC.
    """

    op: Op
    attempt: int = 1
    client_order_id: str = ""
    order_id: str = ""
    symbol: str = ""
    order: NewOrder | None = None
    since_ns: Nanos | None = None
    limit: int | None = None
    span_ns: Nanos = 0


class RefusalCode(StrEnum):
    """Why a venue says no; each venue's dialect has its own words for these."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    PRICE_OFF_TICK = "price_off_tick"
    AMOUNT_OFF_LOT = "amount_off_lot"
    AMOUNT_TOO_SMALL = "amount_too_small"
    COST_TOO_SMALL = "cost_too_small"
    POST_ONLY_WOULD_TAKE = "post_only_would_take"
    NO_LIQUIDITY = "no_liquidity"
    SELF_TRADE = "self_trade"
    END_IS_PAST = "end_is_past"
    STOP_ABOVE_LAST = "stop_above_last"
    STOP_BELOW_LAST = "stop_below_last"
    STOP_ABOVE_LIMIT = "stop_above_limit"
    STOP_BELOW_LIMIT = "stop_below_limit"
    BRACKET_SIDE = "bracket_side"
    BRACKET_PRICES = "bracket_prices"
    UNKNOWN_SYMBOL = "unknown_symbol"
    ORDER_NOT_FOUND = "order_not_found"
    ORDER_NOT_OPEN = "order_not_open"
    DUPLICATE_ID = "duplicate_id"
    UNSUPPORTED = "unsupported"
    ORDER_NOT_ALLOWED = "order_not_allowed"
    TRADING_DISABLED = "trading_disabled"
    REFUSED = "refused"
    INVALID = "invalid"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    BANNED = "banned"


class Refusal(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The venue's no.

    Attributes:
        message: for a person: what was asked, what the rule is.
        retry_after_ns: how long the venue asks us to wait.
        is_page: the venue's own servers never saw the request; what stands before them answers with a page for people.
    """

    code: RefusalCode
    message: str
    retry_after_ns: Nanos | None = None
    is_page: bool = False


class Answer(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The venue's answer: either `refusal`, or the fields that the op calls for.

    Attributes:
        orders: oldest first.
        fills, trades: oldest first.
        books: as far down as was asked for; of trades and of a preview the best level only.
    """

    refusal: Refusal | None = None
    order: Order | None = None
    orders: tuple[Order, ...] = ()
    fills: tuple[Fill, ...] = ()
    balances: Balances | None = None
    markets: tuple[Market, ...] = ()
    candles: tuple[Candle, ...] = ()
    trades: tuple[Trade, ...] = ()
    books: tuple[BookSnapshot, ...] = ()
    preview: Preview | None = None


class ReplyLost(Exception):
    """Raised behind a venue's front end: the request was carried out, or dropped, and its answer must never arrive."""
