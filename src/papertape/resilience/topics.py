"""What is to be said on a stream connection so that it brings what is wanted: one wish after another."""

from __future__ import annotations

from typing import Final

import msgspec

from papertape.model.request import Channel
from papertape.model.units import Nanos

Topic = tuple[Channel, str]
HEARTBEATS: Final[Topic] = (Channel.HEARTBEATS, "")


class Begin(msgspec.Struct, frozen=True):
    """Subscribe."""

    topic: Topic


class End(msgspec.Struct, frozen=True):
    """Unsubscribe."""

    topic: Topic


class Hold(msgspec.Struct, frozen=True):
    """A book that was asked for anew is on its way; the next one's turn comes when it is here, at the latest then (run time)."""

    until_ns: Nanos


Wish = Begin | End


class Topics:
    """Compares what is wanted with what this connection was asked for.

    Heartbeats are always wanted, and first. A topic that is to come `again` is ended and begun; of these only one is under way at a time: a
    gap may make every book doubtful at once, but a venue that is asked for all of them at once answers with all of them at once.

    >>> topics = Topics()
    >>> topics.want((Channel.BOOK, "BTC/USD"))
    >>> while wish := topics.next(now_ns=0):
    ...     topics.said(wish, now_ns=0, patience_ns=9)
    >>> topics.again((Channel.BOOK, "BTC/USD"))
    >>> topics.next(now_ns=5)
    End(topic=(<Channel.BOOK: 'book'>, 'BTC/USD'))
    """

    def __init__(self) -> None:
        self._users: dict[Topic, int] = {HEARTBEATS: 1}  # how many subscriptions want it
        self._asked: dict[Topic, Nanos] = {}  # on this connection, with when
        self._again: dict[Topic, None] = {}
        self._awaited: tuple[Topic, Nanos] | None = None

    def want(self, topic: Topic) -> None:
        """One more subscription needs it; if it was given up and the venue has not heard of that yet, it is to begin anew."""
        if topic not in self._users and topic in self._asked:
            self._again[topic] = None
        self._users[topic] = self._users.get(topic, 0) + 1

    def release(self, topic: Topic) -> bool:
        """One subscription less; whether nobody needs it any more."""
        self._users[topic] -= 1
        if not self._users[topic]:
            del self._users[topic]
            self._again.pop(topic, None)
        return topic not in self._users

    def again(self, topic: Topic) -> None:
        """What came of it is no good: begin anew, if it is asked for at all."""
        if topic in self._asked and topic in self._users:
            self._again[topic] = None

    def came(self, topic: Topic) -> None:
        """What was waited for is here."""
        if self._awaited is not None and self._awaited[0] == topic:
            self._awaited = None

    def asked_ns(self, topic: Topic) -> Nanos | None:
        """When this connection was asked for it; None if it was not, or is to be asked anew."""
        return None if topic in self._again else self._asked.get(topic)

    def wanted(self) -> tuple[Topic, ...]:
        """Everything that somebody needs, heartbeats first, then in the order in which it was first wanted."""
        return tuple(self._users)

    def lost(self) -> None:
        """The connection is gone, and what it was asked for with it."""
        self._asked.clear()
        self._again.clear()
        self._awaited = None

    def next(self, now_ns: Nanos) -> Wish | Hold | None:
        """What to say next; None if all is said."""
        for topic in self._asked:
            if topic not in self._users:
                return End(topic)
        for topic in self._users:
            if topic not in self._asked and topic not in self._again:
                return Begin(topic)
        for topic in self._again:  # one that is ended already: its turn has begun
            if topic not in self._asked:
                return Begin(topic)
        if not self._again:
            return None
        if self._awaited is not None and now_ns < self._awaited[1]:
            return Hold(self._awaited[1])
        return End(next(iter(self._again)))

    def said(self, wish: Wish, now_ns: Nanos, patience_ns: Nanos) -> None:
        """The wish is leaving; one that begins again is awaited for `patience_ns` at most before the next may."""
        topic = wish.topic
        if isinstance(wish, End):
            del self._asked[topic]
            return
        self._asked[topic] = now_ns
        if topic in self._again:
            del self._again[topic]
            self._awaited = (topic, now_ns + patience_ns)
