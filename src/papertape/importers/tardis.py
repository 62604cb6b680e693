"""Tardis' CSV files (https://docs.tardis.dev/downloadable-csv-files): one kind of one symbol and day each, all with a header.

What they hold that one might not expect:
- Both times are microseconds: `timestamp` is the venue's (Tardis' own where the venue gives none), `local_timestamp` the recorder's.
- Rows of a book with one `local_timestamp` are one message; amounts are absolute, 0 deletes, also levels that were never there. A snapshot
  after updates begins the book anew; rows before the first snapshot belong to a book that nobody knows.
- `trades` and `liquidations` have the same header, so the path has to say which it is. A trade's `side` is the taker's, and may be unknown.
- An empty field of a ticker is not known, which is not zero.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from papertape.importers.place import Place
from papertape.importers.reading import best_first
from papertape.importers.rows import Row, column_of, columns, csv_rows, in_order, merged
from papertape.importers.source import Ledger, TextLots, TextSteps, Told
from papertape.model.errors import ConfigError, TapeError
from papertape.model.event import BookSnapshot, BookUpdate, Level, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import Nanos
from papertape.tape.header import Connection
from papertape.venues import VENUES

_MICROSECOND: Final = 1_000
_SIDES: Final = {"bid": Side.BUY, "ask": Side.SELL, "buy": Side.BUY, "sell": Side.SELL}
_HEAD: Final = ("exchange", "symbol", "timestamp", "local_timestamp")
_LADDER: Final = re.compile(r"(asks|bids)\[(\d+)\]\.(price|amount)")
_FROM_PATH: Final = re.compile(r"(?:^|[/_\\])(trades|liquidations)(?:[/_\\.]|$)")

BOOK: Final = "incremental_book_L2"
SNAPSHOTS: Final = "book_snapshot"
TRADES: Final = "trades"
LIQUIDATIONS: Final = "liquidations"
QUOTES: Final = "quotes"
DERIVATIVES: Final = "derivative_ticker"

_RANKS: Final = (TRADES, BOOK, SNAPSHOTS, QUOTES, DERIVATIVES)
"""At one time a trade comes before the change of the book that it makes."""


class _Table:
    """One file: its kind, whose it is, and its rows."""

    def __init__(self, path: Place) -> None:
        self.path = path
        rows = csv_rows(path)
        _, header = next(rows, (0, [""]))
        self.header = header
        self.kind = _kind(path, header)
        self.head = columns(path, header, _HEAD, f"a {self.kind} file of Tardis")
        first = next(rows, (0, None))[1]
        at = self.head[1]
        self.symbol = "" if first is None or len(first) <= at else first[at]

    def rows(self, ledger: Ledger) -> Iterator[tuple[int, Nanos, Nanos, Row]]:
        """(number, venue's time, recorder's time, row) of every row of the symbol; the times in nanoseconds."""
        _, symbol_at, venue_at, local_at = self.head
        width = len(self.header)
        for number, row in itertools.islice(csv_rows(self.path), 1, None):
            ledger.rows += 1
            try:
                if len(row) != width:
                    raise ValueError(f"{len(row)} fields; expected {width}, as in the header")
                if row[symbol_at] != self.symbol:
                    raise ValueError(f"is of {row[symbol_at]}, and the file of {self.symbol}; one file has one symbol")
                yield number, _time(row[venue_at]), _time(row[local_at]), row
            except ValueError as error:
                ledger.reject(self.path, number, column_of(error, self.header, row))


class TardisSource:
    """Some of Tardis' files, of one venue, in any order."""

    def __init__(self, paths: Sequence[Place], venue: str, instruments: Sequence[Instrument]) -> None:
        self._tables = [_Table(path) for path in paths]
        known = {each.venue_symbol: each for each in [*(VENUES[venue].instruments if venue in VENUES else ()), *instruments]}
        by_plain = {_plain(each): found for each, found in known.items()}
        self._by_symbol: dict[str, Instrument] = {}
        for table in self._tables:
            if not table.symbol:
                continue  # nothing but a header
            found = known.get(table.symbol) or by_plain.get(_plain(table.symbol))
            if found is None:
                raise ConfigError(
                    f"{table.path}: its symbol is {table.symbol}, whose steps are not known; say them by `--instrument`, such as "
                    f"`--instrument BTC/USDT=0.01,0.00001`."
                )
            self._by_symbol[table.symbol] = found
        self.instruments: Sequence[Instrument] = list({each.symbol: each for each in self._by_symbol.values()}.values())
        self.connections: Sequence[Connection | str] = ("tardis",)

    def events(self, ledger: Ledger) -> Iterator[Told]:
        chains: dict[tuple[int, str], list[_Table]] = {}
        for table in self._tables:
            if table.kind == LIQUIDATIONS:
                ledger.skipped.add("rows of liquidations, which are trades once more", sum(1 for _ in table.rows(ledger)))
            elif table.symbol:
                chains.setdefault((_RANKS.index(table.kind), table.symbol), []).append(table)
        timed = []
        counted: list[TextLots] = []
        for (rank, symbol), tables in chains.items():
            reader = _READERS[_RANKS[rank]](self._by_symbol[symbol], ledger)
            counted.append(reader.lots)
            timed.append(self._chain(tables, reader, rank, ledger))
        for event in merged(timed):
            yield Told(event)
        rounded = sum(lots.rounded for lots in counted)
        if rounded:
            ledger.adjusted.add("amounts between two lots, rounded down", rounded)

    @staticmethod
    def _chain(tables: list[_Table], reader: _Reader, rank: int, ledger: Ledger) -> Iterator[tuple[Nanos, int, MarketEvent]]:
        tables.sort(key=lambda table: table.path.name)  # the name ends with the day
        for table in tables:
            yield from in_order(table.path, reader.events(table), rank, ledger)


