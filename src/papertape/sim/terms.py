"""What a venue checks of an order's end and of its stop: every answer names what was asked and what the rule is.

The rules and their names are Coinbase's (Create Order, `preview_failure_reason`); where the tape has told of no trade yet nobody knows a
last price, and none is held against an order.
"""

from __future__ import annotations

from collections.abc import Callable

from papertape.model.event import Side
from papertape.model.instrument import Instrument
from papertape.model.order import NewOrder, OrderType, StopDirection, TimeInForce
from papertape.model.phase import Phase
from papertape.model.request import RefusalCode
from papertape.model.units import Nanos, plain
from papertape.model.venue import VenueRules
from papertape.sim.checks import Measured, Refused, ticks_of
from papertape.sim.conditions import direction_of


def check_terms(
    wanted: NewOrder, measured: Measured, it: Instrument, rules: VenueRules, last_ticks: Callable[[], int | None], now_ns: Nanos
) -> None:
    """Check what an order waits for besides the market, or raise `Refused`.

    Args:
        last_ticks: tells the last trade's price, None where there was none; asked for orders with a stop only.
        now_ns: venue clock.
    """
    for extra in wanted.extras:
        if extra not in rules.offers:
            raise Refused(RefusalCode.UNSUPPORTED, f"{rules.name} does not offer {extra} orders")
    if (wanted.time_in_force is TimeInForce.GTD) is (wanted.expires_ns is None):
        raise Refused(RefusalCode.INVALID, "a GTD order needs the time of its end, and no other has one")
    if wanted.expires_ns is not None and wanted.expires_ns <= now_ns:
        raise Refused(RefusalCode.END_IS_PAST, f"{it.symbol}: the end at {wanted.expires_ns} ns is not after {now_ns} ns, which is now")
    if wanted.trigger_price is None and wanted.stop_loss_price is None:
        if wanted.stop_direction is not None:
            raise Refused(RefusalCode.INVALID, "a stop direction without a stop price")
        return
    if wanted.type is not OrderType.LIMIT or not wanted.time_in_force.rests or wanted.post_only:
        raise Refused(RefusalCode.INVALID, "an order with a stop is a limit order that rests, and not post-only")
    assert measured.limit_ticks is not None
    if wanted.trigger_price is None:
        _check_bracket(wanted, measured.limit_ticks, it, last_ticks())
    elif wanted.stop_loss_price is not None:
        raise Refused(RefusalCode.INVALID, "an order has a trigger price or a stop-loss price, not both")
    else:
        _check_stop(wanted, measured.limit_ticks, it, last_ticks())


def check_phase(wanted: NewOrder, phase: Phase, *, would_take: bool) -> None:
    """Check that a market in such a phase takes an order, or raise `Refused`; `would_take`: if orders matched now."""
    if not phase.takes(wanted):
        raise Refused(RefusalCode.TRADING_DISABLED, phase.words)
    if would_take and wanted.post_only and not phase.matches:
        raise Refused(RefusalCode.POST_ONLY_WOULD_TAKE, f"{wanted.symbol}: post-only {wanted.side} would take once orders match again")


def _check_stop(wanted: NewOrder, limit_ticks: int, it: Instrument, last_ticks: int | None) -> None:
    ticks = ticks_of(wanted.trigger_price, it, "trigger price")
    direction = direction_of(wanted.side, wanted.stop_direction)
    if wanted.side is Side.BUY and ticks > limit_ticks:
        raise Refused(RefusalCode.STOP_ABOVE_LIMIT, f"{it.symbol}: the limit of a buy must be at its stop or above")
    if wanted.side is Side.SELL and ticks < limit_ticks:
        raise Refused(RefusalCode.STOP_BELOW_LIMIT, f"{it.symbol}: the limit of a sell must be at its stop or below")
    if last_ticks is None:
        return
    last = plain(it.price(last_ticks))
    if direction is StopDirection.DOWN and ticks >= last_ticks:
        raise Refused(RefusalCode.STOP_ABOVE_LAST, f"{it.symbol}: the last trade, at {last}, has reached that stop already")
    if direction is StopDirection.UP and ticks <= last_ticks:
        raise Refused(RefusalCode.STOP_BELOW_LAST, f"{it.symbol}: the last trade, at {last}, has reached that stop already")


def _check_bracket(wanted: NewOrder, limit_ticks: int, it: Instrument, last_ticks: int | None) -> None:
    if wanted.side is not Side.SELL or wanted.stop_direction is not None:
        raise Refused(RefusalCode.BRACKET_SIDE, "a bracket sells, and its stop is below")
    ticks = ticks_of(wanted.stop_loss_price, it, "stop-loss price")
    if ticks >= limit_ticks or (last_ticks is not None and not ticks < last_ticks < limit_ticks):
        last = "" if last_ticks is None else f", at {plain(it.price(last_ticks))}"
        raise Refused(RefusalCode.BRACKET_PRICES, f"{it.symbol}: a bracket's stop is below the last trade{last}, and its limit above")
