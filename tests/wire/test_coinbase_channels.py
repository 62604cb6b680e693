"""Every channel that the live link can ask for: what it is called on the wire, and what comes of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from papertape.links.coinbase import stream as coinbase_stream
from papertape.links.coinbase.link import CHANNELS
from papertape.model.errors import NotSupported
from papertape.model.event import CandleEvent, Side, Ticker, Trade
from papertape.model.request import Channel, Lane
from papertape.model.units import HOUR, MINUTE, SECOND
from wire.scripted import Wire, in_memory

MARKET, USER = Lane.MARKET, Lane.USER
NAMES = {
    Channel.TRADES: "market_trades",
    Channel.BOOK: "level2",
    Channel.TICKER: "ticker",
    Channel.TICKER_BATCH: "ticker_batch",
    Channel.CANDLES: "candles",
    Channel.STATUS: "status",
    Channel.HEARTBEATS: "heartbeats",
    Channel.ORDERS: "user",
}


def test_each_channel_is_asked_for_by_coinbases_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """One channel a message, its products as Coinbase writes them, none for the channels that have none."""
    said: list[dict[str, Any]] = []
    say = coinbase_stream.CoinbaseStream.say

    async def noting(self: coinbase_stream.CoinbaseStream, message: bytes) -> None:
        said.append(msgspec.json.decode(message))
        await say(self, message)

    monkeypatch.setattr(coinbase_stream.CoinbaseStream, "say", noting)

    async def story(wire: Wire) -> None:
        await wire.connect(MARKET, USER)
        for channel in NAMES:
            symbol = "" if channel in (Channel.HEARTBEATS, Channel.ORDERS) else "BTC/USD"
            await wire.link.subscribe(USER if channel is Channel.ORDERS else MARKET, channel, symbol)
        told = {each["channel"]: each["product_ids"] for each in said}
        assert told == {name: [] if name in ("heartbeats", "user") else ["BTC-USD"] for name in NAMES.values()}
        assert {each["type"] for each in said} == {"subscribe"}
        await wire.clock.sleep_ns(SECOND)
        assert wire.heard.closed == []  # the venue knows each of them

    assert CHANNELS == NAMES
    in_memory(story)


def test_a_batch_of_tickers_comes_now_and_then_without_best_prices() -> None:
    """Every five seconds, changed or not, until nobody wants it."""

    async def story(wire: Wire) -> None:
        at_ns = wire.clock.wall_ns()
        wire.venue.trades = [Trade(venue_ns=at_ns, local_ns=at_ns, symbol="BTC/USD", price_ticks=9_950, qty_lots=1, taker=Side.BUY)]
        await wire.connect(MARKET)
        await wire.link.subscribe(MARKET, Channel.TICKER_BATCH, "BTC/USD")
        await wire.heard.until(lambda: len(wire.heard.messages) == 3)
        for _, _, told in wire.heard.messages:
            assert isinstance(told, Ticker)
            assert (told.symbol, told.last_ticks, told.bid_ticks, told.ask_ticks) == ("BTC/USD", 9_950, None, None)
        assert 10 * SECOND <= wire.clock.wall_ns() - at_ns < 11 * SECOND
        await wire.link.unsubscribe(MARKET, Channel.TICKER_BATCH, "BTC/USD")
        await wire.clock.sleep_ns(12 * SECOND)
        assert len(wire.heard.messages) == 3

    in_memory(story)


def test_bars_come_as_the_venue_has_them() -> None:
    """Five minutes and no other length, which is refused here instead of being told wrongly."""

    async def story(wire: Wire) -> None:
        await wire.connect(MARKET)
        with pytest.raises(NotSupported, match="bars of five minutes only, not of 60 s"):
            await wire.link.subscribe(MARKET, Channel.CANDLES, "BTC/USD", MINUTE)
        await wire.link.subscribe(MARKET, Channel.CANDLES, "BTC/USD", 5 * MINUTE)
        await wire.until(lambda: bool(wire.venue.streams[0].wants))
        bar = CandleEvent(
            venue_ns=wire.clock.wall_ns(), local_ns=0, symbol="BTC/USD", open_ns=HOUR, span_ns=5 * MINUTE, open_ticks=9_900,
            high_ticks=10_100, low_ticks=9_800, close_ticks=10_000, volume_lots=7,
        )  # fmt: skip
        wire.venue.broadcast(Channel.CANDLES, "BTC/USD", bar)
        await wire.heard.until(lambda: bool(wire.heard.messages))
        assert msgspec.structs.replace(wire.heard.messages[0][2], local_ns=0) == bar

    in_memory(story)
