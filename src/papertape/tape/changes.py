"""One instrument's changes of its book in a block of a tape, as columns: for whoever is told of them many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

from papertape.model.band import Band
from papertape.model.event import Level
from papertape.model.stretch import BID, Held, Tops
from papertape.model.units import Nanos
from papertape.tape import schema
from papertape.tape.batch import Timed, scalar_of
from papertape.tape.tops import first_outside, tops_of

PAGE: Final = 1_024
"""Rows that are made Python numbers at a time."""

AHEAD_MAX: Final = 8_192
AHEAD_MIN: Final = 512
"""Rows of which the best levels are worked out at once: no more, for what nobody comes to look at, and not so few that it takes longer."""


class Changes:
    """Messages that each change a book, in their order.

    Attributes:
        places: of the messages in their block; ascending.
        is_plain: each message has one row.
        stamps: the venue's clock of each row, since 1970-01-01 UTC.
    """

    def __init__(self, timed: Timed, instrument: int, *, is_plain: bool, row_places: Any) -> None:
        import pyarrow.compute as pc

        arrow = timed.arrow
        is_its = pc.equal(arrow.column("instrument"), scalar_of("int16", instrument))
        rows = pc.indices_nonzero(pc.and_(pc.equal(arrow.column("kind"), scalar_of("int8", schema.DELTA)), is_its))
        self.is_plain = is_plain
        self.stamps: Sequence[Nanos] = _view(arrow.column("venue_ns").take(rows), "q")
        self._sides = _view(arrow.column("side").take(rows), "b")
        self._prices = _view(arrow.column("price_ticks").take(rows), "q")
        self._lots = _view(arrow.column("qty_lots").take(rows), "q")
        self._page_begin, self._page = -PAGE, list[tuple[int, int, int]]()  # rows that were asked for last, and some more
        self._ends: Sequence[int] | None = None
        if is_plain:
            self.places: Sequence[int] = _view(rows.cast("int64"), "q")
        else:
            lasts = pc.greater_equal(arrow.column("flags").take(rows), scalar_of("int8", schema.LAST))
            self.places = _view(row_places.take(rows.filter(lasts)).cast("int64"), "q")
            self.is_plain = len(self.places) == len(rows)
            if not self.is_plain:
                self._ends = _view(pc.indices_nonzero(lasts).cast("int64"), "q")

    def span(self, low: int, high: int) -> tuple[int, int]:
        """The rows of the messages from the `low`-th up to, not including, the `high`-th of them."""
        if self._ends is None:
            return low, high
        return self._ends[low - 1] + 1 if low else 0, self._ends[high - 1] + 1 if high else 0

    def rows(self, begin: int, end: int) -> list[tuple[int, int, int]]:
        """(side, ticks, lots) of each row; see `model.stretch.Columns`."""
        page_begin = self._page_begin
        if begin < page_begin or end > page_begin + PAGE:
            if end - begin > PAGE // 2:
                return self._listed(begin, end)
            page_begin = self._page_begin = begin
            self._page = self._listed(begin, begin + PAGE)
        return self._page[begin - page_begin : end - page_begin]

    def levels(self, begin: int, end: int) -> tuple[Iterable[Level], Iterable[Level]]:
        """See `model.stretch.Columns`, as for the next."""
        sides, prices, lots = self._arrays(begin, end)
        bids, asks = (zip(prices[is_its].tolist(), lots[is_its].tolist(), strict=True) for is_its in (sides == BID, sides > BID))
        return bids, asks

    def tops(self, begin: int, bids: Held, asks: Held) -> Tops | None:
        end = min(begin + AHEAD_MAX, len(self.stamps))
        return None if end - begin < AHEAD_MIN else tops_of(begin, *self._arrays(begin, end), bids, asks)

    def outside(self, tops: Tops, begin: int, band: Band) -> int:
        return first_outside(tops, begin, band)

    def _arrays(self, begin: int, end: int) -> tuple[Any, Any, Any]:
        import numpy as np

        return np.asarray(self._sides[begin:end]), np.asarray(self._prices[begin:end]), np.asarray(self._lots[begin:end])

    def _listed(self, begin: int, end: int) -> list[tuple[int, int, int]]:
        return list(zip(self._sides[begin:end].tolist(), self._prices[begin:end].tolist(), self._lots[begin:end].tolist(), strict=True))


def _view(column: Any, code: Literal["b", "q"]) -> memoryview[int]:
    """A column without nulls as what Python can count, look up and slice."""
    if not len(column):
        return memoryview(b"").cast(code)
    view = memoryview(column.buffers()[1]).cast(code)
    return view[column.offset : column.offset + len(column)]
