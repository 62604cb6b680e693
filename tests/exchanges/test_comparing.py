"""A streamed book is held against REST's soon after its snapshot and now and then after that; a wrong one is asked for anew."""

from __future__ import annotations

from exchanges.scripted import EPOCH_NS, Fate, World, change, play, snapshot
from papertape.model.notes import Mark
from papertape.model.request import Channel, Lane, Op
from papertape.model.units import SECOND

BOOK = (Channel.BOOK, "BTC/USD")


async def subscribe(world: World, false_bid: int | None = None) -> list[object]:
    """With `false_bid` the stream's first snapshot is false, and nothing in it says so; the next is right."""
    bids: list[object] = []
    if false_bid is not None:
        world.link.streamed["BTC/USD"] = snapshot(bid=false_bid)
    await world.exchange.subscribe_order_book("BTC/USD", lambda book: bids.append(book.best_bid))
    await world.sleep(0.5)
    world.link.streamed.clear()
    world.link.asked_for.clear()
    return bids


def test_a_false_snapshot_is_found_although_nothing_in_it_says_so() -> None:
    """Within seven seconds: one of patience, and two comparisons with the time that the stream has to catch up."""

    async def story(world: World) -> None:
        bids = await subscribe(world, false_bid=9_700)
        assert bids == [(9_700, 5)]
        await world.sleep(7)
        assert world.link.asked_for == [BOOK]
        assert bids[-1] == (9_900, 5)
        assert world.notes.marks.count(Mark.WRONG_BOOK_FOUND) == 1
        await world.sleep(120)
        assert world.link.asked_for == [BOOK]

    play(story)


def test_a_change_that_was_lost_without_a_number_is_found_within_the_next_comparison() -> None:
    """The first comparison finds nothing; a minute later another is made."""

    async def story(world: World) -> None:
        await subscribe(world)
        await world.sleep(10)
        world.link.snapshots["BTC/USD"] = snapshot(bid=9_800, at_ns=EPOCH_NS + SECOND)
        for number in range(70):  # so that it is not mute
            world.link.push(Lane.MARKET, change(9_000, number, at_ns=EPOCH_NS + number))
            await world.sleep(1)
        assert world.link.asked_for == [BOOK]
        assert Mark.WRONG_BOOK_FOUND in world.notes.marks
        assert Mark.MUTE_FOUND not in world.notes.marks

    play(story)


def test_a_stream_that_is_a_little_behind_rest_is_left_alone() -> None:
    """REST knows the change first, and the stream tells it within the grace that it has."""

    async def story(world: World) -> None:
        await subscribe(world)
        await world.sleep(0.4)
        world.link.snapshots["BTC/USD"] = snapshot(bid=9_950, at_ns=EPOCH_NS + SECOND)
        await world.sleep(1.5)
        for ticks, lots in ((9_950, 5), (9_949, 5), (9_900, 0), (9_899, 0)):
            world.link.push(Lane.MARKET, change(ticks, lots))
        await world.sleep(20)
        assert world.link.asked_for == []
        assert Mark.WRONG_BOOK_FOUND not in world.notes.marks

    play(story)


def test_it_is_found_once_rest_answers_again() -> None:
    """Answers that are lost are asked for again; until one comes the stream is believed."""

    async def story(world: World) -> None:
        world.link.fates[Op.BOOK_FETCH] = [Fate.LOST_BEFORE] * 3
        bids = await subscribe(world, false_bid=9_700)
        await world.sleep(25)
        assert bids == [(9_700, 5)]
        await world.sleep(25)
        assert bids[-1] == (9_900, 5)

    play(story)
