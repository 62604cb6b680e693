"""The best levels of a book after each of some rows that change it, worked out for all of them at once.

Each row holds its price from there on until the next row of that price; so does each level that was there before, from the beginning. The
best price after a row is the best of those that hold then. Laid over each other as a sparse table lays intervals, by powers of two, that
takes a few steps over whole columns, however the best moved meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from papertape.model.band import Band
from papertape.model.ladder import merged
from papertape.model.stretch import BID, Held, Tops

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.int64]

NEXT: Final = 512
"""So many rows are looked at first, for one that is not far."""

NEAR_MAX: Final = 256
"""So many of a side's best levels are looked through for one that stays as it is."""


def tops_of(begin: int, sides: Any, prices: Column, lots: Column, bids: Held, asks: Held) -> Tops:
    """The best levels after each row, of which `begin` is the first one's number; before it the book holds `bids` and `asks`.

    Args:
        sides: 1 for bids, any other but 0 for asks.
    """
    import numpy as np

    count = len(prices)
    best = []
    for rows, held, sign in ((np.nonzero(sides == BID)[0], bids, 1), (np.nonzero(sides > BID)[0], asks, -1)):
        best += _best(count, rows, prices[rows] * sign, lots[rows], _levels(held, sign), sign)
    return Tops(begin, begin + count, *best)


def first_outside(tops: Tops, begin: int, band: Band) -> int:
    """See `model.stretch.Columns.outside`."""
    import numpy as np

    for low, high in ((begin, begin + NEXT), (begin + NEXT, tops.end)):  # a market that moves need not be looked through to its end
        part = slice(low - tops.begin, high - tops.begin)
        bids, asks = np.asarray(tops.bids[part]), np.asarray(tops.asks[part])
        is_outside = (bids < band.bid_low) | (bids > band.bid_high) | (asks < band.ask_low) | (asks > band.ask_high)
        is_outside |= (np.asarray(tops.bid_lots[part]) == 0) | (np.asarray(tops.ask_lots[part]) == 0)
        if is_outside.any():
            return low + int(is_outside.argmax())
    return tops.end - 1


def _levels(held: Held, sign: int) -> tuple[Column, Column]:
    import numpy as np

    levels = merged(held)
    prices, lots = (np.fromiter(each, np.int64, len(levels)) for each in (levels, levels.values()))
    return prices[lots > 0] * sign, lots[lots > 0]


def _best(count: int, rows: Any, prices: Column, lots: Column, before: tuple[Column, Column], sign: int) -> list[Sequence[int]]:
    """Prices and lots of the highest price after each of `count` rows, of which `rows` change that side."""
    import numpy as np

    held, held_lots = before
    least = _stays(held, prices)
    if least is not None:  # what is worse than a level that stays is never the best
        is_near, is_held_near = prices >= least, held >= least
        rows, prices, lots, held, held_lots = rows[is_near], prices[is_near], lots[is_near], held[is_held_near], held_lots[is_held_near]
    if not len(held) + len(rows):
        return [np.zeros(count, np.int64).data] * 2
    # Only those rows that may move it count as steps, the first of which is how it stood before.
    steps = np.zeros(count, np.int64)
    steps[rows] = 1
    starts = np.concatenate((np.zeros(len(held), np.int64), np.arange(1, len(rows) + 1)))
    prices, lots = np.concatenate((held, prices)), np.concatenate((held_lots, lots))
    order = np.argsort(prices, kind="stable")
    prices, lots, starts = prices[order], lots[order], starts[order]
    ends = np.full(len(starts), len(rows) + 1)
    is_followed = prices[1:] == prices[:-1]
    ends[:-1][is_followed] = starts[1:][is_followed]
    top = _highest(len(rows) + 1, starts, ends, np.nonzero((lots > 0) & (ends > starts))[0])
    is_there = top >= 0
    steps = np.cumsum(steps)
    return [np.where(is_there, each, 0)[steps].data for each in (prices[top] * sign, lots[top])]


def _stays(held: Column, changed: Column) -> int | None:
    """The highest price held that none of those changes; None where that is not among the best."""
    import numpy as np

    near = np.sort(held)[-NEAR_MAX:]
    stays = near[~np.isin(near, changed[changed >= near[0]])] if len(near) else near
    return int(stays[-1]) if len(stays) else None


def _highest(count: int, starts: Column, ends: Column, numbers: Column) -> Column:
    """The highest of those `numbers` whose interval, from start up to, not including, end, covers each place; -1 where there is none."""
    import numpy as np

    starts, ends = starts[numbers], ends[numbers]
    powers = np.frexp(ends - starts)[1] - 1
    found = np.full(count, -1, np.int64)
    for power in range(int(powers.max(initial=0)), -1, -1):  # an entry stands for 2 ** power places, from its own on
        if power < int(powers.max(initial=0)):
            width = 1 << power
            found[width:] = np.maximum(found[width:], found[:-width])
        its = powers == power
        np.maximum.at(found, starts[its], numbers[its])
        np.maximum.at(found, ends[its] - (1 << power), numbers[its])
    return found
