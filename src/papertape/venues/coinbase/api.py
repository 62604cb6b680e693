"""Coinbase's REST API as data: every endpoint that the simulated venue answers, what it may be asked with, and which right it needs.

The parser reads requests by this table, and tests draw requests from it. Names, words and largest numbers are those of Coinbase's own
reference; two differ from it, as people have measured: a book has 1000 levels a side at most, and 350 bars come where 300 are promised. A
number beyond its largest is taken for the largest. What cannot be read is a bad argument, in words of our own: no public source shows more
of Coinbase's than stand in `errors`. Parameters that are not in the table are ignored, as Coinbase ignores them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from functools import cache
from typing import Any, Final

import msgspec

from papertape.model.units import HOUR, MINUTE, Nanos
from papertape.venues.coinbase.auth import Right
from papertape.venues.coinbase.errors import Body, bad_argument
from papertape.venues.coinbase.notation import DIGITS_MAX, GRANULARITIES, parse_time, size

BROKERAGE: Final = "/api/v3/brokerage"
CANDLES_ASKED_MAX: Final = 350
LEVELS_MAX: Final = 1000
TRADES_MAX: Final = 1000
CANCELS_MAX: Final = 100
NO_PRODUCT: Final = "product_id is required"

_MOMENT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)(?:Z|([+-])([0-9]{2}):([0-9]{2}))?"
)


class Shape(Enum):
    """What an answer looks like."""

    TIME = auto()
    PRODUCTS = auto()
    PRODUCT = auto()
    CANDLES = auto()
    FEES = auto()
    ACCOUNTS = auto()
    ACCOUNT = auto()
    PORTFOLIOS = auto()
    WALLETS = auto()
    WALLET = auto()
    CREATED = auto()
    PREVIEWED = auto()
    EDITED = auto()
    EDIT_PREVIEWED = auto()
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
    PRICE = auto()
    PERMISSIONS = auto()


class Kind(Enum):
    """What a parameter holds; the value is what a person is told who sent something else."""

    TEXT = "text"
    WORD = "one of the words that are there for it"
    COUNT = "a whole number, not below zero"
    SECONDS = "whole seconds since 1970"
    MOMENT = "a time such as 2026-01-01T00:00:00Z"
    SIZE = "a decimal number"
    FLAG = "true or false"
    OBJECT = "an object"


class Param(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of a path, a query or a body.

    Attributes:
        also: other names that it goes by.
        many: may come several times, in one text with commas, or as a list.
        words: those of a `WORD`.
        most: of a `COUNT`: more is taken for this.
        default: what holds where it is left out; a tuple of none where it may be `many`.
        missing: what is said where it is left out; "" where it may be.
    """

    name: str
    kind: Kind = Kind.TEXT
    also: tuple[str, ...] = ()
    many: bool = False
    words: tuple[str, ...] = ()
    most: int | None = None
    default: Any = None
    missing: str = ""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that can be asked.

    Attributes:
        path: with names in braces, each of them a parameter too.
        shape: how it is answered.
        right: what the key must be allowed; None for what needs no key.
        params: those of the query, or for a POST of the body.
    """

    method: str
    path: str
    shape: Shape
    right: Right | None = None
    params: tuple[Param, ...] = ()


SIDES: Final = ("BUY", "SELL")
PRODUCT_TYPES: Final = ("UNKNOWN_PRODUCT_TYPE", "SPOT", "FUTURE")
STATUSES: Final = (
    "PENDING", "OPEN", "FILLED", "CANCELLED", "EXPIRED", "FAILED", "UNKNOWN_ORDER_STATUS", "QUEUED", "CANCEL_QUEUED", "EDIT_QUEUED",
)  # fmt: skip
ORDER_TYPES: Final = ("UNKNOWN_ORDER_TYPE", "MARKET", "LIMIT", "STOP", "STOP_LIMIT", "BRACKET", "TWAP", "ROLL_OPEN", "ROLL_CLOSE",
                      "LIQUIDATION", "SCALED")  # fmt: skip
TIMES_IN_FORCE: Final = (
    "UNKNOWN_TIME_IN_FORCE", "GOOD_UNTIL_DATE_TIME", "GOOD_UNTIL_CANCELLED", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL",
)  # fmt: skip
PLACED_BY: Final = ("UNKNOWN_PLACEMENT_SOURCE", "RETAIL_SIMPLE", "RETAIL_ADVANCED")

_product = Param(name="product_id", missing=NO_PRODUCT)
_products = Param(name="product_ids", also=("product_id",), many=True)
_product_type = Param(name="product_type", kind=Kind.WORD, words=PRODUCT_TYPES)
_cursor = Param(name="cursor", default="")
_start, _end = Param(name="start", kind=Kind.SECONDS), Param(name="end", kind=Kind.SECONDS)
_portfolio = Param(name="retail_portfolio_id")  # for keys of the old kind

_listing = (
    Param(name="limit", kind=Kind.COUNT), Param(name="offset", kind=Kind.COUNT, default=0), _product_type, _products,
    Param(name="get_all_products", kind=Kind.FLAG), Param(name="get_tradability_status", kind=Kind.FLAG),
)  # fmt: skip
_bars = (
    Param(name="start", kind=Kind.SECONDS, missing="start is required"),
    Param(name="end", kind=Kind.SECONDS, missing="end is required"),
    Param(name="granularity", kind=Kind.WORD, words=tuple(GRANULARITIES), missing="granularity is required"),
    Param(name="limit", kind=Kind.COUNT, most=CANDLES_ASKED_MAX),
)
_trades = (Param(name="limit", kind=Kind.COUNT, most=TRADES_MAX, default=100), _start, _end)
_book = (
    _product, Param(name="limit", kind=Kind.COUNT, most=LEVELS_MAX, default=LEVELS_MAX),
    Param(name="aggregation_price_increment", kind=Kind.SIZE),
)  # fmt: skip
_wanted = (
    Param(name="product_id", missing=NO_PRODUCT),
    Param(name="side", kind=Kind.WORD, words=SIDES, missing="side is required"),
    Param(name="order_configuration", kind=Kind.OBJECT, missing="order_configuration is required"),
    Param(name="leverage"), Param(name="margin_type"), _portfolio,
)  # fmt: skip
_change = (Param(name="order_id", missing="order_id is required"), Param(name="price", kind=Kind.SIZE), Param(name="size", kind=Kind.SIZE))
_order_filters = (
    Param(name="order_ids", also=("order_id",), many=True), _products, _product_type,
    Param(name="order_status", kind=Kind.WORD, words=STATUSES, many=True),
    Param(name="order_types", also=("order_type",), kind=Kind.WORD, words=ORDER_TYPES, many=True),
    Param(name="order_side", kind=Kind.WORD, words=SIDES),
    Param(name="time_in_forces", kind=Kind.WORD, words=TIMES_IN_FORCE, many=True),
    Param(name="order_placement_source", kind=Kind.WORD, words=PLACED_BY, default="RETAIL_ADVANCED"),
    Param(name="start_date", kind=Kind.MOMENT), Param(name="end_date", kind=Kind.MOMENT),
    Param(name="limit", kind=Kind.COUNT, default=1000), _cursor, _portfolio,
)  # fmt: skip
_fill_filters = (
    Param(name="order_ids", also=("order_id",), many=True), Param(name="trade_ids", many=True), _products,
    Param(name="order_side", kind=Kind.WORD, words=SIDES),
    Param(name="start_sequence_timestamp", kind=Kind.MOMENT), Param(name="end_sequence_timestamp", kind=Kind.MOMENT),
    Param(name="sort_by", kind=Kind.WORD, words=("UNKNOWN_SORT_BY", "PRICE", "TRADE_TIME")),
    Param(name="limit", kind=Kind.COUNT, default=100), _cursor, _portfolio,
)  # fmt: skip
_wallets = (Param(name="limit", kind=Kind.COUNT, default=25), Param(name="starting_after", default=""))
_account_page = (Param(name="limit", kind=Kind.COUNT, most=250, default=49), _cursor, _portfolio)


def _get(path: str, shape: Shape, right: Right | None = None, params: tuple[Param, ...] = ()) -> Endpoint:
    return Endpoint(method="GET", path=path, shape=shape, right=right, params=params)


def _post(path: str, shape: Shape, params: tuple[Param, ...], right: Right = Right.TRADE) -> Endpoint:
    return Endpoint(method="POST", path=BROKERAGE + path, shape=shape, right=right, params=params)


def _market(path: str, shape: Shape, params: tuple[Param, ...] = ()) -> tuple[Endpoint, ...]:
    """An endpoint of the market, which is there twice: for everybody, and for who has a key."""
    return _get(f"{BROKERAGE}/market{path}", shape, None, params), _get(BROKERAGE + path, shape, Right.VIEW, params)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    _get(f"{BROKERAGE}/time", Shape.TIME),
    *_market("/products", Shape.PRODUCTS, _listing),
    *_market("/products/{product_id}", Shape.PRODUCT, (_product, Param(name="get_tradability_status", kind=Kind.FLAG))),
    *_market("/products/{product_id}/candles", Shape.CANDLES, (_product, *_bars)),
    *_market("/products/{product_id}/ticker", Shape.TRADES, (_product, *_trades)),
    *_market("/product_book", Shape.BOOK, _book),
    _get(f"{BROKERAGE}/best_bid_ask", Shape.BOOKS, Right.VIEW, (_products,)),
    _get(f"{BROKERAGE}/key_permissions", Shape.PERMISSIONS, Right.VIEW),
    _get(f"{BROKERAGE}/transaction_summary", Shape.FEES, Right.VIEW, (_product_type,)),
    _get(f"{BROKERAGE}/portfolios", Shape.PORTFOLIOS, Right.VIEW, (Param(name="portfolio_type"),)),
    _get(f"{BROKERAGE}/accounts", Shape.ACCOUNTS, Right.VIEW, _account_page),
    _get(f"{BROKERAGE}/accounts/{{account_uuid}}", Shape.ACCOUNT, Right.VIEW, (Param(name="account_uuid"),)),
    _post("/orders", Shape.CREATED, (Param(name="client_order_id", missing="client_order_id is required"), *_wanted)),
    _post("/orders/preview", Shape.PREVIEWED, _wanted, Right.VIEW),
    _post("/orders/edit", Shape.EDITED, _change),
    _post("/orders/edit_preview", Shape.EDIT_PREVIEWED, _change, Right.VIEW),
    _post("/orders/batch_cancel", Shape.CANCELLED, (Param(name="order_ids", many=True, missing="order_ids is required"),)),
    _get(f"{BROKERAGE}/orders/historical/batch", Shape.ORDERS, Right.VIEW, _order_filters),
    _get(f"{BROKERAGE}/orders/historical/fills", Shape.FILLS, Right.VIEW, _fill_filters),
    _get(f"{BROKERAGE}/orders/historical/{{order_id}}", Shape.ORDER, Right.VIEW, (Param(name="order_id"),)),
    _get("/v2/time", Shape.TIME),
    _get("/v2/currencies", Shape.CURRENCIES),
    _get("/v2/currencies/crypto", Shape.COINS),
    _get("/v2/exchange-rates", Shape.RATES, None, (Param(name="currency", default="USD"),)),
    _get("/v2/prices/{pair}/{side}", Shape.PRICE, None,
         (Param(name="pair"), Param(name="side", kind=Kind.WORD, words=("buy", "sell", "spot")))),
    _get("/v2/accounts", Shape.WALLETS, Right.VIEW, _wallets),
    _get("/v2/accounts/{account_id}", Shape.WALLET, Right.VIEW, (Param(name="account_id"),)),
)  # fmt: skip


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))


def find(method: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
    """The endpoint that answers this, and what its path names; None if there is none."""
    for endpoint in ENDPOINTS:
        found = _pattern(endpoint.path).fullmatch(path) if endpoint.method == method else None
        if found is not None:
            return endpoint, found.groupdict()
    return None


def read_query(endpoint: Endpoint, named: Mapping[str, str], query: Sequence[tuple[str, str]]) -> dict[str, Any] | Body:
    """Every parameter's value by its name, or the answer that says what is wrong.

    Args:
        named: what the path names.
        query: names and values in their order; names may come again.
    """
    pairs = [*named.items(), *query]
    return _read(endpoint, {name: [value for each, value in pairs if each == name] for name, _ in pairs})


def read_body(endpoint: Endpoint, body: bytes) -> dict[str, Any] | Body:
    """The same for the JSON object of a POST."""
    try:
        content = msgspec.json.decode(body, type=dict[str, Any])
    except (ValueError, RecursionError):
        return bad_argument("the body is not a JSON object")
    return _read(endpoint, {name: value if isinstance(value, list) else [value] for name, value in content.items() if value is not None})


def _read(endpoint: Endpoint, given: Mapping[str, list[Any]]) -> dict[str, Any] | Body:
    values: dict[str, Any] = {}
    for param in endpoint.params:
        found = [part for name in (param.name, *param.also) for value in given.get(name, ()) for part in _parts(param, value)]
        if not found and param.missing:
            return bad_argument(param.missing)
        try:
            read = tuple(_value(param, each) for each in found)
        except (ValueError, TypeError, KeyError, ArithmeticError):
            return bad_argument(f"{param.name} must be {param.kind.value}")
        values[param.name] = read if param.many else read[0] if read else param.default
    return values


def _parts(param: Param, value: Any) -> list[Any]:
    if param.many and isinstance(value, str):
        return [part for part in value.split(",") if part]
    return [value] if value != "" else []


def _value(param: Param, given: Any) -> Any:
    if param.kind is Kind.OBJECT:
        if not isinstance(given, dict):
            raise TypeError
        return given
    if isinstance(given, dict | list):
        raise TypeError
    text = str(given)
    match param.kind:
        case Kind.WORD:
            if text not in param.words:
                raise ValueError
            return text
        case Kind.COUNT:
            number = _whole(text) or param.default  # 0 is what Coinbase takes for none given
            return number if param.most is None or number is None else min(number, param.most)
        case Kind.SECONDS:
            return _whole(text)
        case Kind.MOMENT:
            return moment(text)
        case Kind.SIZE:
            return size(text)
        case Kind.FLAG:
            return {"true": True, "false": False}[text.lower()]
    return text


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > DIGITS_MAX:
        raise ValueError
    return int(text)


def moment(text: str) -> Nanos:
    """Nanoseconds since 1970-01-01 UTC of a time in a query or a body; `ValueError` for what is none."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError
    at_ns, sign, hours, minutes = parse_time(found[1]), found[2], found[3], found[4]
    ahead_ns = (int(hours or 0) * HOUR + int(minutes or 0) * MINUTE) * (-1 if sign == "-" else 1)
    return at_ns - ahead_ns
