"""What may be sent to a venue where the money is real: a plain machine that is told what was sent and what came of it, and says yes or no.

It keeps its own count, from the venue's words about the orders that it let through: how far the holding has moved since arming, what open
orders could still add to that, what was lost today, and how many orders went out within a minute. Whatever it cannot judge it refuses.
Cancels always pass: they can only make what is at stake smaller.

A sale is worth what its market pays, however low its own price: it executes there. A purchase is worth no more than its price. What a stop
or a bracket may come to counts from the start, as if it had been set off.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from decimal import Context, Decimal
from typing import Any, Final

import msgspec

from papertape.model.event import Side
from papertape.model.order import NewOrder, Order
from papertape.model.request import Op, Request
from papertape.model.units import EXACT, SECOND, Nanos, plain
from papertape.session.spec import Quantity
from papertape.trading.config import Limits
from papertape.trading.gate.plainness import why_not_plain
from papertape.trading.gate.stake import Passed, Stake

MINUTE_NS: Final = 60 * SECOND
DAY_NS: Final = 24 * 60 * MINUTE_NS

PRICE_WITHIN_NS: Final[Nanos] = 10 * SECOND
"""How old a market's last price may be that an order, or what is held, is valued by."""

_CENTS: Final = Context(prec=60)  # not the current one, which is the bot's to change


class Price(msgspec.Struct, frozen=True, gc=False):
    """What a market was at, quote, and when that was heard."""

    at: Decimal
    heard_ns: Nanos


