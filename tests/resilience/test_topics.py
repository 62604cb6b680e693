"""What is wanted is asked for, once; what is doubted is asked for anew, one after another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from papertape.model.request import Channel
from papertape.resilience.topics import HEARTBEATS, Begin, End, Hold, Topic, Topics

TOPICS: list[Topic] = [(channel, symbol) for channel in (Channel.BOOK, Channel.TRADES) for symbol in ("BTC/USD", "ETH/USD")]
PATIENCE = 5

steps = st.lists(
    st.tuples(st.sampled_from(["want", "release", "again", "came", "lost", "speak", "wait"]), st.sampled_from(TOPICS)), max_size=60
)


class Venue:
    """The other side: what it was asked for on this connection; it stumbles over nothing quietly."""

    def __init__(self) -> None:
        self.has: list[Topic] = []
        self.begun: dict[Topic, int] = {}

    def hear(self, wish: Begin | End) -> None:
        if isinstance(wish, Begin):
            assert wish.topic not in self.has, "subscribed twice"
            self.has.append(wish.topic)
            self.begun[wish.topic] = self.begun.get(wish.topic, 0) + 1
        else:
            self.has.remove(wish.topic)  # raises if it was never asked for


def speak(topics: Topics, venue: Venue, now_ns: int, most: int = 1) -> bool:
    """Say so many wishes; whether there was nothing to say before that."""
    for _ in range(most):
        wish = topics.next(now_ns)
        if wish is None or isinstance(wish, Hold):
            return wish is None
        topics.said(wish, now_ns, PATIENCE)
        venue.hear(wish)
    return False


@given(steps)
def test_in_the_end_the_connection_has_what_is_wanted_and_nothing_was_said_twice(history: list[tuple[str, Topic]]) -> None:
    """Whatever was wanted, released, doubted and lost between any two words; what is doubted is begun again after that."""
    topics, venue, now_ns, users = Topics(), Venue(), 0, dict.fromkeys(TOPICS, 0)
    doubted: dict[Topic, int] = {}
    for what, topic in history:
        match what:
            case "want":
                topics.want(topic)
                users[topic] += 1
            case "release" if users[topic]:
                users[topic] -= 1
                assert topics.release(topic) is (users[topic] == 0)
                if not users[topic]:
                    doubted.pop(topic, None)
            case "again":
                topics.again(topic)
                if users[topic] and topic in venue.has:
                    doubted[topic] = venue.begun[topic]
            case "came":
                topics.came(topic)
            case "lost":
                topics.lost()
                venue.has.clear()
                doubted.clear()
            case "speak":
                speak(topics, venue, now_ns)
            case "wait":
                now_ns += 2
    for _ in range(100):
        if speak(topics, venue, now_ns, most=100):
            break
        now_ns += PATIENCE
    assert sorted(venue.has) == sorted([HEARTBEATS, *(topic for topic in TOPICS if users[topic])])
    assert all(venue.begun[topic] > before for topic, before in doubted.items())


def test_heartbeats_are_asked_for_first() -> None:
    """They are what keeps a connection alive, and what tells that it is."""
    topics = Topics()
    topics.want(TOPICS[0])
    assert topics.next(0) == Begin(HEARTBEATS)


def test_doubted_books_come_one_after_another() -> None:
    """The second is asked for when the first is here, or has had its time."""
    topics, venue = Topics(), Venue()
    first, second, third = books = [(Channel.BOOK, name) for name in ("A", "B", "C")]
    for book in books:
        topics.want(book)
    speak(topics, venue, 0, most=10)
    for book in books:
        topics.again(book)
    speak(topics, venue, 0, most=10)
    assert venue.begun == {HEARTBEATS: 1, first: 2, second: 1, third: 1}
    assert topics.next(0) == Hold(PATIENCE)
    topics.came(first)
    speak(topics, venue, 1, most=10)
    assert venue.begun[second] == 2
    assert topics.next(1) == Hold(1 + PATIENCE)
    speak(topics, venue, 1 + PATIENCE, most=10)
    assert venue.begun[third] == 2


def test_given_up_and_wanted_again_it_begins_anew() -> None:
    """Whoever comes after needs a snapshot of their own, although the venue never heard that the one before had gone."""
    topics, venue = Topics(), Venue()
    topics.want(TOPICS[0])
    speak(topics, venue, 0, most=10)
    topics.release(TOPICS[0])
    topics.want(TOPICS[0])
    speak(topics, venue, 0, most=10)
    assert venue.begun[TOPICS[0]] == 2
