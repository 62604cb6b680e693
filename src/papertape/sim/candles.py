"""Bars made of the trades that have reached the venue."""

from __future__ import annotations

from collections.abc import Iterable

from papertape.model.account import Candle
from papertape.model.event import Trade
from papertape.model.instrument import Instrument
from papertape.model.units import DAY, MINUTE, Nanos


class Candles:
    """One instrument's minute bars, and longer ones made of them. Nothing of the future is in them: a bar holds what was told so far.

    A minute in which nothing was traded has no bar, as on Coinbase.
    """

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._bars: dict[int, list[int]] = {}  # minute since 1970 → open, high, low, close ticks, volume lots
        self._minute = -1
        self._bar: list[int] = []
        self._settled: list[int] = []  # what `day` had of other minutes than the running one
        self._settled_at = (-1, -1)

    def on_trade(self, trade: Trade) -> None:
        self._add(trade.price_ticks, trade.qty_lots, trade.venue_ns)

    def follow(self, bars: Iterable[tuple[int, int, int, int, int, int]], minute: int) -> None:
        """Many trades in a row as bars, each (minute since 1970, open, high, low, close ticks, volume lots), and the last one's minute."""
        for each, *bar in bars:
            _merge(self._bars.setdefault(each, []), bar)
        if minute in self._bars:
            self._minute, self._bar = minute, self._bars[minute]

    def _add(self, ticks: int, lots: int, at_ns: Nanos) -> None:
        minute = at_ns // MINUTE
        if minute != self._minute:
            self._minute = minute
            self._bar = self._bars.setdefault(minute, [ticks, ticks, ticks, ticks, 0])
        bar = self._bar
        if ticks > bar[1]:
            bar[1] = ticks
        elif ticks < bar[2]:
            bar[2] = ticks
        bar[3] = ticks
        bar[4] += lots

    def day(self, now_ns: Nanos) -> Candle | None:
        """One bar of the last day's minutes, the running one included; None if nothing was traded."""
        first = now_ns // MINUTE - DAY // MINUTE + 1
        if self._settled_at != (first, self._minute):  # else only the running minute can have changed
            self._settled_at, self._settled = (first, self._minute), []
            for minute in sorted(minute for minute in self._bars if first <= minute != self._minute):
                _merge(self._settled, self._bars[minute])
        whole = list(self._settled)
        if self._minute >= first:
            _merge(whole, self._bar)
        return self._candle(first * MINUTE, whole) if whole else None

    def bars(self, span_ns: Nanos, *, since_ns: Nanos | None, limit: int) -> tuple[Candle, ...]:
        """Bars of `span_ns`, a whole number of minutes, oldest first: the first `limit` that open at or after `since_ns`, else the last."""
        merged: dict[int, list[int]] = {}
        for minute in sorted(self._bars):
            open_ns = minute * MINUTE // span_ns * span_ns
            if since_ns is not None and open_ns < since_ns:
                continue
            _merge(merged.setdefault(open_ns, []), self._bars[minute])
        rows = list(merged.items())
        rows = rows[:limit] if since_ns is not None else rows[-limit:]
        return tuple(self._candle(open_ns, bar) for open_ns, bar in rows)

    def _candle(self, open_ns: Nanos, bar: list[int]) -> Candle:
        it = self._instrument
        open, high, low, close = (it.price(ticks) for ticks in bar[:4])
        return Candle(open_ns=open_ns, open=open, high=high, low=low, close=close, volume=it.amount(bar[4]))


def _merge(whole: list[int], bar: list[int]) -> None:
    """Let a bar go on with the next; an empty one becomes it."""
    if whole:
        whole[1:] = max(whole[1], bar[1]), min(whole[2], bar[2]), bar[3], whole[4] + bar[4]
    else:
        whole[:] = bar
