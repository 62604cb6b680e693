"""Previews of orders and of edits, written by the venue and read by a client."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from papertape.model.event import Side
from papertape.model.order import Preview
from papertape.model.request import Answer, Refusal, RefusalCode, Request
from papertape.model.units import EXACT, Nanos, plain
from papertape.venues.coinbase.account import uuid_of
from papertape.venues.coinbase.errors import CODES, CREATE_REASONS, EDIT_REASONS
from papertape.venues.coinbase.notation import Products

UNKNOWN: Final = "UNKNOWN_PREVIEW_FAILURE_REASON"
MARGIN: Final = ("order_margin_total", "leverage", "long_leverage", "short_leverage", "current_liquidation_buffer",
                 "projected_liquidation_buffer", "max_leverage")  # fmt: skip
"""What is empty for an order that is not on margin."""


def render_preview(answer: Answer, request: Request, products: Products, venue_ns: Nanos) -> dict[str, Any]:
    """The answer of `orders/preview`; an order that would be refused has its reason among `errs`, and no figures."""
    refusal = answer.refusal
    errs = [] if refusal is None else [CREATE_REASONS.get(refusal.code, CREATE_REASONS[RefusalCode.INVALID])[2]]
    ids = {} if errs else {"preview_id": uuid_of(f"preview {venue_ns} {request!r}")}
    rest = {"is_max": False, "warning": [], "pnl_configuration": None} | dict.fromkeys(MARGIN, "")
    return _figures(answer, products) | {"errs": errs} | rest | ids


def render_edit_preview(answer: Answer, products: Products) -> dict[str, Any]:
    """The answer of `orders/edit_preview`."""
    refusal, preview = answer.refusal, answer.preview
    errors = []
    if refusal is not None:
        edit = EDIT_REASONS.get(refusal.code, "UNKNOWN_EDIT_ORDER_FAILURE_REASON")
        reason = UNKNOWN if refusal.code in EDIT_REASONS else CREATE_REASONS.get(refusal.code, ("", "", UNKNOWN))[2]
        errors = [{"edit_failure_reason": edit, "preview_failure_reason": reason}]
    mean = "0" if preview is None or not preview.amount else plain(round(EXACT.divide(preview.cost, preview.amount), 12))
    return _figures(answer, products) | {"errors": errors, "average_filled_price": mean}


def _figures(answer: Answer, products: Products) -> dict[str, str]:
    preview = answer.preview
    names = ("order_total", "commission_total", "quote_size", "base_size", "slippage", "best_bid", "best_ask")
    if preview is None:
        return dict.fromkeys(names, "0")
    total = EXACT.add(preview.cost, preview.fee) if preview.side is Side.BUY else EXACT.subtract(preview.cost, preview.fee)
    book = answer.books[0]
    ticks = products.by_symbol[book.symbol].ticks.text
    best = [ticks(levels[0][0]) if levels else "" for levels in (book.bids, book.asks)]
    figures = (total, preview.fee, preview.cost, preview.amount, preview.slippage)
    return dict(zip(names, [*(plain(each) for each in figures), *best], strict=True))


def decode_preview(request: Request, body: Mapping[str, Any]) -> Answer:
    """Either preview's answer; best prices are left out."""
    assert request.order is not None
    reasons = [reason for each in body.get("errs") or body.get("errors") or () for reason in _reasons(each)]
    if reasons:
        code = next((CODES[reason] for reason in reasons if reason in CODES), RefusalCode.INVALID)
        return Answer(refusal=Refusal(code=code, message=f"coinbase: {', '.join(reasons)}"))
    names = ("base_size", "quote_size", "commission_total", "slippage")
    amount, cost, fee, slippage = (Decimal(body[name]) for name in names)
    return Answer(preview=Preview(side=request.order.side, amount=amount, cost=cost, fee=fee, slippage=slippage))


def _reasons(each: object) -> list[str]:
    words = list(each.values()) if isinstance(each, dict) else [each]
    return [str(word) for word in words if not str(word).startswith("UNKNOWN_")] or [str(words[0])]
