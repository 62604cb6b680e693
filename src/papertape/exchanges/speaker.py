"""Saying on the market lane what is to be said: one wish after another, each in its turn, and none to a connection that is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from papertape.exchanges.bell import Bell
from papertape.links.base import Link
from papertape.model.errors import NetworkError
from papertape.model.request import Lane
from papertape.model.units import Nanos
from papertape.resilience.topics import End, Hold, Topic, Topics
from papertape.runtime.clock import Clock


class Speaker:
    """Says the wishes of `topics` on the connection that stands.

    Args:
        may_say: awaited before each message.
        patience_ns: how long a book that was asked for anew may keep the next one waiting.
    """

    def __init__(self, link: Link, topics: Topics, *, clock: Clock, may_say: Callable[[], Awaitable[None]], patience_ns: Nanos) -> None:
        self._link = link
        self._topics = topics
        self._clock = clock
        self._may_say = may_say
        self._patience_ns = patience_ns
        self._speaking = asyncio.Lock()  # one wish after another, whoever has it
        self._heard = Bell(clock)
        self._connections = 0  # that are gone

    def came(self, topic: Topic) -> None:
        """What was waited for is here."""
        self._topics.came(topic)
        self._heard.ring()

    def changed(self) -> None:
        """Something is wanted no more, and need not be waited for."""
        self._heard.ring()

    def lost(self) -> None:
        """The connection is gone, and what it was asked for with it."""
        self._connections += 1
        self._topics.lost()
        self._heard.ring()

    async def say_all(self) -> list[Topic]:
        """Say whatever there is to say; returns what was begun.

        Raises:
            NetworkError: the connection went away meanwhile.
        """
        connection = self._connections
        begun: list[Topic] = []
        async with self._speaking:
            while True:
                wish = self._topics.next(self._clock.now_ns())
                if wish is None:
                    return begun
                if isinstance(wish, Hold):
                    await self._heard.until(lambda: not self._is_held(connection), wish.until_ns)
                else:
                    await self._may_say()
                if connection != self._connections:
                    raise NetworkError("the market lane went away before its turn to speak came")
                now_ns = self._clock.now_ns()
                if isinstance(wish, Hold) or self._topics.next(now_ns) != wish:
                    continue  # things have changed while the turn was waited for
                self._topics.said(wish, now_ns, self._patience_ns)
                if isinstance(wish, End):
                    await self._link.unsubscribe(Lane.MARKET, *wish.topic)
                else:
                    begun.append(wish.topic)
                    await self._link.subscribe(Lane.MARKET, *wish.topic)

    def _is_held(self, connection: int) -> bool:
        return connection == self._connections and isinstance(self._topics.next(self._clock.now_ns()), Hold)
