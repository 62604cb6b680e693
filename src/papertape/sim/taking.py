"""What an arriving order takes of the levels in front of it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from papertape.model.event import Level
from papertape.model.instrument import Instrument
from papertape.sim.fees.base import FeeModel
from papertape.sim.ledger import MONEY


class Taking(msgspec.Struct, frozen=True):
    """Which lots at which level prices, best first; `is_whole` if that is all the order wants."""

    levels: tuple[Level, ...]
    is_whole: bool

    @property
    def lots(self) -> int:
        return sum(lots for _, lots in self.levels)


def take_lots(wanted: int, levels: Iterable[Level]) -> Taking:
    """Take up to `wanted` lots.

    >>> take_lots(5, [(101, 3), (102, 4)])
    Taking(levels=((101, 3), (102, 2)), is_whole=True)
    """
    taken: list[Level] = []
    for ticks, lots in levels:
        if not wanted:
            break
        taken.append((ticks, min(lots, wanted)))
        wanted -= taken[-1][1]
    return Taking(tuple(taken), not wanted)


def take_cost(money: Decimal, levels: Iterable[Level], it: Instrument, fees: FeeModel) -> Taking:
    """Take as many lots as `money` pays for, the worst fee included: a market buy by cost never spends more than its cost."""
    taken: list[Level] = []
    for ticks, lots in levels:
        cost = it.cost(ticks, 1)
        each = MONEY.add(cost, fees.worst(cost))
        affordable = int(MONEY.divide_int(money, each))
        if affordable:
            taken.append((ticks, min(lots, affordable)))
            money = MONEY.subtract(money, MONEY.multiply(each, taken[-1][1]))
        if affordable <= lots:
            return Taking(tuple(taken), True)
    return Taking(tuple(taken), False)
