"""Any table, CSV or Parquet, by a file that says which column is what.

    kind = "trades"                                  # or book, quotes, bars
    symbol = "BTC/USDT"                              # or the column that has it: symbol = { from = "s" }
    [columns]
    ts_venue = { from = "E", unit = "ms" }           # s, ms, us, ns, or iso
    ts_local = { from = "received", unit = "ns" }    # when it arrived; ts_venue if left out
    price = "p"
    amount = "q"
    side = { from = "m", buy = ["false"], sell = ["true"] }    # the taker's; of a book bid and ask do as well
    id = "t"

A book's rows are absolute amounts of single levels, 0 deletes; `is_snapshot` says which begin it anew (without it all rows of the first
time do), and rows of one time are one message. Bars want `span = "1m"` beside `kind`, and `ts_venue` is when they open.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from papertape.importers.groups import Group, after, all_groups, bounds, from_snapshot
from papertape.importers.mapping import UNITS, Column, Mapped, read_columns
from papertape.importers.place import Place, parquet_source
from papertape.importers.reading import best_first, nanoseconds
from papertape.importers.rows import Timed, csv_rows, first_ns, in_order, merged_lazily
from papertape.importers.source import Ledger, TextLots, TextSteps, Told
from papertape.importers.span import Span
from papertape.model.errors import ConfigError, TapeError
from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, Level, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import Nanos
from papertape.tape.header import Connection

_TRUE: Final = ("true", "1", "t", "yes")


class ColumnsSource:
    """Tables of one kind, in the order of time."""

    def __init__(
        self,
        paths: Sequence[Place],
        venue: str,
        instruments: Sequence[Instrument],
        *,
        columns: Path | Mapping[str, Any] | None,
        span: Span | None = None,
    ) -> None:
        if columns is None:
            raise ConfigError("--format columns: say which column is what by `--columns FILE`; docs/importing.md shows one.")
        self._mapped = mapped = read_columns(columns)
        if not instruments:
            raise ConfigError("--format columns: say the steps by `--instrument`, such as `--instrument BTC/USDT=0.01,0.00001`.")
        self._by_name = {name: each for each in instruments for name in (each.symbol, each.venue_symbol, each.symbol.replace("/", ""))}
        if mapped.symbol and mapped.symbol not in self._by_name:
            raise ConfigError(f"{mapped.source}: key `symbol`: holds {mapped.symbol}, and no `--instrument` is of that")
        self.instruments: Sequence[Instrument] = instruments
        is_timed = "ts_local" in mapped.columns
        self.connections: Sequence[Connection | str] = ("table" if is_timed else Connection("table", 0),)
        self._paths = paths
        self._since_ns = None if span is None else span.known[0]

    def events(self, ledger: Ledger) -> Iterator[Told]:
        lots = {each.symbol: TextLots(each.lot) for each in self.instruments}
        begun: dict[str, None] = {}

        def table(path: Place) -> Iterator[Timed]:
            return in_order(path, self._reader(path, lots, begun, ledger).events(), 0, ledger)

        tables = [partial(table, path) for path in self._paths]
        firsts = [self._first_ns(path) for path in self._paths] if len(tables) > 1 else [0]
        for event in merged_lazily(tables, firsts):
            yield Told(event)
        rounded = sum(each.rounded for each in lots.values())
        if rounded:
            ledger.adjusted.add("amounts between two lots, rounded down", rounded)

    def _reader(self, path: Place, lots: Mapping[str, TextLots], begun: dict[str, None], ledger: Ledger) -> _Reader:
        return _Reader(path, self._mapped, self._by_name, lots, begun, ledger, self._since_ns)

    def _first_ns(self, path: Place) -> Nanos | None:
        """When the first event arrived that a file tells of; none is where it stands for good."""
        lots = {each.symbol: TextLots(each.lot) for each in self.instruments}
        begun = dict.fromkeys(lots)  # a change of a book is an event whether its snapshot is in an earlier file or in none
        return first_ns(in_order(path, self._reader(path, lots, begun, Ledger()).events(), 0, Ledger()))


Values = Mapping[str, str]


class _Reader:
    """One file's rows as events."""

    def __init__(
        self,
        path: Place,
        mapped: Mapped,
        by_name: Mapping[str, Instrument],
        lots: Mapping[str, TextLots],
        begun: dict[str, None],
        ledger: Ledger,
        since_ns: Nanos | None,
    ) -> None:
        self._path = path
        self._mapped = mapped
        self._by_name = by_name
        self._lots = lots
        self._ticks = {each.symbol: TextSteps(each.tick) for each in by_name.values()}
        self._begun = begun
        self._ledger = ledger
        self._since_ns = since_ns

    def events(self) -> Iterator[tuple[int, MarketEvent]]:
        """Each with the number of its last row."""
        if self._mapped.kind == "book":
            yield from self._book()
            return
        makers: dict[str, Callable[[Instrument, Nanos, Nanos, Values], MarketEvent]]
        makers = {"trades": self._trade, "quotes": self._quote, "bars": self._bar}
        make = makers[self._mapped.kind]
        for number, instrument, venue_ns, local_ns, values in self._rows():
            try:
                yield number, make(instrument, venue_ns, local_ns, values)
            except ValueError as error:
                self._ledger.reject(self._path, number, str(error))

    def _rows(self) -> Iterator[tuple[int, Instrument, Nanos, Nanos, Values]]:
        mapped = self._mapped
        wanted = {key: column.name for key, column in mapped.columns.items()}
        if mapped.symbol_from:
            wanted["symbol"] = mapped.symbol_from
        for number, values in self._table(wanted):
            self._ledger.rows += 1
            try:
                name = values.get("symbol", mapped.symbol)
                if name not in self._by_name:
                    self._ledger.skipped.add(f"rows of {name}, of which no `--instrument` is")
                    continue
                venue_ns = _time(values["ts_venue"], mapped.columns["ts_venue"])
                local_ns = _time(values["ts_local"], mapped.columns["ts_local"]) if "ts_local" in mapped.columns else venue_ns
                yield number, self._by_name[name], venue_ns, local_ns, values
            except ValueError as error:
                self._ledger.reject(self._path, number, str(error))

    def _table(self, wanted: Mapping[str, str]) -> Iterator[tuple[int, dict[str, str]]]:
        """Each row's number, counted from 1 without the header where it is Parquet, and what is wanted of it as text."""
        path, columns = self._path, self._mapped.source
        if path.suffix in (".parquet", ".pq"):
            yield from self._parquet(wanted)
            return
        rows = csv_rows(path)
        _, header = next(rows, (0, [""]))
        _must_have(path, [name.strip() for name in header], wanted, columns)
        places = {key: [each.strip() for each in header].index(name) for key, name in wanted.items()}
        width = max(places.values()) + 1
        for number, row in rows:
            row += [""] * (width - len(row))
            yield number, {key: row[place].strip() for key, place in places.items()}

    def _parquet(self, wanted: Mapping[str, str]) -> Iterator[tuple[int, dict[str, str]]]:
        import pyarrow
        import pyarrow.parquet

        path = self._path
        try:
            with pyarrow.parquet.ParquetFile(parquet_source(path)) as file:
                _must_have(path, file.schema_arrow.names, wanted, self._mapped.source)
                names = list(dict.fromkeys(wanted.values()))
                for group in self._groups(file):
                    number = group.rows_before
                    for batch in file.iter_batches(batch_size=16_384, row_groups=[group.index], columns=names):
                        lists = {key: _texts(pyarrow, batch.column(name)) for key, name in wanted.items()}
                        for at in range(batch.num_rows):
                            number += 1
                            yield number, {key: values[at] for key, values in lists.items()}
        except (OSError, pyarrow.ArrowException) as error:
            raise TapeError(f"{path}: does not read as Parquet: {error}") from error

    def _groups(self, file: Any) -> Sequence[Group]:
        """The row groups that the span needs."""
        groups, mapped = all_groups(file), self._mapped
        if self._since_ns is None:
            return groups
        column = mapped.columns["ts_venue"]
        times = bounds(file, column.name, lambda value: _time(_text(value), column))
        since_ns = self._since_ns - mapped.span_ns  # a bar is there when it is over
        if mapped.kind != "book":
            return after(groups, times, since_ns)
        if "is_snapshot" not in mapped.columns or mapped.symbol_from:
            return groups
        return from_snapshot(groups, times, bounds(file, mapped.columns["is_snapshot"].name), since_ns)

    def _trade(self, instrument: Instrument, venue_ns: Nanos, local_ns: Nanos, values: Values) -> Trade:
        lots = self._amount(instrument, values, "amount")
        if not lots:
            raise ValueError("a trade of nothing")
        return Trade(
            venue_ns=venue_ns, local_ns=local_ns, symbol=instrument.symbol, price_ticks=self._price(instrument, values, "price"),
            qty_lots=lots, taker=self._side(values), trade_id=values.get("id", ""),
        )  # fmt: skip

    def _quote(self, instrument: Instrument, venue_ns: Nanos, local_ns: Nanos, values: Values) -> Ticker:
        bid, ask = (self._price(instrument, values, key) if values[key] else None for key in ("bid_price", "ask_price"))
        bid_lots, ask_lots = (self._amount(instrument, values, key) if values.get(key) else 0 for key in ("bid_amount", "ask_amount"))
        return Ticker(
            venue_ns=venue_ns,
            local_ns=local_ns,
            symbol=instrument.symbol,
            bid_ticks=bid,
            bid_lots=bid_lots,
            ask_ticks=ask,
            ask_lots=ask_lots,
        )

    def _bar(self, instrument: Instrument, venue_ns: Nanos, local_ns: Nanos, values: Values) -> CandleEvent:
        span_ns = self._mapped.span_ns
        first, high, low, last = (self._price(instrument, values, key) for key in ("open", "high", "low", "close"))
        if not low <= min(first, last) <= max(first, last) <= high:
            raise ValueError("open, high, low and close are in no order")
        over_ns = venue_ns + span_ns
        return CandleEvent(
            venue_ns=over_ns, local_ns=max(local_ns, over_ns), symbol=instrument.symbol, open_ns=venue_ns, span_ns=span_ns,
            open_ticks=first, high_ticks=high, low_ticks=low, close_ticks=last, volume_lots=self._amount(instrument, values, "volume"),
        )  # fmt: skip

    def _book(self) -> Iterator[tuple[int, MarketEvent]]:
        for (symbol, local_ns, venue_ns), group in groupby(self._rows(), key=lambda row: (row[1].symbol, row[3], row[2])):
            number = 0
            levels: dict[bool, dict[Side, list[Level]]] = {True: {}, False: {}}
            for number, instrument, _, _, values in group:
                try:
                    is_snapshot = values["is_snapshot"].lower() in _TRUE if "is_snapshot" in values else symbol not in self._begun
                    level = self._price(instrument, values, "price"), self._amount(instrument, values, "amount")
                    levels[is_snapshot].setdefault(self._side(values), []).append(level)
                except ValueError as error:
                    self._ledger.reject(self._path, number, str(error))
            whole, changed = levels[True], levels[False]
            if whole:
                self._begun[symbol] = None
                bids, asks = (best_first(side, dict(whole.get(side, ())).items()) for side in (Side.BUY, Side.SELL))
                yield number, BookSnapshot(venue_ns=venue_ns, local_ns=local_ns, symbol=symbol, bids=bids, asks=asks)
            if changed and symbol in self._begun:
                bids, asks = (tuple(changed.get(side, ())) for side in (Side.BUY, Side.SELL))
                yield number, BookUpdate(venue_ns=venue_ns, local_ns=local_ns, symbol=symbol, bids=bids, asks=asks)
            elif changed:
                self._ledger.skipped.add("messages before the first snapshot of the book")

    def _price(self, instrument: Instrument, values: Values, key: str) -> int:
        try:
            return self._ticks[instrument.symbol](values[key])
        except ValueError as error:
            raise ValueError(f"column `{self._mapped.columns[key].name}`: {error}") from None

    def _amount(self, instrument: Instrument, values: Values, key: str) -> int:
        try:
            return self._lots[instrument.symbol](values[key])
        except ValueError as error:
            raise ValueError(f"column `{self._mapped.columns[key].name}`: {error}") from None

    def _side(self, values: Values) -> Side:
        column, word = self._mapped.columns["side"], values["side"].lower()
        if word in column.buy:
            return Side.BUY
        if word in column.sell:
            return Side.SELL
        raise ValueError(f'column `{column.name}`: holds "{values["side"]}"; expected {", ".join((*column.buy, *column.sell))}')


