"""The best levels of a book before some rows that change it and after each, worked out for all of them at once.

Each row holds its price from there on until the next row of that price; so does each level that was there before, from the beginning. The
best price after a row is the best of those that hold then. Laid over each other as a sparse table lays intervals, by powers of two, that
takes a few steps over whole columns, however the best moved meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from papertape.model.band import Band
from papertape.model.event import Level
from papertape.model.stretch import BID, Held, Tops
from papertape.tape.strand import APART_MAX, UNTOLD, last_lots

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.int64]

NEXT: Final = 512
"""So many rows are looked at first, for one that is not far."""

NEAR_MAX: Final = 512
"""So many of a side's best levels are looked through for some that stay as they are."""

KEPT_MAX: Final = 64
"""The worst of so many that stay is where looking ends: the next rows shall find one as well among the levels from there on."""


class Near(msgspec.Struct):
    """The best levels of a side, prices below zero for asks, so that higher is better: all that there are from `least` on; None for all.

    Attributes:
        prices, lots: of each, lots above zero.
    """

    least: int | None
    prices: Column
    lots: Column


def near_of(held: Held, sign: int) -> Near:
    """All levels of a side; the sign is -1 for asks."""
    import numpy as np

    before, since = held
    levels = {**before, **since}
    prices, lots = (np.fromiter(each, np.int64, len(levels)) for each in (levels, levels.values()))
    return Near(None, prices[lots > 0] * sign, lots[lots > 0])


def tops_of(begin: int, sides: Any, prices: Column, lots: Column, bids: Near, asks: Near) -> Tops | None:
    """The best levels of a book that holds `bids` and `asks` before the rows, of which `begin` is the first one's number.

    None where those are not all that it holds, and these rows change what there is of them so far that it cannot be told.

    Args:
        sides: 1 for bids, any other but 0 for asks.
    """
    import numpy as np

    count = len(prices)
    found = []
    for rows, near, sign in ((np.nonzero(sides == BID)[0], bids, 1), (np.nonzero(sides > BID)[0], asks, -1)):
        best = _best(count, rows, prices[rows] * sign, lots[rows], near, sign)
        if best is None:
            return None
        found.append(best)
    (bid_prices, bid_lots, near_bids), (ask_prices, ask_lots, near_asks) = found
    return Tops(begin, begin + count, bid_prices, bid_lots, ask_prices, ask_lots, (near_bids, near_asks))


def first_outside(tops: Tops, begin: int, band: Band) -> int:
    """See `model.stretch.Columns.outside`."""
    import numpy as np

    for low, high in ((begin, begin + NEXT), (begin + NEXT, tops.end)):  # a market that moves need not be looked through to its end
        part = slice(low - tops.begin + 1, high - tops.begin + 1)  # behind how it stood before
        bids, asks = np.asarray(tops.bids[part]), np.asarray(tops.asks[part])
        is_outside = (bids < band.bid_low) | (bids > band.bid_high) | (asks < band.ask_low) | (asks > band.ask_high)
        is_outside |= (np.asarray(tops.bid_lots[part]) == 0) | (np.asarray(tops.ask_lots[part]) == 0)
        if is_outside.any():
            return low + int(is_outside.argmax())
    return tops.end - 1


def _best(count: int, rows: Any, prices: Column, lots: Column, near: Near, sign: int) -> tuple[Sequence[int], Sequence[int], Near] | None:
    """Prices and lots of the best level before `count` rows, of which `rows` change that side, and after each; what is near it then."""
    import numpy as np

    held, held_lots = near.prices, near.lots
    least = _stays(held, prices)
    if least is None:
        if near.least is not None:
            return None
    else:  # what is worse than a level that stays is never the best
        is_near, is_held_near = prices >= least, held >= least
        rows, prices, lots, held, held_lots = rows[is_near], prices[is_near], lots[is_near], held[is_held_near], held_lots[is_held_near]
    if not len(held) + len(rows):
        nothing = np.zeros(count + 1, np.int64)
        return nothing.data, nothing.data, Near(least, held, held_lots)
    # Only those rows that may move it count as steps, after the first, which is how it stood before.
    steps = np.zeros(count + 1, np.int64)
    steps[rows + 1] = 1
    starts = np.concatenate((np.zeros(len(held), np.int64), np.arange(1, len(rows) + 1)))
    prices, lots = np.concatenate((held, prices)), np.concatenate((held_lots, lots))
    order = _in_order(prices)
    prices, lots, starts = prices[order], lots[order], starts[order]
    ends = np.full(len(starts), len(rows) + 1)
    is_followed = prices[1:] == prices[:-1]
    ends[:-1][is_followed] = starts[1:][is_followed]
    top = _highest(len(rows) + 1, starts, ends, np.nonzero((lots > 0) & (ends > starts))[0])
    is_there = top >= 0
    steps = np.cumsum(steps)
    best, best_lots = (np.where(is_there, each, 0)[steps].data for each in (prices[top] * sign, lots[top]))
    is_left = (lots > 0) & (ends > len(rows))
    return best, best_lots, Near(least, prices[is_left], lots[is_left])


def _stays(held: Column, changed: Column) -> int | None:
    """A price held that none of those changes, with some more above it if there are; None where none is found among the best."""
    import numpy as np

    near = np.sort(held)[-NEAR_MAX:]
    if not len(near):
        return None
    least, most = int(near[0]), int(near[-1])
    if most - least > APART_MAX * (len(near) + len(changed)):
        stays = near[~np.isin(near, changed[changed >= least])]
    else:
        stays = near[~_are_among(near - least, changed - least, most - least)]
    return int(stays[-KEPT_MAX:][0]) if len(stays) else None


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
        _lift(found, starts[its], numbers[its])
        _lift(found, ends[its] - (1 << power), numbers[its])
    return found


def _lift(found: Column, places: Column, numbers: Column) -> None:
    """Let each place have no less than each of the ascending numbers that are for it."""
    import numpy as np

    found[places] = np.maximum(found[places], numbers)
    if (found[places] < numbers).any():  # of several for one place the last is written last, but nobody promises that
        np.maximum.at(found, places, numbers)


def _in_order(prices: Column) -> Column:
    """What sorts prices and leaves equal ones in their order; those that lie close together are sorted by their digits."""
    import numpy as np

    least = prices.min()
    is_close = int(prices.max()) - int(least) < 1 << 16
    return np.argsort((prices - least).astype(np.uint16) if is_close else prices, kind="stable")


def last_of(prices: Column, lots: Column) -> Iterable[Level]:
    """What each price holds last; or all that each held, in that order, where prices lie so far apart that this is not known quickly."""
    import numpy as np

    found = last_lots(prices, lots) if len(prices) else None
    if found is not None:
        least, last = found
        places = np.flatnonzero(last != UNTOLD)
        prices, lots = places + least, last[places]
    return zip(prices.tolist(), lots.tolist(), strict=True)


def _are_among(numbers: Column, others: Column, most: int) -> Any:
    """Whether each of some numbers from 0 to `most` is one of the others, which may be any."""
    import numpy as np

    is_there = np.zeros(most + 1, np.bool_)
    is_there[others[(others >= 0) & (others <= most)]] = True
    return is_there[numbers]
