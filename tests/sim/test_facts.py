"""The Door writes down what happened to each request, and to news of orders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from papertape.faults import Disconnect, Latency, LostReply, RateLimit
from papertape.model.errors import NetworkError, RateLimitExceeded, RequestTimeout
from papertape.model.request import Channel, Lane, Op, Request
from papertape.model.units import MILLISECOND, SECOND
from papertape.sim.client import Neighbour
from papertape.sim.disclosure import Disclosure
from papertape.sim.door import Door
from papertape.sim.fact import Fact, GaveUp, Gone, Heard, Reached, Sent, Told, Unheard, in_order
from papertape.sim.pending import Lost
from sim.room import BUY, Room, in_room

CREATE = Request(op=Op.ORDER_CREATE, client_order_id="pt-1", symbol="BTC/USD", order=BUY)
OTHER = Request(op=Op.ORDER_CREATE, client_order_id="pt-2", symbol="BTC/USD", order=BUY)


def kinds(door: Door) -> list[tuple[type[Fact], int]]:
    """What happened, and when in milliseconds."""
    return [(type(fact), fact.at_ns // MILLISECOND) for fact in door.facts]


def test_an_answered_request_was_sent_and_reached_and_heard() -> None:
    async def story(room: Room) -> None:
        await room.create()
        assert kinds(room.door) == [(Sent, 0), (Reached, 15), (Heard, 30)]
        _, reached, heard = room.door.facts
        assert isinstance(reached, Reached)
        assert (reached.refusal, reached.accepted) == (None, "pt-1")
        assert isinstance(heard, Heard)
        assert (heard.refusal, heard.named) == (None, ("pt-1",))

    in_room(story)


def test_a_refusal_is_reached_and_heard_as_such() -> None:
    async def story(room: Room) -> None:
        with pytest.raises(RateLimitExceeded):
            await room.create()
        _, reached, heard = room.door.facts
        assert isinstance(reached, Reached)
        assert (reached.refusal, reached.accepted) == ("rate_limited", "")
        assert isinstance(heard, Heard)
        assert (heard.refusal, heard.named) == ("rate_limited", ())

    in_room(story, RateLimit(retry_after="2s"))


def test_a_lost_answer_is_gone_and_given_up_later() -> None:
    async def story(room: Room) -> None:
        with pytest.raises(RequestTimeout):
            await room.create()
        assert kinds(room.door) == [(Sent, 0), (Reached, 15), (Gone, 15), (GaveUp, 10_000)]
        assert room.door.truth().requests[0].told_ns is None

    in_room(story, LostReply())


def test_who_gave_up_does_not_hear_the_answer_that_comes_later() -> None:
    """So a wait that the venue asks for in it does not bind either."""

    async def story(room: Room) -> None:
        await asyncio.sleep(0.1)
        with pytest.raises(RequestTimeout):
            await room.create()
        await asyncio.sleep(30)
        assert kinds(room.door) == [(Sent, 100), (GaveUp, 10_100), (Reached, 12_115), (Unheard, 12_130)]
        assert room.door.truth().requests[0].told_ns is None

    in_room(story, Latency(at="0s", lasts="1s", add="12s", connection=Lane.REST))


@pytest.mark.parametrize(("at", "expected"), [("10ms", [Sent, Gone]), ("20ms", [Sent, Reached, Gone])])
def test_a_cut_is_noticed_at_once(at: str, expected: list[type[Fact]]) -> None:
    """Nobody gives up after it; whether the request had arrived is seen from whether the venue dealt with it."""

    async def story(room: Room) -> None:
        with pytest.raises(NetworkError):
            await room.create()
        await asyncio.sleep(30)
        assert [kind for kind, _ in kinds(room.door)] == expected

    in_room(story, Disconnect(at=at, connection=Lane.REST))


def test_news_of_an_order_is_told_when_it_goes_out() -> None:
    async def story(room: Room) -> None:
        await room.link.open(Lane.USER)
        await room.link.subscribe(Lane.USER, Channel.ORDERS, "")
        await asyncio.sleep(1)
        await room.create()
        await asyncio.sleep(1)
        assert [(fact.at_ns, fact.client_order_id) for fact in room.door.facts if isinstance(fact, Told)] == [
            (SECOND + 32 * MILLISECOND, "pt-1")
        ]

    in_room(story)


def test_the_programs_line_goes_into_the_journal_where_it_is_known() -> None:
    async def story(room: Room) -> None:
        for line in ("bot.py:31", ""):
            ask(room.door, line)
            await asyncio.sleep(1)
        commands = [text for text in room.journal.lines if '"command"' in text]
        assert ['"line":"bot.py:31"' in text for text in commands] == [True, False]
        assert '"line"' not in commands[1]
        assert [seen.line for seen in room.door.truth().requests] == ["bot.py:31", ""]

    in_room(story)


def test_a_door_knows_whether_anybody_ever_came() -> None:
    def told(come: Callable[[Room], Any]) -> Callable[[Room], Coroutine[Any, Any, None]]:
        async def story(room: Room) -> None:
            assert not room.door.was_reached
            come(room)
            assert room.door.was_reached

        return story

    in_room(told(lambda room: ask(room.door, "")))
    in_room(told(lambda room: room.door.open_stream(Lane.MARKET, lambda sequence, message: None, lambda clean: None)))


def test_an_answer_on_a_network_is_heard_when_it_arrives() -> None:
    async def story(room: Room) -> None:
        pending = room.door.submit(CREATE, lambda outcome: None, Far())
        await asyncio.sleep(1)
        room.door.abandon(pending)  # the server has done its part
        assert kinds(room.door) == [(Sent, 0), (Reached, 15)]
        room.door.heard(pending)
        room.door.heard(pending)
        assert kinds(room.door)[2:] == [(Heard, 1000)]
        assert room.door.truth().requests[0].told_ns == SECOND

    in_room(story)


@pytest.mark.parametrize("wait_s", [0, 1])
def test_a_client_that_left_without_a_word_is_missed_at_the_next_request(wait_s: int) -> None:
    """Whether the answer was on the line by then or not; what arrives afterwards is not heard."""

    async def story(room: Room) -> None:
        gone = room.door.submit(CREATE, lambda outcome: None, Far(left_ns=0))
        await asyncio.sleep(wait_s)
        room.door.submit(CREATE, lambda outcome: None, Far())
        kind, at_ms = kinds(room.door)[-2]
        assert (kind, at_ms) == (GaveUp, 0), "when it left, not when that was noticed"
        await asyncio.sleep(1)
        before = len(room.door.facts)
        room.door.heard(gone)
        assert len(room.door.facts) == before

    in_room(story)


def ask(door: Door, line: str) -> None:
    def done(outcome: Any) -> None:
        assert not isinstance(outcome, Lost)

    client = Neighbour()
    client.asked_at = line
    door.submit(CREATE, done, client)


class Far:
    """A client behind a network."""

    asked_at = "bot.py:31"
    can_tell = True

    def __init__(self, *, asked_ns: int | None = None, left_ns: int | None = None) -> None:
        self.asked_ns = asked_ns
        self._left_ns = left_ns

    def left_ns(self) -> int | None:
        return self._left_ns


def test_what_a_network_brings_late_was_sent_when_it_was_written() -> None:
    """By the time it is here its client has sent the next one, and gone; in order, it was the first, and given up before that."""

    async def story(room: Room) -> None:
        await asyncio.sleep(7)
        room.door.submit(OTHER, lambda outcome: None, Far(asked_ns=7 * SECOND))
        await asyncio.sleep(5)
        late = room.door.submit(CREATE, lambda outcome: None, Far(asked_ns=2 * SECOND, left_ns=7 * SECOND))
        room.door.abandon(late)
        await asyncio.sleep(1)
        assert room.door.truth().requests[1].sent_ns == 2 * SECOND
        story = [(type(fact), fact.at_ns // MILLISECOND, getattr(fact, "number", 0)) for fact in in_order(room.door.facts)]
        assert story[:4] == [(Sent, 2_000, 2), (GaveUp, 7_000, 2), (Sent, 7_000, 1), (Reached, 7_015, 1)]
        disclosure = Disclosure()
        for fact in in_order(room.door.facts):
            disclosure.on(fact)
        assert [(each.first.numbers, each.again.numbers) for each in disclosure.repeats] == [([2], [1])]

    in_room(story)


def test_who_gives_up_at_once_has_sent_all_the_same() -> None:
    """At one instant: sent, then given up."""
    facts = [Sent(5, 1, CREATE), GaveUp(5, 1), Sent(5, 2, OTHER)]
    assert in_order(facts) == facts
