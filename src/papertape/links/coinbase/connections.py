"""The connections of one lane: as many as its subscriptions need, living and dying together.

That one of several has died is told as the end of the lane, so that whoever keeps lanes knows of no connections: all are closed, and what
is opened next is asked for everything anew. A bot that follows fewer than seventeen books never has more than one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from papertape.links.coinbase.spread import BOOKS_MAX, HEARTBEATS, Count, Spread
from papertape.links.coinbase.stream import CoinbaseStream, OnFrame
from papertape.model.errors import BaseError, NetworkError
from papertape.model.event import Event
from papertape.model.order import OrderUpdate
from papertape.model.units import Nanos, format_duration
from papertape.runtime.clock import Clock, Timer

BEATS_MISSED: Final = 5
"""A connection beside others that shows no sign of life for so many heartbeats is dead; the lane as a whole is watched by its keeper."""

OnMessage = Callable[[int | None, Event | OrderUpdate], None]
OnClosed = Callable[[str], None]
Token = Callable[[], str]


Dial = Callable[[OnFrame, OnClosed], Awaitable[CoinbaseStream]]
"""Opens one connection, or raises `ccxt.NetworkError`."""


class Connections:
    """One lane's. What comes by them is handed on under one count; see `spread.Count`.

    Args:
        may_dial, may_say: awaited before each connection, and its first message, beyond the one that `open` and `say` are called for.
        token: proof of who we are, for one message.

    Attributes:
        streams: those that are open, in the order in which they were opened.
    """

    def __init__(
        self,
        dial: Dial,
        *,
        clock: Clock,
        heartbeat_ns: Nanos,
        may_dial: Callable[[], Awaitable[object]] | None,
        may_say: Callable[[], Awaitable[object]] | None,
        token: Token | None,
        on_message: OnMessage,
        on_closed: OnClosed,
        books_max: int = BOOKS_MAX,
    ) -> None:
        self.streams: list[CoinbaseStream] = []
        self._dial = dial
        self._clock = clock
        self._silence_ns = BEATS_MISSED * heartbeat_ns
        self._look_ns = heartbeat_ns
        self._may_dial = may_dial
        self._may_say = may_say
        self._token = token
        self._on_message = on_message
        self._on_closed = on_closed
        self._spread = Spread(books_max)
        self._count = Count()
        self._quiet: list[tuple[int, Nanos]] = []  # what each had heard when it was last seen to hear anything, and when that was
        self._greeted: dict[int, None] = {}
        self._tick: Timer | None = None
        self._opening = asyncio.Lock()
        self._is_over = False

    @property
    def volume(self) -> int:
        """Bytes that have come so far."""
        streams = self.streams
        return streams[0].volume if len(streams) == 1 else sum(stream.volume for stream in streams)  # of one, mostly: asked every second

    async def open(self) -> None:
        """Open one more."""
        where = len(self.streams)

        def on_frame(number: int | None, messages: tuple[Event | OrderUpdate, ...]) -> None:
            if not self._is_over:
                told = None if number is None else self._count.on(where, number)
                for message in messages:
                    self._on_message(told, message)

        stream = await self._dial(on_frame, lambda reason: self._lost(where, reason))
        if self._is_over:
            await stream.close()
            raise NetworkError("coinbase: the lane was closed meanwhile")
        self.streams.append(stream)
        self._quiet.append((stream.signs_of_life, self._clock.now_ns()))
        if len(self.streams) == 2:
            self._look()

    async def say(self, type: str, channel: str, product: str) -> None:
        """Send a wish on the connection that is meant for it, opening one if all are full; raises `ccxt.NetworkError` if they are gone."""
        if type == "unsubscribe":
            where = self._spread.of(channel, product) or 0
            await self._say(where, type, channel, product)
            self._spread.end(channel, product)
            return
        where = self._spread.place(channel, product)
        if where:
            async with self._opening:
                await self._see_to_it(where)
        await self._say(where, type, channel, product)

    async def close(self) -> None:
        """Close all of them with a goodbye; `on_closed` is not called."""
        self._end()
        await asyncio.gather(*(stream.close() for stream in self.streams))

    async def _see_to_it(self, where: int) -> None:
        """That there is such a connection, with heartbeats of its own: without them Coinbase closes one that is quiet."""
        try:
            while len(self.streams) <= where:
                if self._may_dial is not None:
                    await self._may_dial()
                await self.open()
            if where not in self._greeted:
                if self._may_say is not None:
                    await self._may_say()
                await self._say(where, "subscribe", HEARTBEATS, "")
                self._greeted[where] = None
        except BaseError as error:
            self._lost(where, f"{type(error).__name__}: {error}")
            raise

    async def _say(self, where: int, type: str, channel: str, product: str) -> None:
        if self._is_over:
            raise NetworkError("coinbase: the lane is closed")
        message: dict[str, Any] = {"type": type, "channel": channel, "product_ids": [product] if product else []}
        if self._token is not None:
            message["jwt"] = self._token()
        await self.streams[where].say(msgspec.json.encode(message))

    def _lost(self, where: int, reason: str) -> None:
        if self._is_over:
            return
        self._end()
        for other in self.streams:
            other.abort()
        count = max(where + 1, len(self.streams))
        self._on_closed(reason if count == 1 else f"connection {where + 1} of {count}: {reason}")

    def _end(self) -> None:
        self._is_over = True
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _look(self) -> None:
        """Among several, one that is dead does not show by the lane's silence."""
        if self._is_over:
            return
        now_ns = self._clock.now_ns()
        for where, stream in enumerate(self.streams):
            heard, since_ns = self._quiet[where]
            if stream.signs_of_life != heard:
                self._quiet[where] = (stream.signs_of_life, now_ns)
            elif now_ns - since_ns >= self._silence_ns:
                self._lost(where, f"silent for {format_duration(self._silence_ns)}")
                return
        self._tick = self._clock.call_at_ns(now_ns + self._look_ns, self._look)
