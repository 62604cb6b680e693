"""The venue says no, and means it."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from papertape.faults.base import Fault
from papertape.faults.drawing import Draw
from papertape.model.request import Op, Refusal, RefusalCode, Request

_ANY_OP: Final = (RefusalCode.INVALID, RefusalCode.UNAVAILABLE)

REASONS: Final[dict[Op, tuple[RefusalCode, ...]]] = {
    Op.ORDER_CREATE: (
        RefusalCode.INSUFFICIENT_FUNDS, RefusalCode.PRICE_OFF_TICK, RefusalCode.AMOUNT_OFF_LOT, RefusalCode.AMOUNT_TOO_SMALL,
        RefusalCode.COST_TOO_SMALL, RefusalCode.POST_ONLY_WOULD_TAKE, RefusalCode.NO_LIQUIDITY, RefusalCode.UNKNOWN_SYMBOL,
        RefusalCode.UNSUPPORTED, *_ANY_OP,
    ),
    Op.ORDER_EDIT: (
        RefusalCode.PRICE_OFF_TICK, RefusalCode.AMOUNT_OFF_LOT, RefusalCode.ORDER_NOT_FOUND, RefusalCode.ORDER_NOT_OPEN, *_ANY_OP,
    ),
    Op.ORDER_CANCEL: (RefusalCode.ORDER_NOT_FOUND, RefusalCode.ORDER_NOT_OPEN, *_ANY_OP),
    Op.ORDER_FETCH: (RefusalCode.ORDER_NOT_FOUND, *_ANY_OP),
}  # fmt: skip
"""What a venue can say to an op; to any other, that it is invalid or that the venue is unavailable."""

_WORDS: Final = {
    "insufficient_funds": "the account does not hold enough",
    "price_off_tick": "the price is not on the tick",
    "amount_off_lot": "the amount is not on the lot",
    "amount_too_small": "the amount is below the smallest",
    "cost_too_small": "the cost is below the smallest",
    "post_only_would_take": "the order is post-only and would take",
    "no_liquidity": "nobody is on the other side",
    "unknown_symbol": "there is no such product",
    "order_not_found": "there is no such order",
    "order_not_open": "the order is not open any more",
    "unsupported": "such orders are not taken",
    "invalid": "the request is invalid",
    "unavailable": "the venue cannot answer now",
}


class Reject(Fault, frozen=True, kw_only=True, tag="reject"):
    """The venue refuses without a look at its own books, for the reason that it is told; nothing is done.

    By request: the nth matching one and `times` - 1 after it. By window: every request in it (narrowed by `on` and `where`). The reason
    must be one that a venue can give to that op; `papertape list ops` has the ops. "unavailable" is the odd one: the venue's own servers
    failed, so that a client cannot know that nothing was done.

    interface: the call raises ccxt's class for the reason (InsufficientFunds, OrderImmediatelyFillable, InvalidOrder, BadSymbol,
    OrderNotFound, …; ExchangeNotAvailable for "unavailable").
    wire: the venue's own body for the reason and the op: of a Coinbase, HTTP 200 with `error_response`, `errors` or `failure_reason`, 4xx
    for a question, and 503 with plain text for "unavailable".

    Attributes:
        reason: why.
    """

    reason: Literal[
        "insufficient_funds", "price_off_tick", "amount_off_lot", "amount_too_small", "cost_too_small", "post_only_would_take",
        "no_liquidity", "unknown_symbol", "order_not_found", "order_not_open", "unsupported", "invalid", "unavailable",
    ] = "insufficient_funds"  # fmt: skip

    default_on: ClassVar[Op | None] = Op.ORDER_CREATE

    @classmethod
    def drawn(cls, draw: Draw) -> dict[str, Any]:
        """What is true of some account or book; a venue that lies about an order is a scenario's business."""
        which = {**draw.request(), "times": draw.one_of(1, 1, 2, 5)}
        reasons = ("insufficient_funds", "post_only_would_take", "unavailable") if which["on"] == Op.ORDER_CREATE else ("unavailable",)
        return {**which, "reason": draw.one_of(*reasons)}

    def problems(self) -> list[tuple[str, str]]:
        found = super().problems()
        trigger = self.trigger()
        op = None if trigger is None else trigger.on
        can = _ANY_OP if op is None else REASONS.get(op, _ANY_OP)
        if not found and RefusalCode(self.reason) not in can:
            to = "any request" if op is None else f'"{op}"'
            found.append(("reason", f'holds "{self.reason}", which no venue says to {to}; expected {", ".join(can)}'))
        return found

    def before_venue(self, request: Request) -> Refusal | None:
        return Refusal(code=RefusalCode(self.reason), message=_WORDS[self.reason])
