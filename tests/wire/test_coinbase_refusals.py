"""Every no that Coinbase has words for, as its server says it, and the class that a bot catches."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from aiohttp import web

from papertape.links.coinbase.link import CoinbaseLink
from papertape.links.refusal import ERROR_OF
from papertape.model.errors import (
    AuthenticationError,
    BadRequest,
    BadSymbol,
    BaseError,
    DuplicateOrderId,
    ExchangeError,
    ExchangeNotAvailable,
    InsufficientFunds,
    InvalidOrder,
    MarketClosed,
    NetworkError,
    NotSupported,
    OrderImmediatelyFillable,
    OrderNotFillable,
    OrderNotFound,
    PermissionDenied,
    RateLimitExceeded,
    RequestTimeout,
    never_sent,
)
from papertape.model.request import Op, RefusalCode, Request
from papertape.venues.coinbase.reasons import HEARD
from wire.scripted import Heard
from wire.test_bad_line import BUY, with_rogue

CREATE = Request(op=Op.ORDER_CREATE, client_order_id="run-1", symbol="BTC/USD", order=BUY)
CANCEL = Request(op=Op.ORDER_CANCEL, client_order_id="run-1", order_id="o-1", symbol="BTC/USD")
EDIT = Request(op=Op.ORDER_EDIT, client_order_id="run-1", order_id="o-1", symbol="BTC/USD", order=BUY)
FETCH = Request(op=Op.ORDER_FETCH, client_order_id="run-1", order_id="o-1", symbol="BTC/USD")
BALANCE = Request(op=Op.BALANCE_FETCH)

NONE = "UNKNOWN_PREVIEW_FAILURE_REASON"


def create(error: str = "UNKNOWN_FAILURE_REASON", preview: str = NONE, reason: str = "UNKNOWN_FAILURE_REASON") -> dict[str, Any]:
    no = {"error": error, "message": "", "error_details": "", "preview_failure_reason": preview, "new_order_failure_reason": reason}
    return {"success": False, "error_response": no, "order_configuration": {}}


def cancel(reason: str) -> dict[str, Any]:
    return {"results": [{"success": False, "failure_reason": reason, "order_id": "o-1"}]}


def edit(reason: str) -> dict[str, Any]:
    return {"success": False, "errors": [{"edit_failure_reason": reason, "preview_failure_reason": NONE}]}


def plain(error: str, message: str = "") -> dict[str, Any]:
    return {"error": error, "error_details": message, "message": message}


OF_CREATE: dict[str, type[BaseError]] = {
    "INSUFFICIENT_FUND": InsufficientFunds,
    "INSUFFICIENT_FUNDS": InsufficientFunds,
    "INVALID_LEDGER_BALANCE": InsufficientFunds,
    "INVALID_PRICE_PRECISION": InvalidOrder,
    "INVALID_SIZE_PRECISION": InvalidOrder,
    "INVALID_SIDE": InvalidOrder,
    "INVALID_LIMIT_PRICE": InvalidOrder,
    "COMMANDER_REJECTED_NEW_ORDER": InvalidOrder,
    "INVALID_LIMIT_PRICE_POST_ONLY": OrderImmediatelyFillable,
    "INVALID_NO_LIQUIDITY": OrderNotFillable,
    "INVALID_PRODUCT_ID": BadSymbol,
    "INELIGIBLE_PAIR": BadSymbol,
    "ORDER_ENTRY_DISABLED": MarketClosed,
    "UNSUPPORTED_ORDER_CONFIGURATION": NotSupported,
    "DUPLICATE_CLIENT_ORDER_ID": DuplicateOrderId,
    "INVALID_REQUEST": BadRequest,
    "UNKNOWN_FAILURE_REASON": ExchangeError,
    "A_REASON_OF_NEXT_YEAR": ExchangeError,
}

OF_PREVIEW: dict[str, type[BaseError]] = {
    "PREVIEW_INSUFFICIENT_FUND": InsufficientFunds,
    "PREVIEW_INVALID_LEDGER_BALANCE": InsufficientFunds,
    "PREVIEW_INSUFFICIENT_LEDGER_BALANCE": InsufficientFunds,
    "PREVIEW_INSUFFICIENT_FUNDS_FOR_FUTURES": InsufficientFunds,
    "PREVIEW_INVALID_MARGIN_HEALTH": InsufficientFunds,
    "PREVIEW_INVALID_PRICE_PRECISION": InvalidOrder,
    "PREVIEW_INVALID_SIZE_PRECISION": InvalidOrder,
    "PREVIEW_INVALID_QUOTE_SIZE_PRECISION": InvalidOrder,
    "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL": InvalidOrder,
    "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE": InvalidOrder,
    "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL": InvalidOrder,
    "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE": InvalidOrder,
    "PREVIEW_INVALID_PRICE_TOO_LARGE": InvalidOrder,
    "PREVIEW_INVALID_SIDE": InvalidOrder,
    "PREVIEW_INVALID_LIMIT_PRICE": InvalidOrder,
    "PREVIEW_INVALID_STOP_PRICE": InvalidOrder,
    "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE": InvalidOrder,
    "PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE": InvalidOrder,
    "PREVIEW_STOP_PRICE_ABOVE_LIMIT_PRICE": InvalidOrder,
    "PREVIEW_STOP_PRICE_BELOW_LIMIT_PRICE": InvalidOrder,
    "PREVIEW_END_TIME_IS_IN_THE_PAST": InvalidOrder,
    "PREVIEW_INVALID_END_TIME": InvalidOrder,
    "PREVIEW_END_TIME_TOO_FAR_IN_FUTURE": InvalidOrder,
    "PREVIEW_GTD_ORDERS_MUST_HAVE_END_TIME": InvalidOrder,
    "PREVIEW_INVALID_BRACKET_ORDER_SIDE": InvalidOrder,
    "PREVIEW_INVALID_BRACKET_PRICES": InvalidOrder,
    "PREVIEW_INVALID_BRACKET_LIMIT_PRICE": InvalidOrder,
    "PREVIEW_INVALID_BRACKET_STOP_TRIGGER_PRICE": InvalidOrder,
    "PREVIEW_BRACKET_LIMIT_PRICE_OUT_OF_BOUNDS": InvalidOrder,
    "PREVIEW_STOP_TRIGGER_PRICE_OUT_OF_BOUNDS": InvalidOrder,
    "PREVIEW_QUOTE_SIZE_NOT_ALLOWED_FOR_BRACKET": InvalidOrder,
    "PREVIEW_LIMIT_PRICE_TOO_FAR_FROM_MARKET": InvalidOrder,
    "PREVIEW_INVALID_STOP_PRICE_PRECISION": InvalidOrder,
    "PREVIEW_INVALID_LIMIT_PRICE_PRECISION": InvalidOrder,
    "PREVIEW_INVALID_STOP_TRIGGER_PRICE_PRECISION": InvalidOrder,
    "PREVIEW_BRACKET_ORDER_NOT_SUPPORTED": NotSupported,
    "PREVIEW_MISSING_MARKET_TRADE_DATA": OrderNotFillable,
    "PREVIEW_BREACHED_PRICE_LIMIT": InvalidOrder,
    "PREVIEW_BREACHED_ACCOUNT_POSITION_LIMIT": InvalidOrder,
    "PREVIEW_BREACHED_COMPANY_POSITION_LIMIT": InvalidOrder,
    "PREVIEW_INVALID_LEVERAGE": InvalidOrder,
    "PREVIEW_INVALID_MARGIN_TYPE": InvalidOrder,
    "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY": OrderImmediatelyFillable,
    "PREVIEW_INVALID_NO_LIQUIDITY": OrderNotFillable,
    "PREVIEW_MISSING_PRODUCT_PRICE_BOOK": OrderNotFillable,
    "PREVIEW_INVALID_PRODUCT_ID": BadSymbol,
    "PREVIEW_INELIGIBLE_PAIR": BadSymbol,
    "PREVIEW_ORDER_ENTRY_DISABLED": MarketClosed,
    "PREVIEW_UNTRADABLE_PRODUCT": MarketClosed,
    "PREVIEW_INVALID_ORDER_CONFIG": NotSupported,
}

OF_CANCEL: dict[str, type[BaseError]] = {
    "UNKNOWN_CANCEL_ORDER": OrderNotFound,
    "ORDER_IS_FULLY_FILLED": OrderNotFound,
    "DUPLICATE_CANCEL_REQUEST": OrderNotFound,
    "COMMANDER_REJECTED_CANCEL_ORDER": OrderNotFound,
    "ORDER_IS_NOT_CANCELLABLE": OrderNotFound,
    "INVALID_CANCEL_REQUEST": BadRequest,
    "UNKNOWN_CANCEL_FAILURE_REASON": ExchangeError,
}

OF_EDIT: dict[str, type[BaseError]] = {
    "ORDER_NOT_FOUND": OrderNotFound,
    "COMMANDER_REJECTED_EDIT_ORDER": OrderNotFound,
    "ORDER_IS_NOT_EDITABLE": OrderNotFound,
    "INVALID_EDITED_PRICE": InvalidOrder,
    "INVALID_EDITED_SIZE": InvalidOrder,
    "INVALID_EDITED_SIZE_TOO_LARGE": InvalidOrder,
    "CANNOT_EDIT_TO_BELOW_FILLED_SIZE": InvalidOrder,
    "ONLY_LIMIT_ORDER_EDITS_SUPPORTED": NotSupported,
    "UNKNOWN_EDIT_ORDER_FAILURE_REASON": ExchangeError,
}

Row = tuple[str, Request, int, Any, type[BaseError]]

ROWS: tuple[Row, ...] = (
    *((f"create: {word}", CREATE, 200, create(word), error) for word, error in OF_CREATE.items()),
    *((f"create, as its own reason: {word}", CREATE, 200, create(reason=word), error) for word, error in OF_CREATE.items()),
    *((f"create: {word}", CREATE, 200, create(preview=word), error) for word, error in OF_PREVIEW.items()),
    *((f"cancel: {word}", CANCEL, 200, cancel(word), error) for word, error in OF_CANCEL.items()),
    *((f"edit: {word}", EDIT, 200, edit(word), error) for word, error in OF_EDIT.items()),
    ("the more precise of two reasons", CREATE, 200, create("INVALID_REQUEST", "PREVIEW_INSUFFICIENT_FUND"), InsufficientFunds),
    ("an argument that cannot be read", CREATE, 400, plain("INVALID_ARGUMENT", "client_order_id is required"), BadRequest),
    ("an unknown product", CREATE, 400, plain("INVALID_ARGUMENT", "valid product_id is required"), BadSymbol),
    ("no such order", FETCH, 404, plain("NOT_FOUND", "order with this orderID was not found"), OrderNotFound),
    ("no such order, as it comes at times", FETCH, 404, plain("unknown", "order with this orderID was not found"), OrderNotFound),
    ("too many requests", CREATE, 429, {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}, RateLimitExceeded),
    ("too many requests, in words", CREATE, 429, "Too Many Requests", RateLimitExceeded),
    ("a bad signature", BALANCE, 401, "Unauthorized\n", AuthenticationError),
    ("a key without the right", CREATE, 403, plain("PERMISSION_DENIED", "Missing required scopes"), PermissionDenied),
    ("a page for people", CREATE, 403, "<html>Access denied</html>", RateLimitExceeded),
    ("an error of the venue's own", CREATE, 500, {"error": "INTERNAL", "message": "oops"}, ExchangeNotAvailable),
    ("a gateway's", CREATE, 502, "<html>Bad gateway</html>", ExchangeNotAvailable),
    ("maintenance", CREATE, 503, "Service Unavailable\n", ExchangeNotAvailable),
    ("a gateway that waited too long", CREATE, 504, "<html>Gateway time-out</html>", RequestTimeout),
)


def test_each_no_is_the_class_that_it_means() -> None:
    """All of them in one session: the very class, not a parent of it."""
    says: list[tuple[int, Any]] = []

    async def answer(http: web.Request) -> web.StreamResponse:
        status, body = says[-1]
        if isinstance(body, str):
            return web.Response(status=status, text=body)
        return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")

    async def story(link: CoinbaseLink, heard: Heard) -> None:
        wrong = []
        for what, request, status, body, error in ROWS:
            says.append((status, body))
            try:
                await link.request(request)
            except BaseError as caught:
                if type(caught) is not error:
                    wrong.append(f"{what}: {type(caught).__name__} instead of {error.__name__}")
                if never_sent(caught):
                    wrong.append(f"{what}: is said never to have been sent, and the venue has answered it")
            else:
                wrong.append(f"{what}: no error")
        assert not wrong

    with_rogue(answer, story)


def test_every_word_and_every_code_has_its_row() -> None:
    """A word that somebody adds is shown here as well; the depth `interface` raises the same classes."""
    rows = OF_CREATE | OF_PREVIEW | OF_CANCEL | OF_EDIT
    elsewhere = ("INVALID_ARGUMENT", "NOT_FOUND", "TRADING_DISABLED")
    assert [word for word in HEARD if word not in rows and word not in elsewhere] == []
    assert list(ERROR_OF) == list(RefusalCode)


@pytest.mark.parametrize("error", [each for each in dict.fromkeys(ERROR_OF.values()) if issubclass(each, ExchangeError)])
def test_a_no_is_never_taken_for_trouble_on_the_line(error: type[BaseError]) -> None:
    """What would be refused again is not what `except ccxt.NetworkError: retry` should catch."""
    assert not issubclass(error, NetworkError)
