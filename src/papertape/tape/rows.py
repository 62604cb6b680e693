"""A block's rows as numbers that Python reads where they are: for few at a time, of which nobody needs events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from papertape.model.event import BookUpdate, Side, Trade
from papertape.model.units import Nanos
from papertape.tape import schema

if TYPE_CHECKING:
    from papertape.tape.batch import Timed

Row = tuple[int, int, int, int, int, Nanos]
"""(kind, side, instrument, price ticks, lots, the venue's clock), as `tape.schema` numbers them."""

_FORMATS: Final = {
    "kind": "b",
    "flags": "b",
    "side": "b",
    "instrument": "h",
    "price_ticks": "q",
    "qty_lots": "q",
    "venue_ns": "q",
    "local_ns": "q",
}


class Numbers:
    """Some columns of a block."""

    def __init__(self, timed: Timed) -> None:
        arrow = timed.arrow
        self._kinds, self._flags, self._sides, self._instruments, self._prices, self._lots, self._stamps, self._locals = (
            _view(arrow.column(name), code) for name, code in _FORMATS.items()
        )
        self._texts = arrow.column("text")

    def rows(self, begin: int, end: int) -> Iterator[Row]:
        """The rows from `begin` up to, not including, `end`."""
        columns = (self._kinds, self._sides, self._instruments, self._prices, self._lots, self._stamps)
        return zip(*(column[begin:end].tolist() for column in columns), strict=True)

    def event(self, row: int, symbols: list[str]) -> BookUpdate | Trade | None:
        """The event of a message that is this row alone; None where it is neither a trade nor a change of one level."""
        kind, side = self._kinds[row], self._sides[row]
        if self._flags[row] != schema.WHOLE or side == schema.NO_SIDE:
            return None
        venue_ns, local_ns, symbol = self._stamps[row], self._locals[row], symbols[self._instruments[row]]
        ticks, lots = self._prices[row], self._lots[row]
        if kind == schema.DELTA:
            if side == schema.BID:
                return BookUpdate(venue_ns=venue_ns, local_ns=local_ns, symbol=symbol, bids=((ticks, lots),))
            return BookUpdate(venue_ns=venue_ns, local_ns=local_ns, symbol=symbol, asks=((ticks, lots),))
        if kind == schema.TRADE:
            taker, text = Side.BUY if side == schema.BID else Side.SELL, self._texts[row].as_py()
            return Trade(
                venue_ns=venue_ns, local_ns=local_ns, symbol=symbol, price_ticks=ticks, qty_lots=lots, taker=taker, trade_id=text or ""
            )
        return None


def _view(column: Any, code: Any) -> memoryview[int]:
    """A column without nulls, where it is; what it holds for rows that have no such number is anything."""
    view = memoryview(column.buffers()[1]).cast(code)
    return view[column.offset : column.offset + len(column)]
