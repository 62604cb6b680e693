"""nautilus_trader's catalog: `data/<type>/<instrument>/<start>_<end>.parquet`, prices and sizes as whole numbers of 128 bits.

Facts of the format: https://nautilustrader.io/docs/latest/concepts/data/ and the schemas that its `ParquetDataCatalog` writes (1.231). A
number is its value times 10**16 in 16 bytes (10**9 in 8 where it was built without high precision), little-endian; how many decimals count
stands in the file's metadata. `ts_event` is when it happened, `ts_init` when the system had it, by which a catalog is sorted.
"""

from __future__ import annotations

import heapq
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from papertape.model.errors import TapeError
from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, Level, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import SECOND, Nanos, plain
from papertape.tape.batch import FLOOR_NS
from papertape.tape.export.exporter import Export, Exported
from papertape.tape.tally import Tally

DELTAS, TRADES, QUOTES, PAIRS = "order_book_deltas", "trade_tick", "quote_tick", "currency_pair"

ADD, UPDATE, DELETE, CLEAR = 1, 2, 3, 4
BUYER, SELLER = 1, 2
LAST_FLAG: Final = 128
SNAPSHOT_FLAG: Final = 32
ID_MAX: Final = 36

SCALES: Final = {16: 10**16, 8: 10**9}
"""What a number is multiplied with, by the bytes it has."""
_BYTES: Final = 16
_GROUP_ROWS: Final = 65_536

_NUMBER, _BYTE, _TIME, _WORD = "number", "uint8", "uint64", "string"
_COLUMNS: Final = {
    DELTAS: (
        ("action", _BYTE), ("side", _BYTE), ("price", _NUMBER), ("size", _NUMBER), ("order_id", _TIME), ("flags", _BYTE),
        ("sequence", _TIME), ("ts_event", _TIME), ("ts_init", _TIME),
    ),
    TRADES: (
        ("price", _NUMBER), ("size", _NUMBER), ("aggressor_side", _BYTE), ("trade_id", _WORD), ("ts_event", _TIME), ("ts_init", _TIME),
    ),
    QUOTES: (
        ("bid_price", _NUMBER), ("ask_price", _NUMBER), ("bid_size", _NUMBER), ("ask_size", _NUMBER), ("ts_event", _TIME),
        ("ts_init", _TIME),
    ),
}  # fmt: skip


def export_nautilus(export: Export) -> Exported:
    """Write a tape as a catalog, all of its instruments or the one that is named.

    `ts_event` is when a message had reached the venue and `ts_init` when a client could have it at the earliest, as a run of papertape
    itself would have it. A snapshot is a clear and the levels after it; the last row of each book message bears the flag that says so. A
    ticker is a quote where it has both sides; what it says of the last trade has no place there.
    """
    wanted = {export.the_instrument().symbol} if export.symbol is not None else {each.symbol for each in export.tape.instruments}
    instruments = {}
    for symbol in sorted(wanted):
        instruments[symbol] = Export(tape=export.tape, out=export.out, symbol=symbol).the_instrument()
    out = export.out
    if out.exists() and not out.is_dir():
        raise TapeError(f"{out}: is a file; a catalog is a folder.")
    leaves = {each.symbol: _identity(each, export.tape.venue).replace("/", "") for each in instruments.values()}
    for kind in (*_COLUMNS, PAIRS):
        for leaf in leaves.values():
            if (out / "data" / kind / leaf).exists():
                raise TapeError(f"{out / 'data' / kind / leaf}: is there already; export to another folder, or take it away.")
    staged = out / f".papertape.{os.getpid()}.part"
    try:
        staged.mkdir(parents=True)
        return _Catalog(export, instruments, leaves, staged).run()
    except OSError as error:
        raise TapeError(f"{out}: could not be written: {error.strerror or error}. Nothing was left behind.") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        with suppress(OSError):
            out.rmdir()  # only if it is empty


def _identity(instrument: Instrument, venue: str) -> str:
    """`SYMBOL.VENUE`, as nautilus names an instrument, and its folder too."""
    return f"{instrument.venue_symbol}.{venue.upper()}"


