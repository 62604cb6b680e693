"""One kind of a block's rows in columns, as Arrow has them, and the questions that are answered by whole columns."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from papertape.model.event import Level
from papertape.model.units import MINUTE, Nanos

LISTED_MAX: Final = 1_024
"""So few rows Python looks through sooner than Arrow."""

NEAR: Final = 128
"""So many rows on, what is looked for is looked for first."""

SUM_MAX: Final = 1 << 62
"""Amounts whose sum could be more are added up by Python, whose numbers have no end."""

Bar = tuple[int, int, int, int, int, int]
"""(minute since 1970, open, high, low, close ticks, volume lots)"""


class Lane(msgspec.Struct):
    """One kind of rows of one instrument: changed bids, changed asks, trades whose taker bought, or sold.

    Attributes:
        places: of each, the message in its block that it belongs to; ascending.
        prices, lots, stamps: ticks, lots and the venue's clock of each, as `pyarrow.Array`s.
    """

    places: Sequence[int]
    prices: Any
    lots: Any
    stamps: Any
    asked: int = 0  # where the part began that was asked for last: the next begins near it

    def between(self, begin: int, end: int) -> tuple[int, int]:
        """The part of it that belongs to the messages from `begin` up to, not including, `end`."""
        places, low = self.places, self.asked
        count = len(places)
        if low and places[low - 1] >= begin:
            low = 0
        near = low + NEAR
        self.asked = low = bisect_left(places, begin, low, near if near < count and places[near] >= begin else count)
        near = low + NEAR
        return low, bisect_left(places, end, low, near if near < count and places[near] >= end else count)

    def levels(self, low: int, high: int, held: Callable[[], Iterable[int]]) -> Iterable[Level]:
        """What each price holds in the end that some of these rows changed.

        Of a price that holds nothing it may be left out that it does, if it is none of those that `held` something before; a price may
        come more than once, and the last counts.
        """
        if high - low <= LISTED_MAX:
            return zip(numbers(self.prices, low, high), numbers(self.lots, low, high), strict=True)
        import pyarrow as pa
        import pyarrow.compute as pc

        columns = [self.prices.slice(low, high - low), self.lots.slice(low, high - low)]
        last = pa.table(columns, ["price", "lots"]).group_by("price", use_threads=False).aggregate([("lots", "last")])
        prices, lots = (last[name].combine_chunks() for name in ("price", "lots_last"))
        is_news = pc.or_(pc.not_equal(lots, pa.scalar(0, pa.int64())), pc.is_in(prices, pa.array(list(held()), pa.int64())))
        prices, lots = prices.filter(is_news), lots.filter(is_news)
        return zip(numbers(prices, 0, len(prices)), numbers(lots, 0, len(lots)), strict=True)

    def later(self, low: int, high: int, than_ns: Nanos) -> int:
        """How many of these rows are stamped later."""
        if low == high:
            return 0
        import pyarrow as pa
        import pyarrow.compute as pc

        return int(pc.sum(pc.greater(self.stamps.slice(low, high - low), pa.scalar(than_ns, pa.int64()))).as_py())


NO_ROWS: Final = Lane((), (), (), ())


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


def bars(lanes: Sequence[Lane], begin: int, end: int) -> tuple[list[Bar], int]:
    """Some messages' trades as bars of a minute, and the minute of the last trade, -1 where there is none.

    Args:
        lanes: those of trades, of one instrument.
    """
    parts = [(lane, *lane.between(begin, end)) for lane in lanes]
    count = sum(high - low for _, low, high in parts)
    if count <= LISTED_MAX or not _are_summed(parts):
        return _listed_bars(parts)
    import pyarrow as pa
    import pyarrow.compute as pc

    found = [part for part in parts if part[2] > part[1]]
    columns = [
        pa.concat_arrays([getattr(lane, name).slice(low, high - low) for lane, low, high in found]) for name in ("prices", "lots", "stamps")
    ]
    table = pa.table([*columns[:2], pc.divide(columns[2], pa.scalar(MINUTE, pa.int64()))], ["price", "lots", "minute"])
    if len(found) > 1:
        places = pa.concat_arrays([pa.array(list(lane.places[low:high]), pa.int64()) for lane, low, high in found])
        table = table.take(pc.sort_indices(places))
    made = table.group_by("minute", use_threads=False).aggregate(
        [("price", "first"), ("price", "max"), ("price", "min"), ("price", "last"), ("lots", "sum")]
    )
    names = ("minute", "price_first", "price_max", "price_min", "price_last", "lots_sum")
    return list(zip(*(made[name].to_pylist() for name in names), strict=True)), table["minute"][-1].as_py()


def _are_summed(parts: Sequence[tuple[Lane, int, int]]) -> bool:
    """Whether 8 bytes hold any sum of the amounts, and minutes can be divided without a thought of those before 1970."""
    import pyarrow.compute as pc

    for lane, low, high in parts:
        if high > low:
            least, most = pc.min_max(lane.lots.slice(low, high - low)).values()
            if max(most.as_py(), -least.as_py()) * (high - low) >= SUM_MAX or pc.min(lane.stamps.slice(low, high - low)).as_py() < 0:
                return False
    return True


def _listed_bars(parts: Sequence[tuple[Lane, int, int]]) -> tuple[list[Bar], int]:
    found: list[tuple[int, int, int, Nanos]] = []
    for lane, low, high in parts:
        columns = (numbers(column, low, high) for column in (lane.prices, lane.lots, lane.stamps))
        found += zip(lane.places[low:high], *columns, strict=True)
    found.sort(key=lambda each: each[0])
    made: dict[int, Bar] = {}
    minute = -1
    for _, ticks, lots, at_ns in found:
        minute = at_ns // MINUTE
        _, first, high, low, _, volume = made.get(minute, (minute, ticks, ticks, ticks, ticks, 0))
        made[minute] = (minute, first, max(high, ticks), min(low, ticks), ticks, volume + lots)
    return list(made.values()), minute
