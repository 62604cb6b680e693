"""A tape played at another date, and over and over: the same rows with later stamps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from papertape.model.event import CandleEvent, ConnectionEvent, ConnectionKind, MarketEvent, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import SECOND, Nanos
from papertape.session.replay import Row

LENGTH_MIN_NS = SECOND
"""A lap takes no less, so that a tape of one row does not go round without time passing."""


def shifted(row: Row, by_ns: Nanos) -> Row:
    """The same message so much later, by every clock.

    >>> trade = Trade(venue_ns=5, local_ns=7, symbol="BTC/USD", price_ticks=1, qty_lots=1, taker="buy")
    >>> shifted((3, 5, 8, trade), 100)[:3]
    (3, 105, 108)
    """
    number, reach_ns, deliver_ns, event = row
    stamps = {"venue_ns": event.venue_ns + by_ns, "local_ns": event.local_ns + by_ns}
    if type(event) is CandleEvent:
        stamps["open_ns"] = event.open_ns + by_ns
    return number, reach_ns + by_ns, deliver_ns + by_ns, msgspec.structs.replace(event, **stamps)


def valid_from_then(instrument: Instrument, by_ns: Nanos, *, is_endless: bool) -> Instrument:
    """An instrument of a tape that is played so much later; where the tape is played for ever, the instrument never ends."""
    ends_ns = None if is_endless or instrument.valid_to_ns is None else instrument.valid_to_ns + by_ns
    return msgspec.structs.replace(instrument, valid_from_ns=instrument.valid_from_ns + by_ns, valid_to_ns=ends_ns)


def laps(
    rows: Callable[[], Iterator[Row]], *, start_ns: Nanos, length_ns: Nanos, shift_ns: Nanos = 0, is_endless: bool = False
) -> Iterator[Row]:
    """The rows of a tape, once or for ever.

    Where a lap ends the recorder's line is said to have dropped: what the book was at the end has nothing to do with what it is at the
    beginning, and until the first snapshot nobody knows it. Trades of later laps have ids of their own, greater than any before.

    Args:
        rows: reads the tape from its beginning.
        start_ns: when a lap begins, as recorded, nanoseconds since 1970-01-01 UTC.
        length_ns: how long it takes.
        shift_ns: how much later than recorded the first lap is played.
        is_endless: begin again at the end.
    """
    if not is_endless:
        yield from (shifted(row, shift_ns) for row in rows()) if shift_ns else rows()
        return
    length_ns = max(length_ns, LENGTH_MIN_NS)
    ids = _TradeIds()
    by_ns = shift_ns
    while True:
        is_empty = True
        for row in rows():
            is_empty = False
            yield ids.told_apart(shifted(row, by_ns))
        if is_empty:
            return
        by_ns += length_ns
        ids.lap_ended()
        yield 0, start_ns + by_ns, start_ns + by_ns, _dropped(start_ns + by_ns)


class _TradeIds:
    """Keeps the ids of one lap's trades apart from those of the next."""

    def __init__(self) -> None:
        self._lap = 0
        self._least: int | None = None
        self._most = 0

    def told_apart(self, row: Row) -> Row:
        number, reach_ns, deliver_ns, event = row
        if type(event) is not Trade or not event.trade_id:
            return row
        return number, reach_ns, deliver_ns, msgspec.structs.replace(event, trade_id=self._id(event.trade_id))

    def lap_ended(self) -> None:
        self._lap += 1

    def _id(self, text: str) -> str:
        if not text.isascii() or not text.isdigit():
            return f"{text}-{self._lap + 1}" if self._lap else text
        number = int(text)
        if not self._lap:
            self._least = number if self._least is None else min(self._least, number)
            self._most = max(self._most, number)
        span = 0 if self._least is None else self._most - self._least + 1
        return str(number + self._lap * span)


def _dropped(at_ns: Nanos) -> MarketEvent:
    return ConnectionEvent(
        venue_ns=at_ns, local_ns=at_ns, symbol="", connection="", what=ConnectionKind.DROPPED, text="the tape begins anew"
    )