class _Catalog:
    """One export."""

    def __init__(self, export: Export, instruments: dict[str, Instrument], leaves: dict[str, str], staged: Path) -> None:
        self._export = export
        self._staged = staged
        self._left_out = Tally()
        self._tables = {
            (symbol, kind): _Table(staged / "data" / kind / leaves[symbol], kind, instruments[symbol], leaves[symbol])
            for symbol in instruments
            for kind in _COLUMNS
        }
        self._leaves = leaves
        self._instruments = instruments
        self._known: dict[str, tuple[set[int], set[int]]] = {symbol: (set(), set()) for symbol in instruments}

    def run(self) -> Exported:
        rows = 0
        for deliver_ns, row, reach_ns, event in _by_delivery(self._export):
            if event.symbol in self._instruments:
                for kind, values in self._rows(event, row):
                    self._tables[event.symbol, kind].add((*values, reach_ns, deliver_ns))
                    rows += 1
            elif not event.symbol:
                self._left_out.add("news of the recorder's connections")
        if not rows:
            raise TapeError(f"{self._export.tape.path}: nothing to export: no book, trade or quote in this span.")
        written = [path for table in self._tables.values() if (path := table.close()) is not None]
        written += [_write_pair(self._staged / "data" / PAIRS / self._leaves[name], each, self._leaves[name])
                    for name, each in self._instruments.items()]  # fmt: skip
        paths = []
        for path in written:
            target = self._export.out / path.relative_to(self._staged)
            target.parent.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path.parent, target.parent)
            paths.append(target)
        return Exported(paths=tuple(paths), rows=rows, left_out=self._left_out)

    def _rows(self, event: MarketEvent, row: int) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """(type, its columns without the times)."""
        match event:
            case BookUpdate() | BookSnapshot():
                changes = list(self._changes(event))
                flag = SNAPSHOT_FLAG if isinstance(event, BookSnapshot) else 0
                for index, (action, side, ticks, lots) in enumerate(changes):
                    yield DELTAS, (action, side, ticks, lots, 0, flag | (LAST_FLAG if index == len(changes) - 1 else 0), row)
            case Trade():
                side = BUYER if event.taker is Side.BUY else SELLER
                yield TRADES, (event.price_ticks, event.qty_lots, side, self._id(event.trade_id, row))
            case Ticker() if event.bid_ticks is not None and event.ask_ticks is not None:
                yield QUOTES, (event.bid_ticks, event.ask_ticks, event.bid_lots, event.ask_lots)
            case Ticker():
                self._left_out.add("tickers without both sides")
            case CandleEvent():
                self._left_out.add("candles")

    def _changes(self, event: BookUpdate | BookSnapshot) -> Iterator[tuple[int, int, int, int]]:
        known = self._known[event.symbol]
        if isinstance(event, BookSnapshot):
            known[0].clear()
            known[1].clear()
            yield CLEAR, 0, 0, 0
        sides: tuple[tuple[int, set[int], tuple[Level, ...]], ...] = ((BUYER, known[0], event.bids), (SELLER, known[1], event.asks))
        for side, there, levels in sides:
            for ticks, lots in levels:
                if lots:
                    yield UPDATE if ticks in there else ADD, side, ticks, lots
                    there.add(ticks)
                elif ticks in there:
                    there.remove(ticks)
                    yield DELETE, side, ticks, 0
                else:
                    self._left_out.add("deletes of levels that are not in the book")

    def _id(self, trade_id: str, row: int) -> str:
        """Nautilus wants an id for every trade, of plain characters and not too long."""
        if 0 < len(trade_id) <= ID_MAX and trade_id.isascii() and trade_id.isprintable() and trade_id.strip():
            return trade_id
        if trade_id:
            self._left_out.add(f"ids of trades that nautilus would not take (1 to {ID_MAX} plain characters)")
        return f"row-{row}"


def _by_delivery(export: Export) -> Iterator[tuple[Nanos, int, Nanos, MarketEvent]]:
    """(deliver_ns, row, reach_ns, event) in the order of delivery; kept are only those that the slowest connection still waits for."""
    waiting: list[tuple[Nanos, int, Nanos, MarketEvent]] = []
    for row, reach_ns, deliver_ns, event in export.messages():
        while waiting and waiting[0][0] < reach_ns + FLOOR_NS:
            yield heapq.heappop(waiting)
        heapq.heappush(waiting, (deliver_ns, row, reach_ns, event))
    while waiting:
        yield heapq.heappop(waiting)


