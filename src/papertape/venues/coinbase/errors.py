"""Coinbase's ways of saying no, to the letter, and what each of them means.

The same no comes in four shapes, by what was asked: a create answers 200 with `success: false` and an `error_response`; an edit answers 200
with a list of `errors`; a cancel answers 200 with one `failure_reason` per order; everything else answers 4xx with `{error, error_details,
message}`. Too many requests are 429 with `errors`, a bad signature is 401 with one word of plain text.

How sure we are: the texts for insufficient funds and price precision, and the bodies for 429, 401, 403 and an order that is not found,
stand in public reports and client code; so do "ProductID is invalid" (400), "Product … not supported" (404), the reasons for an order of a
kind that is not offered, and the whole sentence about a market sell by quote. ORDER_ENTRY_DISABLED is in the manual's list of reasons;
that it is what a market says in a phase in which it does not take an order is our choice, and the message beside it is what Coinbase Pro's
servers said then ("Limit only mode", danpaquin/coinbasepro-python#347; "Post only mode", dougdellolio/coinbasepro-csharp#208). The text for
size precision is remembered and not confirmed.
Empty messages, the reason for a self-trade, which of our refusals maps to which reason of an edit or a cancel, and every other sentence
about a bad argument are our choice; no public source was found for them.
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from papertape.model.request import Op, Refusal, RefusalCode
from papertape.model.units import SECOND, Nanos
from papertape.venues.coinbase.reasons import HEARD

FROM_WITHIN: Final = "rpc error: "
"""How Coinbase's own words begin that it passes on from a server behind; such a message goes out as it is."""

WRONG_PRODUCT: Final = "ProductID is invalid"
NO_REASON: Final = "UNKNOWN_FAILURE_REASON"

