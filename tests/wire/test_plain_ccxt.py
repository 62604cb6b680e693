"""Programs that never heard of papertape: plain ccxt, unmodified, against the served venue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import ccxt.async_support
import ccxt.pro
import pytest

from papertape.model.account import Candle
from papertape.model.event import BookUpdate, Side, Trade
from papertape.model.request import Channel, Refusal, RefusalCode
from papertape.model.units import MINUTE
from wire.scripted import KEY, Op, Wire, in_memory, on_loopback


@pytest.fixture(params=[on_loopback, in_memory], ids=["loopback", "memory"])
def tell(request: pytest.FixtureRequest):
    return request.param


def plain(story: Callable[[Wire, Any], Awaitable[None]], make: Any = ccxt.async_support.coinbase) -> Callable[[Wire], Awaitable[None]]:
    """The story with a ccxt exchange that a user would make, its URLs changed on loopback only."""

    async def told(wire: Wire) -> None:
        config: dict[str, Any] = {"apiKey": KEY.name, "secret": KEY.secret, "enableRateLimit": False}
        if wire.urls.rest.startswith("http:"):
            config["urls"] = {"api": {"rest": wire.urls.rest, "ws": wire.urls.market}}
        exchange = make(config)
        try:
            await story(wire, exchange)
        finally:
            await exchange.close()

    return told


def test_load_markets_finds_the_products(tell) -> None:
    """All six requests of ccxt's load_markets are answered, currencies and fees among them."""

    async def story(wire: Wire, exchange: Any) -> None:
        markets = await exchange.load_markets()
        market = markets["BTC/USD"]
        assert (market["id"], market["precision"]["price"], market["precision"]["amount"]) == ("BTC-USD", 0.01, 1e-8)
        assert (market["taker"], market["maker"], market["active"]) == (0.006, 0.004, True)

    tell(plain(story))


def test_both_balance_calls_work(tell) -> None:
    """The old one tells totals, the new one what is free and held."""

    async def story(wire: Wire, exchange: Any) -> None:
        old = await exchange.fetch_balance()
        assert old["USD"]["total"] == 1000.0
        new = await exchange.fetch_balance({"v3": True})
        assert (new["USD"]["free"], new["USD"]["used"], new["BTC"]["free"]) == (900.5, 99.5, 0.1)

    tell(plain(story))


def test_an_order_lives_from_create_to_cancel(tell) -> None:
    """Create, get, list, edit, cancel, as a ccxt program does it."""

    async def story(wire: Wire, exchange: Any) -> None:
        made = await exchange.create_order("BTC/USD", "limit", "buy", 0.5, 99.01, {"client_order_id": "mine", "postOnly": True})
        order = await exchange.fetch_order(made["id"])
        assert (order["status"], order["price"], order["amount"], order["clientOrderId"]) == ("open", 99.01, 0.5, "mine")
        assert [each["id"] for each in await exchange.fetch_open_orders("BTC/USD")] == [made["id"]]
        await exchange.edit_order(made["id"], "BTC/USD", "limit", "buy", 1.0, 98.5)
        assert (wire.venue.orders["o-1"].amount, wire.venue.orders["o-1"].price) == (Decimal(1), Decimal("98.5"))
        await exchange.cancel_order(made["id"])
        assert (await exchange.fetch_order(made["id"]))["status"] == "canceled"

    tell(plain(story))


def test_a_market_order_fills_and_shows_its_trade(tell) -> None:
    """Fills are there with price, fee and liquidity."""

    async def story(wire: Wire, exchange: Any) -> None:
        made = await exchange.create_order("BTC/USD", "market", "sell", 0.02)
        order = await exchange.fetch_order(made["id"])
        assert (order["status"], order["filled"], order["average"]) == ("closed", 0.02, 100.0)
        (trade,) = await exchange.fetch_my_trades("BTC/USD")
        assert (trade["order"], trade["price"], trade["amount"], trade["takerOrMaker"]) == (made["id"], 100.0, 0.02, "taker")

    tell(plain(story))


def test_bars_come_through(tell) -> None:
    """fetch_ohlcv gives ccxt's rows."""

    async def story(wire: Wire, exchange: Any) -> None:
        open_ns = wire.clock.wall_ns() // MINUTE * MINUTE
        bar = Candle(open_ns=open_ns, open=Decimal(1), high=Decimal(4), low=Decimal("0.5"), close=Decimal(2), volume=Decimal(9))
        wire.venue.candles = (bar,)
        assert await exchange.fetch_ohlcv("BTC/USD", "1m", limit=5) == [[open_ns // 1_000_000, 1.0, 4.0, 0.5, 2.0, 9.0]]

    tell(plain(story))


def test_ccxt_raises_what_it_raises_at_coinbase(tell) -> None:
    """Its own reading of the real bodies: funds, rate limit, a lost reply, a wrong key."""

    async def story(wire: Wire, exchange: Any) -> None:
        await exchange.load_markets()
        wire.venue.refuse[Op.ORDER_CREATE] = Refusal(code=RefusalCode.INSUFFICIENT_FUNDS, message="no")
        with pytest.raises(ccxt.InsufficientFunds):
            await exchange.create_order("BTC/USD", "limit", "buy", 0.5, 99.01)
        wire.venue.refuse[Op.ORDER_CREATE] = Refusal(code=RefusalCode.RATE_LIMITED, message="no")
        with pytest.raises(ccxt.RateLimitExceeded):
            await exchange.create_order("BTC/USD", "limit", "buy", 0.5, 99.01)
        wire.venue.refuse.clear()
        wire.venue.lose[Op.ORDER_CREATE] = 1
        with pytest.raises(ccxt.NetworkError):
            await exchange.create_order("BTC/USD", "limit", "buy", 0.5, 99.01)
        assert len(wire.venue.orders) == 1
        exchange.apiKey = "organizations/x/apiKeys/y"
        with pytest.raises(ccxt.AuthenticationError):
            await exchange.fetch_balance({"v3": True})

    tell(plain(story))


def test_ccxt_pro_watches(tell) -> None:
    """Its book, trades and orders over one stream connection of the market host, where it subscribes to `user` as well."""

    async def story(wire: Wire, exchange: Any) -> None:
        book = await exchange.watch_order_book("BTC/USD")
        assert (book["bids"][0], book["asks"][0]) == ([99.0, 5e-8], [101.0, 7e-8])
        at = {"venue_ns": wire.clock.wall_ns(), "local_ns": 0, "symbol": "BTC/USD"}
        wire.venue.broadcast(Channel.BOOK, "BTC/USD", BookUpdate(**at, bids=((9_950, 100_000_000),)))
        book = await exchange.watch_order_book("BTC/USD")
        assert book["bids"][0] == [99.5, 1.0]
        wire.venue.trades = [Trade(**at, price_ticks=10_000, qty_lots=100_000_000, taker=Side.BUY, trade_id="1")]
        trades = await exchange.watch_trades("BTC/USD")
        assert [(trade["id"], trade["price"]) for trade in trades] == [("1", 100.0)]  # ccxt takes history for prints
        await exchange.create_order("BTC/USD", "limit", "buy", 0.5, 99.01, {"client_order_id": "mine"})
        orders = await exchange.watch_orders("BTC/USD")
        assert [(order["clientOrderId"], order["status"]) for order in orders] == [("mine", "open")]

    tell(plain(story, ccxt.pro.coinbase))
