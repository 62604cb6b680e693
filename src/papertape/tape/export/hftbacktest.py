"""hftbacktest's event table (its version 2): `.npz` with the array `data`, one row for each level or trade of one instrument.

Facts of the format: https://hftbacktest.readthedocs.io/en/latest/data.html and its `hftbacktest.types`. The low byte of `ev` is the kind;
bits above say on whose side, and for whom the row counts: the exchange handles rows with `EXCH` in the order of `exch_ts`, the client rows
with `LOCAL` in the order of `local_ts`, and what is in one order but not in the other stands in the table twice.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from typing import Final

from papertape.model.errors import ConfigError, TapeError
from papertape.model.event import BookSnapshot, BookUpdate, CandleEvent, ConnectionEvent, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import Nanos
from papertape.tape.batch import FLOOR_NS
from papertape.tape.export.exporter import Export, Exported, Floats
from papertape.tape.export.npy import write_table
from papertape.tape.tally import Tally

FIELDS: Final = (
    ("ev", "<u8"), ("exch_ts", "<i8"), ("local_ts", "<i8"), ("px", "<f8"),
    ("qty", "<f8"), ("order_id", "<u8"), ("ival", "<i8"), ("fval", "<f8"),
)  # fmt: skip
LAYOUT: Final = "<QqqddQqd"

DEPTH, TRADE, CLEAR, SNAPSHOT, BEST = 1, 2, 3, 4, 5
KIND_MASK: Final = 0xFF
EXCH: Final = 1 << 31
LOCAL: Final = 1 << 30
BUY: Final = 1 << 29
SELL: Final = 1 << 28

ID_MAX: Final = 2**64 - 1

Row = tuple[int, Nanos, Nanos, float, float, int, int, float]
Levels = list[tuple[int, float, float, int]]
"""Rows without their times: (kind and side, px, qty, order_id)."""


def export_hftbacktest(export: Export) -> Exported:
    """Write one instrument of a tape for hftbacktest.

    `exch_ts` is when a message had reached the venue and `local_ts` when a client could have it at the earliest, as a run of papertape
    itself would have it (`Tape.messages`), so both clocks are the venue's and no latency is below zero. A snapshot is a `CLEAR` of both
    sides and the levels after it. A trade's id, where it is a whole number, is its `order_id`.
    """
    if export.out.suffix not in (".npz", ".npy"):
        raise ConfigError(f"tape export: {export.out}: a table for hftbacktest is a file that ends in .npz (or .npy).")
    left_out = Tally()
    instrument = export.the_instrument()
    rows = write_table(export.out, FIELDS, LAYOUT, _Rows(export, instrument, left_out))
    return Exported(paths=(export.out,), rows=rows, left_out=left_out)


class _Rows:
    """The table's rows, in an order that suits the exchange and the client."""

    def __init__(self, export: Export, instrument: Instrument, left_out: Tally) -> None:
        self._export = export
        self._instrument = instrument
        self._left_out = left_out
        self._price = Floats(instrument.tick)
        self._amount = Floats(instrument.lot)

    def __iter__(self) -> Iterator[Row]:
        count = 0
        for marks, exch_ns, local_ns, levels in _twice_sorted(self._messages()):
            for kind, price, amount, order_id in levels:
                count += 1
                yield marks | kind, exch_ns, local_ns, price, amount, order_id, 0, 0.0
        if not count:
            raise TapeError(f"{self._export.tape.path}: nothing to export: no book and no trade of {self._instrument.symbol} in this span.")

    def _messages(self) -> Iterator[tuple[Nanos, Nanos, Levels]]:
        symbol = self._instrument.symbol
        for _, reach_ns, deliver_ns, event in self._export.messages():
            if event.symbol == symbol or not event.symbol:
                levels = self._levels(event)
                if levels:
                    yield reach_ns, deliver_ns, levels

    def _levels(self, event: MarketEvent) -> Levels:
        price, amount = self._price, self._amount
        match event:
            case BookUpdate():
                found = [(DEPTH | BUY, price(ticks), amount(lots), 0) for ticks, lots in event.bids]
                return found + [(DEPTH | SELL, price(ticks), amount(lots), 0) for ticks, lots in event.asks]
            case Trade():
                side = BUY if event.taker is Side.BUY else SELL
                return [(TRADE | side, price(event.price_ticks), amount(event.qty_lots), self._id(event.trade_id))]
            case BookSnapshot():
                found = [(CLEAR, 0.0, 0.0, 0)]
                found += [(SNAPSHOT | BUY, price(ticks), amount(lots), 0) for ticks, lots in event.bids]
                return found + [(SNAPSHOT | SELL, price(ticks), amount(lots), 0) for ticks, lots in event.asks]
            case Ticker():
                self._left_out.add("tickers")
            case CandleEvent():
                self._left_out.add("candles")
            case ConnectionEvent():
                self._left_out.add("news of the recorder's connections" + (", market data lost" if event.loses_market else ""))
        return []

    def _id(self, trade_id: str) -> int:
        if trade_id.isdecimal() and trade_id.isascii() and trade_id[0] != "0" and int(trade_id) <= ID_MAX:
            return int(trade_id)
        if trade_id:
            self._left_out.add("ids of trades that are no whole numbers")
        return 0


def _twice_sorted(messages: Iterator[tuple[Nanos, Nanos, Levels]]) -> Iterator[tuple[int, Nanos, Nanos, Levels]]:
    """Messages that come in the order of the venue's time, marked so that they are in the order of the client's too.

    Two connections may deliver in another order than things happened. No message is delivered before `FLOOR_NS` after it happened, so
    only those that the slowest delivery still waits for are kept.
    """
    waiting: deque[tuple[int, Nanos, Nanos, Levels]] = deque()  # for the exchange to have them
    undelivered: list[tuple[Nanos, int, Nanos, Levels]] = []  # a heap, by the client's time, then by place
    for place, (exch_ns, local_ns, levels) in enumerate(messages):
        while undelivered and undelivered[0][0] < exch_ns + FLOOR_NS:
            yield from _next(waiting, undelivered)
        waiting.append((place, exch_ns, local_ns, levels))
        heapq.heappush(undelivered, (local_ns, place, exch_ns, levels))
    while undelivered:
        yield from _next(waiting, undelivered)


def _next(
    waiting: deque[tuple[int, Nanos, Nanos, Levels]], undelivered: list[tuple[Nanos, int, Nanos, Levels]]
) -> Iterator[tuple[int, Nanos, Nanos, Levels]]:
    """Deliver the message whose turn it is to the client; to the exchange, before that, all that came before it."""
    local_ns, place, exch_ns, levels = heapq.heappop(undelivered)
    while waiting and waiting[0][0] < place:
        _, its_exch_ns, its_local_ns, its_levels = waiting.popleft()
        yield EXCH, its_exch_ns, its_local_ns, its_levels
    if waiting and waiting[0][0] == place:
        waiting.popleft()
        yield EXCH | LOCAL, exch_ns, local_ns, levels
    else:
        yield LOCAL, exch_ns, local_ns, levels
