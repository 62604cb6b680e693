"""Read a tape as a stream: memory does not grow with the file."""

from __future__ import annotations

import itertools
import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from papertape.model.errors import TapeError
from papertape.model.event import BookSnapshot, BookUpdate, ConnectionEvent, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import Nanos
from papertape.tape import schema
from papertape.tape.assemble import Assembler, Roller
from papertape.tape.batch import FLOOR_NS, Batch, open_parquet, read_batches, row_code
from papertape.tape.header import Connection, Header, read_header, read_instruments

Message = tuple[int, Nanos, Nanos, MarketEvent]
"""(row, reach_ns, deliver_ns, event); see `Tape.messages`."""

_BID: Final = row_code(schema.DELTA, schema.WHOLE, schema.BID)
_ASK: Final = row_code(schema.DELTA, schema.WHOLE, schema.ASK)
_BOUGHT: Final = row_code(schema.TRADE, schema.WHOLE, schema.BID)
_SOLD: Final = row_code(schema.TRADE, schema.WHOLE, schema.ASK)
_TICKER: Final = row_code(schema.TICKER, schema.WHOLE, schema.NO_SIDE)
_BOOKS_END: Final = row_code(schema.TICKER, 0, 0)  # trades, snapshots and deltas have smaller codes


class Tape:
    """An opened tape: its footer and instruments; rows are read when asked for.

    Attributes:
        header: what the footer says.
        is_numbered: whether it keeps the venue's own sequence numbers.
        instruments: in the order in which rows number them.
    """

    def __init__(self, path: Path, header: Header, instruments: tuple[Instrument, ...], *, is_numbered: bool = False) -> None:
        self.path = path
        self.header = header
        self.instruments = instruments
        self.is_numbered = is_numbered

    @property
    def venue(self) -> str:
        return self.header.venue

    @property
    def content_hash(self) -> str:
        """The same for the same content, however the file stores it."""
        return self.header.content_hash

    @property
    def connections(self) -> tuple[Connection, ...]:
        return self.header.connections

    @property
    def first_ns(self) -> Nanos:
        """The first `reach_ns`."""
        return self.header.first_ns

    @property
    def last_ns(self) -> Nanos:
        """The last `reach_ns`."""
        return self.header.last_ns

    @property
    def counts(self) -> dict[str, int]:
        """Messages by kind."""
        return self.header.counts

    @property
    def rows(self) -> int:
        """Rows after the instruments; a book message is as many as it has levels."""
        return self.header.rows

    def messages(self, start_ns: Nanos | None = None, end_ns: Nanos | None = None) -> Iterator[Message]:
        """Every message in the order of arrival, as (row, reach_ns, deliver_ns, event).

        row: number of the message's last row, the same in a tape cut from this one.
        reach_ns: when it had reached the venue: the latest venue time so far, since some messages come late.
        deliver_ns: when a client could have it at the earliest: max(reach_ns + 1 ms, recorder's clock - skew of its connection).
        Neither ever decreases (`deliver_ns` within one connection).

        With `start_ns` or `end_ns` only messages with `start_ns <= reach_ns < end_ns`; each instrument whose book is known at `start_ns`
        then begins with a snapshot of it, stamped `start_ns`, and before these stands each of the recorder's connections that was down.

        Raises `TapeError` where the file is damaged or not in the order of arrival.
        """
        return itertools.chain.from_iterable(messages for _, messages in self._pieces(start_ns, end_ns))

    def arrivals(self, start_ns: Nanos | None = None, end_ns: Nanos | None = None) -> Iterator[tuple[int, Message]]:
        """The same, each with the index of the connection on which it came."""
        for batch, messages in self._pieces(start_ns, end_ns):
            for message in messages:
                yield batch.connection_of(message[0]), message

    def numbered(self, start_ns: Nanos | None = None, end_ns: Nanos | None = None) -> Iterator[tuple[int, int | None, Message]]:
        """The same, each with its connection and the venue's number of it, None where that is not known."""
        for batch, messages in self._pieces(start_ns, end_ns, with_numbers=True):
            for message in messages:
                yield batch.connection_of(message[0]), batch.sequence_of(message[0]), message

    def _pieces(
        self, start_ns: Nanos | None, end_ns: Nanos | None, *, with_numbers: bool = False
    ) -> Iterator[tuple[Batch | _Opening, Iterable[Message]]]:
        """The messages batch by batch, each batch with what tells a row's connection."""
        symbols = [instrument.symbol for instrument in self.instruments]
        assembler = Assembler(symbols, [connection.name for connection in self.connections])
        roller = (
            Roller(symbols, [connection.name for connection in self.connections])
            if start_ns is not None and start_ns > self.first_ns
            else None
        )
        for batch in read_batches(self.path, self.header, len(self.instruments), with_numbers=with_numbers):
            begin, end = 0, len(batch)
            if roller is not None and start_ns is not None:
                begin = bisect_left(batch.reaches, start_ns)
                roller.roll(batch.codes, batch.columns, begin)
                if begin == end:
                    continue
                if end_ns is None or batch.reaches[begin] < end_ns:
                    opening = roller.opening(start_ns, batch.first_row + begin)
                    yield _Opening(opening), self.opening(start_ns, opening)
                roller = None
            if end_ns is not None:
                end = bisect_left(batch.reaches, end_ns)
            part = batch if begin == 0 and end == len(batch) else batch.between(begin, end)
            yield part, events_of(part, symbols, assembler)
            if end < len(batch):
                return

    def opening(self, start_ns: Nanos, rows: Sequence[tuple[int, int, BookSnapshot | ConnectionEvent]]) -> Iterator[Message]:
        """The messages that a part begins with; `rows` as `Roller.opening` has them."""
        for row, connection, event in rows:
            yield row, start_ns, max(start_ns + FLOOR_NS, event.local_ns - self.connections[connection].skew_ns), event


