"""Bars for a bot: built from delivered trades, closed by the clock, and fetched where trades may have been missed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from papertape.exchanges.delivery import Delivery
from papertape.model.account import Candle
from papertape.model.errors import BaseError
from papertape.model.event import Trade
from papertape.model.units import Nanos
from papertape.resilience.bars import Bar, BarBuilder
from papertape.runtime.clock import Clock, Timer

Fetch = Callable[[Nanos], Awaitable[Candle | None]]
"""The venue's own bar that opened then (nanoseconds since 1970-01-01 UTC); None if it has none."""


class BarFeed:
    """Bars of one span of one instrument.

    A bar is closed by the first trade after it or by the clock, `grace_ns` after its end. A torn one is fetched; if that fails, it is left
    out: a bar that lacks trades is worse than none. Later bars wait until the torn one is there.
    """

    def __init__(
        self,
        builder: BarBuilder,
        *,
        clock: Clock,
        grace_ns: Nanos,
        is_torn: Callable[[], bool],
        fetch: Fetch,
        spawn: Callable[[str, Coroutine[Any, Any, Any]], asyncio.Task[Any]],
    ) -> None:
        self.deliveries: tuple[Delivery, ...] = ()
        self._builder = builder
        self._clock = clock
        self._grace_ns = grace_ns
        self._is_torn = is_torn
        self._fetch = fetch
        self._spawn = spawn
        self._due: list[Bar] = []
        self._mending: asyncio.Task[Any] | None = None
        self._timer: Timer | None = None
        self._set_timer()

    def on_trade(self, trade: Trade) -> None:
        bar = self._builder.on_trade(trade)
        if bar is not None:
            self._closed(bar)

    def tear(self) -> None:
        """Trades may have been missed."""
        self._builder.tear()

    def stop(self) -> None:
        """Nobody listens any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._mending is not None:
            self._mending.cancel()

    def _set_timer(self) -> None:
        left_ns = self._builder.ends_ns + self._grace_ns - self._clock.wall_ns()
        self._timer = self._clock.call_at_ns(self._clock.now_ns() + max(1, left_ns), self._time_up)

    def _time_up(self) -> None:
        bar = self._builder.close(self._clock.wall_ns() - self._grace_ns)
        if self._is_torn():
            self._builder.tear()
        if bar is not None:
            self._closed(bar)
        self._set_timer()

    def _closed(self, bar: Bar) -> None:
        self._due.append(bar)
        if self._mending is None:
            self._deliver_due()

    def _deliver_due(self) -> None:
        while self._due:
            bar = self._due[0]
            if bar.torn:
                self._mending = self._spawn(f"bar {bar.candle.open_ns}", self._mend(bar))
                return
            del self._due[0]
            self._deliver(bar.candle)

    async def _mend(self, bar: Bar) -> None:
        try:
            candle = await self._fetch(bar.candle.open_ns)
        except BaseError:
            candle = None  # left out
        self._mending = None
        del self._due[0]
        if candle is not None:
            self._deliver(candle)
        self._deliver_due()

    def _deliver(self, candle: Candle) -> None:
        for deliver in self.deliveries:
            deliver(candle)
