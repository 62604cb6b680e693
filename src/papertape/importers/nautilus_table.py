"""One Parquet file of a nautilus catalog: what it holds, by its columns, and its rows as Python numbers."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from papertape.importers.groups import Group, after, all_groups, bounds
from papertape.importers.place import Place, parquet_source
from papertape.model.errors import TapeError
from papertape.model.instrument import Instrument
from papertape.model.units import Nanos
from papertape.tape.export.nautilus import DELTAS, QUOTES, SCALES, TRADES

DEPTH: Final = "order_book_depths"

_BY_COLUMNS: Final = (
    (DELTAS, ("action", "side", "price", "size", "order_id", "flags")),
    (DEPTH, (*(f"{side}_{what}_{place}" for side in ("bid", "ask") for what in ("price", "size") for place in range(10)),)),
    (TRADES, ("price", "size", "aggressor_side", "trade_id")),
    (QUOTES, ("bid_price", "ask_price", "bid_size", "ask_size")),
    ("bar", ("open", "high", "low", "close", "volume")),
    ("instrument", ("raw_symbol", "price_increment", "size_increment", "quote_currency")),
)
"""A file is of the first type all of whose columns it has."""
_TIMES: Final = ("ts_event", "ts_init")
_INTEGER_SCALE: Final = 10**9
_BATCH_ROWS: Final = 16_384


class Table:
    """An opened file.

    Attributes:
        kind: its type, by its columns; the folder's name where none fits.
        instrument_id: `SYMBOL.VENUE`, by its metadata, else by its folder.
        scale: what its numbers are multiplied with.
        steps: the smallest price and amount that its decimals can say; None where it does not say how many count.
    """

    def __init__(self, path: Place, since_ns: Nanos | None = None) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path = path
        try:
            self._file = pq.ParquetFile(parquet_source(path))
        except (OSError, pa.ArrowException) as error:
            raise TapeError(f"{path}: does not read: {str(error).splitlines()[0]}. Fetch it again, or leave it out.") from error
        layout = self._file.schema_arrow
        there = set(layout.names)
        kinds = [kind for kind, columns in _BY_COLUMNS if there.issuperset(columns) and (kind == "instrument" or there.issuperset(_TIMES))]
        self.kind = kinds[0] if kinds else path.parent.parent.name or path.name
        self.rows: int = self._file.metadata.num_rows
        said = {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in (layout.metadata or {}).items()}
        self.bar_type = said.get("bar_type", path.parent.name if self.kind == "bar" else "")
        self.instrument_id = said.get("instrument_id") or self.bar_type or path.parent.name
        self.steps = _steps(said)
        self._columns = dict(_BY_COLUMNS).get(self.kind, ())
        numbers = [name for name in self._columns if _is_number(name)]
        widths = list(dict.fromkeys(_width(layout.field(name).type) for name in numbers))
        if self.kind != "instrument" and kinds and (len(widths) != 1 or widths == [None]):
            held = ", ".join(f"{name} {layout.field(name).type}" for name in numbers[:2])
            raise TapeError(f"{path}: {held}: prices and sizes should be whole numbers of 16, 8 or fixed bytes, as nautilus writes them.")
        width = widths[0] if widths else None
        self.scale = SCALES.get(width or 0, _INTEGER_SCALE)
        self.first_ns = self._first() if kinds and self.kind != "instrument" else 0
        self._groups = self._needed(since_ns)

    def _needed(self, since_ns: Nanos | None) -> Sequence[Group]:
        """The row groups with what happens from then on, and the one before, whose last row says how far the system's clock was.

        Of a book all, as it may have been begun at any time before.
        """
        groups = all_groups(self._file)
        if since_ns is None or self.kind not in (TRADES, QUOTES, "bar"):
            return groups
        count = len(after(groups, bounds(self._file, "ts_event", int), since_ns))
        return groups[max(len(groups) - count - 1, 0) :]

    def _first(self) -> Nanos:
        for batch in self._file.iter_batches(1, columns=["ts_init"]):
            return int(batch.column(0)[0].as_py())
        return 0

    def least_lag_ns(self) -> Nanos:
        """The least `ts_init - ts_event`; 0 where there are no rows."""
        import pyarrow.compute as pc

        least: list[int] = []
        for batch in self._file.iter_batches(columns=list(_TIMES), row_groups=[group.index for group in self._groups]):
            lag = pc.subtract(batch.column("ts_init").cast("int64"), batch.column("ts_event").cast("int64"))
            if len(lag):
                least.append(pc.min(lag).as_py())
        return min(least, default=0)

    def read(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows, each with its number from 1; numbers as whole ones times `scale`."""
        import pyarrow as pa

        names = [*self._columns, *_TIMES]
        try:
            for group in self._groups:
                number = group.rows_before
                for batch in self._file.iter_batches(_BATCH_ROWS, row_groups=[group.index], columns=names):
                    lists = [_whole(batch.column(name)) if _is_number(name) else batch.column(name).to_pylist() for name in names]
                    for values in zip(*lists, strict=True):
                        number += 1
                        yield number, dict(zip(names, values, strict=True))
        except (OSError, pa.ArrowException) as error:
            raise TapeError(f"{self.path}: its rows do not decode: {str(error).splitlines()[0]}. Fetch it again.") from error

    def instruments(self) -> Iterator[tuple[str, Instrument]]:
        """(id, instrument) of a file of definitions; later rows win."""
        for row in self._file.read().to_pylist():
            base = row.get("base_currency") or row.get("underlying")
            if not base or not row.get("id"):
                continue
            settled = row.get("settlement_currency")
            quote = str(row["quote_currency"])
            try:
                yield (
                    str(row["id"]),
                    Instrument(
                        symbol=f"{base}/{quote}" + (f":{settled}" if settled else ""),
                        venue_symbol=str(row["raw_symbol"]),
                        tick=Decimal(row["price_increment"]),
                        lot=Decimal(row["size_increment"]),
                        amount_min=Decimal(row.get("min_quantity") or 0),
                        cost_min=Decimal((row.get("min_notional") or "0").split()[0]),
                    ),
                )
            except (InvalidOperation, TypeError, IndexError) as error:
                raise TapeError(f"{self.path}: the definition of {row['id']} does not read. Fetch or write it again.") from error


