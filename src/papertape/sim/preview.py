"""What an order would come to, without placing it."""

from __future__ import annotations

from decimal import Decimal
from functools import reduce
from typing import Final

from papertape.model.event import Side
from papertape.model.order import Liquidity, Preview
from papertape.model.units import EXACT
from papertape.sim.ledger import MONEY
from papertape.sim.order import LiveOrder
from papertape.sim.taking import Taking

SLIPPAGE_STEP: Final = Decimal("1e-8")


def foreseen(order: LiveOrder, limit_ticks: int | None, left_lots: int, taking: Taking) -> Preview:
    """The preview of an order that is about to execute `left_lots`.

    Args:
        order: whose side, instrument and rates count.
        limit_ticks: its limit; None for a market order, of which only what it takes is foreseen.
        left_lots: what is left to execute.
        taking: what it would take at once.
    """
    it = order.instrument
    taken = reduce(MONEY.add, (it.cost(ticks, lots) for ticks, lots in taking.levels), Decimal(0))
    rest_lots = 0 if limit_ticks is None else left_lots - taking.lots
    rest = it.cost(limit_ticks or 0, rest_lots)
    return Preview(
        side=order.side,
        amount=it.amount(taking.lots + rest_lots),
        cost=MONEY.add(taken, rest),
        fee=MONEY.add(order.rates.fee(taken, Liquidity.TAKER), order.rates.fee(rest, Liquidity.MAKER)),
        slippage=_slippage(order, taken, taking),
    )


def _slippage(order: LiveOrder, taken: Decimal, taking: Taking) -> Decimal:
    if not taking.levels:
        return Decimal(0)
    at_best = order.instrument.cost(taking.levels[0][0], taking.lots)
    worse = MONEY.subtract(taken, at_best) if order.side is Side.BUY else MONEY.subtract(at_best, taken)
    return EXACT.quantize(EXACT.divide(worse, at_best), SLIPPAGE_STEP)
