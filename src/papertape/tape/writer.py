"""Write a tape: whole or not at all."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from papertape.model.errors import TapeError
from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, ConnectionEvent, ConnectionKind, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import Nanos
from papertape.tape import schema
from papertape.tape.content import ContentHash, describe
from papertape.tape.header import Connection, Header
from papertape.tape.schema import ASK, BID, FIRST, LAST, NO_INSTRUMENT, NO_SIDE, WHOLE

_CONNECTION_KINDS: Final = {
    ConnectionKind.OPENED: schema.OPENED,
    ConnectionKind.DROPPED: schema.DROPPED,
    ConnectionKind.GAP: schema.GAP,
    ConnectionKind.ERROR: schema.ERROR,
    ConnectionKind.LATENCY: schema.LATENCY,
    ConnectionKind.RATE_LIMITED: schema.RATE_LIMITED,
}
_names = itertools.count(1)


class TapeWriter:
    """Writes events to a tape in the order they arrived.

    Rows go to a temporary file beside the tape. `close` syncs and renames it, so that a tape is there whole or not at all; leaving the
    `with` block by an exception throws it away. Memory is bounded by one row group.

    Args:
        path: where the tape shall be; an older one there is replaced.
        connections: names of the recorder's connections; `write` names one by its index. Give a `Connection` to set its skew instead of
            measuring it.
        source: for people: what it was made from.
        row_base: number of the first row.
        is_numbered: whether it has the column of the venue's own sequence numbers.
        group_rows: how many rows are kept in memory before they are written; `schema.ROW_GROUP_ROWS` if left out.

    Raises `TapeError` where the folder does not take the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        venue: str,
        instruments: Sequence[Instrument],
        connections: Sequence[str | Connection] = ("feed",),
        source: str = "",
        row_base: int = 0,
        is_numbered: bool = False,
        group_rows: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.venue = venue
        self.instruments = tuple(instruments)
        self.rows = 0
        self.counts: dict[str, int] = {}
        self.header: Header | None = None
        self._source = source
        self._row_base = row_base
        self._group_rows = group_rows or schema.ROW_GROUP_ROWS
        self._schema = schema.arrow_schema(is_numbered)
        self._columns = (*schema.NARROW, schema.SEQUENCE)
        self._names: list[str] = []
        self._skews: list[Nanos | None] = []
        self._given: list[bool] = []
        for connection in connections:
            self.add_connection(connection)
        self._index = _by_symbol(self.path, self.instruments)
        self._narrow: list[tuple[Any, ...]] = []
        self._tickers: list[tuple[int, tuple[int | None, ...]]] = []
        self._candles: list[tuple[int, tuple[int | None, ...]]] = []
        self._local_ns = 0
        self._first_ns: Nanos | None = None
        self._last_ns = 0
        self._hash = ContentHash(self.instruments)
        self._temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.{next(_names)}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self._temporary, "xb")  # noqa: SIM115 - lives as long as the writer
        except OSError as error:
            raise TapeError(f"{self.path}: cannot write a tape there: {error.strerror}. Choose another folder.") from error
        try:
            self._parquet = _parquet_writer(self._file, self._schema)
            self._write_instruments()
        except BaseException:  # Ctrl-C while pyarrow is imported, say: nobody else could throw away what was begun
            self._file.close()
            self._temporary.unlink(missing_ok=True)
            raise

    @property
    def size_bytes(self) -> int:
        """How large the file is so far; what is still in memory comes on top."""
        return self._file.tell()

    def add_connection(self, connection: str | Connection) -> int:
        """Make another connection known; its index."""
        is_given = isinstance(connection, Connection)
        self._names.append(connection.name if isinstance(connection, Connection) else connection)
        self._skews.append(connection.skew_ns if isinstance(connection, Connection) else None)
        self._given.append(is_given)
        return len(self._names) - 1

    def write(self, event: MarketEvent, connection: int = 0, *, is_timed: bool = True, sequence: int | None = None) -> None:
        """Append one message.

        `is_timed=False` says that its `venue_ns` is not the venue's word but somebody's estimate, of no use for measuring the skew.
        `sequence` is the venue's number of it, which a tape that is not numbered forgets.
        Raises `TapeError` where the recorder's clock goes back or the instrument is unknown.
        """
        venue_ns, local_ns = event.venue_ns, event.local_ns
        if local_ns < self._local_ns:
            raise TapeError(
                f"{self.path}: row {self.rows}: the recorder's clock goes back from {self._local_ns} to {local_ns} ns; "
                "a tape is in the order of arrival."
            )
        self._local_ns = local_ns
        if self._first_ns is None:
            self._first_ns = self._last_ns = venue_ns
        elif venue_ns > self._last_ns:
            self._last_ns = venue_ns
        if is_timed and not self._given[connection]:
            skew = self._skews[connection]
            if skew is None or local_ns - venue_ns < skew:
                self._skews[connection] = local_ns - venue_ns
        self._append(event, connection, sequence)
        while len(self._narrow) >= self._group_rows:
            self._flush(self._group_rows)

    def _append(self, event: MarketEvent, connection: int, sequence: int | None) -> None:
        rows = self._narrow
        head = (event.venue_ns, event.local_ns, self._instrument_of(event) if event.symbol else NO_INSTRUMENT, connection)
        if type(event) is BookUpdate and len(event.bids) + len(event.asks) == 1:  # nearly all there is
            side, (level,) = (BID, event.bids) if event.bids else (ASK, event.asks)
            rows.append((schema.DELTA, WHOLE, *head, side, *level, None, sequence))
            self._count("delta")
            return
        match event:
            case BookUpdate() | BookSnapshot():
                kind = schema.SNAPSHOT if isinstance(event, BookSnapshot) else schema.DELTA
                levels = [(BID, ticks, lots) for ticks, lots in event.bids]
                levels += [(ASK, ticks, lots) for ticks, lots in event.asks]
                if not levels:
                    levels.append((NO_SIDE, 0, 0))
                last = len(levels) - 1
                for index, each in enumerate(levels):
                    rows.append((kind, (index == 0) * FIRST | (index == last) * LAST, *head, *each, None, sequence))
                self._count("snapshot" if kind == schema.SNAPSHOT else "delta", last + 1)
            case Trade():
                side = BID if event.taker is Side.BUY else ASK
                rows.append((schema.TRADE, WHOLE, *head, side, event.price_ticks, event.qty_lots, event.trade_id or None, sequence))
                self._count("trade")
            case Ticker():
                values = (event.last_ticks, event.bid_ticks, event.bid_lots, event.ask_ticks, event.ask_lots)
                self._tickers.append((len(rows), values))
                rows.append((schema.TICKER, WHOLE, *head, NO_SIDE, 0, 0, None, sequence))
                self._count("ticker")
            case CandleEvent():
                prices = (event.open_ticks, event.high_ticks, event.low_ticks, event.close_ticks)
                self._candles.append((len(rows), (event.open_ns, event.span_ns, *prices, event.volume_lots)))
                rows.append((schema.CANDLE, WHOLE, *head, NO_SIDE, 0, 0, None, sequence))
                self._count("candle")
            case ConnectionEvent():
                connection = self._connection_of(event)
                rows.append((_CONNECTION_KINDS[event.what], WHOLE, *head[:3], connection, NO_SIDE, 0, 0, event.text or None, sequence))
                self._count(event.what.value)

    def close(self) -> Header:
        """Finish the tape and put it in its place; what its footer says."""
        if self.header is not None:
            return self.header
        self._flush(len(self._narrow))
        measured = [skew for skew in self._skews if skew is not None]
        # One recorder has one clock: where a connection told no time of the venue's, another's skew is the best that is known.
        unmeasured = min(measured, default=0)
        skews = [unmeasured if skew is None else skew for skew in self._skews]
        connections = tuple(Connection(name, skew) for name, skew in zip(self._names, skews, strict=True))
        self.header = Header(
            venue=self.venue,
            content_hash=self._hash.finish(self.venue, [(it.name, it.skew_ns) for it in connections], self._row_base),
            connections=connections,
            source=self._source,
            row_base=self._row_base,
            rows=self.rows,
            counts={name: self.counts[name] for name in schema.KIND_NAMES.values() if name in self.counts},
            first_ns=self._first_ns or 0,
            last_ns=self._last_ns,
            schema_version=schema.version_of(self.counts),
        )
        try:
            self._parquet.add_key_value_metadata(self.header.to_metadata())
            self._parquet.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._temporary, self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            raise self._failed(error) from error
        return self.header

    def discard(self) -> None:
        """Throw away what was written; an older tape at the path stays."""
        with suppress(OSError):  # what does not fit on the disk need not
            self._parquet.close()
        with suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _count(self, name: str, rows: int = 1) -> None:
        self.rows += rows
        self.counts[name] = self.counts.get(name, 0) + 1

    def _instrument_of(self, event: MarketEvent) -> int:
        candidates = self._index.get(event.symbol)
        if candidates is None:
            known = ", ".join(self._index)
            raise TapeError(f"{self.path}: row {self.rows}: no instrument of this tape is called {event.symbol!r}; it has {known}.")
        for index, instrument in candidates:
            if len(candidates) == 1 or instrument.valid_to_ns is None or event.venue_ns < instrument.valid_to_ns:
                return index
        return candidates[-1][0]

    def _connection_of(self, event: ConnectionEvent) -> int:
        if event.connection not in self._names:
            raise TapeError(
                f"{self.path}: row {self.rows}: no connection of this tape is called {event.connection!r}; it has {self._names}."
            )
        return self._names.index(event.connection)

    def _write_instruments(self) -> None:
        import pyarrow as pa

        layout = self._schema
        count = len(self.instruments)
        zeros = {"flags": WHOLE, "kind": schema.INSTRUMENT}
        columns: list[Any] = [pa.array([zeros.get(name, 0)] * count, layout.field(name).type) for name in schema.NARROW[:-1]]
        columns[schema.NARROW.index("instrument")] = pa.array(range(count), pa.int16())
        columns += [pa.nulls(count, layout.field(name).type) for name in layout.names[len(columns) : -1]]
        columns.append(pa.array([describe(instrument) for instrument in self.instruments], layout.field(schema.DESCRIPTION).type))
        self._parquet.write_table(pa.Table.from_arrays(columns, schema=layout), row_group_size=max(1, count))

    def _flush(self, count: int) -> None:
        import pyarrow as pa

        if not count:
            return
        layout = self._schema
        rows = self._narrow[:count]
        del self._narrow[:count]
        lists: dict[str, list[Any]] = {name: list(column) for name, column in zip(self._columns, zip(*rows, strict=True), strict=True)}
        if schema.SEQUENCE not in layout.names:
            del lists[schema.SEQUENCE]
        self._tickers = _spread(lists, schema.TICKER_COLUMNS, self._tickers, count)
        self._candles = _spread(lists, schema.CANDLE_COLUMNS, self._candles, count)
        columns = []
        for field in layout:
            values = lists.get(field.name)
            columns.append(pa.nulls(count, field.type) if values is None else pa.array(values, field.type))
        try:
            self._parquet.write_table(pa.Table.from_arrays(columns, schema=layout), row_group_size=schema.ROW_GROUP_ROWS)
        except OSError as error:
            raise self._failed(error) from error
        self._hash.update(lists)

    def _failed(self, error: OSError) -> TapeError:
        self.discard()
        return TapeError(f"{self.path}: the tape could not be written: {error.strerror or error}. Nothing was left behind.")


