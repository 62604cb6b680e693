"""Bars made of delivered trades; one is handed out only when it is over."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from papertape.model.account import Candle
from papertape.model.errors import BadRequest
from papertape.model.event import Trade
from papertape.model.instrument import Instrument
from papertape.model.units import DAY, HOUR, MINUTE, SECOND, Nanos

_SPANS: Final = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}


def span_of(timeframe: str) -> Nanos:
    """Nanoseconds of ccxt's name for a bar; raises BadRequest for what is none.

    >>> span_of("5m") // SECOND
    300
    """
    found = re.fullmatch(r"([1-9]\d*)([smhd])", timeframe)
    if found is None:
        raise BadRequest(f'timeframe "{timeframe}": expected a number and one of s, m, h, d, such as "1m" or "4h"')
    return int(found[1]) * _SPANS[found[2]]


class Bar(msgspec.Struct, frozen=True):
    """A bar that is over; `torn` if trades of it may have been missed, so that it must be fetched before anyone relies on it."""

    candle: Candle
    torn: bool


class BarBuilder:
    """Collects trades into bars of one span, aligned to 1970-01-01 UTC.

    A span without trades makes no bar, as at the venues. The first span is torn unless the builder was there from its first nanosecond.
    """

    def __init__(self, instrument: Instrument, span_ns: Nanos, start_ns: Nanos) -> None:
        self.instrument = instrument
        self.span_ns = span_ns
        self.late = 0  # trades that came after their bar was handed out
        self._open_ns = start_ns - start_ns % span_ns
        self._torn = start_ns != self._open_ns
        self._prices: list[int] = []  # open, high, low, close in ticks
        self._lots = 0

    @property
    def ends_ns(self) -> Nanos:
        """When the running bar is over, venue clock."""
        return self._open_ns + self.span_ns

    def tear(self) -> None:
        """Trades may have been missed since the running bar opened."""
        self._torn = True

    def on_trade(self, trade: Trade) -> Bar | None:
        """Count a trade; returns the running bar if this trade belongs to a later one."""
        if trade.venue_ns < self._open_ns:
            self.late += 1
            return None
        closed = None
        if trade.venue_ns >= self._open_ns + self.span_ns:
            closed = self.close(trade.venue_ns)
        ticks = trade.price_ticks
        if not self._prices:
            self._prices = [ticks, ticks, ticks, ticks]
        else:
            self._prices[1] = max(self._prices[1], ticks)
            self._prices[2] = min(self._prices[2], ticks)
            self._prices[3] = ticks
        self._lots += trade.qty_lots
        return closed

    def close(self, now_ns: Nanos) -> Bar | None:
        """Hand out the running bar, if it is over by `now_ns` (venue clock) and holds anything or may have been torn."""
        if now_ns < self.ends_ns:
            return None
        bar = None
        if self._prices or self._torn:
            first, high, low, last = (self.instrument.price(ticks) for ticks in self._prices or (0, 0, 0, 0))
            volume = self.instrument.amount(self._lots)
            bar = Bar(Candle(open_ns=self._open_ns, open=first, high=high, low=low, close=last, volume=volume), self._torn)
        self._open_ns = now_ns - now_ns % self.span_ns
        self._torn = False
        self._prices = []
        self._lots = 0
        return bar