def _texts(pyarrow: Any, column: Any) -> list[str]:
    kind = column.type
    if pyarrow.types.is_timestamp(kind):
        unit = UNITS[kind.unit]
        return ["" if each is None else f"{each * unit}ns" for each in column.cast(pyarrow.int64()).to_pylist()]
    return [_text(each) for each in column.to_pylist()]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _must_have(path: Place, names: Sequence[str], wanted: Mapping[str, str], columns: str) -> None:
    for key, name in wanted.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise TapeError(f'{path}: has no column "{name}", which {columns} has for `{key}`; it has {", ".join(names)[:200]}{hint}')


def _time(text: str, column: Column) -> Nanos:
    """A time as the column has it; what Parquet knows to be a time needs no unit."""
    if text.endswith("ns") and text[:-2].isdecimal():
        return int(text[:-2])
    try:
        if column.unit == "iso":
            return nanoseconds(
                text.replace(" ", "T").replace("+00:00", "Z") if text.endswith(("Z", "+00:00")) else f"{text.replace(' ', 'T')}Z"
            )
        unit = UNITS[column.unit]
        ns = int(text) * unit if text.isdecimal() else int(Decimal(text) * unit)
    except (ValueError, ArithmeticError):
        raise ValueError(f'column `{column.name}`: "{text}" is no time in {column.unit}') from None
    if not 0 < ns < 2**63:
        raise ValueError(f"column `{column.name}`: {text} {column.unit} since 1970-01-01 is no date that a tape can hold")
    return ns