CREATE_REASONS: Final[dict[RefusalCode, tuple[str, str, str]]] = {
    RefusalCode.INSUFFICIENT_FUNDS: ("INSUFFICIENT_FUND", "Insufficient balance in source account", "PREVIEW_INSUFFICIENT_FUND"),
    RefusalCode.PRICE_OFF_TICK: ("INVALID_PRICE_PRECISION", "Too many decimals in order price", "PREVIEW_INVALID_PRICE_PRECISION"),
    RefusalCode.AMOUNT_OFF_LOT: ("INVALID_SIZE_PRECISION", "Too many decimals in order amount", "PREVIEW_INVALID_SIZE_PRECISION"),
    RefusalCode.AMOUNT_TOO_SMALL: (NO_REASON, "", "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL"),
    RefusalCode.COST_TOO_SMALL: (NO_REASON, "", "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
    RefusalCode.POST_ONLY_WOULD_TAKE: ("INVALID_LIMIT_PRICE_POST_ONLY", "", "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"),
    RefusalCode.NO_LIQUIDITY: ("INVALID_NO_LIQUIDITY", "", "PREVIEW_INVALID_NO_LIQUIDITY"),
    RefusalCode.SELF_TRADE: ("COMMANDER_REJECTED_NEW_ORDER", "", "UNKNOWN_PREVIEW_FAILURE_REASON"),
    RefusalCode.END_IS_PAST: (NO_REASON, "", "PREVIEW_END_TIME_IS_IN_THE_PAST"),
    RefusalCode.STOP_ABOVE_LAST: (NO_REASON, "", "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE"),
    RefusalCode.STOP_BELOW_LAST: (NO_REASON, "", "PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE"),
    RefusalCode.STOP_ABOVE_LIMIT: (NO_REASON, "", "PREVIEW_STOP_PRICE_ABOVE_LIMIT_PRICE"),
    RefusalCode.STOP_BELOW_LIMIT: (NO_REASON, "", "PREVIEW_STOP_PRICE_BELOW_LIMIT_PRICE"),
    RefusalCode.BRACKET_SIDE: (NO_REASON, "", "PREVIEW_INVALID_BRACKET_ORDER_SIDE"),
    RefusalCode.BRACKET_PRICES: (NO_REASON, "", "PREVIEW_INVALID_BRACKET_PRICES"),
    RefusalCode.UNKNOWN_SYMBOL: ("INVALID_PRODUCT_ID", "", "PREVIEW_INVALID_PRODUCT_ID"),
    RefusalCode.TRADING_DISABLED: ("ORDER_ENTRY_DISABLED", "", "UNKNOWN_PREVIEW_FAILURE_REASON"),
    RefusalCode.DUPLICATE_ID: ("DUPLICATE_CLIENT_ORDER_ID", "", "UNKNOWN_PREVIEW_FAILURE_REASON"),
    RefusalCode.UNSUPPORTED: ("UNSUPPORTED_ORDER_CONFIGURATION", "", "PREVIEW_INVALID_ORDER_CONFIG"),
    RefusalCode.INVALID: ("INVALID_REQUEST", "", "UNKNOWN_PREVIEW_FAILURE_REASON"),
}
"""By code: `error`, `message` and `preview_failure_reason` of an `error_response`."""

EDIT_REASONS: Final[dict[RefusalCode, str]] = {
    RefusalCode.ORDER_NOT_FOUND: "ORDER_NOT_FOUND",
    RefusalCode.ORDER_NOT_OPEN: "COMMANDER_REJECTED_EDIT_ORDER",
    RefusalCode.PRICE_OFF_TICK: "INVALID_EDITED_PRICE",
    RefusalCode.AMOUNT_OFF_LOT: "INVALID_EDITED_SIZE",
    RefusalCode.AMOUNT_TOO_SMALL: "CANNOT_EDIT_TO_BELOW_FILLED_SIZE",
    RefusalCode.UNSUPPORTED: "ONLY_LIMIT_ORDER_EDITS_SUPPORTED",
}

CANCEL_REASONS: Final[dict[RefusalCode, str]] = {
    RefusalCode.ORDER_NOT_FOUND: "UNKNOWN_CANCEL_ORDER",
    RefusalCode.ORDER_NOT_OPEN: "ORDER_IS_FULLY_FILLED",
    RefusalCode.INVALID: "INVALID_CANCEL_REQUEST",
}

CODES: Final[dict[str, RefusalCode]] = (
    {preview: code for code, (_, _, preview) in CREATE_REASONS.items() if not preview.startswith("UNKNOWN")}
    | {error: code for code, (error, _, _) in CREATE_REASONS.items() if error != NO_REASON}
    | {reason: code for code, reason in EDIT_REASONS.items()}
    | {reason: code for code, reason in CANCEL_REASONS.items()}
    | HEARD
)
"""What each of Coinbase's words means; a word that is not here means `REFUSED`."""


class Body(msgspec.Struct, frozen=True):
    """An HTTP answer before it goes out: JSON, or plain text where Coinbase's own servers answer so."""

    status: int
    content: Any
    headers: dict[str, str] = {}
    is_page: bool = False


UNAUTHORIZED: Final = Body(401, "Unauthorized\n")


def _complaint(error: str, what: str) -> dict[str, str]:
    return {"error": error, "error_details": what, "message": what}


FORBIDDEN: Final = Body(403, _complaint("PERMISSION_DENIED", "Missing required scopes"))
"""The answer to a key that is right but is not allowed what it asks for."""


def page(status: int, title: str) -> Body:
    """What a content delivery network says in the venue's stead: HTML, whatever was asked for."""
    return Body(status, f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n", is_page=True)


def not_found(what: str) -> Body:
    """A path, product or order that is not there."""
    return Body(404, _complaint("NOT_FOUND", what))


def bad_argument(what: str) -> Body:
    """A parameter that cannot be read."""
    return Body(400, _complaint("INVALID_ARGUMENT", what))


def too_many_requests(retry_after_ns: Nanos | None) -> Body:
    """The answer of the rate limiter. HTTP counts whole seconds, so a part of one is a whole one."""
    headers = {} if retry_after_ns is None else {"Retry-After": str(math.ceil(retry_after_ns / SECOND))}
    return Body(429, {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}, headers)


def render_refusal(op: Op, refusal: Refusal, subject: str = "", config: dict[str, Any] | None = None) -> Body:
    """A refusal in the shape that the op calls for.

    Args:
        op: what was asked.
        refusal: why not.
        subject: the order or product id that it is about.
        config: the configuration that a create came with; Coinbase sends it back.
    """
    code = refusal.code
    if code is RefusalCode.RATE_LIMITED:
        return too_many_requests(refusal.retry_after_ns)
    if code is RefusalCode.UNAVAILABLE:
        return page(503, "Coinbase is down for maintenance") if refusal.is_page else Body(503, "Service Unavailable\n")
    if code is RefusalCode.BANNED:
        return page(403, "Access denied")
    match op:
        case Op.ORDER_CREATE:
            error, message, preview = CREATE_REASONS.get(code, CREATE_REASONS[RefusalCode.INVALID])
            if code is RefusalCode.TRADING_DISABLED or refusal.message.startswith(FROM_WITHIN):
                message = refusal.message
            no = {"error": error, "message": message, "error_details": "", "preview_failure_reason": preview}
            no["new_order_failure_reason"] = NO_REASON
            return Body(200, {"success": False, "error_response": no, "order_configuration": config or {}})
        case Op.ORDER_EDIT:
            preview = CREATE_REASONS.get(code, ("", "", "UNKNOWN_PREVIEW_FAILURE_REASON"))[2]
            edit = EDIT_REASONS.get(code, "UNKNOWN_EDIT_ORDER_FAILURE_REASON")
            if code in EDIT_REASONS:
                preview = "UNKNOWN_PREVIEW_FAILURE_REASON"
            return Body(200, {"success": False, "errors": [{"edit_failure_reason": edit, "preview_failure_reason": preview}]})
        case Op.ORDER_CANCEL:
            reason = CANCEL_REASONS.get(code, "UNKNOWN_CANCEL_FAILURE_REASON")
            return Body(200, {"results": [{"success": False, "failure_reason": reason, "order_id": subject}]})
    if code is RefusalCode.ORDER_NOT_FOUND:
        return not_found("order with this orderID was not found")
    if code is RefusalCode.UNKNOWN_SYMBOL:
        return not_found(f"Product {subject} not supported") if op is Op.MARKETS_FETCH else bad_argument(WRONG_PRODUCT)
    return bad_argument(refusal.message or "invalid request")


def decode_refusal(status: int, body: Any, headers: dict[str, str]) -> Refusal | None:
    """The no in an answer, if it is one that speaks for the venue's rules; None if it says yes, or is a fault of the line.

    401 and 403 are None too: they are about the key, not about the request.
    """
    if status == 429:
        wait = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
        seconds = int(wait) if wait.isdigit() else None
        message = f"too many requests; retry after {seconds} s" if seconds is not None else "too many requests"
        return Refusal(code=RefusalCode.RATE_LIMITED, message=message, retry_after_ns=None if seconds is None else seconds * SECOND)
    if not isinstance(body, dict) or status in (401, 403) or status >= 500:
        return None
    if isinstance(no := body.get("error_response"), dict) and not body.get("success"):
        return _refusal(no.get("preview_failure_reason"), no.get("new_order_failure_reason"), no.get("error"), text=no.get("message"))
    if body.get("success") is False and isinstance(body.get("errors"), list):
        first = body["errors"][0] if body["errors"] else {}
        return _refusal(first.get("edit_failure_reason"), first.get("preview_failure_reason"))
    if status >= 400:
        text = str(body.get("message") or body.get("error_details") or "")
        if "product" in text.lower():
            return Refusal(code=RefusalCode.UNKNOWN_SYMBOL, message=text)
        if "orderID was not found" in text:  # comes as `unknown` at times
            return Refusal(code=RefusalCode.ORDER_NOT_FOUND, message=text)
        return _refusal(body.get("error"), text=text)
    return None


def decode_cancel(result: dict[str, Any]) -> Refusal | None:
    """One row of a batch cancel's answer."""
    return None if result.get("success") else _refusal(result.get("failure_reason"))


def _refusal(*reasons: object, text: object = "") -> Refusal:
    known = [str(reason) for reason in reasons if (reason and not str(reason).startswith("UNKNOWN_")) or reason == "UNKNOWN_CANCEL_ORDER"]
    code = next((CODES[reason] for reason in known if reason in CODES), RefusalCode.REFUSED)
    return Refusal(code=code, message=f"coinbase: {', '.join([*known, str(text)] if text else known) or 'no reason given'}")
