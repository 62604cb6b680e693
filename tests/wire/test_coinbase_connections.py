"""More books than one connection may carry: subscriptions are spread, and what the connections bring is one lane's."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from papertape.links.coinbase import connections
from papertape.links.coinbase.spread import BOOK, BOOKS_MAX, Count, Spread
from papertape.model.errors import NetworkError
from papertape.model.event import BookUpdate, Heartbeat
from papertape.model.instrument import Instrument
from papertape.model.request import Channel, Lane, Op, Request
from papertape.model.units import SECOND
from wire.scripted import Wire, in_memory

MARKET, USER = Lane.MARKET, Lane.USER


def coins(count: int) -> list[Instrument]:
    names = {"tick": Decimal("0.01"), "lot": Decimal("0.00000001"), "amount_min": Decimal("0.00000001"), "cost_min": Decimal(1)}
    return [Instrument(symbol=f"C{n}/USD", venue_symbol=f"C{n}-USD", **names) for n in range(count)]


WISHES = st.lists(st.tuples(st.booleans(), st.sampled_from([BOOK, "ticker", "market_trades"]), st.integers(0, 12)), max_size=60)


@given(WISHES, st.integers(1, 4))
def test_no_connection_ever_carries_too_many_books(wishes: list[tuple[bool, str, int]], most: int) -> None:
    """Whatever is begun and ended; each topic keeps its connection, and a new one is opened only where all others are full."""
    spread, held = Spread(books_max=most), dict[tuple[str, str], int]()
    opened = 1
    for begins, channel, n in wishes:
        topic = (channel, f"C{n}-USD")
        if begins:
            where = spread.place(*topic)
            assert held.setdefault(topic, where) == where
            books = [sum(c == BOOK and at == one for (c, _), at in held.items()) for one in range(opened + 1)]
            assert where <= opened
            assert max(books) <= most
            if where == opened:
                assert channel == BOOK
                opened += 1
        else:
            spread.end(*topic)
            held.pop(topic, None)
        assert spread.of(*topic) == held.get(topic)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([1, 1, 1, 1, 2, 5])), max_size=40))
def test_one_count_tells_of_what_any_of_them_lost(steps: list[tuple[int, int]]) -> None:
    """It goes on by one as long as each of them does, and by more where one of them skipped."""
    count, at, before = Count(), [-1, -1, -1], -1
    for where, step in steps:
        at[where] += step
        told = count.on(where, at[where])
        assert told == before + step
        assert count.on(where, at[where]) == told  # the same once more is another part of the same
        before = told


def test_more_books_than_one_connection_may_carry_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty books need three connections: each within the limit, each with its own heartbeats, each wish and dial let in by the shell."""

    async def story(wire: Wire) -> None:
        wire.venue.instruments = many
        wire.server._products.learn(many)
        admitted: list[str] = []

        async def dial(lane: Lane) -> None:
            admitted.append(f"dial {lane}")

        async def message() -> None:
            admitted.append("message")

        wire.link.admit_by(dial, message)
        await wire.connect(MARKET)
        await wire.link.subscribe(MARKET, Channel.HEARTBEATS, "")
        for it in many:
            await wire.link.subscribe(MARKET, Channel.BOOK, it.symbol)
            await wire.link.subscribe(MARKET, Channel.TRADES, it.symbol)
        await wire.until(lambda: sum(len(stream.wants) for stream in wire.venue.streams) == 2 * len(many) + 3)
        books = [[symbol for channel, symbol in stream.wants if channel is Channel.BOOK] for stream in wire.venue.streams]
        assert [len(each) for each in books] == [BOOKS_MAX, BOOKS_MAX, len(many) - 2 * BOOKS_MAX]
        for stream, own in zip(wire.venue.streams, books, strict=True):
            assert (Channel.HEARTBEATS, "") in stream.wants
            assert [symbol for channel, symbol in stream.wants if channel is Channel.TRADES] == own
        assert admitted == ["dial market", "message"] * 2

    many = coins(40)
    in_memory(story)


