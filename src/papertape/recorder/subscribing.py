"""What the market lane of a recorder is asked for: everything on every connection, and a book anew when its thread is torn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from papertape.exchanges.speaker import Speaker
from papertape.links.base import Link
from papertape.model.event import BookSnapshot, Event
from papertape.model.order import OrderUpdate
from papertape.model.request import Channel
from papertape.model.units import Nanos, format_duration
from papertape.resilience.topics import HEARTBEATS, Topic, Topics
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
        may_say: Callable[[], Awaitable[None]],
        patience_ns: Nanos,
        within_ns: Nanos,
    ) -> None:
        self._within_ns = within_ns
        self._topics = Topics()
        for topic in topics:
            self._topics.want(topic)
        self._speaker = Speaker(link, self._topics, clock=clock, may_say=may_say, patience_ns=patience_ns)
        self._came: dict[Topic, Nanos] = {}  # books that are here, by when they were asked for

    @property
    def is_begun(self) -> bool:
        """Whether this connection was asked for anything."""
        return self._topics.asked_ns(HEARTBEATS) is not None

    def want(self, topic: Topic) -> None:
        """One more is wanted; it is asked for the next time that everything is said."""
        self._topics.want(topic)

    def wants(self, topic: Topic) -> bool:
        return topic in self._topics.wanted()

    async def say_all(self) -> None:
        """Ask for whatever is wanted and not asked for; raises NetworkError where the connection went away meanwhile."""
        await self._speaker.say_all()

    def on_message(self, message: Event | OrderUpdate) -> None:
        """A book that was waited for may be here."""
        if isinstance(message, BookSnapshot):
            topic = (Channel.BOOK, message.symbol)
            asked_ns = self._topics.asked_ns(topic)
            if asked_ns is not None:
                self._came[topic] = asked_ns
                self._speaker.came(topic)

    def torn(self) -> None:
        """Something was lost on a connection that stands: no book can be trusted, and each is to be asked for anew."""
        for channel, symbol in self._topics.wanted():
            if channel is Channel.BOOK:
                self._topics.again((channel, symbol))

    def lost(self) -> None:
        """The connection is gone."""
        self._speaker.lost()
        self._came.clear()

    def starved(self, now_ns: Nanos) -> str:
        """Which book was asked for and does not come, in words; empty where none."""
        for topic in self._topics.wanted():
            asked_ns = self._topics.asked_ns(topic)
            is_awaited = topic[0] is Channel.BOOK and asked_ns is not None and self._came.get(topic) != asked_ns
            if is_awaited and asked_ns is not None and now_ns - asked_ns >= self._within_ns:
                return f"no book of {topic[1]} within {format_duration(self._within_ns)}"
        return ""
