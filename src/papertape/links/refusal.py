"""A venue's no, as the ccxt class that a bot expects to catch."""

from __future__ import annotations

from typing import Final

from papertape.model.errors import (
    BadRequest,
    BadSymbol,
    BaseError,
    DuplicateOrderId,
    ExchangeError,
    ExchangeNotAvailable,
    InsufficientFunds,
    InvalidOrder,
    MarketClosed,
    NotSupported,
    OrderImmediatelyFillable,
    OrderNotFillable,
    OrderNotFound,
    RateLimitExceeded,
    with_retry_after,
)
from papertape.model.request import Refusal, RefusalCode
from papertape.model.units import MINUTE

ERROR_OF: Final[dict[RefusalCode, type[BaseError]]] = {
    RefusalCode.INSUFFICIENT_FUNDS: InsufficientFunds,
    RefusalCode.PRICE_OFF_TICK: InvalidOrder,
    RefusalCode.AMOUNT_OFF_LOT: InvalidOrder,
    RefusalCode.AMOUNT_TOO_SMALL: InvalidOrder,
    RefusalCode.COST_TOO_SMALL: InvalidOrder,
    RefusalCode.POST_ONLY_WOULD_TAKE: OrderImmediatelyFillable,
    RefusalCode.NO_LIQUIDITY: OrderNotFillable,
    RefusalCode.SELF_TRADE: InvalidOrder,
    RefusalCode.END_IS_PAST: InvalidOrder,
    RefusalCode.STOP_ABOVE_LAST: InvalidOrder,
    RefusalCode.STOP_BELOW_LAST: InvalidOrder,
    RefusalCode.STOP_ABOVE_LIMIT: InvalidOrder,
    RefusalCode.STOP_BELOW_LIMIT: InvalidOrder,
    RefusalCode.BRACKET_SIDE: InvalidOrder,
    RefusalCode.BRACKET_PRICES: InvalidOrder,
    RefusalCode.UNKNOWN_SYMBOL: BadSymbol,
    RefusalCode.ORDER_NOT_FOUND: OrderNotFound,
    RefusalCode.ORDER_NOT_OPEN: OrderNotFound,
    RefusalCode.DUPLICATE_ID: DuplicateOrderId,
    RefusalCode.UNSUPPORTED: NotSupported,
    RefusalCode.ORDER_NOT_ALLOWED: InvalidOrder,
    RefusalCode.TRADING_DISABLED: MarketClosed,
    RefusalCode.REFUSED: ExchangeError,
    RefusalCode.INVALID: BadRequest,
    RefusalCode.RATE_LIMITED: RateLimitExceeded,
    RefusalCode.UNAVAILABLE: ExchangeNotAvailable,
    RefusalCode.BANNED: RateLimitExceeded,
}
"""ccxt's class for each refusal; a cancel of a finished order is OrderNotFound there too."""


BANNED_NS: Final = MINUTE
"""How long to be quiet after a ban that does not say how long it is: asking sooner is what prolongs it."""


def error_of(refusal: Refusal, what: str) -> BaseError:
    """The error to raise for a refusal; `what` names the venue and the op. Whoever is banned was certainly not listened to."""
    error = ERROR_OF[refusal.code](f"{what}: {refusal.message}")
    is_endless = refusal.code is RefusalCode.BANNED and refusal.retry_after_ns is None
    return with_retry_after(error, BANNED_NS if is_endless else refusal.retry_after_ns)