def spread_over_two(story: Any) -> None:
    """A link whose two books lie on two connections."""

    async def told(wire: Wire) -> None:
        wire.venue.instruments = two
        wire.server._products.learn(two)
        await wire.connect(MARKET)
        await wire.link.subscribe(MARKET, Channel.HEARTBEATS, "")
        for it in two:
            await wire.link.subscribe(MARKET, Channel.BOOK, it.symbol)
        await wire.until(lambda: sum(len(stream.wants) for stream in wire.venue.streams) == 4)
        await story(wire)

    two = coins(2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections.Spread.__init__, "__defaults__", (1,))
        patch.setattr(connections.Connections.__init__, "__kwdefaults__", {"books_max": 1})
        in_memory(told)


def update(wire: Wire, n: int) -> BookUpdate:
    return BookUpdate(venue_ns=wire.clock.wall_ns(), local_ns=0, symbol=f"C{n}/USD", bids=((9_900, 7),))


def test_a_gap_on_one_of_several_connections_shows_and_none_shows_without() -> None:
    """The shell hears one count, without a hole while nothing is lost, with one as soon as any of them skips a number."""

    async def story(wire: Wire) -> None:
        first, second = wire.venue.streams
        for n in range(3):
            first.send(update(wire, 0))
            second.send(update(wire, n % 2))
        await wire.until(lambda: len(wire.heard.messages) == 6)
        assert [number for _, number, _ in wire.heard.messages] == list(range(6))
        second.sequence += 2
        second.send(update(wire, 1))
        await wire.until(lambda: len(wire.heard.messages) == 7)
        first.send(update(wire, 0))
        await wire.until(lambda: len(wire.heard.messages) == 8)
        assert [number for _, number, _ in wire.heard.messages][6:] == [8, 9]

    spread_over_two(story)


@pytest.mark.parametrize("which", [0, 1])
def test_the_end_of_one_of_several_is_the_end_of_the_lane_and_is_told_once(which: int) -> None:
    """All are closed, and what is opened next begins anew, so that no book is kept by half."""

    async def story(wire: Wire) -> None:
        stream = wire.venue.streams[which]
        wire.venue.streams.remove(stream)
        stream.close(1001)
        await wire.heard.until(lambda: bool(wire.heard.closed))
        await wire.until(lambda: not wire.venue.streams)
        ((lane, reason),) = wire.heard.closed
        assert lane is MARKET
        assert reason.startswith(f"connection {which + 1} of 2: ")
        with pytest.raises(NetworkError):
            await wire.link.subscribe(MARKET, Channel.BOOK, "C0/USD")
        await wire.link.open(MARKET)
        await wire.link.subscribe(MARKET, Channel.BOOK, "C1/USD")
        await wire.until(lambda: bool(wire.venue.streams and wire.venue.streams[0].wants))
        wire.venue.streams[0].send(update(wire, 1))
        await wire.heard.until(lambda: bool(wire.heard.messages))
        assert wire.heard.messages[-1][1] == 0

    spread_over_two(story)


def test_one_of_several_that_falls_silent_is_noticed_though_the_others_talk() -> None:
    """Five heartbeats without a word; the lane as a whole never was silent."""

    async def story(wire: Wire) -> None:
        first, second = wire.venue.streams
        start_ns = wire.clock.now_ns()
        for n in range(20):
            if wire.heard.closed:
                break
            first.send(Heartbeat(venue_ns=wire.clock.wall_ns(), local_ns=0, symbol="", counter=n))
            if n < 5:
                second.send(Heartbeat(venue_ns=wire.clock.wall_ns(), local_ns=0, symbol="", counter=n))
            await wire.clock.sleep_ns(SECOND)
        ((_, reason),) = wire.heard.closed
        assert reason == "connection 2 of 2: silent for 5s"
        assert 9 * SECOND <= wire.clock.now_ns() - start_ns <= 12 * SECOND

    spread_over_two(story)


