"""The venue's own books, gone over by someone who did not keep them.

A wrong fill or a forgotten fee in the simulator would be believed by everybody who trusts it, so every run ends with this: the sums are
made again from the fills alone, with arithmetic that shares nothing with the matcher and the ledger.
"""

from __future__ import annotations

from decimal import Decimal

from papertape.model.event import Side
from papertape.model.order import Fill, Liquidity, Order
from papertape.model.units import EXACT, HOUR, plain
from papertape.model.view import Truth
from papertape.sim.fees.base import FeeModel, rates_at

ZERO = Decimal(0)


def audit(truth: Truth, fees: FeeModel) -> list[str]:
    """One sentence for each thing that cannot have happened; empty if the books are right."""
    orders = {order.id: order for order in truth.orders}
    problems = []
    rates: dict[int, FeeModel] = {}  # by the hour in which an order was placed
    filled: dict[str, Decimal] = {}
    for place, fill in enumerate(truth.fills):
        order = orders.get(fill.order_id)
        if order is None:
            problems.append(f"fill {fill.trade_id} is for order {fill.order_id}, which there is not")
            continue
        hour = order.created_ns // HOUR
        rates[hour] = rates.get(hour) or rates_at(fees, truth.fills, order.created_ns)
        problems += _check_fill(fill, order, _limit_at(truth, order, place), rates[hour])
        filled[order.id] = EXACT.add(filled.get(order.id, ZERO), fill.amount)
    for order in truth.orders:
        done = filled.get(order.id, ZERO)
        if done != order.filled:
            problems.append(f"order {order.id} says {plain(order.filled)} is filled; its fills sum to {plain(done)}")
        if order.filled > order.amount and order.amount:
            problems.append(f"order {order.id} for {plain(order.amount)} is filled {plain(order.filled)}")
    return problems + _check_balances(truth)


def _limit_at(truth: Truth, order: Order, place: int) -> Decimal | None:
    """The limit that an order had when the fill at `place` was made; an order shows its last one."""
    moves = [move for move in truth.moves if move.order_id == order.id]
    last = order.price if not moves or moves[-1].since is None else moves[-1].since
    return next((move.before for move in moves if move.after_fills > place), last)


def _check_fill(fill: Fill, order: Order, limit: Decimal | None, fees: FeeModel) -> list[str]:
    problems = []
    if limit is not None:
        is_beyond = fill.price > limit if order.side is Side.BUY else fill.price < limit
        if is_beyond:
            problems.append(f"fill {fill.trade_id}: {order.side} at {plain(fill.price)}, beyond the limit {plain(limit)}")
    if fill.side is not order.side or fill.amount <= 0:
        problems.append(f"fill {fill.trade_id}: {fill.side} {plain(fill.amount)} for an order to {order.side}")
    if order.post_only and fill.liquidity is Liquidity.TAKER:
        problems.append(f"fill {fill.trade_id}: order {order.id} is post-only, and took")
    cost = EXACT.multiply(fill.price, fill.amount)
    if fill.cost != cost:
        problems.append(f"fill {fill.trade_id} cost {plain(fill.cost)}; {plain(fill.amount)} at {plain(fill.price)} is {plain(cost)}")
    fee = EXACT.divide(EXACT.multiply(cost, fees.bps(fill.liquidity)), Decimal(10_000))
    if fill.fee != fee:
        problems.append(f"fill {fill.trade_id} paid a fee of {plain(fill.fee)}; {fill.liquidity} for {plain(cost)} pays {plain(fee)}")
    return problems


def _check_balances(truth: Truth) -> list[str]:
    moved: dict[str, Decimal] = {}
    for fill in truth.fills:
        base, quote = fill.symbol.split("/")[0], fill.symbol.split("/")[1].split(":")[0]
        paid = fill.cost if fill.side is Side.BUY else fill.cost.copy_negate()
        moved[base] = EXACT.add(moved.get(base, ZERO), fill.moved)
        moved[quote] = EXACT.subtract(moved.get(quote, ZERO), EXACT.add(paid, fill.fee))
    problems = []
    for currency in {**truth.opening.currencies, **moved}:
        opening, closing = truth.opening[currency], truth.balances[currency]
        expected = EXACT.add(opening.total, moved.get(currency, ZERO))
        if closing.total != expected:
            problems.append(f"the account ends with {plain(closing.total)} {currency}; its fills and fees leave {plain(expected)}")
        if closing.free < 0 or closing.used < 0:
            problems.append(
                f"the account has {plain(closing.free)} {currency} free and {plain(closing.used)} held; neither can be below zero"
            )
        if closing.used and all(order.status.is_final for order in truth.orders):
            problems.append(f"{plain(closing.used)} {currency} is held, and no order is open")
    return problems
