"""Every channel as a raw client meets it: what it begins with, what it goes on with, and manners on both sides; in virtual time."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec
import pytest

from papertape.model.account import Candle
from papertape.model.event import CandleEvent, Heartbeat, Side, Trade
from papertape.model.order import Order, OrderStatus, OrderType, TimeInForce
from papertape.model.request import Channel
from papertape.model.units import MINUTE, SECOND
from papertape.model.venue import Quota
from papertape.venues.coinbase.auth import LIFETIME_S, sign, throwaway_credentials
from wire.scripted import KEY, Wire, in_memory

BITCOIN = ["BTC-USD"]


class Listener:
    """One stream connection of a client without any library of the venue's."""

    def __init__(self, wire: Wire, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.wire, self.socket = wire, socket

    async def say(self, channel: str, products: list[str] | None = None, type: str = "subscribe", **more: Any) -> None:
        await self.socket.send_str(json.dumps({"type": type, "channel": channel, "product_ids": products or [], **more}))

    async def hear(self, within_s: float = 20) -> dict[str, Any]:
        message = await self.socket.receive(within_s)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        found: dict[str, Any] = json.loads(message.data)
        return found

    async def news(self) -> list[dict[str, Any]]:
        """The events of the next frame that is no acknowledgement."""
        while (told := await self.hear())["channel"] == "subscriptions":
            pass
        events: list[dict[str, Any]] = told["events"]
        return events


def listening(story: Callable[[Listener], Awaitable[None]]) -> None:
    async def told(wire: Wire) -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(wire.urls.market) as socket:
            await story(Listener(wire, socket))

    in_memory(told)


def trade(wire: Wire, price: int, amount: int = 1) -> Trade:
    at_ns = wire.clock.wall_ns()
    return Trade(venue_ns=at_ns, local_ns=at_ns, symbol="BTC/USD", price_ticks=price, qty_lots=amount, taker=Side.BUY, trade_id=str(price))


def bar(open_ns: int, close: int) -> Candle:
    return Candle(open_ns=open_ns, open=Decimal(1), high=Decimal(9), low=Decimal(1), close=Decimal(close), volume=Decimal(close))


def test_bars_begin_with_history_and_go_on_as_they_change() -> None:
    """The last hundred at most; then, once a second, those that changed and no other; nothing after the goodbye."""

    async def story(listener: Listener) -> None:
        venue = listener.wire.venue
        venue.candles = tuple(bar(n * 5 * MINUTE, n + 1) for n in range(130))
        await listener.say("candles", BITCOIN)
        (event,) = await listener.news()
        assert (event["type"], len(event["candles"]), event["candles"][-1]["close"]) == ("snapshot", 100, "130")
        began_ns = listener.wire.clock.wall_ns()
        venue.candles = (*venue.candles[:-1], bar(129 * 5 * MINUTE, 7), bar(130 * 5 * MINUTE, 8))
        (event,) = await listener.news()
        assert (event["type"], [row["close"] for row in event["candles"]]) == ("update", ["7", "8"])
        assert listener.wire.clock.wall_ns() - began_ns <= SECOND
        await listener.say("heartbeats")
        await listener.say("candles", BITCOIN, type="unsubscribe")
        venue.candles = (*venue.candles, bar(131 * 5 * MINUTE, 9))
        await listener.hear()
        assert (await listener.hear())["events"] == [{"subscriptions": {"heartbeats": ["heartbeats"]}}]
        await listener.wire.clock.sleep_ns(3 * SECOND)
        await listener.say("tea")
        assert (await listener.hear())["type"] == "error"

    listening(story)


def test_bars_that_the_market_tells_itself_are_not_told_twice() -> None:
    """A tape may hold them; the front end then makes none."""

    async def story(listener: Listener) -> None:
        venue, at_ns = listener.wire.venue, listener.wire.clock.wall_ns()
        await listener.say("candles", BITCOIN)
        await listener.hear()
        recorded = CandleEvent(
            venue_ns=at_ns, local_ns=at_ns, symbol="BTC/USD", open_ns=0, span_ns=5 * MINUTE, open_ticks=1, high_ticks=1, low_ticks=1,
            close_ticks=1, volume_lots=1,
        )  # fmt: skip
        venue.broadcast(Channel.CANDLES, "BTC/USD", recorded)
        assert (await listener.news())[0]["candles"][0]["close"] == "0.01"
        venue.candles = (bar(0, 5),)
        await listener.wire.clock.sleep_ns(3 * SECOND)
        await listener.say("tea")
        assert (await listener.hear())["type"] == "error"

    listening(story)


def test_the_status_of_products_comes_now_and_then() -> None:
    """At once, and every five seconds; of the products that were asked for."""

    async def story(listener: Listener) -> None:
        began_ns = listener.wire.clock.wall_ns()
        await listener.say("status", BITCOIN)
        times = []
        for _ in range(3):
            (event,) = await listener.news()
            assert (event["type"], [row["id"] for row in event["products"]]) == ("snapshot", BITCOIN)
            times.append((listener.wire.clock.wall_ns() - began_ns) // SECOND)
        assert times == [0, 5, 10]

    listening(story)


def test_a_ticker_begins_with_where_the_market_stands() -> None:
    """The last price with the day's figures; batches leave the best prices out, and come again every five seconds."""

    async def story(listener: Listener) -> None:
        venue = listener.wire.venue
        venue.trades = [trade(listener.wire, 10_000, 100_000_000), trade(listener.wire, 11_000, 100_000_000)]
        await listener.say("ticker", BITCOIN)
        (event,) = await listener.news()
        (row,) = event["tickers"]
        assert (event["type"], row["price"], row["volume_24_h"], row["high_24_h"], row["low_24_h"]) == (
            "snapshot",
            "110",
            "2",
            "110",
            "100",
        )
        assert (row["price_percent_chg_24_h"], row["best_bid"], row["best_ask"]) == ("10", "99", "101")
        await listener.say("ticker_batch", BITCOIN)
        for _ in range(2):
            ((row,),) = ([event["tickers"][0] for event in await listener.news()],)
            assert (row["price"], "best_bid" in row) == ("110", False)

    listening(story)


def test_own_orders_begin_in_batches_of_fifty() -> None:
    """However many are open, all of them come, oldest first, in messages that are numbered like any other."""

    async def story(listener: Listener) -> None:
        for n in range(120):
            order = Order(
                id=f"o-{n}", client_order_id=f"c-{n}", symbol="BTC/USD", type=OrderType.LIMIT, side=Side.BUY, amount=Decimal(1),
                price=Decimal(90), time_in_force=TimeInForce.GTC, post_only=False, status=OrderStatus.OPEN, created_ns=n, updated_ns=n,
            )  # fmt: skip
            listener.wire.venue.orders[order.id] = order
        await listener.say("user", jwt=sign(KEY, listener.wire.clock.wall_ns(), nonce="n"))
        told = [await listener.hear() for _ in range(4)]
        assert [each["sequence_num"] for each in told] == [0, 1, 2, 3]
        assert [len(each["events"][0].get("orders", [])) for each in told] == [50, 50, 20, 0]
        ids = [row["order_id"] for each in told[:3] for row in each["events"][0]["orders"]]
        assert ids == [f"o-{n}" for n in range(120)]

    listening(story)


def test_who_does_not_subscribe_is_shown_the_door() -> None:
    """Five seconds after the connection opened, complaints or not; who has subscribed once may be quiet."""

    async def story(listener: Listener) -> None:
        began_ns = listener.wire.clock.wall_ns()
        await listener.say("tea")
        assert (await listener.hear())["type"] == "error"
        message = await listener.socket.receive(20)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1008)
        assert listener.wire.clock.wall_ns() - began_ns == 5 * SECOND

    listening(story)

    async def patient(listener: Listener) -> None:
        await listener.say("market_trades", BITCOIN)
        assert (await listener.hear())["channel"] == "subscriptions"
        await listener.wire.clock.sleep_ns(60 * SECOND)
        await listener.say("tea")
        assert (await listener.hear())["type"] == "error"

    listening(patient)


def test_a_quiet_stream_is_ended_without_a_word_and_heartbeats_keep_it() -> None:
    """Within 60 to 90 s of its last news, as ccxt/ccxt#22892 tells: clients see 1006."""

    async def story(listener: Listener) -> None:
        await listener.say("market_trades", BITCOIN)
        assert (await listener.hear())["channel"] == "subscriptions"
        began_ns = listener.wire.clock.wall_ns()
        message = await listener.socket.receive(200)
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert 60 * SECOND <= listener.wire.clock.wall_ns() - began_ns <= 90 * SECOND

    listening(story)

    async def beating(listener: Listener) -> None:
        await listener.say("heartbeats")
        for beat in range(100):
            await listener.wire.clock.sleep_ns(2 * SECOND)
            at_ns = listener.wire.clock.wall_ns()
            (stream,) = listener.wire.venue.streams
            stream.send(Heartbeat(venue_ns=at_ns, local_ns=at_ns, symbol="", counter=beat))
        told = [await listener.hear() for _ in range(101)]
        assert told[-1]["channel"] == "heartbeats"

    listening(beating)


def test_a_token_on_a_stream_is_checked_whatever_it_is_for() -> None:
    """Expired, of another key, or none where one is needed: the venue's own two words, and nothing is subscribed to."""

    async def story(listener: Listener) -> None:
        now_ns = listener.wire.clock.wall_ns()
        old, strange = sign(KEY, now_ns - 2 * LIFETIME_S * SECOND, nonce="n"), sign(throwaway_credentials("x"), now_ns, nonce="n")
        for channel, more in (("user", {"jwt": old}), ("level2", {"jwt": strange}), ("user", {}), ("ticker", {"jwt": "[" * 9_000})):
            await listener.say(channel, BITCOIN, **more)
            assert await listener.hear() == {"type": "error", "message": "authentication failure"}
        assert listener.wire.venue.streams[0].wants == {}

    listening(story)


def test_who_talks_too_much_unsigned_is_told_so() -> None:
    """Eight messages a second from one address, over all of its connections; what is signed is not counted."""

    async def told(wire: Wire) -> None:
        wire.venue.rules = msgspec.structs.replace(wire.venue.rules, message_quota=Quota(count=8))
        url = wire.urls.market
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as one, session.ws_connect(url) as two:
            listeners = [Listener(wire, one), Listener(wire, two)]
            for n in range(8):
                await listeners[n % 2].say("heartbeats")
                assert (await listeners[n % 2].hear())["channel"] == "subscriptions"
            await listeners[0].say("heartbeats")
            assert await listeners[0].hear() == {"type": "error", "message": "rate limit exceeded"}
            await listeners[1].say("heartbeats", jwt=sign(KEY, wire.clock.wall_ns(), nonce="n"))
            assert (await listeners[1].hear())["channel"] == "subscriptions"
            await wire.clock.sleep_ns(2 * SECOND)
            await listeners[0].say("heartbeats")
            assert (await listeners[0].hear())["channel"] == "subscriptions"

    in_memory(told)


def test_who_dials_too_often_is_not_let_in() -> None:
    """The handshake is answered 429; a second later it goes well."""

    async def told(wire: Wire) -> None:
        wire.venue.rules = msgspec.structs.replace(wire.venue.rules, dial_quota=Quota(count=2))
        async with aiohttp.ClientSession() as session:
            for _ in range(2):
                async with session.ws_connect(wire.urls.market):
                    pass
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(wire.urls.market)
            assert refused.value.status == 429
            await wire.clock.sleep_ns(2 * SECOND)
            async with session.ws_connect(wire.urls.market):
                pass

    in_memory(told)


def test_an_acknowledgement_names_channels_in_their_order() -> None:
    """By name, as the venue's own servers write them; products in the order in which they were asked for."""

    async def story(listener: Listener) -> None:
        for channel in ("ticker", "candles", "level2"):
            await listener.say(channel, BITCOIN)
        acknowledged: dict[str, Any] = {}
        while len(acknowledged) < 3:
            told = await listener.hear()
            if told["channel"] == "subscriptions":
                acknowledged = told["events"][0]["subscriptions"]
        assert list(acknowledged) == ["candles", "level2", "ticker"]

    listening(story)
