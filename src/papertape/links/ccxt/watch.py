"""The market lane by ccxt.pro: a loop for each topic, and changes of a book made of the books that it shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from papertape.links.ccxt.reading import read_book, read_ticker, read_trade
from papertape.model.errors import NotSupported
from papertape.model.event import BookSnapshot, BookUpdate, Event, Heartbeat, Level
from papertape.model.instrument import Instrument
from papertape.model.request import Channel
from papertape.model.units import SECOND, Nanos
from papertape.runtime.clock import Clock

METHOD: Final = {Channel.TRADES: "watchTrades", Channel.BOOK: "watchOrderBook", Channel.TICKER: "watchTicker"}
"""ccxt's name for each channel that is streamed."""

HISTORY_NS: Final[Nanos] = 5 * SECOND
"""A trade that is older than the wish for it by so much is history, with which some venues begin; clocks differ by less."""


def changes(before: BookSnapshot, now: BookSnapshot) -> BookUpdate:
    """What makes the one book the other.

    >>> book = BookSnapshot(venue_ns=1, local_ns=1, symbol="A/B", bids=((9, 1), (8, 1)), asks=())
    >>> changes(book, BookSnapshot(venue_ns=2, local_ns=2, symbol="A/B", bids=((9, 4),), asks=((10, 1),))).bids
    ((9, 4), (8, 0))
    """
    bids, asks = (_moved(old, new) for old, new in ((before.bids, now.bids), (before.asks, now.asks)))
    return BookUpdate(venue_ns=now.venue_ns, local_ns=now.local_ns, symbol=now.symbol, bids=bids, asks=asks)


def _moved(before: tuple[Level, ...], now: tuple[Level, ...]) -> tuple[Level, ...]:
    old, new = dict(before), dict(now)
    return (*(level for level in now if old.get(level[0]) != level[1]), *((price, 0) for price, _ in before if price not in new))


class Watch:
    """One opened market lane. The first topic that fails ends it, and `on_closed` is told once why."""

    def __init__(
        self, client: Any, clock: Clock, *, beat_ns: Nanos, on_event: Callable[[Event], None], on_closed: Callable[[str], None]
    ) -> None:
        self._client = client
        self._clock = clock
        self._beat_ns = beat_ns
        self._on_event = on_event
        self._on_closed = on_closed
        self._loops: dict[tuple[Channel, str], asyncio.Task[None]] = {}
        self._is_over = False
        self._start((Channel.HEARTBEATS, ""), self._beat())

    def begin(self, channel: Channel, instrument: Instrument) -> None:
        """Watch a topic, anew if it is watched already; raises NotSupported for what the venue does not stream."""
        method = METHOD.get(channel)
        if method is None or not self._client.has.get(method):
            raise NotSupported(f"{self._client.id}: ccxt has no stream of {channel}")
        self.end(channel, instrument.symbol)
        self._start((channel, instrument.symbol), self._watch(channel, method, instrument))

    def end(self, channel: Channel, symbol: str) -> None:
        """Hear no more of a topic."""
        loop = self._loops.pop((channel, symbol), None)
        if loop is not None:
            loop.cancel()

    async def close(self) -> None:
        """End everything; nobody is told."""
        self._is_over = True
        self._stop()
        await self._client.close()

    def _start(self, topic: tuple[Channel, str], work: Any) -> None:
        self._loops[topic] = asyncio.get_running_loop().create_task(work, name=f"{self._client.id} {topic[0]} {topic[1]}".rstrip())

    def _stop(self) -> None:
        for loop in self._loops.values():
            if loop is not asyncio.current_task():
                loop.cancel()
        self._loops.clear()

    async def _beat(self) -> None:
        """A sign of life for as long as ccxt takes its connections for alive: it pings them, and its topics fail where no pong comes."""
        counter = 0
        while True:
            self._on_event(Heartbeat(venue_ns=0, local_ns=self._clock.wall_ns(), symbol="", counter=counter))
            counter += 1
            await self._clock.sleep_ns(self._beat_ns)

    async def _watch(self, channel: Channel, method: str, instrument: Instrument) -> None:
        before: BookSnapshot | None = None
        history_ns = self._clock.wall_ns() - HISTORY_NS
        try:
            while True:
                told = await getattr(self._client, method)(instrument.symbol)
                now_ns = self._clock.wall_ns()
                if channel is Channel.TRADES:
                    for trade in [read_trade(each, instrument, now_ns) for each in told]:
                        if not 0 < trade.venue_ns < history_ns:
                            self._on_event(trade)
                    history_ns = 0  # it comes at once, or not at all
                elif channel is Channel.TICKER:
                    self._on_event(read_ticker(told, instrument, now_ns))
                else:
                    book = read_book(told, instrument, now_ns)
                    self._on_event(book if before is None else changes(before, book))
                    before = book
        except asyncio.CancelledError:
            raise
        except Exception as error:  # whatever it is, what comes of this topic is not whole any more
            self._failed(f"{channel} {instrument.symbol}: {type(error).__name__}: {error}")

    def _failed(self, reason: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._stop()
        self._on_closed(reason)