class _Table:
    """One type of one instrument: rows in, a Parquet file out."""

    def __init__(self, folder: Path, kind: str, instrument: Instrument, identity: str) -> None:
        self._folder = folder
        self._columns = _COLUMNS[kind]
        self._convert = [_conversion(name, instrument) if type_ == _NUMBER else None for name, type_ in self._columns]
        self._metadata = {
            "instrument_id": identity, "price_precision": str(decimals(instrument.tick)), "size_precision": str(decimals(instrument.lot)),
        }  # fmt: skip
        self._rows: list[tuple[Any, ...]] = []
        self._writer: Any = None
        self._first_ns = self._last_ns = 0

    def add(self, row: tuple[Any, ...]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = [pa.binary(_BYTES) if type_ == _NUMBER else getattr(pa, type_)() for _, type_ in self._columns]
        fields = [pa.field(name, kind, nullable=False) for (name, _), kind in zip(self._columns, types, strict=True)]
        layout = pa.schema(fields, metadata=self._metadata)
        if self._writer is None:
            self._folder.mkdir(parents=True)
            self._first_ns = self._rows[0][-1]
            self._writer = pq.ParquetWriter(self._folder / ".part", layout, compression="zstd")
        self._last_ns = self._rows[-1][-1]
        lists = list(zip(*self._rows, strict=True))
        self._rows = []
        arrays = [
            pa.array([convert(count) for count in values] if convert is not None else values, kind)
            for values, convert, kind in zip(lists, self._convert, types, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=layout))

    def close(self) -> Path | None:
        """The file, under the name of its span; None if there was nothing to write."""
        if self._rows:
            self._flush()
        if self._writer is None:
            return None
        self._writer.close()
        return (self._folder / ".part").rename(self._folder / f"{file_time(self._first_ns)}_{file_time(self._last_ns)}.parquet")


def _conversion(name: str, instrument: Instrument) -> Callable[[int], bytes]:
    """From ticks or lots to nautilus' bytes."""
    step = instrument.tick if name.endswith("price") else instrument.lot
    scaled = step * SCALES[_BYTES]
    unit = int(scaled)
    if unit != scaled:
        raise TapeError(f"{instrument.symbol}: a step of {plain(step)} has more decimals than nautilus' 16.")
    return lambda count: (count * unit).to_bytes(_BYTES, "little", signed=True)


def decimals(step: Decimal) -> int:
    """How many digits stand after the point.

    >>> decimals(Decimal("0.01")), decimals(Decimal("1E-8")), decimals(Decimal(10))
    (2, 8, 0)
    """
    return len(plain(step).partition(".")[2])


def file_time(ns: Nanos) -> str:
    """A time as a catalog's file names have it.

    >>> file_time(1_700_000_000_000_000_005)
    '2023-11-14T22-13-20-000000005Z'
    """
    whole = datetime.fromtimestamp(ns // SECOND, UTC)
    return f"{whole:%Y-%m-%dT%H-%M-%S}-{ns % SECOND:09d}Z"


def _write_pair(folder: Path, instrument: Instrument, identity: str) -> Path:
    """The instrument's own file: a currency pair."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    word = pa.dictionary(pa.int16(), pa.string())
    tick, lot = plain(instrument.tick), plain(instrument.lot)
    values: dict[str, tuple[Any, Any]] = {
        "id": (identity, pa.dictionary(pa.int64(), pa.string())),
        "raw_symbol": (instrument.venue_symbol, pa.string()),
        "base_currency": (instrument.base, word),
        "quote_currency": (instrument.quote, word),
        "price_precision": (decimals(instrument.tick), pa.uint8()),
        "size_precision": (decimals(instrument.lot), pa.uint8()),
        "price_increment": (tick, word),
        "size_increment": (lot, word),
        "multiplier": ("1", word),
        "lot_size": (None, word),
        "max_quantity": (None, word),
        "min_quantity": (_as(instrument.amount_min, instrument.lot) if instrument.amount_min else None, word),
        "max_notional": (None, word),
        "min_notional": (f"{plain(instrument.cost_min)} {instrument.quote}" if instrument.cost_min else None, word),
        "max_price": (None, word),
        "min_price": (None, word),
        "margin_init": ("0", pa.string()),
        "margin_maint": ("0", pa.string()),
        "maker_fee": ("0", pa.string()),
        "taker_fee": ("0", pa.string()),
        "info": (b"null", pa.binary()),
        "ts_event": (instrument.valid_from_ns, pa.uint64()),
        "ts_init": (instrument.valid_from_ns, pa.uint64()),
    }
    fields = [pa.field(name, kind) for name, (_, kind) in values.items()]
    arrays = [pa.array([value], kind) for value, kind in values.values()]
    folder.mkdir(parents=True)
    path = folder / f"{file_time(instrument.valid_from_ns)}_{file_time(instrument.valid_from_ns)}.parquet"
    pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata={"class": "CurrencyPair"})), path)
    return path


def _as(number: Decimal, step: Decimal) -> str:
    """A number with as many decimals as its step."""
    return f"{number:.{decimals(step)}f}"