class Gate:
    """Decides. Every method is told what time it is, in nanoseconds since 1970-01-01 UTC.

    Attributes:
        halted: why nothing more may be sent but cancels; empty while it may.
        prices: the last price of each symbol.
    """

    def __init__(self, limits: Limits) -> None:
        self.halted = ""
        self.prices: dict[str, Price] = {}
        self._limits = limits
        self._passed: dict[str, Passed] = {}
        self._stake = Stake(limits.position.currency)
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
        amount, price = self._size(request.order)
        if known is None:
            self._passed[key] = known = Passed(order=request.order, left=amount, price=price)
        elif request.op is Op.ORDER_EDIT:  # whichever of the two is more: nobody knows yet whether the venue takes the edit
            known.left, known.price = max(known.left, EXACT.subtract(amount, known.filled)), max(known.price, price)
        elif known.is_over:
            known.order, known.left, known.price, known.is_over = request.order, amount, price, False
        known.sendings += request.op is Op.ORDER_CREATE
        self._stake.note(key, known)

    def declined(self, client_order_id: str) -> bool:
        """A request to create an order certainly came to nothing; whether that is the end of it. One of an earlier sending may live."""
        ours = self._passed.get(client_order_id)
        if ours is None or ours.sendings != 1 or ours.updated_ns or ours.is_over:
            return False
        ours.left, ours.is_over, ours.sendings = Decimal(0), True, 0
        self._stake.note(client_order_id, ours)
        return True

    def heard(self, order: Order, now_ns: Nanos) -> bool:
        """The venue told how an order stands; whether it is one of ours and that is news. What is older than what is known is no news."""
        ours = self._passed.get(order.client_order_id)
        if ours is None or order.filled < ours.filled:
            return False
        is_back = ours.is_over and not order.status.is_final and order.updated_ns > ours.updated_ns
        if ours.is_over and order.filled == ours.filled and not is_back:
            return False
        ours.order_id, ours.updated_ns = order.id, max(ours.updated_ns, order.updated_ns)
        base, quote = order.symbol.split("/")[0], order.symbol.split("/")[1].split(":")[0]
        sign = 1 if order.side is Side.BUY else -1
        amount, cost = EXACT.subtract(order.filled, ours.filled), EXACT.subtract(order.cost, ours.cost)
        paid = EXACT.subtract(order.fee, ours.fee)
        if not amount and not cost and not paid and ours.is_over == order.status.is_final:
            return False
        brought = EXACT.subtract(EXACT.multiply(-sign, cost), paid)
        self._move(base, EXACT.multiply(sign, amount))
        self._move(quote, brought)
        self._held[order.symbol] = EXACT.add(self._held.get(order.symbol, Decimal(0)), EXACT.multiply(sign, amount))
        self._cash = EXACT.add(self._cash, brought)
        ours.filled, ours.cost, ours.fee, ours.is_over = order.filled, order.cost, order.fee, order.status.is_final
        if ours.is_over:
            ours.left = Decimal(0)
        elif order.amount:
            ours.left = max(Decimal(0), EXACT.subtract(order.amount, order.filled))
        self._stake.note(order.client_order_id, ours)
        return True

    def armed(self, still_open: Collection[str] | None = None) -> None:
        """The bot was armed anew: what moved and what was lost count from here, a halt is lifted; open orders still count.

        Args:
            still_open: client order ids of those that were open at the venue; None where nobody asked it.
        """
        self.halted = ""
        left = {key: each for key, each in self._passed.items() if not each.is_over}
        self._passed = {key: each for key, each in left.items() if still_open is None or key in still_open}
        self._stake.restart()
        for key, each in self._passed.items():
            self._stake.note(key, each)
        self._moved, self._held, self._cash = {}, {}, Decimal(0)
        self._day, self._opening = -1, Decimal(0)

    def priced(self, symbol: str, price: Decimal, now_ns: Nanos) -> None:
        """That is what a market is at."""
        self.prices[symbol] = Price(price, now_ns)

    def halt(self, why: str) -> None:
        """Nothing more, but cancels."""
        self.halted = self.halted or why

    # What is asked

    def unpriced(self, request: Request, now_ns: Nanos) -> list[str]:
        """Markets whose price must be known before this is judged, and was not heard of late."""
        order = request.order
        if request.op is Op.ORDER_CANCEL or order is None:
            return []
        needed = [symbol for symbol, held in self._held.items() if held]
        if order.price is None or order.side is Side.SELL:
            needed.append(order.symbol)
        return [symbol for symbol in dict.fromkeys(needed) if not self._is_fresh(symbol, now_ns)]

    def unknown(self, request: Request, now_ns: Nanos) -> str:
        """What is not known that would have to be, for this to be sent, in words; empty if all is."""
        order = request.order
        if request.op is Op.ORDER_CANCEL:
            return ""
        if order is None or not request.client_order_id:
            return "it does not say which order it is about"
        why = why_not_plain(request, order) or self._not_that_order(request, order)
        if why:
            return why
        base, _, quote = order.symbol.partition("/")
        limits = self._limits
        if quote != limits.order_notional.currency or quote != limits.daily_loss.currency:
            return f"order_notional and daily_loss must be in {quote} to say anything of {order.symbol}"
        if limits.position.currency not in (base, quote):
            return f"position is in {limits.position.currency}, so it says nothing of {order.symbol}"
        for symbol in self.unpriced(request, now_ns):
            if symbol == order.symbol and (order.price is None or order.side is Side.SELL):
                what = "a market order" if order.price is None else "a sale"
                return f"nothing of {symbol} was heard of late, so nobody knows what {what} there is worth"
            return f"what is held cannot be valued, as nothing of {symbol} was heard of late"
        return ""

    def breach(self, request: Request, now_ns: Nanos) -> str:
        """Which limit this would break, in words; empty if none. All that must be is known."""
        order = request.order
        if request.op is Op.ORDER_CANCEL or order is None:
            return ""
        known = self._passed.get(request.client_order_id)
        again = request.op is Op.ORDER_CREATE and known is not None and not known.is_over  # the very same, or it would not be known
        return self._too_many(now_ns) or ("" if again else self._too_large(order) or self._too_far(request, order)) or self.loss(now_ns)

    def loss(self, now_ns: Nanos) -> str:
        """Whether more was lost today than may be, in words; empty if not, or if what is held cannot be valued yet."""
        limit = self._limits.daily_loss
        worth = self._worth()
        if worth is None:
            return ""
        day = now_ns // DAY_NS
        if day > self._day:
            self._day, self._opening = day, worth
        lost = EXACT.subtract(self._opening, worth)
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
        amount, price = self._size(order)
        worth = Passed(order=order, left=amount, price=price).worth
        return f"it is worth {plain(_cents(worth))} {limit.currency}, and order_notional is {_said(limit)}" if worth > limit.amount else ""

    def _too_far(self, request: Request, order: NewOrder) -> str:
        """How far the holding could move at worst: all that is open is filled, and this too, on the one side or the other."""
        limit = self._limits.position
        moved = self._moved.get(limit.currency, Decimal(0))
        amount, price = self._size(order)
        known = self._passed.get(request.client_order_id)
        if known is not None and not known.is_over:  # an edit; until the venue has spoken it may be as it was
            amount, price = max(known.left, EXACT.subtract(amount, known.filled)), max(known.price, price)
        up, down = self._stake.instead(request.client_order_id, Passed(order=order, left=amount, price=price))
        worst = max(EXACT.add(moved, up), EXACT.subtract(down, moved))
        return f"the holding could move by {plain(worst)} {limit.currency}, and position is {_said(limit)}" if worst > limit.amount else ""

    def _size(self, order: NewOrder) -> tuple[Decimal, Decimal]:
        """What an order may execute at most, base, and the most that each of it is worth, quote."""
        price = order.price or Decimal(0)
        last = self.prices.get(order.symbol)
        if last is not None and (order.price is None or order.side is Side.SELL):
            price = max(price, last.at)
        if order.trigger_price is not None and order.side is Side.SELL:
            price = max(price, order.trigger_price)  # one that sells on the way up meets the market there
        if order.cost is not None:
            return (EXACT.divide(order.cost, price) if price else Decimal(0)), price
        return order.amount or Decimal(0), price

    def _not_that_order(self, request: Request, order: NewOrder) -> str:
        """Why a request is not about the order whose name it bears; empty if it is."""
        known = self._passed.get(request.client_order_id)
        if request.op is Op.ORDER_CREATE:
            is_other = known is not None and not known.is_over and known.order != order
            return (
                f"{request.client_order_id} is the client order id of another order, which was let through and is not over"
                if is_other
                else ""
            )
        if known is None or known.is_over or (order.symbol, order.side) != (known.order.symbol, known.order.side):
            return f"{request.client_order_id} is no open order that was let through, so nobody knows what changing it comes to"
        if request.order_id not in ("", known.order_id):
            return f"{request.client_order_id} is order {known.order_id or 'without a name yet'} at the venue, not {request.order_id}"
        return ""

    def _is_fresh(self, symbol: str, now_ns: Nanos) -> bool:
        last = self.prices.get(symbol)
        return last is not None and now_ns - last.heard_ns < PRICE_WITHIN_NS

    def _worth(self) -> Decimal | None:
        """What all that moved since arming is worth in quote; None where a price is missing."""
        total = self._cash
        for symbol, held in self._held.items():
            if held:
                if symbol not in self.prices:
                    return None
                total = EXACT.add(total, EXACT.multiply(held, self.prices[symbol].at))
        return total

    def _move(self, currency: str, amount: Decimal) -> None:
        self._moved[currency] = EXACT.add(self._moved.get(currency, Decimal(0)), amount)


def _said(quantity: Quantity) -> str:
    return f"{plain(quantity.amount)} {quantity.currency}"


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), context=_CENTS)
