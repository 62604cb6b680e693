"""From what a bot wrote to an order that the venue could take; what it could not take never leaves."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from papertape.exchanges.base import Number
from papertape.model.errors import BadSymbol, InvalidOrder, NotSupported, as_never_sent
from papertape.model.event import Side
from papertape.model.instrument import Instrument
from papertape.model.order import NewOrder, OrderType, StopDirection, TimeInForce
from papertape.model.units import Nanos, exact, plain
from papertape.model.venue import VenueRules


def draft(
    instruments: Mapping[str, Instrument],
    symbol: str,
    type: str,
    side: str,
    amount: Number | None,
    price: Number | None,
    *,
    time_in_force: str = "GTC",
    cost: Number | None = None,
    post_only: bool = False,
    expires_at: Nanos | None = None,
    trigger_price: Number | None = None,
    stop_direction: str | None = None,
    stop_loss_price: Number | None = None,
    now_ns: Nanos = 0,
) -> NewOrder:
    """Check and make exact; raises BadSymbol or InvalidOrder saying what was asked and what the rule is.

    `now_ns` is the client's wall clock, nanoseconds since 1970-01-01 UTC.
    """
    instrument = known(instruments, symbol)
    what = f"{symbol} {type} {side}"
    try:
        kind, way, force = OrderType(type), Side(side), TimeInForce(time_in_force)
        direction = None if stop_direction is None else StopDirection(stop_direction)
        quantity, limit, spend, trigger, stop = (
            None if value is None else exact(value) for value in (amount, price, cost, trigger_price, stop_loss_price)
        )
    except ValueError as error:
        raise InvalidOrder(f"{what}, amount {amount}, price {price}, {time_in_force}: {error}") from error
    if kind is OrderType.LIMIT and limit is None:
        raise InvalidOrder(f"{what}: a limit order needs a price")
    if kind is OrderType.MARKET and (limit is not None or post_only):
        raise InvalidOrder(f"{what}: a market order takes no price and cannot be post-only")
    _check_end(what, force, expires_at, now_ns)
    if direction is not None and trigger is None:
        raise InvalidOrder(f"{what}: stop_direction says from which side trigger_price is reached, and there is none")
    if trigger is not None or stop is not None:
        _check_stop(what, instrument, kind, way, force, limit, trigger, stop, post_only=post_only)
    if post_only and not force.rests:
        raise InvalidOrder(f"{what}: post_only and {force} contradict each other")
    if spend is not None and (kind is not OrderType.MARKET or way is not Side.BUY or quantity is not None):
        raise InvalidOrder(f"{what}: cost is for market buys, instead of an amount")
    if spend is None and quantity is None:
        raise InvalidOrder(f"{what}: how much? Neither amount nor cost was given")
    if spend is not None and spend < max(instrument.cost_min, instrument.tick * instrument.lot):
        raise InvalidOrder(f"{what}: cost {plain(spend)} is below the venue's minimum of {plain(instrument.cost_min)} {instrument.quote}")
    if quantity is not None:
        check_amount(instrument, quantity)
    if limit is not None:
        instrument.to_ticks(limit)
    if quantity is not None and limit is not None and quantity * limit < instrument.cost_min:
        value = plain(quantity * limit)
        raise InvalidOrder(f"{what}: worth {value}, below the venue's minimum of {plain(instrument.cost_min)} {instrument.quote}")
    return NewOrder(
        symbol=symbol, type=kind, side=way, amount=quantity, price=limit, cost=spend, time_in_force=force, post_only=post_only,
        expires_ns=expires_at, trigger_price=trigger, stop_direction=direction, stop_loss_price=stop,
    )  # fmt: skip


def _check_end(what: str, force: TimeInForce, expires_at: object, now_ns: Nanos) -> None:
    if (force is TimeInForce.GTD) is (expires_at is None):
        raise InvalidOrder(f"{what}: an order that is GTD needs expires_at, and no other has one")
    if expires_at is None:
        return
    if not isinstance(expires_at, int) or isinstance(expires_at, bool):
        raise InvalidOrder(f"{what}: expires_at holds {expires_at!r}; expected whole nanoseconds since 1970-01-01 UTC")
    if expires_at <= now_ns:
        hint = "; is it in seconds or milliseconds?" if expires_at < now_ns // 1000 else ""
        raise InvalidOrder(f"{what}: expires_at is {expires_at} ns, and it is {now_ns} ns now{hint}")


def _check_stop(
    what: str,
    instrument: Instrument,
    kind: OrderType,
    way: Side,
    force: TimeInForce,
    limit: Decimal | None,
    trigger: Decimal | None,
    stop: Decimal | None,
    *,
    post_only: bool,
) -> None:
    """A stop that makes sense by itself; where the market stands is for the venue to say."""
    if trigger is not None and stop is not None:
        raise InvalidOrder(f"{what}: trigger_price makes a stop-limit order and stop_loss_price a bracket; an order is one of them")
    if kind is not OrderType.LIMIT or limit is None:
        raise InvalidOrder(f"{what}: an order with a stop is a limit order, and needs a price")
    if not force.rests or post_only:
        raise InvalidOrder(f"{what}: an order with a stop is GTC or GTD, and not post-only")
    if trigger is not None:
        instrument.to_ticks(trigger)
        if trigger > limit if way is Side.BUY else trigger < limit:
            word = "or above" if way is Side.BUY else "or below"
            raise InvalidOrder(f"{what}: price {plain(limit)} must be at trigger_price {plain(trigger)} {word}, or it could not fill")
    if stop is not None:
        instrument.to_ticks(stop)
        if way is not Side.SELL or stop >= limit:
            raise InvalidOrder(f"{what}: a bracket sells, with stop_loss_price {plain(stop)} under price {plain(limit)}")


def refuse_unbuilt(**unbuilt: Any) -> None:
    """Say no to what this version cannot do, before anything is sent; silence would be a different order from the one asked for."""
    for name, value in unbuilt.items():
        if value:
            raise NotSupported(f"place_order: {name} is not supported yet; nothing was sent")


def refuse_unoffered(rules: VenueRules, wanted: NewOrder) -> None:
    """Say no to what the venue does not do with orders: a stop that it ignored would be a plain order."""
    for extra in wanted.extras:
        if extra not in rules.offers:
            raise as_never_sent(NotSupported(f"{rules.name} does not offer {extra} orders; nothing was sent"))


def known(instruments: Mapping[str, Instrument], symbol: str) -> Instrument:
    """The instrument of a symbol; raises BadSymbol naming those there are."""
    instrument = instruments.get(symbol)
    if instrument is None:
        names = ", ".join(list(instruments)[:8]) or "none; connect first"
        raise BadSymbol(f'the venue has no market "{symbol}"; it has: {names}')
    return instrument


def check_amount(instrument: Instrument, amount: Decimal) -> None:
    """Raises InvalidOrder for what is off the lot or below the minimum."""
    instrument.to_lots(amount)
    if amount < instrument.amount_min:
        raise InvalidOrder(f"{instrument.symbol}: amount {plain(amount)} is below the venue's minimum of {plain(instrument.amount_min)}")


def new_amount(instrument: Instrument, amount: Number | None) -> Decimal | None:
    """The amount of an edit, checked; None means unchanged."""
    if amount is None:
        return None
    quantity = _number(instrument, "amount", amount)
    check_amount(instrument, quantity)
    return quantity


def new_price(instrument: Instrument, price: Number | None) -> Decimal | None:
    """The price of an edit, checked; None means unchanged."""
    if price is None:
        return None
    limit = _number(instrument, "price", price)
    instrument.to_ticks(limit)
    return limit


def _number(instrument: Instrument, what: str, value: Number) -> Decimal:
    try:
        return exact(value)
    except ValueError as error:
        raise InvalidOrder(f"{instrument.symbol}: {what}: {error}") from error
