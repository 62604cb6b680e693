"""From rows back to events: messages of several rows, rows with wide columns, and the book as it stood when a cut begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from papertape.model.event import (
    BookSnapshot,
    BookUpdate,
    CandleEvent,
    ConnectionEvent,
    ConnectionKind,
    Level,
    brings_market,
)
from papertape.model.units import Nanos
from papertape.tape import schema
from papertape.tape.schema import ASK, BID, FIRST, LAST

_CONNECTION_KINDS: Final = {
    schema.OPENED: ConnectionKind.OPENED,
    schema.DROPPED: ConnectionKind.DROPPED,
    schema.GAP: ConnectionKind.GAP,
    schema.ERROR: ConnectionKind.ERROR,
    schema.LATENCY: ConnectionKind.LATENCY,
    schema.RATE_LIMITED: ConnectionKind.RATE_LIMITED,
}


class Assembler:
    """Builds the events that the reader's quick paths do not.

    Book messages may begin in one batch of rows and end in a later one, so their levels wait here.
    """

    def __init__(self, symbols: Sequence[str], connections: Sequence[str]) -> None:
        self._symbols = symbols
        self._connections = connections
        self._bids: list[Level] = []
        self._asks: list[Level] = []

    def level(
        self, code: int, venue_ns: Nanos, local_ns: Nanos, instrument: int, price_ticks: int, qty_lots: int
    ) -> BookSnapshot | BookUpdate | None:
        """The book message that this row completes, if it completes one; `code` is the row's `row_code`."""
        flags, side = code >> 2 & 3, code & 3
        if flags & FIRST:
            self._bids, self._asks = [], []
        if side == BID:
            self._bids.append((price_ticks, qty_lots))
        elif side == ASK:
            self._asks.append((price_ticks, qty_lots))
        if not flags & LAST:
            return None
        book = BookSnapshot if code >> 4 == schema.SNAPSHOT else BookUpdate
        symbol = self._symbols[instrument]
        return book(venue_ns=venue_ns, local_ns=local_ns, symbol=symbol, bids=tuple(self._bids), asks=tuple(self._asks))

    def rare(
        self, code: int, venue_ns: Nanos, local_ns: Nanos, instrument: int, connection: int, text: str | None, candle: Sequence[int]
    ) -> CandleEvent | ConnectionEvent:
        """What is neither trade, book nor ticker; `candle` are the columns of `schema.CANDLE_COLUMNS`."""
        kind = code >> 4
        symbol = self._symbols[instrument] if instrument >= 0 else ""
        if kind == schema.CANDLE:
            return CandleEvent(
                venue_ns=venue_ns, local_ns=local_ns, symbol=symbol, open_ns=candle[0], span_ns=candle[1], open_ticks=candle[2],
                high_ticks=candle[3], low_ticks=candle[4], close_ticks=candle[5], volume_lots=candle[6],
            )  # fmt: skip
        name = self._connections[connection]
        what = _CONNECTION_KINDS[kind]
        return ConnectionEvent(venue_ns=venue_ns, local_ns=local_ns, symbol=symbol, connection=name, what=what, text=text or "")


class Roller:
    """Keeps every instrument's book over the rows before a cut, and says it as one snapshot each; and which of the recorder's connections
    were down.
    """

    def __init__(self, symbols: Sequence[str], connections: Sequence[str]) -> None:
        self._symbols = symbols
        self._connections = connections
        self._down: dict[int, str] = {}  # connection: the venue's words
        self._books: dict[int, tuple[dict[int, int], dict[int, int]]] = {}
        self._complete: dict[int, int] = {}  # instrument: connection that told its book last
        self.local_ns = 0

    def roll(self, codes: list[int], columns: dict[str, list[Any]], count: int) -> None:
        """Take the first `count` rows of a batch."""
        books = self._books
        texts = columns["text"]
        rows = zip(codes, columns["instrument"], columns["connection"], columns["price_ticks"], columns["qty_lots"], strict=True)
        for index, (code, instrument, connection, price_ticks, qty_lots) in enumerate(rows):
            if index == count:
                break
            kind = code >> 4
            if kind != schema.DELTA and kind != schema.SNAPSHOT:
                if kind >= schema.OPENED:
                    self._line(kind, instrument, connection, texts[index] or "")
                continue
            book = books.get(instrument)
            if book is None:
                book = books[instrument] = ({}, {})
            if kind == schema.SNAPSHOT:
                if code >> 2 & FIRST:
                    book[0].clear()
                    book[1].clear()
                self._complete[instrument] = connection
            side = code & 3
            if side:
                levels = book[side - 1]
                if qty_lots:
                    levels[price_ticks] = qty_lots
                else:
                    levels.pop(price_ticks, None)
        if count:
            self.local_ns = columns["local_ns"][count - 1]

    def take_over(self, instrument: int, connection: int, bids: dict[int, int], asks: dict[int, int]) -> None:
        """An instrument's whole book as somebody else has kept it, and the connection that told it."""
        self._books[instrument] = (bids, asks)
        self._complete[instrument] = connection

    def _line(self, kind: int, instrument: int, connection: int, text: str) -> None:
        if kind == schema.OPENED:
            self._down.pop(connection, None)
        elif kind == schema.DROPPED:
            self._down[connection] = text
        if kind in (schema.DROPPED, schema.GAP) and brings_market(self._connections[connection]):
            if instrument >= 0:
                self._complete.pop(instrument, None)
            else:
                self._complete.clear()

    def opening(self, venue_ns: Nanos, first_row: int) -> list[tuple[int, int, BookSnapshot | ConnectionEvent]]:
        """(row, connection, event) for each connection that is down, then for each instrument whose book is known, in the tape's order.

        The rows end right before `first_row`. That many there are: every level of a book came by a row of its own.
        """
        found: list[tuple[int, BookSnapshot | ConnectionEvent]] = [
            (connection, ConnectionEvent(
                venue_ns=venue_ns, local_ns=self.local_ns, symbol="", connection=self._connections[connection],
                what=ConnectionKind.DROPPED, text=text,
            ))
            for connection, text in sorted(self._down.items())
        ]  # fmt: skip
        for instrument in sorted(self._complete):
            bids, asks = self._books[instrument]
            snapshot = BookSnapshot(
                venue_ns=venue_ns, local_ns=self.local_ns, symbol=self._symbols[instrument],
                bids=tuple(sorted(bids.items(), reverse=True)), asks=tuple(sorted(asks.items())),
            )  # fmt: skip
            found.append((self._complete[instrument], snapshot))
        result = []
        row = first_row
        for connection, event in reversed(found):
            result.append((row - 1, connection, event))
            row -= max(1, len(event.bids) + len(event.asks)) if isinstance(event, BookSnapshot) else 1
        return result[::-1]
