"""hftbacktest's event tables (`.npz` or `.npy` of its version 2): one instrument, one row for each level or trade.

What its rows do that one might not expect:
- What the exchange and the client see in another order stands twice, once for each (`EXCH`, `LOCAL`). A tape is in the order of arrival, so
  the client's rows make it; the exchange's are only counted.
- Both clocks are one already: `local_ts` is `exch_ts` and the latency, so no skew is measured. Tapes add a floor to it (`FLOOR_NS`).
- A clear goes from the best price to its own, and what lies deeper stays; without a side it clears the book. A file may begin with the
  levels of a snapshot that no clear precedes, and those may have no time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from papertape.importers.npy import read_table
from papertape.importers.place import Place
from papertape.importers.source import FloatLots, FloatSteps, Ledger, Told
from papertape.model.errors import ConfigError, TapeError
from papertape.model.event import BookSnapshot, BookUpdate, Level, MarketEvent, Side, Ticker, Trade
from papertape.model.instrument import Instrument
from papertape.model.units import Nanos
from papertape.tape.export.hftbacktest import BEST, BUY, CLEAR, DEPTH, EXCH, FIELDS, KIND_MASK, LAYOUT, LOCAL, SELL, SNAPSHOT, TRADE, Row
from papertape.tape.header import Connection

_SIDES: Final = {BUY: Side.BUY, SELL: Side.SELL}
_ORDERS: Final = range(10, 14)  # what happened to single orders; a tape has levels

Placed = tuple[Place, int, Row]
"""(file, row counted from 1, the row)."""


class HftbacktestSource:
    """One instrument's tables, in the order of time."""

    def __init__(self, paths: Sequence[Place], venue: str, instruments: Sequence[Instrument]) -> None:
        if len(instruments) != 1:
            raise ConfigError(
                f"papertape import: hftbacktest's tables do not say what they are about, and hold one instrument: say it by exactly one "
                f"`--instrument`, such as `--instrument BTC/USDT=0.01,0.00001`; {len(instruments)} were given."
            )
        self.instruments = instruments
        self.connections: Sequence[Connection | str] = (Connection("feed", 0),)
        self._paths = paths
        self._symbol = instruments[0].symbol
        self._ticks = FloatSteps(instruments[0].tick)
        self._lots = FloatLots(instruments[0].lot)
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._is_begun = False  # whether any book message has been there

    def events(self, ledger: Ledger) -> Iterator[Told]:
        rows = _in_order(self._rows(ledger), ledger)
        for (exch_ns, local_ns), group in itertools.groupby(rows, key=lambda placed: placed[2][1:3]):
            for event in self._message(exch_ns, local_ns, group, ledger):
                yield Told(event)
        if self._lots.rounded:
            ledger.adjusted.add("amounts between two lots, rounded down", self._lots.rounded)

    def _rows(self, ledger: Ledger) -> Iterator[Placed]:
        """The client's rows."""
        unpaired: dict[Row, int] = {}  # rows that only the exchange handled so far (above 0), or only the client
        for path in self._paths:
            for number, row in enumerate(read_table(path, FIELDS, LAYOUT, made_by="hftbacktest (version 2)"), 1):
                ledger.rows += 1
                marks = row[0] & (EXCH | LOCAL)
                if marks != EXCH | LOCAL:
                    _pair(unpaired, row, marks)
                if marks & LOCAL:
                    yield path, number, row
                elif not marks:
                    ledger.skipped.add("rows that neither the exchange nor the client handles")
        alone = sum(count for count in unpaired.values() if count > 0)
        late = sum(-count for count in unpaired.values() if count < 0)
        if alone:
            ledger.skipped.add("rows that reached the exchange and never the client", alone)
        if late:
            ledger.adjusted.add("rows that only the client handles: here they were in the venue's book too", late)

    def _message(self, exch_ns: Nanos, local_ns: Nanos, group: Iterator[Placed], ledger: Ledger) -> Iterator[MarketEvent]:
        """What rows of the same two times tell: trades one by one, levels that stand together at once."""
        levels: list[tuple[int, int, int]] = []  # kind and side, ticks, lots
        best: list[tuple[int, int, int]] = []
        for path, number, (ev, _, _, price, amount, order_id, _, _) in group:
            kind, side = ev & KIND_MASK, ev & (BUY | SELL)
            try:
                if kind in (DEPTH, SNAPSHOT, BEST) and side in _SIDES:
                    into = best if kind == BEST else levels
                    into.append((kind | side, self._ticks(price), self._lots(amount)))
                    continue
                if kind == CLEAR and side != BUY | SELL:
                    levels.append((kind | side, self._bound(side, price), 0))
                    continue
                if kind == TRADE and side in _SIDES:
                    trade = self._trade(exch_ns, local_ns, side, price, amount, order_id)
                    yield from self._book(exch_ns, local_ns, levels)
                    levels = []
                    yield trade
                elif kind in _ORDERS:
                    ledger.skipped.add("rows about single orders (an L3 feed)")
                elif kind in (TRADE, DEPTH, SNAPSHOT, BEST, CLEAR):
                    raise ValueError(f"ev {ev:#x}: neither buy nor sell" if not side else f"ev {ev:#x}: both buy and sell")
                else:
                    ledger.skipped.add(f"rows of kind {kind}, which is a user's own")
            except ValueError as error:
                ledger.reject(path, number, str(error))
        yield from self._book(exch_ns, local_ns, levels)
        yield from self._best(exch_ns, local_ns, best)

    def _trade(self, exch_ns: Nanos, local_ns: Nanos, side: int, price: float, amount: float, order_id: int) -> Trade:
        lots = self._lots(amount)
        if not lots:
            raise ValueError("a trade of nothing")
        return Trade(
            venue_ns=exch_ns, local_ns=local_ns, symbol=self._symbol, price_ticks=self._ticks(price), qty_lots=lots,
            taker=_SIDES[side], trade_id=str(order_id) if order_id else "",
        )  # fmt: skip

    def _bound(self, side: int, price: float) -> int:
        """How deep a clear goes; all of a side where it says no price that a book could have."""
        try:
            return self._ticks(price)
        except ValueError:
            return 0 if side == BUY else 1 << 62

    def _book(self, exch_ns: Nanos, local_ns: Nanos, levels: list[tuple[int, int, int]]) -> Iterator[BookUpdate | BookSnapshot]:
        if not levels:
            return
        if not self._is_begun:
            self._is_begun = True
            whole = len(list(itertools.takewhile(lambda level: level[0] & KIND_MASK == SNAPSHOT, levels)))
            if whole:  # nothing was there that a clear would have to take away
                yield from self._book(exch_ns, local_ns, [(CLEAR, 0, 0), *levels[:whole]])
                levels = levels[whole:]
        begins = next((at for at, (kind, _, _) in enumerate(levels) if kind & KIND_MASK == CLEAR), len(levels))
        if begins:
            yield self._update(exch_ns, local_ns, levels[:begins])
        if begins == len(levels):
            return
        before = (dict(self._bids), dict(self._asks))
        cleared = 0
        for kind, ticks, lots in levels[begins:]:
            cleared |= self._apply(kind, ticks, lots)
        if cleared == BUY | SELL:
            bids, asks = tuple(sorted(self._bids.items(), reverse=True)), tuple(sorted(self._asks.items()))
            yield BookSnapshot(venue_ns=exch_ns, local_ns=local_ns, symbol=self._symbol, bids=bids, asks=asks)
            return
        changed = [
            tuple((ticks, now.get(ticks, 0)) for ticks in sorted({**then, **now}) if now.get(ticks, 0) != then.get(ticks, 0))
            for then, now in zip(before, (self._bids, self._asks), strict=True)
        ]
        if changed[0] or changed[1]:
            yield BookUpdate(venue_ns=exch_ns, local_ns=local_ns, symbol=self._symbol, bids=changed[0][::-1], asks=changed[1])

    def _update(self, exch_ns: Nanos, local_ns: Nanos, levels: list[tuple[int, int, int]]) -> BookUpdate:
        sides: dict[int, list[Level]] = {BUY: [], SELL: []}
        for kind, ticks, lots in levels:
            self._apply(kind, ticks, lots)
            sides[kind & (BUY | SELL)].append((ticks, lots))
        return BookUpdate(venue_ns=exch_ns, local_ns=local_ns, symbol=self._symbol, bids=tuple(sides[BUY]), asks=tuple(sides[SELL]))

    def _apply(self, kind: int, ticks: int, lots: int) -> int:
        """Change the book by a row; which sides it cleared."""
        side = kind & (BUY | SELL)
        book = self._bids if side == BUY else self._asks
        if kind & KIND_MASK != CLEAR:
            if lots:
                book[ticks] = lots
            else:
                book.pop(ticks, None)
            return 0
        if not side:
            self._bids.clear()
            self._asks.clear()
            return BUY | SELL
        for each in [each for each in book if (each >= ticks if side == BUY else each <= ticks)]:
            del book[each]
        return side

    def _best(self, exch_ns: Nanos, local_ns: Nanos, best: list[tuple[int, int, int]]) -> Iterator[Ticker]:
        """A ticker of the last best bid and the last best ask of a message."""
        if best:
            bid = next(((ticks, lots) for kind, ticks, lots in reversed(best) if kind & BUY), (None, 0))
            ask = next(((ticks, lots) for kind, ticks, lots in reversed(best) if kind & SELL), (None, 0))
            yield Ticker(
                venue_ns=exch_ns, local_ns=local_ns, symbol=self._symbol,
                bid_ticks=bid[0], bid_lots=bid[1], ask_ticks=ask[0], ask_lots=ask[1],
            )  # fmt: skip


