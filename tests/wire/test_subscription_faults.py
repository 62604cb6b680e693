"""What the live adapter's own link hears of faults of subscriptions, of snapshots and of ageing connections: Coinbase's frames."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import websockets

from papertape.faults import (
    CrossedSnapshot,
    Disconnect,
    Fault,
    LateSnapshot,
    LostSnapshot,
    LostSubscription,
    Mute,
    RefusedSubscription,
    ShortLived,
)
from papertape.model.event import BookSnapshot, BookUpdate, Heartbeat, Trade
from papertape.model.request import Channel, Lane, Op, Request
from papertape.model.units import SECOND
from wire.booth import Booth, at_a_booth
from wire.test_faults import Ear

BTC = "BTC/USD"


async def open_ear(booth: Booth) -> Ear:
    ear = Ear(booth)
    await ear.link.open(Lane.REST)
    await ear.link.request(Request(op=Op.MARKETS_FETCH))
    await ear.link.open(Lane.MARKET)
    return ear


def heard(ear: Ear, *kinds: type) -> list[Any]:
    return [message for _, _, message in ear.heard if isinstance(message, kinds)]


def by_ear(story: Callable[[Booth, Ear], Awaitable[None]], *faults: Fault) -> None:
    async def whole(booth: Booth) -> None:
        ear = await open_ear(booth)
        try:
            await story(booth, ear)
        finally:
            await ear.close()

    at_a_booth(whole, *faults)


def test_a_mute_channel_is_acknowledged_and_silent_and_the_socket_lives() -> None:
    """As a plain program sees it: heartbeats and trades, and of level2 the word that it stands."""

    async def story(booth: Booth) -> None:
        async with websockets.connect("wss://advanced-trade-ws.coinbase.com", ping_interval=None) as socket:
            for channel in ("heartbeats", "market_trades", "level2"):
                await socket.send(json.dumps({"type": "subscribe", "channel": channel, "product_ids": ["BTC-USD"]}))
            frames = []
            while booth.loop.now_ns < 10 * SECOND:
                frames.append(json.loads(await socket.recv()))
        kinds = {frame["channel"] for frame in frames}
        assert kinds == {"subscriptions", "heartbeats", "market_trades"}
        told = [frame for frame in frames if frame["channel"] == "subscriptions"]
        assert told[-1]["events"][0]["subscriptions"]["level2"] == ["BTC-USD"]
        assert [frame["sequence_num"] for frame in frames] == list(range(len(frames)))

    at_a_booth(story, Mute(at="0s", lasts="5s"))


def test_who_asks_again_when_it_is_over_hears_the_book() -> None:
    async def story(booth: Booth, ear: Ear) -> None:
        await ear.link.subscribe(Lane.MARKET, Channel.TRADES, BTC)
        await ear.link.subscribe(Lane.MARKET, Channel.BOOK, BTC)
        await asyncio.sleep(6 - booth.loop.now_ns / SECOND)
        assert heard(ear, BookSnapshot, BookUpdate) == []
        assert heard(ear, Trade)
        await ear.link.subscribe(Lane.MARKET, Channel.BOOK, BTC)
        await asyncio.sleep(1)
        assert len(heard(ear, BookSnapshot)) == 1
        assert heard(ear, BookUpdate)

    by_ear(story, Mute(at="0s", lasts="5s"))


def test_a_lost_subscription_is_not_even_acknowledged() -> None:
    async def story(booth: Booth) -> None:
        async with websockets.connect("wss://advanced-trade-ws.coinbase.com", ping_interval=None) as socket:
            for channel in ("heartbeats", "level2"):
                await socket.send(json.dumps({"type": "subscribe", "channel": channel, "product_ids": ["BTC-USD"]}))
            frames = [json.loads(await socket.recv()) for _ in range(4)]
        assert [frame["channel"] for frame in frames] == ["subscriptions", "heartbeats", "heartbeats", "heartbeats"]

    at_a_booth(story, LostSubscription(at="0s"))


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("too_many_streams", "too many L2 streams requested in a single session"),
        ("unauthenticated", "level2, level3, and full channels now require authentication"),
        ("rate_limited", "rate limit exceeded"),
    ],
)
def test_a_refused_subscription_is_coinbases_error_frame(reason: Any, words: str) -> None:
    """The link ends the connection with these words; what else was asked for on it is asked for again on the next."""

    async def story(booth: Booth, ear: Ear) -> None:
        await ear.link.subscribe(Lane.MARKET, Channel.TRADES, BTC)
        await ear.link.subscribe(Lane.MARKET, Channel.BOOK, BTC)
        await asyncio.sleep(1)
        ((lane, why),) = ear.closed
        assert lane is Lane.MARKET
        assert words in why
        await ear.link.open(Lane.MARKET)
        await ear.link.subscribe(Lane.MARKET, Channel.BOOK, BTC)
        await asyncio.sleep(1)
        assert len(heard(ear, BookSnapshot)) == 1

    by_ear(story, RefusedSubscription(at="0s", channel="book", reason=reason))


def test_of_a_lost_snapshot_only_the_changes_come() -> None:
    async def story(booth: Booth, ear: Ear) -> None:
        await ear.link.subscribe(Lane.MARKET, Channel.BOOK, BTC)
        await asyncio.sleep(2)
        assert heard(ear, BookSnapshot) == []
        assert heard(ear, BookUpdate)
        await ear.link.subscribe(Lane.MARKET, Channel.BOOK, BTC)
        await asyncio.sleep(1)
        assert len(heard(ear, BookSnapshot)) == 1

    by_ear(story, LostSnapshot(at="0s"))


@pytest.mark.parametrize("shows", ["asked", "sent"])
def test_update_frames_come_before_a_late_snapshot(shows: Any) -> None:
    """The levels of the snapshot carry the time at which the book looked so."""

    async def story(booth: Booth, ear: Ear) -> None:
        asked_ns = booth.loop.now_ns + booth.loop.epoch_ns
        await ear.link.subscribe(Lane.MARKET, Channel.BOOK, BTC)
        await asyncio.sleep(5)
        news = heard(ear, BookSnapshot, BookUpdate)
        before = [type(each) for each in news].index(BookSnapshot)
        assert before > 3
        age_ns = news[before].venue_ns - asked_ns
        assert abs(age_ns - (0 if shows == "asked" else 2 * SECOND)) < SECOND / 5

    by_ear(story, LateSnapshot(at="0s", shows=shows))


def test_a_crossed_snapshot_is_a_frame_with_one_bid_too_many() -> None:
    async def story(booth: Booth, ear: Ear) -> None:
        for _ in range(2):
            await ear.link.subscribe(Lane.MARKET, Channel.BOOK, BTC)
            await asyncio.sleep(0.5)
        wrong, right = heard(ear, BookSnapshot)
        assert wrong.bids[0][0] == wrong.asks[2][0] + 1
        assert right.bids[0][0] < right.asks[0][0]

    by_ear(story, CrossedSnapshot(at="0s"))


@pytest.mark.parametrize("code", [1000, 1001, 1009, 1012])
def test_a_goodbye_is_a_close_frame_with_its_code(code: int) -> None:
    async def story(booth: Booth, ear: Ear) -> None:
        await ear.link.subscribe(Lane.MARKET, Channel.HEARTBEATS, "")
        await asyncio.sleep(4)
        ((lane, why),) = ear.closed
        assert lane is Lane.MARKET
        assert str(code) in why

    by_ear(story, Disconnect(at="3s", clean=True, code=code))


def test_connections_end_when_they_are_old_enough() -> None:
    async def story(booth: Booth, ear: Ear) -> None:
        for number in range(2):
            await ear.link.subscribe(Lane.MARKET, Channel.HEARTBEATS, "")
            await asyncio.sleep(2.5)
            assert len(ear.closed) == number + 1
            assert len(heard(ear, Heartbeat)) == number + 1
            await ear.link.open(Lane.MARKET)

    by_ear(story, ShortLived(at="0s", lasts="60s", lives="2s"))