class _Reader:
    """Rows of one kind and symbol as events, from one file after another."""

    def __init__(self, instrument: Instrument, ledger: Ledger) -> None:
        self.symbol = instrument.symbol
        self.ticks = TextSteps(instrument.tick)
        self.lots = TextLots(instrument.lot)
        self.ledger = ledger

    def events(self, table: _Table) -> Iterator[tuple[int, MarketEvent]]:
        """Each with the number of its last row."""
        raise NotImplementedError

    def prices(self, text: str) -> int | None:
        """A price that may be left out."""
        return self.ticks(text) if text else None


class _Trades(_Reader):
    def events(self, table: _Table) -> Iterator[tuple[int, MarketEvent]]:
        id_at, side_at, price_at, amount_at = columns(table.path, table.header, ("id", "side", "price", "amount"), "Tardis' trades")
        for number, venue_ns, local_ns, row in table.rows(self.ledger):
            try:
                if row[side_at] == "unknown":
                    self.ledger.skipped.add("trades of which nobody says who took")
                    continue
                lots = self.lots(row[amount_at])
                if not lots:
                    raise ValueError("a trade of nothing")
                yield number, Trade(
                    venue_ns=venue_ns, local_ns=local_ns, symbol=self.symbol, price_ticks=self.ticks(row[price_at]), qty_lots=lots,
                    taker=_side(row[side_at]), trade_id=row[id_at],
                )  # fmt: skip
            except ValueError as error:
                self.ledger.reject(table.path, number, column_of(error, table.header, row))


class _Book(_Reader):
    """`incremental_book_L2`."""

    def __init__(self, instrument: Instrument, ledger: Ledger) -> None:
        super().__init__(instrument, ledger)
        self._is_known = False
        self._is_in_snapshot = False

    def events(self, table: _Table) -> Iterator[tuple[int, MarketEvent]]:
        places = columns(table.path, table.header, ("is_snapshot", "side", "price", "amount"), "Tardis' book")
        for (local_ns, is_snapshot), group in itertools.groupby(
            table.rows(self.ledger), key=lambda each: (each[2], each[3][places[0]].lower())
        ):
            number, venue_ns = 0, 0
            levels: dict[Side, list[Level]] = {Side.BUY: [], Side.SELL: []}
            for number, row_ns, _, row in group:
                try:
                    if is_snapshot not in ("true", "false"):
                        raise ValueError(f"`is_snapshot` holds {row[places[0]]}; expected true or false")
                    side, amount = _side(row[places[1]]), row[places[3]]
                    levels[side].append((self.ticks(row[places[2]]), self.lots(amount)))
                    venue_ns = max(venue_ns, row_ns)
                except ValueError as error:
                    self.ledger.reject(table.path, number, column_of(error, table.header, row))
            if venue_ns:
                yield from self._message(number, venue_ns, local_ns, is_snapshot == "true", levels)

    def _message(
        self, number: int, venue_ns: Nanos, local_ns: Nanos, is_snapshot: bool, levels: dict[Side, list[Level]]
    ) -> Iterator[tuple[int, MarketEvent]]:
        is_first = is_snapshot and not self._is_in_snapshot
        self._is_in_snapshot = is_snapshot
        if is_first:
            self._is_known = True
            bids, asks = (best_first(side, dict(levels[side]).items()) for side in (Side.BUY, Side.SELL))
            yield number, BookSnapshot(venue_ns=venue_ns, local_ns=local_ns, symbol=self.symbol, bids=bids, asks=asks)
        elif not self._is_known:
            self.ledger.skipped.add("messages before the first snapshot of the book")
        else:  # a snapshot that goes on in another message adds to it
            yield (
                number,
                BookUpdate(
                    venue_ns=venue_ns, local_ns=local_ns, symbol=self.symbol, bids=tuple(levels[Side.BUY]), asks=tuple(levels[Side.SELL])
                ),
            )


