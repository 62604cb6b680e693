"""nautilus_trader's catalogs: which type a Parquet file holds is told by its columns, whatever its folder is called.

What catalogs hold that one might not expect:
- Numbers are whole: 16 bytes times 10**16, 8 bytes times 10**9, or (older) plain integers times 10**9; the metadata says how many decimals
  count, which is the step of an instrument that has no definition in the catalog.
- A message of many deltas ends with the flag `LAST`; older data has no flags, and there equal times are one message.
- `ts_init` is when the system had it, and sorts each file; `ts_event` may be the venue's clock or the same.
- Quotes and trades have files of their own. At one time trades come first, then changes of the book, quotes and bars.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from papertape.importers.nautilus_table import DEPTH, Table, open_tables
from papertape.importers.place import Place
from papertape.importers.source import Ledger, Told
from papertape.importers.span import Span
from papertape.model.errors import ConfigError, TapeError
from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, Level, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import DAY, HOUR, MILLISECOND, MINUTE, SECOND, Nanos
from papertape.tape.export.nautilus import BUYER, CLEAR, DELETE, DELTAS, LAST_FLAG, QUOTES, SELLER, SNAPSHOT_FLAG, TRADES
from papertape.tape.header import Connection
from papertape.venues import VENUES

_SPANS: Final = {"MILLISECOND": MILLISECOND, "SECOND": SECOND, "MINUTE": MINUTE, "HOUR": HOUR, "DAY": DAY}
_BARS: Final = "bar"
_RANKS: Final = {TRADES: 0, DELTAS: 1, DEPTH: 2, QUOTES: 3, _BARS: 4}
_NEAR: Final = 1_000_000  # a number this much finer than a step off is snapped

Timed = tuple[Nanos, Nanos, int, int, MarketEvent]
"""(ts_init, ts_event, rank, place of its table, event): the order of a tape."""
Values = Mapping[str, Any]


class NautilusSource:
    """A catalog's folder, or some of its files."""

    def __init__(self, paths: Sequence[Place], venue: str, instruments: Sequence[Instrument], *, span: Span | None = None) -> None:
        tables = open_tables(paths, None if span is None else span.known[0])
        self._tables = [table for table in tables if table.kind in _RANKS]
        self._other = [table for table in tables if table.kind not in _RANKS and table.kind != "instrument"]
        if not self._tables:
            held = ", ".join(sorted({table.kind for table in tables})) or "no Parquet file"
            raise TapeError(f"{paths[0]}: nothing to import: no book, trade, quote or bar; there is {held}.")
        defined = {instrument_id: found for table in tables if table.kind == "instrument" for instrument_id, found in table.instruments()}
        wanted = self._of_venue(venue)
        found = {each: _instrument(each, self._tables, defined, instruments, venue) for each in wanted}
        self._by_id = found
        self.instruments: Sequence[Instrument] = list(found.values())
        least = min((table.least_lag_ns() for table in self._tables if table.instrument_id in found), default=0)
        self.connections: Sequence[Connection | str] = (Connection("feed", min(least, 0)),)

    def _of_venue(self, venue: str) -> list[str]:
        """The ids of that venue; where all are of one other, those: the user knows better what to call it."""
        ids = list(dict.fromkeys(table.instrument_id for table in self._tables))
        venues = list(dict.fromkeys(each.rpartition(".")[2] for each in ids))
        chosen = [each for each in ids if each.rpartition(".")[2].lower() == venue.lower()]
        if chosen or len(venues) == 1:
            return chosen or ids
        raise ConfigError(f"--venue {venue}: the catalog has instruments of {', '.join(venues)}; a tape is of one venue.")

    def events(self, ledger: Ledger) -> Iterator[Told]:
        for table in self._other:
            ledger.skipped.add(f"rows of {table.kind}", table.rows)
        chains: dict[tuple[str, str, str], list[tuple[int, Table]]] = {}
        for place, table in enumerate(self._tables):
            if table.instrument_id not in self._by_id:
                ledger.skipped.add(f"rows of {table.instrument_id}, of another venue", table.rows)
                continue
            chains.setdefault((table.kind, table.instrument_id, table.bar_type), []).append((place, table))
        for *_, event in heapq.merge(*(self._chain(each, ledger) for each in chains.values()), key=lambda timed: timed[:4]):
            yield Told(event)

    def _chain(self, tables: list[tuple[int, Table]], ledger: Ledger) -> Iterator[Timed]:
        """The files of one type and instrument, one after another."""
        tables.sort(key=lambda each: (each[1].first_ns, each[0]))
        instrument = self._by_id[tables[0][1].instrument_id]
        reader = _READERS[tables[0][1].kind](instrument, tables[0][1])
        last_ns = 0
        for place, table in tables:
            unit_of = _units(instrument, table)
            for number, values in table.read():
                ledger.rows += 1
                init_ns = values["ts_init"]
                if init_ns < last_ns:
                    raise TapeError(
                        f"{table.path}: row {number:,}: `ts_init` goes back from {last_ns} to {init_ns}; a catalog is sorted by it, and "
                        "its files do not overlap. Sort or consolidate it first."
                    )
                last_ns = init_ns
                try:
                    for event in reader.events(values, unit_of):
                        yield event.local_ns, event.venue_ns, _RANKS[table.kind], place, event
                except ValueError as error:
                    ledger.reject(table.path, number, str(error))
        for event in reader.rest():
            yield event.local_ns, event.venue_ns, _RANKS[tables[0][1].kind], tables[0][0], event


