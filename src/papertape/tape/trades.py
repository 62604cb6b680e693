"""One instrument's trades in a block of a tape, as columns: for whoever is told of each of them, and of nothing else by itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from papertape.model.event import Side, Trade
from papertape.tape import schema
from papertape.tape.batch import Timed, scalar_of
from papertape.tape.strand import words

PAGE: Final = 256
"""Trades that are made at a time."""


class Trades:
    """Messages that each are a trade, in their order.

    Attributes:
        places: of the messages in their block; ascending.
        before: how many of the messages before each change the instrument's book.
        is_whole: each has one row and a side, as all have that a venue's frames were made into.
    """

    def __init__(self, timed: Timed, instrument: int, symbol: str, *, row_places: Any) -> None:
        import pyarrow.compute as pc

        arrow = timed.arrow
        self._symbol = symbol
        is_its, kinds, flags = (
            pc.equal(arrow.column("instrument"), scalar_of("int16", instrument)),
            arrow.column("kind"),
            arrow.column("flags"),
        )
        rows = pc.indices_nonzero(pc.and_(pc.equal(kinds, scalar_of("int8", schema.TRADE)), is_its))
        is_change = pc.and_(pc.equal(kinds, scalar_of("int8", schema.DELTA)), is_its)
        is_change = pc.and_(is_change, pc.greater_equal(flags, scalar_of("int8", schema.LAST)))
        self.places: Sequence[int] = words(rows if row_places is None else row_places.take(rows))
        self.before: Sequence[int] = words(pc.cumulative_sum(is_change.cast("int64")).take(rows))
        sides, flags = arrow.column("side").take(rows), flags.take(rows)
        self.is_whole = not len(rows) or (
            pc.min(flags).as_py() == schema.WHOLE and pc.min(sides).as_py() >= schema.BID and pc.max(sides).as_py() <= schema.ASK
        )
        self._columns = [words(arrow.column(name).take(rows)) for name in ("venue_ns", "local_ns", "price_ticks", "qty_lots")]
        self._sides, self._texts = sides.to_pylist(), arrow.column("text").take(rows)
        self._page: tuple[int, list[Trade]] = (0, [])

    def page(self, begin: int) -> list[Trade]:
        """The `begin`-th, and some that follow."""
        first, events = self._page
        if not first <= begin < first + len(events):
            first, events = self._page = (begin, self._events(begin, min(begin + PAGE, len(self.places))))
        return events[begin - first :]

    def _events(self, begin: int, end: int) -> list[Trade]:
        symbol, bought = self._symbol, schema.BID
        columns = (column[begin:end].tolist() for column in self._columns)
        return [
            Trade(
                venue_ns=venue_ns, local_ns=local_ns, symbol=symbol, price_ticks=ticks, qty_lots=lots,
                taker=Side.BUY if side == bought else Side.SELL, trade_id=name,
            )
            for side, venue_ns, local_ns, ticks, lots, name in zip(
                self._sides[begin:end], *columns, _texts(self._texts, begin, end), strict=True
            )
        ]  # fmt: skip


def _texts(column: Any, begin: int, end: int) -> list[str]:
    """A part of a column of texts, empty ones for what has none."""
    if begin == end:
        return []
    part = column.slice(begin, end - begin)
    if part.null_count == len(part):
        return [""] * len(part)
    if str(part.type) == "string":  # as a rule; a text cut up is quicker than many texts
        offsets = memoryview(part.buffers()[1]).cast("i")[part.offset : part.offset + len(part) + 1].tolist()
        whole = bytes(memoryview(part.buffers()[2])[offsets[0] : offsets[-1]])
        if whole.isascii():
            text, first = whole.decode("ascii"), offsets[0]
            return [text[low - first : high - first] for low, high in pairwise(offsets)]
    return [text or "" for text in part.to_pylist()]
