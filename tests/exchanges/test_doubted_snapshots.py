"""A snapshot that cannot be the book is asked for once more; one that comes twice is believed only if REST says so too."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from exchanges.scripted import BTC, EPOCH_NS, ScriptedLink, World, change, play, snapshot
from papertape.exchanges.feeds import BookFeed
from papertape.model.event import BookSnapshot
from papertape.model.notes import Mark
from papertape.model.request import Channel, Lane
from papertape.model.units import SECOND
from papertape.resilience.doubt import doubt

GOOD = snapshot(bid=9_800, at_ns=EPOCH_NS + 10)
EMPTY = msgspec.structs.replace(GOOD, bids=(), asks=())
CROSSED = msgspec.structs.replace(GOOD, bids=((GOOD.asks[0][0], 1), *GOOD.bids))
OLD = snapshot(at_ns=EPOCH_NS + 1)
SEEN = change(9_900, 7, at_ns=EPOCH_NS + 5)


def books_seen(second: BookSnapshot, third: BookSnapshot) -> tuple[list[Any], int, list[tuple[Channel, str]]]:
    """Best bids as a bot sees them when, after SEEN, a lost message brings `second`, and one asked for again would be `third`."""

    async def story(world: World) -> tuple[list[Any], int, list[tuple[Channel, str]]]:
        bids: list[Any] = []
        await world.exchange.subscribe_order_book("BTC/USD", lambda book: bids.append(book.best_bid))
        await asyncio.sleep(1)
        world.link.push(Lane.MARKET, SEEN)
        bids.clear()
        world.link.snapshots["BTC/USD"] = second
        asked = len(world.link.asked_for)
        world.link.drop(Lane.MARKET)
        while len(world.link.asked_for) == asked:
            await asyncio.sleep(0.005)
        world.link.snapshots["BTC/USD"] = third
        await asyncio.sleep(3)
        assert world.exchange.health.is_healthy
        return bids, world.notes.marks.count(Mark.SNAPSHOT_DOUBTED), world.link.asked_for[asked:]

    return play(story)


@pytest.mark.parametrize("wrong", [EMPTY, OLD, CROSSED], ids=["empty", "old", "crossed"])
def test_a_snapshot_that_cannot_be_is_never_shown_and_asked_for_again(wrong: BookSnapshot) -> None:
    bids, doubts, asked = books_seen(wrong, GOOD)
    assert bids == [(9_800, 5)]
    assert doubts == 1
    assert asked.count((Channel.BOOK, "BTC/USD")) == 2


@pytest.mark.parametrize("wrong", [EMPTY, OLD], ids=["empty", "old"])
def test_what_is_said_twice_is_believed_only_if_rest_says_so_too(wrong: BookSnapshot) -> None:
    """A venue that serves a wrong book once serves it twice: as long as REST tells another, it is asked for again, and nobody sees it."""

    async def story(world: World) -> None:
        bids, link = await at_a_loss(world, wrong)
        by_rest = link.snapshots["BTC/USD"] = GOOD
        link.streamed["BTC/USD"] = wrong
        await asyncio.sleep(8)
        assert bids == []
        assert world.exchange.health.stale_books == ("BTC/USD",)
        assert world.notes.marks.count(Mark.SNAPSHOT_DOUBTED) > 2
        del link.streamed["BTC/USD"]
        await asyncio.sleep(15)
        assert bids == [by_rest.bids[0]]

    play(story)


@pytest.mark.parametrize(("wrong", "bid"), [(EMPTY, None), (OLD, (9_900, 5))], ids=["empty", "old"])
def test_what_rest_says_too_is_believed(wrong: BookSnapshot, bid: Any) -> None:
    """A market can be empty, and a venue can set its clock back; what came after the snapshot is not lost for it."""

    async def story(world: World) -> None:
        bids, link = await at_a_loss(world, wrong)
        link.snapshots["BTC/USD"] = wrong
        await asyncio.sleep(3)
        assert bids == [bid]
        assert world.exchange.health.is_healthy

    play(story)


async def at_a_loss(world: World, wrong: BookSnapshot) -> tuple[list[Any], ScriptedLink]:
    """A lane that comes back with a wrong snapshot, after SEEN; the best bids that a bot will see from here on."""
    bids: list[Any] = []
    await world.exchange.subscribe_order_book("BTC/USD", lambda book: bids.append(book.best_bid))
    await asyncio.sleep(1)
    world.link.push(Lane.MARKET, SEEN)
    bids.clear()
    world.link.snapshots["BTC/USD"] = wrong
    world.link.drop(Lane.MARKET)
    return bids, world.link


def test_a_snapshot_without_a_stamp_is_no_old_one() -> None:
    """Coinbase's manual shows its snapshots stamped with 1970."""
    bids, doubts, _ = books_seen(snapshot(bid=9_700, at_ns=0), GOOD)
    assert (bids, doubts) == ([(9_700, 5)], 0)


def feed_by_rest(streamed_s: float, *polled_s: float) -> BookFeed:
    """A book whose stream told it up to `streamed_s`, by the venue's clock, and broke off; then REST told it, with these stamps."""
    feed = BookFeed(BTC, 0)
    feed.begin(snapshot(at_ns=int(streamed_s * SECOND)))
    feed.invalidate(now_ns=1)
    for now_ns, each in enumerate(polled_s, start=2):
        feed.polled(snapshot(at_ns=int(each * SECOND)), now_ns, now_ns)
    return feed


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_rests_stamps_may_be_ahead_of_the_streams_and_no_more_than_that(is_forgotten: bool) -> None:
    """A snapshot of the stream is believed though REST's last stamp is up to 2 s newer, and not if even that makes it too old."""
    feed = feed_by_rest(100, 105, 110)
    if is_forgotten:
        feed.forget_polled()
    assert feed.known_ns == 108 * SECOND
    assert doubt(snapshot(at_ns=108 * SECOND), feed.known_ns) == ""
    assert "older than what came before" in doubt(snapshot(at_ns=108 * SECOND - 1), feed.known_ns)


def test_what_the_stream_itself_told_is_not_taken_back_by_a_stamp_of_rests() -> None:
    """It told up to 109.5 s before it broke off: then nothing older can be the book, whatever REST's clock is worth."""
    assert feed_by_rest(109.5, 110).known_ns == int(109.5 * SECOND)
    assert feed_by_rest(100).known_ns == 100 * SECOND


def test_a_snapshot_from_before_a_gap_is_not_made_whole_by_what_came_after() -> None:
    """Asked for after the first gap, it comes after the second: what was held between the two is thrown away, and it does not know it."""

    async def story(world: World) -> list[Any]:
        bids: list[Any] = []
        await world.exchange.subscribe_order_book("BTC/USD", lambda book: bids.append(book.best_bid))
        await asyncio.sleep(1)
        bids.clear()
        world.link.snapshots["BTC/USD"] = snapshot(bid=9_700, at_ns=EPOCH_NS + 15)
        for at_ns in (20, 30):
            world.link.skip(Lane.MARKET)
            world.link.push(Lane.MARKET, change(9_900 + at_ns, 1, at_ns=EPOCH_NS + at_ns))
        await asyncio.sleep(0.02)
        assert bids == []
        world.link.snapshots["BTC/USD"] = snapshot(bid=9_800, at_ns=EPOCH_NS + 40)
        await asyncio.sleep(3)
        assert world.notes.marks.count(Mark.SNAPSHOT_DOUBTED) == 1
        return bids

    assert play(story) == [(9_800, 5)]