Counted = Callable[[str, Any, bool], int]
"""From (column, its value, whether it is a price) to ticks or lots."""


def _units(instrument: Instrument, table: Table) -> Counted:
    """Counts a file's numbers in the instrument's steps: exact, or within a millionth of a step, or ValueError."""
    steps: list[tuple[int, Decimal]] = []
    for step in (instrument.lot, instrument.tick):
        exact = step * table.scale
        steps.append((int(exact) if exact == int(exact) else 0, exact))

    def count(name: str, raw: int, is_price: bool) -> int:
        unit, exact = steps[is_price]
        if raw < 0:
            raise ValueError(f"{name} is below zero")
        if unit:
            whole, rest = divmod(raw, unit)
            if not rest:
                return whole
        near = round(raw / exact)
        if abs(raw - near * exact) * _NEAR > exact or near >= 2**63:
            raise ValueError(f"{name} {Decimal(raw) / table.scale} is not a multiple of {exact / table.scale}")
        return near

    return count


class _Reader:
    """Rows of one type of one instrument as events."""

    def __init__(self, instrument: Instrument, table: Table) -> None:
        self.symbol = instrument.symbol
        self.table = table

    def events(self, values: Values, count: Counted) -> Iterator[MarketEvent]:
        raise NotImplementedError

    def rest(self) -> Iterator[MarketEvent]:
        return iter(())

    def times(self, values: Values) -> dict[str, Any]:
        return {"venue_ns": values["ts_event"], "local_ns": values["ts_init"], "symbol": self.symbol}


class _Trades(_Reader):
    def events(self, values: Values, count: Counted) -> Iterator[MarketEvent]:
        taker = {BUYER: Side.BUY, SELLER: Side.SELL}.get(values["aggressor_side"])
        if taker is None:
            raise ValueError(f"a trade without a taker (aggressor_side {values['aggressor_side']})")
        lots = count("size", values["size"], False)
        if not lots:
            raise ValueError("a trade of nothing")
        yield Trade(
            **self.times(values), price_ticks=count("price", values["price"], True), qty_lots=lots, taker=taker,
            trade_id=values["trade_id"] or "",
        )  # fmt: skip


class _Quotes(_Reader):
    def events(self, values: Values, count: Counted) -> Iterator[MarketEvent]:
        prices: dict[str, Any] = {f"{side}_ticks": count(f"{side}_price", values[f"{side}_price"], True) for side in ("bid", "ask")}
        amounts: dict[str, Any] = {f"{side}_lots": count(f"{side}_size", values[f"{side}_size"], False) for side in ("bid", "ask")}
        yield Ticker(**self.times(values), **prices, **amounts)


class _Bars(_Reader):
    """Bars of time; they are stamped with their close."""

    def __init__(self, instrument: Instrument, table: Table) -> None:
        super().__init__(instrument, table)
        words = table.bar_type.removeprefix(table.instrument_id).strip("-").split("-")
        unit = _SPANS.get(words[1]) if len(words) > 1 else None
        self.span_ns = int(words[0]) * unit if unit and words[0].isdecimal() else 0

    def events(self, values: Values, count: Counted) -> Iterator[MarketEvent]:
        if not self.span_ns:
            raise ValueError(f"bars of {self.table.bar_type} are not of a time")
        numbers: dict[str, Any] = {f"{name}_ticks": count(name, values[name], True) for name in ("open", "high", "low", "close")}
        numbers["volume_lots"] = count("volume", values["volume"], False)
        open_ns = max(values["ts_event"] - self.span_ns, 0)
        yield CandleEvent(**self.times(values), open_ns=open_ns, span_ns=self.span_ns, **numbers)