def _spread(
    lists: dict[str, list[Any]], names: tuple[str, ...], sparse: list[tuple[int, tuple[int | None, ...]]], count: int
) -> list[tuple[int, tuple[int | None, ...]]]:
    """Lay values that few rows have out as full columns; what belongs to later rows is returned."""
    now = [(index, values) for index, values in sparse if index < count]
    if now:
        for position, name in enumerate(names):
            column: list[int | None] = [None] * count
            for index, values in now:
                column[index] = values[position]
            lists[name] = column
    return [(index - count, values) for index, values in sparse if index >= count]


def _by_symbol(path: Path, instruments: tuple[Instrument, ...]) -> dict[str, list[tuple[int, Instrument]]]:
    if not instruments:
        raise TapeError(f"{path}: a tape needs at least one instrument.")
    found: dict[str, list[tuple[int, Instrument]]] = {}
    for index, instrument in enumerate(instruments):
        found.setdefault(instrument.symbol, []).append((index, instrument))
    for same in found.values():
        same.sort(key=lambda pair: pair[1].valid_from_ns)
    return found


def _parquet_writer(file: Any, layout: Any) -> Any:
    import pyarrow.parquet as pq

    encodings = dict.fromkeys(layout.names[:-1], "DELTA_BINARY_PACKED")
    encodings["text"] = "DELTA_BYTE_ARRAY"  # trade ids count up, so neighbours share their beginning
    for field in layout.field(schema.DESCRIPTION).type:
        encodings[f"{schema.DESCRIPTION}.{field.name}"] = "PLAIN"
    return pq.ParquetWriter(
        file,
        layout,
        compression="zstd",
        use_dictionary=False,
        column_encoding=encodings,
        write_page_checksum=True,
        sorting_columns=[pq.SortingColumn(layout.get_field_index("local_ns"))],
    )


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut; Windows has no such call and needs none."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
