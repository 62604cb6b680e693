"""One kind of a block's rows in columns, as Arrow has them, and the questions that are answered by whole columns."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from papertape.model.event import Level
from papertape.model.units import MINUTE, Nanos
from papertape.tape.batch import column_of, scalar_of
from papertape.tape.columns import ascends, ints

LISTED_MAX: Final = 1_024
"""So few rows Python looks through sooner than Arrow."""

PAGE: Final = 256
"""Of so many rows at a time it is known how far their prices reach."""

APART_MAX: Final = 16
"""So many ticks for each row the prices of a part may be apart at most, for the room that a look at all of them at once takes."""

UNTOLD: Final = -(1 << 63)
"""No amount."""

SUM_MAX: Final = 1 << 62
"""Amounts whose sum could be more are added up by Python, whose numbers have no end."""

Bar = tuple[int, int, int, int, int, int]
"""(minute since 1970, open, high, low, close ticks, volume lots)"""


class Strand(msgspec.Struct):
    """One kind of rows of one instrument: changed bids, changed asks, trades whose taker bought, or sold.

    Attributes:
        places: of each, the message in its block that it belongs to; ascending.
        prices, lots, stamps: ticks, lots and the venue's clock of each, as `pyarrow.Array`s.
        rows: which rows of the block they are, if it knows.
        bounds: the least and the most of the prices of each page of `PAGE` rows that somebody has asked for.
    """

    places: Sequence[int]
    prices: Any
    lots: Any
    stamps: Any
    rows: Any = None
    bounds: dict[int, tuple[int, int]] = msgspec.field(default_factory=dict)

    def reaches(self, low: int, high: int, at_least: int | None, at_most: int | None) -> bool:
        """Whether there may be a price among these rows that is as far as one of these."""
        bounds = self.bounds
        for page in range(low // PAGE, (high - 1) // PAGE + 1):
            least, most = bounds.get(page) or self._bounds(page)
            if (at_least is not None and most >= at_least) or (at_most is not None and least <= at_most):
                return True
        return False

    def _bounds(self, page: int) -> tuple[int, int]:
        prices = numbers(self.prices, page * PAGE, min(page * PAGE + PAGE, len(self.places)))
        found = self.bounds[page] = min(prices), max(prices)
        return found

    def between(self, begin: int, end: int) -> tuple[int, int]:
        """The part of it that belongs to the messages from `begin` up to, not including, `end`."""
        low = bisect_left(self.places, begin)
        return low, bisect_left(self.places, end, low)

    def levels(self, low: int, high: int, held: Callable[[], Iterable[int]]) -> Iterable[Level]:
        """What each price holds in the end that some of these rows changed.

        Of a price that holds nothing it may be left out that it does, if it is none of those that `held` something before; a price may
        come more than once, and the last counts.
        """
        if low == high:
            return ()
        found = None if high - low <= LISTED_MAX else _last_lots(ints(self.prices)[low:high], ints(self.lots)[low:high])
        if found is None:
            return zip(numbers(self.prices, low, high), numbers(self.lots, low, high), strict=True)
        import numpy as np

        least, lots = found
        is_held = np.zeros(len(lots), bool)
        before = np.array(list(held()), "i8") - least
        is_held[before[(before >= 0) & (before < len(lots))]] = True
        ticks = np.flatnonzero((lots != UNTOLD) & ((lots != 0) | is_held))
        return zip((ticks + least).tolist(), lots[ticks].tolist(), strict=True)

    def later(self, low: int, high: int, than_ns: Nanos) -> int:
        """How many of these rows are stamped later."""
        if low == high:
            return 0
        import pyarrow.compute as pc

        return int(pc.sum(pc.greater(self.stamps.slice(low, high - low), scalar_of("int64", than_ns))).as_py())


NO_ROWS: Final = Strand((), (), (), ())


def numbers(column: Any, low: int, high: int) -> list[int]:
    """A part of a column of 8-byte integers without nulls."""
    if low == high:
        return []
    found: list[int] = memoryview(column.buffers()[1]).cast("q")[column.offset + low : column.offset + high].tolist()
    return found


def words(column: Any) -> memoryview[int]:
    """A column of 8-byte integers without nulls as what Python can count, look up and slice."""
    if not len(column):
        return memoryview(b"").cast("q")
    view = memoryview(column.buffers()[1])
    view = view.cast("Q") if str(column.type) == "uint64" else view.cast("q")
    return view[column.offset : column.offset + len(column)]


def bars(strands: Sequence[Strand], begin: int, end: int) -> tuple[list[Bar], int]:
    """Some messages' trades as bars of a minute, and the minute of the last trade, -1 where there is none.

    Args:
        strands: those of trades, of one instrument.
    """
    parts = [(strand, *strand.between(begin, end)) for strand in strands]
    count = sum(high - low for _, low, high in parts)
    if count <= LISTED_MAX or not _are_summed(parts):
        return _listed_bars(parts)
    import pyarrow as pa
    import pyarrow.compute as pc

    found = [part for part in parts if part[2] > part[1]]
    prices, lots, stamps = (
        pa.concat_arrays([getattr(strand, name).slice(low, high - low) for strand, low, high in found])
        for name in ("prices", "lots", "stamps")
    )
    minutes = pc.divide(stamps, scalar_of("int64", MINUTE))
    if len(found) > 1:
        order = pc.sort_indices(pa.concat_arrays([column_of("int64", strand.places[low:high]) for strand, low, high in found]))
        prices, lots, minutes = prices.take(order), lots.take(order), minutes.take(order)
    made = []
    for minute in pc.unique(minutes):
        its = pc.equal(minutes, minute)
        ticks = prices.filter(its)
        least, most = pc.min_max(ticks).values()
        volume = pc.sum(lots.filter(its)).as_py()
        made.append((minute.as_py(), ticks[0].as_py(), most.as_py(), least.as_py(), ticks[len(ticks) - 1].as_py(), volume))
    return made, minutes[len(minutes) - 1].as_py()


def bars_of(stamps: Any, prices: Any, lots: Any) -> tuple[list[Bar], int] | None:
    """The same of all trades in their order, as arrays of numpy; None where their stamps go back, or their sums may be too great for it."""
    import numpy as np

    if not len(stamps):
        return [], -1
    if stamps[0] < 0 or not ascends(stamps) or max(int(lots.max()), -int(lots.min())) * len(lots) >= SUM_MAX:
        return None
    minutes = stamps // MINUTE
    begins = np.flatnonzero(np.diff(minutes, prepend=-1))
    ends = np.append(begins[1:], len(stamps)) - 1
    columns = (
        minutes[begins], prices[begins], np.maximum.reduceat(prices, begins), np.minimum.reduceat(prices, begins), prices[ends],
        np.add.reduceat(lots, begins),
    )  # fmt: skip
    return list(zip(*(each.tolist() for each in columns), strict=True)), int(minutes[-1])


def _last_lots(prices: Any, lots: Any) -> tuple[int, Any] | None:
    """The least price, and what the last row of each price from there on tells, `UNTOLD` where there is none; arrays of numpy.

    None where prices lie so far apart that this is not known quickly.
    """
    import numpy as np

    least, most = int(prices.min()), int(prices.max())
    if most - least > APART_MAX * len(prices) or not _last_wins():
        return None
    last = np.full(most - least + 1, UNTOLD, "i8")
    last[prices - least] = lots
    return least, last


@cache
def _last_wins() -> bool:
    """Whether this numpy keeps the last of what is assigned to one place, as all so far do and none promises."""
    import numpy as np

    count = 100_000
    numbers = np.arange(count) * 7 % 31_013
    last = np.full(31_013, -1)
    last[numbers] = np.arange(count)
    return bool((numbers[last] == np.arange(31_013)).all() and (last >= count - 31_013).all())


def _are_summed(parts: Sequence[tuple[Strand, int, int]]) -> bool:
    """Whether 8 bytes hold any sum of the amounts, and minutes can be divided without a thought of those before 1970."""
    import pyarrow.compute as pc

    for strand, low, high in parts:
        if high > low:
            least, most = pc.min_max(strand.lots.slice(low, high - low)).values()
            if max(most.as_py(), -least.as_py()) * (high - low) >= SUM_MAX or pc.min(strand.stamps.slice(low, high - low)).as_py() < 0:
                return False
    return True


def _listed_bars(parts: Sequence[tuple[Strand, int, int]]) -> tuple[list[Bar], int]:
    found: list[tuple[int, int, int, Nanos]] = []
    for strand, low, high in parts:
        columns = (numbers(column, low, high) for column in (strand.prices, strand.lots, strand.stamps))
        found += zip(strand.places[low:high], *columns, strict=True)
    found.sort(key=lambda each: each[0])
    made: dict[int, Bar] = {}
    minute = -1
    for _, ticks, lots, at_ns in found:
        minute = at_ns // MINUTE
        _, first, high, low, _, volume = made.get(minute, (minute, ticks, ticks, ticks, ticks, 0))
        made[minute] = (minute, first, max(high, ticks), min(low, ticks), ticks, volume + lots)
    return list(made.values()), minute
