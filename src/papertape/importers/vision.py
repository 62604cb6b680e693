"""Binance's public archive (https://github.com/binance/binance-public-data): .zip or .csv of one kind of one symbol and day or month.

What they hold that one might not expect:
- Only some have a header; without one a kind is told by the file's name and how many columns there are (spot and futures differ by one).
- Times are microseconds in spot files since 2025-01-01 and milliseconds everywhere else: told by how large they are.
- There is one clock, the venue's: nothing was late, so what a run hears late has to come from a latency model.
- `isBuyerMaker` means that the taker sold. `bookTicker` is not quite in order.
- A bar is over one unit after its `close_time`; before that nobody could know it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from papertape.importers.place import Place
from papertape.importers.rows import Row, Timed, column_of, csv_rows, in_order, merged, sorted_within
from papertape.importers.source import Ledger, TextLots, TextSteps, Told
from papertape.model.errors import ConfigError, TapeError
from papertape.model.event import CandleEvent, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND, Nanos
from papertape.tape.header import Connection
from papertape.venues import VENUES

UNSORTED_MAX: Final = 50_000
"""How many rows of a `bookTicker` may lie between a row and its place."""

_SPAN: Final = re.compile(r"(\d+)(s|m|h|d|w)")
_UNITS: Final = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_NAME: Final = re.compile(r"([A-Z0-9]+)-([A-Za-z0-9]+)-\d{4}-\d{2}(?:-\d{2})?")

TRADES: Final = "trades"
AGGREGATED: Final = "aggTrades"
BEST: Final = "bookTicker"
BARS: Final = "klines"

_COLUMNS: Final[dict[str, tuple[dict[int, tuple[int, ...]], str]]] = {
    TRADES: ({7: (0, 1, 2, 4, 5), 6: (0, 1, 2, 4, 5)}, "id,price,qty,quoteQty,time,isBuyerMaker[,isBestMatch]"),
    AGGREGATED: ({8: (0, 1, 2, 5, 6), 7: (0, 1, 2, 5, 6)}, "id,price,qty,firstId,lastId,time,isBuyerMaker[,isBestMatch]"),
    BEST: ({7: (0, 1, 2, 3, 4, 5, 6)}, "updateId,bidPrice,bidQty,askPrice,askQty,transactionTime,eventTime"),
    BARS: ({12: (0, 1, 2, 3, 4, 5, 6)}, "openTime,open,high,low,close,volume,closeTime and five more"),
}  # fmt: skip
"""Of each kind, where what we read is, by how many columns there are; and what the columns are."""

_RANKS: Final = (TRADES, AGGREGATED, BEST, BARS)


class VisionSource:
    """Some files of the archive, of one venue, in any order."""

    def __init__(self, paths: Sequence[Place], venue: str, instruments: Sequence[Instrument]) -> None:
        known = {each.venue_symbol: each for each in [*(VENUES[venue].instruments if venue in VENUES else ()), *instruments]}
        known |= {each.symbol.replace("/", ""): each for each in instruments}
        self._files: list[tuple[Place, str, Instrument, Nanos]] = []
        for path in paths:
            symbol, kind, span_ns = _named(path)
            if symbol not in known:
                raise ConfigError(
                    f"{path}: its symbol is {symbol}, whose steps are not known; say them by `--instrument`, such as "
                    f"`--instrument {_guess(symbol)}=0.01,0.00001`."
                )
            self._files.append((path, kind, known[symbol], span_ns))
        self.instruments: Sequence[Instrument] = list({each.symbol: each for _, _, each, _ in self._files}.values())
        self.connections: Sequence[Connection | str] = (Connection("archive", 0),)

    def events(self, ledger: Ledger) -> Iterator[Told]:
        chains: dict[tuple[int, str, Nanos], list[_Reader]] = {}
        readers = []
        for path, kind, instrument, span_ns in sorted(self._files, key=lambda each: each[0].name):
            reader = _Reader(path, kind, instrument, span_ns, ledger)
            readers.append(reader)
            chains.setdefault((_RANKS.index(kind), instrument.symbol, span_ns), []).append(reader)
        for event in merged([_chain(each, rank, ledger) for (rank, _, _), each in chains.items()]):
            yield Told(event)
        rounded = sum(reader.lots.rounded for reader in readers)
        if rounded:
            ledger.adjusted.add("amounts between two lots, rounded down", rounded)


def _chain(readers: list[_Reader], rank: int, ledger: Ledger) -> Iterator[Timed]:
    for reader in readers:
        yield from in_order(reader.path, reader.events(), rank, ledger)


class _Reader:
    """The rows of one file as events."""

    def __init__(self, path: Place, kind: str, instrument: Instrument, span_ns: Nanos, ledger: Ledger) -> None:
        self.path = path
        self.ticks = TextSteps(instrument.tick)
        self.lots = TextLots(instrument.lot)
        self._kind = kind
        self._symbol = instrument.symbol
        self._span_ns = span_ns
        self._ledger = ledger

    def events(self) -> Iterator[tuple[int, MarketEvent]]:
        """Each with the number of its row."""
        if self._kind == BEST:
            return sorted_within(self._told(), UNSORTED_MAX, lambda event: (event.local_ns, event.venue_ns))
        return self._told()

    def _told(self) -> Iterator[tuple[int, MarketEvent]]:
        widths, words = _COLUMNS[self._kind]
        readers: dict[str, Callable[..., MarketEvent]] = {TRADES: self._trade, AGGREGATED: self._trade, BEST: self._best, BARS: self._bar}
        read = readers[self._kind]
        places: tuple[int, ...] | None = None
        for number, row in csv_rows(self.path):
            if places is None:
                places = widths.get(len(row))
                if places is None:
                    expected = " or ".join(map(str, widths))
                    raise TapeError(
                        f"{self.path}: row {number}: {len(row)} columns; expected {expected} of Binance's {self._kind}: {words}."
                    )
                if not row[0].strip().isdecimal():
                    continue  # a header
            self._ledger.rows += 1
            try:
                yield number, read(*_fields(row, places))
            except ValueError as error:
                self._ledger.reject(self.path, number, column_of(error, words.split("[")[0].split(" and")[0].split(","), row))

    def _trade(self, id: str, price: str, amount: str, time: str, is_buyer_maker: str) -> Trade:
        ns = _time(time)
        lots = self.lots(amount)
        if not lots:
            raise ValueError("a trade of nothing")
        return Trade(
            venue_ns=ns, local_ns=ns, symbol=self._symbol, price_ticks=self.ticks(price), qty_lots=lots,
            taker=Side.SELL if _truth(is_buyer_maker) else Side.BUY, trade_id=id,
        )  # fmt: skip

    def _best(self, _: str, bid: str, bid_amount: str, ask: str, ask_amount: str, transacted: str, told: str) -> Ticker:
        return Ticker(
            venue_ns=_time(transacted), local_ns=_time(told), symbol=self._symbol, bid_ticks=self.ticks(bid), ask_ticks=self.ticks(ask),
            bid_lots=self.lots(bid_amount), ask_lots=self.lots(ask_amount),
        )  # fmt: skip

    def _bar(self, opened: str, first: str, high: str, low: str, last: str, volume: str, closed: str) -> CandleEvent:
        open_ns = _time(opened)
        span_ns = self._span_ns or _time(closed) + _unit(closed) - open_ns
        if span_ns <= 0:
            raise ValueError(f"it closes at {closed}, before it opens at {opened}")
        return CandleEvent(
            venue_ns=open_ns + span_ns, local_ns=open_ns + span_ns, symbol=self._symbol, open_ns=open_ns, span_ns=span_ns,
            open_ticks=self.ticks(first), high_ticks=self.ticks(high), low_ticks=self.ticks(low), close_ticks=self.ticks(last),
            volume_lots=self.lots(volume),
        )  # fmt: skip


def _fields(row: Row, places: tuple[int, ...]) -> list[str]:
    try:
        return [row[place].strip() for place in places]
    except IndexError:
        raise ValueError(f"{len(row)} columns; expected more than {max(places)}") from None


def _named(path: Place) -> tuple[str, str, Nanos]:
    """(symbol, kind, length of a bar) that a file's name tells."""
    found = _NAME.match(path.name)
    if found is None:
        raise TapeError(
            f"{path}: its name does not say what it is; expected it as the archive has it, such as BTCUSDT-trades-2026-01-05.zip or "
            "BTCUSDT-1m-2026-01.csv."
        )
    symbol, word = found.groups()
    if word in (TRADES, AGGREGATED, BEST):
        return symbol, word, 0
    span = _SPAN.fullmatch(word)
    if span is not None:
        return symbol, BARS, int(span[1]) * _UNITS[span[2]]
    if word == "1mo":
        return symbol, BARS, 0  # each month has its own
    raise TapeError(f"{path}: {word} is nothing that can be imported; there are {TRADES}, {AGGREGATED}, {BEST}, and bars such as 1m.")


def _unit(text: str) -> Nanos:
    """The unit of a time that is written so."""
    return MICROSECOND if len(text) >= 16 else MILLISECOND


def _time(text: str) -> Nanos:
    if not (text.isascii() and text.isdigit() and len(text) in (13, 16)):
        raise ValueError(f'"{text}" is no time in milliseconds or microseconds since 1970-01-01')
    return int(text) * _unit(text)


def _truth(text: str) -> bool:
    word = text.lower()
    if word not in ("true", "false", "1", "0"):
        raise ValueError(f'`isBuyerMaker` holds "{text}"; expected true or false')
    return word in ("true", "1")


def _guess(symbol: str) -> str:
    """How ccxt most likely writes it."""
    quote = next((each for each in ("USDT", "USDC", "FDUSD", "BTC", "ETH", "BNB", "EUR", "TRY") if symbol.endswith(each)), symbol[-3:])
    return f"{symbol.removesuffix(quote)}/{quote}"