def _pair(unpaired: dict[Row, int], row: Row, marks: int) -> None:
    """Let a row meet its other half, if it has come already."""
    if not marks:
        return
    key: Row = (row[0] & ~(EXCH | LOCAL), *row[1:])
    count = unpaired.get(key, 0) + (1 if marks == EXCH else -1)
    if count:
        unpaired[key] = count
    else:
        del unpaired[key]


def _in_order(rows: Iterator[Placed], ledger: Ledger) -> Iterator[Placed]:
    """Rows with times that are known and do not go back: what begins a file without any gets those of the first row that has them."""
    waiting: list[Placed] = []
    local_ns: Nanos | None = None
    for path, number, row in rows:
        if row[1] <= 0 or row[2] <= 0:
            if local_ns is not None:
                ledger.reject(path, number, "it has no time, and is not at the beginning")
            else:
                waiting.append((path, number, row))
            continue
        if local_ns is None:
            local_ns = row[2]
            if waiting:
                ledger.adjusted.add("rows without a time at the beginning, which got the first that is known", len(waiting))
            yield from ((file, at, (each[0], row[1], row[2], *each[3:])) for file, at, each in waiting)
        if row[2] < local_ns:
            ledger.adjusted.add("rows whose `local_ts` goes back, stamped with the time before")
            row = (row[0], row[1], local_ns, *row[3:])
        local_ns = row[2]
        yield path, number, row
    if waiting and local_ns is None:
        raise TapeError(f"{waiting[0][0]}: nothing to import: no row has a time (`exch_ts` and `local_ts` above 0).")
