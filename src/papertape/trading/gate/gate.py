"""What may be sent to a venue where the money is real: a plain machine that is told what was sent and what came of it, and says yes or no.

It keeps its own count, from the venue's words about the orders that it let through: how far the holding has moved since arming, what open
orders could still add to that, what was lost today, and how many orders went out within a minute. Whatever it cannot judge it refuses.
Cancels always pass: they can only make what is at stake smaller.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from papertape.model.event import Side
from papertape.model.order import NewOrder, Order
from papertape.model.request import Op, Request
from papertape.model.units import EXACT, SECOND, Nanos, plain
from papertape.session.spec import Quantity
from papertape.trading.config import Limits

MINUTE_NS: Final = 60 * SECOND
DAY_NS: Final = 24 * 60 * MINUTE_NS


class Passed(msgspec.Struct, kw_only=True):
    """One order that the gate let through, as far as the venue has told of it.

    Attributes:
        left: base that may still be executed; all of it until the venue says otherwise.
        worth: quote that this may cost.
    """

    symbol: str
    side: Side
    left: Decimal
    worth: Decimal
    filled: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    is_over: bool = False


class Gate:
    """Decides. Every method is told what time it is, in nanoseconds since 1970-01-01 UTC.

    Attributes:
        halted: why nothing more may be sent but cancels; empty while it may.
        prices: the last price of each symbol, quote.
    """

    def __init__(self, limits: Limits) -> None:
        self.halted = ""
        self.prices: dict[str, Decimal] = {}
        self._limits = limits
        self._passed: dict[str, Passed] = {}
        self._sent: deque[Nanos] = deque()
        self._moved: dict[str, Decimal] = {}  # what fills have done to each currency, fees included
        self._held: dict[str, Decimal] = {}  # base bought less sold, by symbol
        self._cash = Decimal(0)  # quote that fills brought less what they cost
        self._day = -1
        self._opening = Decimal(0)  # what it was all worth as this day began

    # What happened

    def sent(self, request: Request, now_ns: Nanos) -> None:
        """A request was let through."""
        if request.op is Op.ORDER_CANCEL or request.order is None:
            return
        self._sent.append(now_ns)
        key = request.client_order_id
        known = self._passed.get(key)
        if known is None or request.op is Op.ORDER_EDIT:
            amount, worth = self._size(request.order)
            if known is None:
                self._passed[key] = Passed(symbol=request.order.symbol, side=request.order.side, left=amount, worth=worth)
            else:  # whichever of the two is more: nobody knows yet whether the venue takes the edit
                known.left, known.worth = max(known.left, amount - known.filled), max(known.worth, worth)

    def heard(self, order: Order, now_ns: Nanos) -> bool:
        """The venue told how an order stands; whether it is one of ours and that is news. What is older than what is known is no news."""
        ours = self._passed.get(order.client_order_id)
        if ours is None or order.filled < ours.filled or (ours.is_over and order.filled == ours.filled):
            return False
        base, quote = order.symbol.split("/")[0], order.symbol.split("/")[1].split(":")[0]
        sign = 1 if order.side is Side.BUY else -1
        amount, cost = EXACT.subtract(order.filled, ours.filled), EXACT.subtract(order.cost, ours.cost)
        paid = EXACT.subtract(order.fee, ours.fee)
        if not amount and not cost and not paid and ours.is_over == order.status.is_final:
            return False
        if amount:
            self.prices[order.symbol] = cost / amount
        self._move(base, sign * amount)
        self._move(quote, -sign * cost - paid)
        self._held[order.symbol] = self._held.get(order.symbol, Decimal(0)) + sign * amount
        self._cash += -sign * cost - paid
        ours.filled, ours.cost, ours.fee, ours.is_over = order.filled, order.cost, order.fee, order.status.is_final
        if order.amount:
            ours.left = max(Decimal(0), EXACT.subtract(order.amount, order.filled))
        if ours.is_over:
            ours.left = ours.worth = Decimal(0)
        return True

    def armed(self) -> None:
        """The bot was armed anew: what moved and what was lost count from here, a halt is lifted; open orders still count."""
        self.halted = ""
        self._passed = {key: each for key, each in self._passed.items() if not each.is_over}
        self._moved, self._held, self._cash = {}, {}, Decimal(0)
        self._day, self._opening = -1, Decimal(0)

    def priced(self, symbol: str, price: Decimal) -> None:
        """Something was traded at that price."""
        self.prices[symbol] = price

    def halt(self, why: str) -> None:
        """Nothing more, but cancels."""
        self.halted = self.halted or why

    # What is asked

    def unknown(self, request: Request) -> str:
        """What is not known that would have to be, for this to be sent, in words; empty if all is."""
        order = request.order
        if request.op is Op.ORDER_CANCEL:
            return ""
        if order is None or not request.client_order_id:
            return "it does not say which order it is about"
        base, _, quote = order.symbol.partition("/")
        quote, limits = quote.split(":")[0], self._limits
        if quote != limits.order_notional.currency or quote != limits.daily_loss.currency:
            return f"order_notional and daily_loss must be in {quote} to say anything of {order.symbol}"
        if limits.position.currency not in (base, quote):
            return f"position is in {limits.position.currency}, so it says nothing of {order.symbol}"
        if order.price is None and order.symbol not in self.prices:
            return f"nothing of {order.symbol} was heard yet, so nobody knows what a market order there is worth"
        if self._worth() is None:
            return "what is held cannot be valued, as nothing of its market was heard yet"
        return ""

    def breach(self, request: Request, now_ns: Nanos) -> str:
        """Which limit this would break, in words; empty if none. All that must be is known."""
        order = request.order
        if request.op is Op.ORDER_CANCEL or order is None:
            return ""
        again = request.op is Op.ORDER_CREATE and request.client_order_id in self._passed
        return self._too_many(now_ns) or ("" if again else self._too_large(order) or self._too_far(request, order)) or self.loss(now_ns)

    def loss(self, now_ns: Nanos) -> str:
        """Whether more was lost today than may be, in words; empty if not, or if what is held cannot be valued yet."""
        limit = self._limits.daily_loss
        worth = self._worth()
        if worth is None:
            return ""
        day = now_ns // DAY_NS
        if day != self._day:
            self._day, self._opening = day, worth
        lost = self._opening - worth
        return f"{plain(_cents(lost))} {limit.currency} were lost today, and daily_loss is {_said(limit)}" if lost > limit.amount else ""

    def standing(self) -> dict[str, Any]:
        """For the log: what a restart cannot find out from what was sent and heard."""
        return {"day": self._day, "opening": plain(self._opening)}

    def resume(self, standing: Mapping[str, Any]) -> None:
        """Take that up again."""
        self._day, self._opening = standing["day"], Decimal(standing["opening"])

    # Each limit

    def _too_many(self, now_ns: Nanos) -> str:
        while self._sent and self._sent[0] <= now_ns - MINUTE_NS:
            self._sent.popleft()
        limit = self._limits.orders_per_minute
        return f"{len(self._sent)} orders were sent within a minute, and orders_per_minute is {limit}" if len(self._sent) >= limit else ""

    def _too_large(self, order: NewOrder) -> str:
        limit = self._limits.order_notional
        _, worth = self._size(order)
        return f"it is worth {plain(_cents(worth))} {limit.currency}, and order_notional is {_said(limit)}" if worth > limit.amount else ""

    def _too_far(self, request: Request, order: NewOrder) -> str:
        """How far the holding could move at worst: all that is open is filled, and this too, on the one side or the other."""
        limit = self._limits.position
        more = less = self._moved.get(limit.currency, Decimal(0))
        pending = {key: each for key, each in self._passed.items() if not each.is_over}
        amount, worth = self._size(order)
        pending[request.client_order_id] = Passed(symbol=order.symbol, side=order.side, left=amount, worth=worth)
        for each in pending.values():
            at_stake = each.left if each.symbol.partition("/")[0] == limit.currency else each.worth
            gains = (each.side is Side.BUY) == (each.symbol.partition("/")[0] == limit.currency)
            more, less = (more + at_stake, less) if gains else (more, less - at_stake)
        worst = max(more, -less)
        return f"the holding could move by {plain(worst)} {limit.currency}, and position is {_said(limit)}" if worst > limit.amount else ""

    def _size(self, order: NewOrder) -> tuple[Decimal, Decimal]:
        """What an order may execute at most, base, and what that is worth, quote."""
        price = order.price if order.price is not None else self.prices.get(order.symbol, Decimal(0))
        if order.cost is not None:
            return (order.cost / price if price else Decimal(0)), order.cost
        amount = order.amount or Decimal(0)
        return amount, amount * price

    def _worth(self) -> Decimal | None:
        """What all that moved since arming is worth in quote; None where a price is missing."""
        total = self._cash
        for symbol, held in self._held.items():
            if held:
                if symbol not in self.prices:
                    return None
                total += held * self.prices[symbol]
        return total

    def _move(self, currency: str, amount: Decimal) -> None:
        self._moved[currency] = self._moved.get(currency, Decimal(0)) + amount


def _said(quantity: Quantity) -> str:
    return f"{plain(quantity.amount)} {quantity.currency}"


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))