def test_a_second_connection_that_cannot_be_had_ends_the_lane() -> None:
    """No book is left out in silence: the wish fails, the lane is told gone, and the shell dials again."""

    async def story(wire: Wire) -> None:
        wire.venue.instruments = two
        wire.server._products.learn(two)
        await wire.connect(MARKET)
        await wire.link.subscribe(MARKET, Channel.BOOK, "C0/USD")
        wire.venue.shut[MARKET] = None
        with pytest.raises(NetworkError):
            await wire.link.subscribe(MARKET, Channel.BOOK, "C1/USD")
        ((lane, reason),) = wire.heard.closed
        assert (lane, reason.startswith("connection 2 of 2: ")) == (MARKET, True)

    two = coins(2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections.Connections.__init__, "__kwdefaults__", {"books_max": 1})
        in_memory(story)


def test_a_wish_that_is_given_up_half_way_leaves_no_connection_without_heartbeats() -> None:
    """The shell may stop wishing while the second connection is being opened; the next wish gives it what it needs."""

    async def story(wire: Wire) -> None:
        wire.venue.instruments = two
        wire.server._products.learn(two)
        held = asyncio.Event()

        async def message() -> None:
            await held.wait()

        async def dial(lane: Lane) -> None:
            """At once."""

        wire.link.admit_by(dial, message)
        await wire.connect(MARKET)
        await wire.link.subscribe(MARKET, Channel.BOOK, "C0/USD")
        wish = asyncio.ensure_future(wire.link.subscribe(MARKET, Channel.BOOK, "C1/USD"))
        await wire.until(lambda: len(wire.venue.streams) == 2)
        wish.cancel()
        await asyncio.wait([wish])
        held.set()
        await wire.link.subscribe(MARKET, Channel.BOOK, "C1/USD")
        await wire.until(lambda: len(wire.venue.streams[1].wants) == 2)
        assert list(wire.venue.streams[1].wants) == [(Channel.HEARTBEATS, ""), (Channel.BOOK, "C1/USD")]

    two = coins(2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections.Connections.__init__, "__kwdefaults__", {"books_max": 1})
        in_memory(story)


def test_every_message_proves_who_we_are_with_a_token_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """On both lanes, ending as well as beginning; without a key there is none."""
    told: list[dict[str, Any]] = []

    async def say(self: Any, message: bytes) -> None:
        import msgspec

        told.append(msgspec.json.decode(message))

    monkeypatch.setattr("papertape.links.coinbase.stream.CoinbaseStream.say", say)

    async def story(wire: Wire) -> None:
        await wire.connect(MARKET, USER)
        for lane, channel, symbol in ((MARKET, Channel.BOOK, "BTC/USD"), (MARKET, Channel.CANDLES, "BTC/USD"), (USER, Channel.ORDERS, "")):
            await wire.link.subscribe(lane, channel, symbol)
            await wire.link.unsubscribe(lane, channel, symbol)
        tokens = [each["jwt"] for each in told]
        assert len(dict.fromkeys(tokens)) == 6
        assert [wire.server._keys.fault(token, wire.clock.wall_ns()) for token in tokens] == [None] * 6

    in_memory(story)


def test_products_are_asked_for_before_books(monkeypatch: pytest.MonkeyPatch) -> None:
    """A book of what the venue does not list is refused here, and costs the lane nothing."""

    async def story(wire: Wire) -> None:
        await wire.connect(MARKET)
        await wire.link.request(Request(op=Op.MARKETS_FETCH))
        with pytest.raises(Exception, match="not among its products"):
            await wire.link.subscribe(MARKET, Channel.BOOK, "DOGE/USD")
        assert wire.heard.closed == []

    in_memory(story)
