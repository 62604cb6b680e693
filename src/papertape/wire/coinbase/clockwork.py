"""What a stream tells by the clock, because the market itself has no such message: batches of tickers, bars, the status of products."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from papertape.model.account import Candle
from papertape.model.event import CandleEvent
from papertape.model.units import Nanos
from papertape.venues.coinbase import frame
from papertape.venues.coinbase.notation import Product, Products, symbol_of
from papertape.wire.port import VenuePort

BATCH, CANDLES, STATUS = "ticker_batch", "candles", "status"

EVERY_S: Final = {BATCH: 5, CANDLES: 1, STATUS: 5}
"""How often; Coinbase names the first two, and calls the third a preset interval, which is our choice."""

CANDLES_MAX: Final = 100
"""Bars that the channel begins with."""

Write = Callable[[int, Nanos], bytes]
"""A frame, given its number and the venue's time."""


class Clockwork:
    """One connection's channels that go by the clock.

    Args:
        port: the venue.
        products: under which names it trades.
        subscriptions: what is subscribed to now, by channel; the front end keeps it.
        say: what puts a frame on the wire, in its place.
    """

    def __init__(self, port: VenuePort, products: Products, subscriptions: dict[str, list[str]], say: Callable[[Write], None]) -> None:
        self._port = port
        self._products = products
        self._subscriptions = subscriptions
        self._say = say
        self._running: dict[str, asyncio.Future[None]] = {}
        self._told: dict[str, Candle] = {}  # by product, the last bar that was told
        self._recorded: dict[str, None] = {}  # products whose bars the market tells itself

    def start(self, name: str) -> None:
        """Tell a channel from now on, until nobody is subscribed to it."""
        if name in EVERY_S and name not in self._running:
            self._running[name] = asyncio.ensure_future(self._run(name))

    def stop(self) -> None:
        """Tell nothing more."""
        for task in self._running.values():
            task.cancel()

    def begin_candles(self, name: str) -> None:
        """What `candles` begins with for a product: its last bars, if it has any."""
        product = self._products.by_name[name]
        bars = self._port.bars(product.symbol, frame.CANDLE_SPAN_NS, CANDLES_MAX)
        if bars:
            self._told[name] = bars[-1]
            self._say(lambda sequence, at_ns: frame.candles(_events(bars, product, at_ns), product, at_ns, sequence, is_history=True))

    def note_recorded(self, event: CandleEvent) -> None:
        """The market tells bars of its own; ours would only be the same again."""
        self._recorded[event.symbol] = None

    async def _run(self, name: str) -> None:
        tell = {BATCH: self._tell_batch, CANDLES: self._tell_candles, STATUS: self._tell_status}[name]
        if name == CANDLES:
            await asyncio.sleep(EVERY_S[name])  # it has begun with a snapshot
        while wanted := self._subscriptions.get(name):
            tell(wanted)
            await asyncio.sleep(EVERY_S[name])
        del self._running[name]

    def _tell_batch(self, wanted: Sequence[str]) -> None:
        tickers = [self._port.ticker(symbol_of(name)) for name in wanted]
        told = [(ticker, self._port.day(ticker.symbol)) for ticker in tickers if ticker.last_ticks is not None]
        if told:
            self._say(lambda sequence, at_ns: frame.ticker_batch(told, self._products, at_ns, sequence))

    def _tell_candles(self, wanted: Sequence[str]) -> None:
        for name in wanted:
            product = self._products.by_name[name]
            if product.symbol in self._recorded:
                continue
            bars = self._port.bars(product.symbol, frame.CANDLE_SPAN_NS, CANDLES_MAX)
            before = self._told.get(name)
            news = [bar for bar in bars if before is None or (bar.open_ns >= before.open_ns and bar != before)]
            if news:
                self._told[name] = news[-1]
                self._say_candles(product, news)

    def _say_candles(self, product: Product, bars: Sequence[Candle]) -> None:
        self._say(lambda sequence, at_ns: frame.candles(_events(bars, product, at_ns), product, at_ns, sequence, is_history=False))

    def _tell_status(self, wanted: Sequence[str]) -> None:
        told = [(product := self._products.by_name[name], self._port.status(product.symbol)) for name in wanted]
        self._say(lambda sequence, at_ns: frame.status(told, at_ns, sequence))


def _events(bars: Sequence[Candle], product: Product, at_ns: Nanos) -> list[CandleEvent]:
    it = product.instrument
    return [
        CandleEvent(
            venue_ns=at_ns,
            local_ns=at_ns,
            symbol=product.symbol,
            open_ns=bar.open_ns,
            span_ns=frame.CANDLE_SPAN_NS,
            open_ticks=it.to_ticks(bar.open),
            high_ticks=it.to_ticks(bar.high),
            low_ticks=it.to_ticks(bar.low),
            close_ticks=it.to_ticks(bar.close),
            volume_lots=it.to_lots(bar.volume),
        )
        for bar in bars
    ]
