"""What Coinbase's reasons mean, beyond those that our own venue gives: the rest of the lists in its manual, for a client to understand.

The words are those of `new_order_failure_reason`, `preview_failure_reason`, `failure_reason` (of a cancel) and `edit_failure_reason` in
Coinbase's documentation of create, preview, cancel and edit order; not every one was held against it once more. Which of them names a fault
of the order, of the account or of the market is read from their names. A word that is never sent does no harm here, and one that is
missing means a plain no.
"""

from __future__ import annotations

from typing import Final

from papertape.model.request import RefusalCode

NOT_ALLOWED: Final = (
    "INVALID_SIDE",
    "PREVIEW_INVALID_SIDE",
    "INVALID_LIMIT_PRICE",
    "PREVIEW_INVALID_LIMIT_PRICE",
    "PREVIEW_INVALID_STOP_PRICE",
    "PREVIEW_INVALID_END_TIME",
    "PREVIEW_END_TIME_TOO_FAR_IN_FUTURE",
    "PREVIEW_GTD_ORDERS_MUST_HAVE_END_TIME",
    "PREVIEW_QUOTE_SIZE_NOT_ALLOWED_FOR_BRACKET",
    "PREVIEW_INVALID_BRACKET_LIMIT_PRICE",
    "PREVIEW_INVALID_BRACKET_STOP_TRIGGER_PRICE",
    "PREVIEW_BRACKET_LIMIT_PRICE_OUT_OF_BOUNDS",
    "PREVIEW_STOP_TRIGGER_PRICE_OUT_OF_BOUNDS",
    "PREVIEW_LIMIT_PRICE_TOO_FAR_FROM_MARKET",
    "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE",
    "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE",
    "PREVIEW_INVALID_PRICE_TOO_LARGE",
    "PREVIEW_BREACHED_PRICE_LIMIT",
    "PREVIEW_BREACHED_ACCOUNT_POSITION_LIMIT",
    "PREVIEW_BREACHED_COMPANY_POSITION_LIMIT",
    "PREVIEW_INVALID_LEVERAGE",
    "PREVIEW_INVALID_MARGIN_TYPE",
    "INVALID_EDITED_SIZE_TOO_LARGE",
)
"""Something about the order itself, which another order could put right."""

CLOSED: Final = (
    "ORDER_ENTRY_DISABLED",
    "PREVIEW_ORDER_ENTRY_DISABLED",
    "PREVIEW_UNTRADABLE_PRODUCT",
    "TRADING_DISABLED",
)
"""The market takes no such order now."""

NO_MONEY: Final = (
    "INSUFFICIENT_FUNDS",
    "INVALID_LEDGER_BALANCE",
    "PREVIEW_INVALID_LEDGER_BALANCE",
    "PREVIEW_INSUFFICIENT_LEDGER_BALANCE",
    "PREVIEW_INSUFFICIENT_FUNDS_FOR_FUTURES",
    "PREVIEW_INVALID_MARGIN_HEALTH",
)

OTHERS: Final = {
    "INELIGIBLE_PAIR": RefusalCode.UNKNOWN_SYMBOL,
    "PREVIEW_INELIGIBLE_PAIR": RefusalCode.UNKNOWN_SYMBOL,
    "PREVIEW_INVALID_QUOTE_SIZE_PRECISION": RefusalCode.AMOUNT_OFF_LOT,
    "PREVIEW_INVALID_STOP_PRICE_PRECISION": RefusalCode.PRICE_OFF_TICK,
    "PREVIEW_INVALID_LIMIT_PRICE_PRECISION": RefusalCode.PRICE_OFF_TICK,
    "PREVIEW_INVALID_STOP_TRIGGER_PRICE_PRECISION": RefusalCode.PRICE_OFF_TICK,
    "PREVIEW_BRACKET_ORDER_NOT_SUPPORTED": RefusalCode.UNSUPPORTED,
    "PREVIEW_MISSING_MARKET_TRADE_DATA": RefusalCode.NO_LIQUIDITY,
    "PREVIEW_MISSING_PRODUCT_PRICE_BOOK": RefusalCode.NO_LIQUIDITY,
    "INVALID_REQUEST": RefusalCode.INVALID,
    "INVALID_ARGUMENT": RefusalCode.INVALID,
    "NOT_FOUND": RefusalCode.ORDER_NOT_FOUND,
    "DUPLICATE_CANCEL_REQUEST": RefusalCode.ORDER_NOT_OPEN,
    "COMMANDER_REJECTED_CANCEL_ORDER": RefusalCode.ORDER_NOT_OPEN,
    "ORDER_IS_NOT_CANCELLABLE": RefusalCode.ORDER_NOT_OPEN,
    "ORDER_IS_NOT_EDITABLE": RefusalCode.ORDER_NOT_OPEN,
}

HEARD: Final[dict[str, RefusalCode]] = (
    dict.fromkeys(NOT_ALLOWED, RefusalCode.ORDER_NOT_ALLOWED)
    | dict.fromkeys(CLOSED, RefusalCode.TRADING_DISABLED)
    | dict.fromkeys(NO_MONEY, RefusalCode.INSUFFICIENT_FUNDS)
    | OTHERS
)
"""Each word, and what it means; a word that is in no list is a plain no, `REFUSED`."""