class _Snapshots(_Reader):
    """`book_snapshot_5`, `book_snapshot_25`: the top of a book, in each row whole."""

    def events(self, table: _Table) -> Iterator[tuple[int, MarketEvent]]:
        places: dict[tuple[str, int], dict[str, int]] = {}
        for place, name in enumerate(table.header):
            found = _LADDER.fullmatch(name.strip())
            if found:
                places.setdefault((found[1], int(found[2])), {})[found[3]] = place
        for number, venue_ns, local_ns, row in table.rows(self.ledger):
            sides: dict[str, list[Level]] = {"bids": [], "asks": []}
            try:
                for (side, _), at in places.items():
                    price, amount = row[at["price"]], row[at["amount"]]
                    if price:
                        sides[side].append((self.ticks(price), self.lots(amount)))
            except KeyError as error:
                self.ledger.reject(table.path, number, f"a level without its {error}")
                continue
            except ValueError as error:
                self.ledger.reject(table.path, number, column_of(error, table.header, row))
                continue
            bids, asks = best_first(Side.BUY, sides["bids"]), best_first(Side.SELL, sides["asks"])
            yield number, BookSnapshot(venue_ns=venue_ns, local_ns=local_ns, symbol=self.symbol, bids=bids, asks=asks)


class _Quotes(_Reader):
    def events(self, table: _Table) -> Iterator[tuple[int, MarketEvent]]:
        names = ("bid_price", "bid_amount", "ask_price", "ask_amount")
        bid_at, bid_lots_at, ask_at, ask_lots_at = columns(table.path, table.header, names, "Tardis' quotes")
        for number, venue_ns, local_ns, row in table.rows(self.ledger):
            try:
                bid, ask = self.prices(row[bid_at]), self.prices(row[ask_at])
                bid_lots, ask_lots = (self.lots(row[at] or "0") for at in (bid_lots_at, ask_lots_at))
            except ValueError as error:
                self.ledger.reject(table.path, number, column_of(error, table.header, row))
                continue
            yield (
                number,
                Ticker(
                    venue_ns=venue_ns,
                    local_ns=local_ns,
                    symbol=self.symbol,
                    bid_ticks=bid,
                    bid_lots=bid_lots,
                    ask_ticks=ask,
                    ask_lots=ask_lots,
                ),
            )


class _Derivatives(_Reader):
    """`derivative_ticker`, of which a tape keeps the last price."""

    def events(self, table: _Table) -> Iterator[tuple[int, MarketEvent]]:
        (last_at,) = columns(table.path, table.header, ("last_price",), "Tardis' derivative_ticker")
        for number, venue_ns, local_ns, row in table.rows(self.ledger):
            try:
                last = self.prices(row[last_at])
            except ValueError as error:
                self.ledger.reject(table.path, number, column_of(error, table.header, row))
                continue
            if last is None:
                self.ledger.skipped.add("rows of funding, interest or index prices alone, which a tape has no place for")
            else:
                yield number, Ticker(venue_ns=venue_ns, local_ns=local_ns, symbol=self.symbol, last_ticks=last)


_READERS: Final[dict[str, Callable[[Instrument, Ledger], _Reader]]] = {
    TRADES: _Trades, BOOK: _Book, SNAPSHOTS: _Snapshots, QUOTES: _Quotes, DERIVATIVES: _Derivatives,
}  # fmt: skip


def _kind(path: Place, header: Row) -> str:
    names = {name.strip() for name in header}
    if {"is_snapshot", "side", "price", "amount"} <= names:
        return BOOK
    if {"id", "side", "price", "amount"} <= names:
        said = _FROM_PATH.findall(path.as_posix().lower())
        if not said:
            raise TapeError(
                f"{path}: trades and liquidations look alike, so its name has to say which it is, as Tardis' own do: "
                "coinbase_trades_2026-01-05_BTC-USD.csv.gz."
            )
        return str(said[-1])
    if any(_LADDER.fullmatch(name) for name in names):
        return SNAPSHOTS
    if {"bid_price", "ask_price", "bid_amount", "ask_amount"} <= names:
        return QUOTES
    if {"funding_rate", "last_price"} <= names:
        return DERIVATIVES
    raise TapeError(
        f"{path}: row 1: no header of a kind that can be imported: {','.join(header)[:200] or '(nothing)'}; expected Tardis' "
        "incremental_book_L2, trades, book_snapshot_5, book_snapshot_25, quotes or derivative_ticker."
    )


def _time(text: str) -> Nanos:
    if not (text.isascii() and text.isdigit() and len(text) == 16):
        raise ValueError(f'"{text}" is no time in microseconds since 1970-01-01')
    return int(text) * _MICROSECOND


def _side(text: str) -> Side:
    side = _SIDES.get(text)
    if side is None:
        raise ValueError(f'`side` holds "{text}"; expected {", ".join(_SIDES)}')
    return side


def _plain(symbol: str) -> str:
    return "".join(filter(str.isalnum, symbol)).upper()