class _Depths(_Reader):
    """The ten best levels of both sides, as one snapshot; what is deeper nobody knows."""

    def events(self, values: Values, count: Counted) -> Iterator[MarketEvent]:
        sides = []
        for side in ("bid", "ask"):
            levels = (
                (
                    count(f"{side}_price_{place}", values[f"{side}_price_{place}"], True),
                    count("size", values[f"{side}_size_{place}"], False),
                )
                for place in range(10)
                if values[f"{side}_size_{place}"]
            )
            sides.append(tuple(sorted(dict(levels).items(), reverse=side == "bid")))
        yield BookSnapshot(**self.times(values), bids=sides[0], asks=sides[1])


class _Deltas(_Reader):
    """Changes of the book, gathered until a message is whole."""

    def __init__(self, instrument: Instrument, table: Table) -> None:
        super().__init__(instrument, table)
        self.sides: dict[int, list[Level]] = {BUYER: [], SELLER: []}
        self.is_cleared = False
        self.is_snapshot = True  # whether all rows so far are flagged as one
        self.has_rows = False
        self.has_book = False
        self.times_now: dict[str, Any] = {}
        self.orders: dict[tuple[int, int], int] = {}

    def events(self, values: Values, count: Counted) -> Iterator[MarketEvent]:
        times = self.times(values)
        if times != self.times_now:
            yield from self.rest()
            self.times_now = times
        try:
            self._take(values, count)
        finally:
            if values["flags"] & LAST_FLAG:
                yield from self.rest()

    def _take(self, values: Values, count: Counted) -> None:
        action, side, order_id = values["action"], values["side"], values["order_id"]
        if action == CLEAR:
            self.sides = {BUYER: [], SELLER: []}
            self.orders.clear()
            self.is_cleared = self.has_rows = True
            return
        if side not in self.sides or action not in (1, 2, DELETE):
            raise ValueError(f"no such change of a book: action {action}, side {side}")
        ticks = count("price", values["price"], True)
        lots = 0 if action == DELETE else count("size", values["size"], False)
        if order_id:
            known = self.orders.setdefault((side, ticks), order_id)
            if known != order_id:
                raise ValueError("another order at the same price: this is a feed of single orders (L3), a tape has levels")
            if not lots:
                del self.orders[side, ticks]
        self.is_snapshot = self.is_snapshot and bool(values["flags"] & SNAPSHOT_FLAG)
        self.has_rows = True
        self.sides[side].append((ticks, lots))

    def rest(self) -> Iterator[MarketEvent]:
        if self.has_rows:
            bids, asks = self.sides[BUYER], self.sides[SELLER]
            if self.is_cleared or (self.is_snapshot and not self.has_book):
                whole = [tuple(sorted((at, lots) for at, lots in dict(side).items() if lots)) for side in (bids, asks)]
                yield BookSnapshot(**self.times_now, bids=whole[0][::-1], asks=whole[1])
            else:
                yield BookUpdate(**self.times_now, bids=tuple(bids), asks=tuple(asks))
            self.has_book = True
        self.sides = {BUYER: [], SELLER: []}
        self.is_cleared = self.has_rows = False
        self.is_snapshot = True


_READERS: Final[dict[str, type[_Reader]]] = {TRADES: _Trades, DELTAS: _Deltas, DEPTH: _Depths, QUOTES: _Quotes, _BARS: _Bars}


def _instrument(
    instrument_id: str, tables: Sequence[Table], defined: Mapping[str, Instrument], given: Sequence[Instrument], venue: str
) -> Instrument:
    """What the user said, else what the catalog says, else what the venue's table and a file's decimals tell."""
    name = instrument_id.rpartition(".")[0]
    plain_name = name.replace("/", "")
    for each in given:
        if plain_name in (each.venue_symbol.replace("/", ""), each.symbol.replace("/", "")):
            return msgspec.structs.replace(each, venue_symbol=name)
    if instrument_id in defined:
        return defined[instrument_id]
    table = next(each for each in tables if each.instrument_id == instrument_id)
    symbols = {each.venue_symbol.replace("/", ""): each.symbol for each in (VENUES[venue].instruments if venue in VENUES else ())}
    symbol = symbols.get(plain_name) or (name.replace("-", "/") if name.count("-") == 1 else name)
    if symbol.count("/") != 1 or table.steps is None:
        raise ConfigError(
            f"{table.path}: the catalog does not define {instrument_id}. Say `--instrument SYMBOL=TICK,LOT`, with its base and quote as "
            f"SYMBOL, so that they join to {plain_name}."
        )
    return Instrument(symbol=symbol, venue_symbol=name, tick=table.steps[0], lot=table.steps[1])