class _Opening:
    """Where the messages at the beginning of a part come from."""

    def __init__(self, rows: Sequence[tuple[int, int, BookSnapshot | ConnectionEvent]]) -> None:
        self._connections = {row: connection for row, connection, _ in rows}

    def connection_of(self, row: int) -> int:
        return self._connections[row]

    def sequence_of(self, row: int) -> None:
        """None: the venue never sent it."""


def open_tape(path: str | os.PathLike[str]) -> Tape:
    """Open a tape; reads its footer and instruments only.

    Raises `TapeError`, which names the file, where it is missing, cut short, no tape, of a newer schema or without instruments.
    """
    place = Path(path)
    file = open_parquet(place)
    header = read_header(place, file.metadata.metadata)
    for name in (*schema.NARROW, schema.DESCRIPTION):
        if name not in file.schema_arrow.names:
            raise TapeError(f"{place}: the tape is damaged: it has no column `{name}`. Fetch or import it again.")
    rows: list[dict[str, Any] | None] = []
    if file.metadata.num_row_groups:
        rows = file.read_row_group(0, columns=[schema.DESCRIPTION]).column(0).to_pylist()
    return Tape(place, header, read_instruments(place, rows), is_numbered=schema.SEQUENCE in file.schema_arrow.names)


def events_of(batch: Batch, symbols: Sequence[str], assembler: Assembler) -> Iterator[Message]:
    """The messages that end in a batch. Updates of one level, trades and tickers, nearly all there is, are made right here."""
    columns = batch.columns
    nothing = [None] * len(batch)
    wide = [columns.get(name, nothing) for name in schema.WIDE]
    last_ticks, bid_ticks, bid_lots, ask_ticks, ask_lots = wide[: len(schema.TICKER_COLUMNS)]
    rows = zip(
        itertools.count(batch.first_row), batch.codes, batch.reaches, batch.delivers, columns["venue_ns"], columns["local_ns"],
        columns["instrument"], columns["price_ticks"], columns["qty_lots"], columns["text"],
    )  # fmt: skip
    update, bid, ask, buy, sell = BookUpdate, _BID, _ASK, Side.BUY, Side.SELL  # looked up once, not once a row
    event: MarketEvent | None
    for row, code, reach, deliver, venue, local, instrument, price, qty, text in rows:
        if code == bid:
            yield row, reach, deliver, update(venue_ns=venue, local_ns=local, symbol=symbols[instrument], bids=((price, qty),))
        elif code == ask:
            yield row, reach, deliver, update(venue_ns=venue, local_ns=local, symbol=symbols[instrument], asks=((price, qty),))
        elif code in (_BOUGHT, _SOLD):
            event = Trade(
                venue_ns=venue, local_ns=local, symbol=symbols[instrument], price_ticks=price, qty_lots=qty,
                taker=buy if code == _BOUGHT else sell, trade_id=text or "",
            )  # fmt: skip
            yield row, reach, deliver, event
        elif code < _BOOKS_END:
            event = assembler.level(code, venue, local, instrument, price, qty)
            if event is not None:
                yield row, reach, deliver, event
        elif code == _TICKER:
            at = row - batch.first_row
            event = Ticker(
                venue_ns=venue, local_ns=local, symbol=symbols[instrument], last_ticks=last_ticks[at], bid_ticks=bid_ticks[at],
                bid_lots=bid_lots[at] or 0, ask_ticks=ask_ticks[at], ask_lots=ask_lots[at] or 0,
            )  # fmt: skip
            yield row, reach, deliver, event
        else:
            at = row - batch.first_row
            candle = [column[at] or 0 for column in wide[len(schema.TICKER_COLUMNS) :]]
            yield row, reach, deliver, assembler.rare(code, venue, local, instrument, columns["connection"][at], text, candle)
