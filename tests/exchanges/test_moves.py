"""Waiting until a kept book's best prices move."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.scripted import World, change, play
from papertape.exchanges.base import BaseExchange, KeptBook
from papertape.model.band import Band, common
from papertape.model.request import Lane

M = Lane.MARKET
BY_ITSELF = BaseExchange.keep_order_book
"""As any adapter keeps a book that knows no better: by a callback."""


async def keep(world: World, way: Callable[..., Awaitable[KeptBook]] | None) -> KeptBook:
    """The scripted book, best bid 9,900 and best ask 10,100, once it is there."""
    kept = await (world.exchange.keep_order_book("BTC/USD") if way is None else way(world.exchange, "BTC/USD"))
    await world.sleep(0.1)
    assert kept.book is not None
    return kept


def best(kept: KeptBook) -> tuple[int, int]:
    assert kept.book is not None
    assert kept.book.best_bid is not None
    assert kept.book.best_ask is not None
    return kept.book.best_bid[0], kept.book.best_ask[0]


async def settled() -> None:
    """Until everything that is due now has happened."""
    for _ in range(5):
        await asyncio.sleep(0)


async def turn(task: asyncio.Future[Any]) -> bool:
    """Whether it is done by then."""
    await settled()
    return task.done()


@pytest.mark.parametrize("way", [None, BY_ITSELF])
def test_it_wakes_at_the_move_that_was_waited_for(way: Any) -> None:
    """One tick less does not; nor does a change behind the best price. The book is then as it was at that change."""

    async def story(world: World) -> None:
        kept = await keep(world, way)
        bid, ask = best(kept)
        waiting = asyncio.ensure_future(kept.moved(5))
        await asyncio.sleep(0)
        for ticks in (bid - 50, bid + 4):
            world.link.push(M, change(ticks, 1))
            assert not await turn(waiting)
        world.link.push(M, change(bid + 5, 1))
        assert await turn(waiting)
        assert (waiting.result(), best(kept)) == (kept.book, (bid + 5, ask))

    play(story)


def test_it_returns_at_once_where_the_price_is_elsewhere_already() -> None:
    """From a price that is given it need not wait; from the same price it does."""

    async def story(world: World) -> None:
        kept = await keep(world, None)
        bid, ask = best(kept)
        assert await turn(asyncio.ensure_future(kept.moved(5, bid=bid - 5)))
        assert await turn(asyncio.ensure_future(kept.moved(5, ask=ask + 5)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(kept.moved(5, bid=bid - 4, ask=ask + 4), 1)

    play(story)


@pytest.mark.parametrize("way", [None, BY_ITSELF])
def test_a_side_that_is_gone_has_moved_and_is_waited_for(way: Any) -> None:
    """The last bid taken away wakes; who waits then is woken by the next one, wherever it is."""

    async def story(world: World) -> None:
        kept = await keep(world, way)
        bid, ask = best(kept)
        waiting = asyncio.ensure_future(kept.moved(50))
        await asyncio.sleep(0)
        assert kept.book is not None
        for ticks in list(kept.book.bids):
            world.link.push(M, change(ticks, 0))
        assert await turn(waiting)
        again = asyncio.ensure_future(kept.moved(50, bid=bid))
        assert not await turn(again)
        world.link.push(M, change(bid, 1))
        assert await turn(again)
        assert best(kept) == (bid, ask)

    play(story)


def test_a_lost_line_wakes_and_the_next_book_does() -> None:
    """No bot may go on as if the market stood still while nothing is heard of it."""

    async def story(world: World) -> None:
        kept = await keep(world, None)
        waiting = asyncio.ensure_future(kept.moved(50))
        await asyncio.sleep(0)
        world.link.drop(M)
        assert await turn(waiting)
        assert kept.book is not None
        assert not kept.book.is_complete
        assert (await asyncio.wait_for(kept.moved(50), 30)).is_complete

    play(story)


@pytest.mark.parametrize("way", [None, BY_ITSELF])
def test_nobody_waits_for_a_book_that_is_kept_no_more(way: Any) -> None:
    """Who does is told, and so is who begins to."""

    async def story(world: World) -> None:
        kept = await keep(world, way)
        waiting = asyncio.ensure_future(kept.moved())
        await asyncio.sleep(0)
        await kept.unsubscribe()
        for each in (waiting, kept.moved()):
            with pytest.raises(RuntimeError, match="kept no more"):
                await each

    play(story)


def test_a_price_moves_by_a_tick_at_least() -> None:
    """By none it has always moved, and a loop that waits for it would never let go."""

    async def story(world: World) -> None:
        kept = await keep(world, None)
        with pytest.raises(ValueError, match="by=0"):
            await kept.moved(0)

    play(story)


CHANGES = st.lists(st.tuples(st.integers(-6, 6), st.integers(0, 2)), max_size=30)
WAITS = st.lists(st.tuples(st.integers(1, 5), st.integers(-3, 3), st.integers(0, 20)), max_size=5)


@settings(deadline=None, max_examples=60)
@given(changes=CHANGES, waits=WAITS)
def test_each_is_woken_when_its_own_prices_have_moved(changes: list[tuple[int, int]], waits: list[tuple[int, int, int]]) -> None:
    """Several that wait, by other steps and from other prices, some of whom give up: as if each looked at the book after each change."""

    async def story(world: World) -> None:
        kept = await keep(world, None)
        bid, ask = best(kept)
        world.link.push(M, change(bid - 100, 1))  # there is always one
        tasks = [asyncio.ensure_future(kept.moved(by, bid=bid + off)) for by, off, _ in waits]
        expected = [abs(off) >= by for by, off, _ in waits]
        await settled()
        for step, (away, lots) in enumerate(changes):
            for number, (_, _, until) in enumerate(waits):
                if until == step:
                    tasks[number].cancel()
            world.link.push(M, change(bid + away, lots))
            now, _ = best(kept)
            for number, (by, off, until) in enumerate(waits):
                expected[number] |= until > step and abs(now - bid - off) >= by
            await settled()
            assert [task.done() and not task.cancelled() for task in tasks] == expected
        assert ask == best(kept)[1]
        for task in tasks:
            task.cancel()

    play(story)


@given(
    bands=st.lists(st.builds(Band.around, st.integers(90, 110), st.integers(111, 130), st.integers(1, 9)), min_size=1),
    bid=st.integers(80, 120),
)
def test_in_the_common_band_all_hold(bands: list[Band], bid: int) -> None:
    """And only there."""
    for ask in (111, 120, 129):
        assert common(bands).holds(bid, ask) == all(band.holds(bid, ask) for band in bands)
