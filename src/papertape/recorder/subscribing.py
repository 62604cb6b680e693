"""What the market lane of a recorder is asked for: everything on every connection, and a book anew when its thread is torn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from papertape.exchanges.bell import Bell
from papertape.links.base import Link
from papertape.model.errors import NetworkError
from papertape.model.event import BookSnapshot, Event
from papertape.model.order import OrderUpdate
from papertape.model.request import Channel, Lane
from papertape.model.units import Nanos, format_duration
from papertape.resilience.topics import HEARTBEATS, End, Hold, Topic, Topics
from papertape.runtime.clock import Clock


class Subscribing:
    """Says what is to be said on a connection, one wish after another.

    Args:
        may_say: awaited before each message.
        patience_ns: how long a book that was asked for anew may keep the next one waiting.
        within_ns: how long a book may take to come at all.
    """

    def __init__(
        self,
        link: Link,
        topics: Sequence[Topic],
        *,
        clock: Clock,
        bell: Bell,
        may_say: Callable[[], Awaitable[None]],
        patience_ns: Nanos,
        within_ns: Nanos,
    ) -> None:
        self._link = link
        self._clock = clock
        self._bell = bell
        self._may_say = may_say
        self._patience_ns = patience_ns
        self._within_ns = within_ns
        self._topics = Topics()
        for topic in topics:
            self._topics.want(topic)
        self._awaited: dict[str, Nanos] = {}  # books that were asked for and did not come yet, since when
        self._connections = 0  # that are gone

    @property
    def is_begun(self) -> bool:
        """Whether this connection was asked for anything."""
        return self._topics.asked_ns(HEARTBEATS) is not None

    async def say_all(self) -> None:
        """Ask for whatever is wanted and not asked for; raises NetworkError where the connection went away meanwhile."""
        connection = self._connections
        while True:
            wish = self._topics.next(self._clock.now_ns())
            if wish is None:
                return
            if isinstance(wish, Hold):
                await self._bell.until(lambda: not self._is_held(), wish.until_ns)
            else:
                await self._may_say()
            if connection != self._connections:
                raise NetworkError("the market lane went away before its turn to speak came")
            now_ns = self._clock.now_ns()
            if isinstance(wish, Hold) or self._topics.next(now_ns) != wish:
                continue  # things have changed while the turn was waited for
            self._topics.said(wish, now_ns, self._patience_ns)
            channel, symbol = wish.topic
            if isinstance(wish, End):
                await self._link.unsubscribe(Lane.MARKET, channel, symbol)
                continue
            if channel is Channel.BOOK:
                self._awaited[symbol] = now_ns
            await self._link.subscribe(Lane.MARKET, channel, symbol)

    def on_message(self, message: Event | OrderUpdate) -> None:
        """A book that was waited for may be here."""
        if isinstance(message, BookSnapshot) and message.symbol in self._awaited:
            del self._awaited[message.symbol]
            self._topics.came((Channel.BOOK, message.symbol))
            self._bell.ring()

    def torn(self) -> None:
        """Something was lost on a connection that stands: no book can be trusted, and each is to be asked for anew."""
        for channel, symbol in self._topics.wanted():
            if channel is Channel.BOOK:
                self._topics.again((channel, symbol))

    def lost(self) -> None:
        """The connection is gone."""
        self._connections += 1
        self._topics.lost()
        self._awaited.clear()
        self._bell.ring()

    def starved(self, now_ns: Nanos) -> str:
        """Which book was asked for and does not come, in words; empty where none."""
        for symbol, since_ns in self._awaited.items():
            if now_ns - since_ns >= self._within_ns:
                return f"no book of {symbol} within {format_duration(self._within_ns)}"
        return ""

    def _is_held(self) -> bool:
        return isinstance(self._topics.next(self._clock.now_ns()), Hold)