def open_tables(paths: Sequence[Place], since_ns: Nanos | None = None) -> list[Table]:
    """The Parquet files of catalogs and of those named one by one; what they read begins as near to `since_ns` as it can."""
    found: list[Place] = []
    for path in paths:
        found += tables_in(path) if isinstance(path, Path) and path.is_dir() else [path]
    return [Table(path, since_ns) for path in found]


def tables_in(folder: Path) -> list[Path]:
    """The Parquet files of a catalog's folder."""
    return sorted(each for each in folder.rglob("*.parquet") if not each.name.startswith("."))


def _steps(said: dict[str, str]) -> tuple[Decimal, Decimal] | None:
    places = [said.get(name, "") for name in ("price_precision", "size_precision")]
    if not all(each.isdecimal() and int(each) <= 18 for each in places):
        return None
    return Decimal(1).scaleb(-int(places[0])), Decimal(1).scaleb(-int(places[1]))


def _is_number(name: str) -> bool:
    return name in ("open", "high", "low", "close", "volume") or "price" in name or "size" in name


def _width(kind: Any) -> int | None:
    """16 or 8 of fixed bytes, 0 of a plain integer; None of anything else."""
    text = str(kind)
    if text.startswith("fixed_size_binary["):
        width = int(text[18:-1])
        return width if width in SCALES else None
    return 0 if text in ("int64", "uint64") else None


def _whole(column: Any) -> list[int]:
    """Whole numbers of any of these widths; where one is missing, -1, which nobody takes for a number."""
    width = _width(column.type)
    if not width or column.null_count:
        return [int.from_bytes(each, "little", signed=True) if isinstance(each, bytes) else -1 if each is None else each
                for each in column.to_pylist()]  # fmt: skip
    data = memoryview(column.buffers()[1])[column.offset * width : (column.offset + len(column)) * width]
    if width == 8:
        return [each for (each,) in struct.iter_unpack("<q", data)]
    return [low | high << 64 for low, high in struct.iter_unpack("<Qq", data)]
