"""What a venue checks of an order before it looks at its book: every answer names what was asked and what the rule is."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec

from papertape.model.errors import InvalidOrder
from papertape.model.event import Side
from papertape.model.instrument import Instrument
from papertape.model.order import NewOrder, OrderType, StopDirection, TimeInForce
from papertape.model.request import Refusal, RefusalCode
from papertape.model.units import exact, plain
from papertape.sim.taking import Taking

DIGITS_MAX: Final = 18
"""No venue takes a number with more digits before its point; beyond, sums would no longer be exact."""


class Measured(msgspec.Struct, frozen=True):
    """An order in the instrument's steps: `limit_ticks` None for a market order, `lots` 0 for a market buy by `cost`."""

    limit_ticks: int | None
    lots: int
    cost: Decimal | None = None


class Refused(Exception):
    """Carries a refusal out of a check."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(code=code, message=message)


def typed(wanted: NewOrder) -> NewOrder:
    """The order with its words and numbers checked, for a client may have put anything there."""
    try:
        return msgspec.structs.replace(
            wanted,
            type=OrderType(wanted.type),
            side=Side(wanted.side),
            time_in_force=TimeInForce(wanted.time_in_force),
            amount=None if wanted.amount is None else exact(wanted.amount),
            price=None if wanted.price is None else exact(wanted.price),
            cost=None if wanted.cost is None else exact(wanted.cost),
            trigger_price=None if wanted.trigger_price is None else exact(wanted.trigger_price),
            stop_direction=None if wanted.stop_direction is None else StopDirection(wanted.stop_direction),
            stop_loss_price=None if wanted.stop_loss_price is None else exact(wanted.stop_loss_price),
        )
    except (TypeError, ValueError) as error:
        raise Refused(RefusalCode.INVALID, str(error)) from None


def measure(wanted: NewOrder, it: Instrument) -> Measured:
    """Check an order's shape, steps and minimums, or raise `Refused`."""
    if wanted.type is OrderType.LIMIT:
        return _measure_limit(wanted, it)
    return _measure_market(wanted, it)


def _measure_limit(wanted: NewOrder, it: Instrument) -> Measured:
    if wanted.price is None or wanted.amount is None or wanted.cost is not None:
        raise Refused(RefusalCode.INVALID, "a limit order needs an amount and a price, and no cost")
    if wanted.post_only and not wanted.time_in_force.rests:
        raise Refused(RefusalCode.INVALID, f"a post-only order rests; time in force {wanted.time_in_force} does not let it")
    ticks = _steps(wanted.price, it.to_ticks, RefusalCode.PRICE_OFF_TICK, "price")
    lots = _lots(wanted.amount, it)
    _check_cost(it.cost(ticks, lots), it)
    return Measured(ticks, lots)


def _measure_market(wanted: NewOrder, it: Instrument) -> Measured:
    if wanted.price is not None or wanted.post_only:
        raise Refused(RefusalCode.INVALID, "a market order takes neither a price nor post-only")
    if wanted.cost is not None:
        if wanted.side is not Side.BUY or wanted.amount is not None:
            raise Refused(RefusalCode.INVALID, "a cost is for market buys, and instead of an amount")
        if not _is_sane(wanted.cost) or wanted.cost <= 0:
            raise Refused(RefusalCode.INVALID, f"cost {wanted.cost} is no amount of {it.quote}")
        _check_cost(wanted.cost, it)
        return Measured(None, 0, wanted.cost)
    if wanted.amount is None:
        raise Refused(RefusalCode.INVALID, "a market order needs an amount, or for a buy a cost")
    return Measured(None, _lots(wanted.amount, it))


def check_book(wanted: NewOrder, measured: Measured, taking: Taking, own_best: int | None, it: Instrument) -> None:
    """Check what an order would do to the book before it, or raise `Refused`.

    Args:
        taking: what it would take.
        own_best: the first price of ours on the other side.
    """
    if wanted.post_only and taking.levels:
        text = f"{it.symbol}: post-only {wanted.side} would take at {plain(it.price(taking.levels[0][0]))}"
        raise Refused(RefusalCode.POST_ONLY_WOULD_TAKE, text)
    if wanted.type is OrderType.MARKET:
        if not taking.levels and not taking.is_whole:
            raise Refused(RefusalCode.NO_LIQUIDITY, f"{it.symbol}: there is nothing to {wanted.side}")
        if not taking.levels:
            raise Refused(RefusalCode.AMOUNT_TOO_SMALL, f"{it.symbol}: that buys not even one lot of {plain(it.lot)} {it.base}")
        if measured.lots:
            _check_cost(it.cost(taking.levels[0][0], measured.lots), it)
    if own_best is not None and meets(wanted.side, measured.limit_ticks, taking, own_best):
        raise Refused(RefusalCode.SELF_TRADE, f"{it.symbol}: would trade with our own order at {plain(it.price(own_best))}")


def meets(side: Side, limit_ticks: int | None, taking: Taking, own_best: int | None) -> bool:
    """Whether an order that takes so much gets as far as the first price of ours on the other side, or would rest there."""
    if own_best is None:
        return False
    reach = taking.levels[-1][0] if taking.is_whole else limit_ticks  # a whole taking gets no further
    return reach is None or (reach >= own_best if side is Side.BUY else reach <= own_best)


def ticks_of(price: Decimal | None, it: Instrument, name: str) -> int:
    """Ticks of a price that must be there, or raise `Refused`."""
    if price is None:
        raise Refused(RefusalCode.INVALID, f"{name} is missing")
    return _steps(price, it.to_ticks, RefusalCode.PRICE_OFF_TICK, name)


def _check_cost(cost: Decimal, it: Instrument) -> None:
    if cost < it.cost_min:
        text = f"{it.symbol}: value {plain(cost)} is under the minimum of {plain(it.cost_min)} {it.quote}"
        raise Refused(RefusalCode.COST_TOO_SMALL, text)


def _lots(amount: Decimal, it: Instrument) -> int:
    lots = _steps(amount, it.to_lots, RefusalCode.AMOUNT_OFF_LOT, "amount")
    if amount < it.amount_min:
        text = f"{it.symbol}: amount {plain(amount)} is under the minimum of {plain(it.amount_min)} {it.base}"
        raise Refused(RefusalCode.AMOUNT_TOO_SMALL, text)
    return lots


def _steps(number: Decimal, to_steps: Callable[[Decimal], int], code: RefusalCode, name: str) -> int:
    if not _is_sane(number):
        raise Refused(RefusalCode.INVALID, f"{name} {number} is no number a venue takes")
    try:
        return to_steps(number)
    except InvalidOrder as error:
        raise Refused(code, str(error)) from None


def _is_sane(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DIGITS_MAX and number.adjusted() < DIGITS_MAX
