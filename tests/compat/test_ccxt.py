"""ccxt.pro's Coinbase by its real URLs: markets by https, trades by wss, its own keepAlive and subscribing again."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import ccxt.pro as ccxt
import pytest
from aiohttp import WSMsgType, web

from compat.world import EPOCH_NS, run_twice
from papertape.model.units import SECOND
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network

REST, FEED = "api.coinbase.com", "advanced-trade-ws.coinbase.com"
SYMBOL = "BTC/USD"
PRODUCT = {
    "product_id": "BTC-USD",
    "price": "100",
    "base_increment": "0.00000001",
    "quote_increment": "0.01",
    "price_increment": "0.01",
    "quote_min_size": "1",
    "quote_max_size": "150000000",
    "base_min_size": "0.00000001",
    "base_max_size": "3400",
    "base_name": "Bitcoin",
    "quote_name": "US Dollar",
    "status": "online",
    "product_type": "SPOT",
    "quote_currency_id": "USD",
    "base_currency_id": "BTC",
    "trading_disabled": False,
    "is_disabled": False,
}


class Script:
    """The part of the venue that this needs, and what it has seen."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.asked: list[str] = []
        self.subscribed: list[tuple[int, str]] = []
        self.connections = 0
        self.is_flooding = False
        self.pads = 0
        self.sent = 0
        self.number = 0
        self.is_silent = False

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        async with self._app(REST, web.get("/{path:.*}", self.answer)), self._app(FEED, web.get("/", self.feed)):
            yield

    @asynccontextmanager
    async def _app(self, host: str, route: Any) -> AsyncIterator[None]:
        app = web.Application()
        app.add_routes([route])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, host, 443).start()
        try:
            yield
        finally:
            await runner.cleanup()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if self.is_silent:
            await asyncio.sleep(1_000)
        if request.path.endswith("/products"):
            products = [] if request.query.get("product_type") == "FUTURE" else [PRODUCT]
            return web.json_response({"products": products, "num_products": str(len(products))})
        if request.path.endswith("/exchange-rates"):
            return web.json_response({"data": {"currency": "USD", "rates": {"BTC": "0.01", "USD": "1"}}})
        if request.path.endswith("/time"):
            return web.json_response({"iso": "2023-11-14T22:13:20Z", "epochSeconds": "1700000000", "epochMillis": "1700000000500"})
        return web.json_response({"data": []})

    async def feed(self, request: web.Request) -> web.WebSocketResponse:
        self.connections += 1
        mine = self.connections
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        pumps: list[asyncio.Task[None]] = []
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                told = json.loads(message.data)
                self.subscribed.append((mine, told["channel"]))
                if told["type"] == "subscribe" and told["channel"] == "market_trades":
                    pumps.append(asyncio.create_task(self.pump(socket)))
        for pump in pumps:
            pump.cancel()
        return socket

    async def pump(self, socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionResetError):
            while True:
                await socket.send_str(self.trade())
                self.sent += 1
                if not self.is_flooding:
                    await asyncio.sleep(1)

    def trade(self) -> str:
        at = datetime.fromtimestamp((EPOCH_NS + self.loop.now_ns) / SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.number += 1
        trade = {"trade_id": str(self.number), "product_id": "BTC-USD", "price": "100.0", "size": "0.1", "side": "BUY", "time": at}
        told = {
            "channel": "market_trades",
            "client_id": "",
            "timestamp": at,
            "sequence_num": self.sent,
            "padding": hashlib.shake_128(at.encode()).hexdigest(self.pads),
        }
        return json.dumps({**told, "events": [{"type": "update", "trades": [trade]}]})


async def watch_for_ever(exchange: Any) -> None:
    while True:
        await exchange.watch_trades(SYMBOL)


@asynccontextmanager
async def trading(loop: VirtualLoop, **config: Any) -> AsyncIterator[tuple[Script, Any]]:
    script = Script(loop)
    async with script.served():
        exchange = ccxt.coinbase({"newUpdates": True, **config})
        try:
            yield script, exchange
        finally:
            await exchange.close()


class TestConnect:
    def test_markets_and_trades_come_from_the_real_urls(self) -> None:
        """load_markets by REST, then watch_trades by websocket, with the venue's own numbers in it."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with trading(loop) as (script, exchange):
                markets = await exchange.load_markets()
                trades = await exchange.watch_trades(SYMBOL)
                lag_ms = exchange.milliseconds() - trades[0]["timestamp"]
                return markets[SYMBOL]["id"], trades[0]["id"], trades[0]["price"], 0 <= lag_ms < 5, script.subscribed[0][1]

        assert run_twice(main) == ("BTC-USD", "1", 100.0, True, "market_trades")

    def test_a_venue_that_is_not_there_is_a_network_error(self) -> None:
        """What ccxt makes of a refused connection."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            exchange = ccxt.coinbase()
            try:
                with pytest.raises(ccxt.NetworkError):
                    await exchange.fetch_time({"method": "v3PublicGetBrokerageTime"})
            finally:
                await exchange.close()
            return len(network.refusals) >= 1

        assert run_twice(main) is True

    def test_a_silent_venue_is_a_request_timeout(self) -> None:
        """After ccxt's own ten seconds."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with trading(loop) as (script, exchange):
                script.is_silent = True
                before = loop.time()
                with pytest.raises(ccxt.RequestTimeout):
                    await exchange.fetch_time({"method": "v3PublicGetBrokerageTime"})
                return loop.time() - before

        assert 10 <= run_twice(main) <= 11


class TestKeepAlive:
    def test_requests_share_a_connection_and_wait_for_the_rate_limiter(self) -> None:
        """Ten requests take the throttler's virtual time and one connection."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with trading(loop) as (script, exchange):
                before = loop.time()
                for _ in range(10):
                    await exchange.fetch_time({"method": "v3PublicGetBrokerageTime"})
                return (
                    len(script.asked),
                    network.opened,
                    9 * exchange.rateLimit <= (loop.time() - before) * 1_000 <= 600 * exchange.rateLimit,
                )

        assert run_twice(main) == (10, 1, True)

    def test_trades_arrive_for_an_hour_over_one_connection(self) -> None:
        """None lost, none twice, ccxt's pings answered."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with trading(loop) as (script, exchange):
                ids: list[int] = []
                async with asyncio.timeout(3_700):
                    while len(ids) < 3_600:
                        ids += [int(trade["id"]) for trade in await exchange.watch_trades(SYMBOL)]
                return ids == list(range(1, 3_601)), script.connections

        assert run_twice(main) == (True, 1)

    @pytest.mark.parametrize("direction", ["<", "<>"])
    def test_a_black_hole_is_noticed_by_its_keep_alive(self, direction: str) -> None:
        """Nothing arrives any more: RequestTimeout after about two of ccxt's 30 s intervals."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with trading(loop) as (_script, exchange):
                for _ in range(40):
                    await exchange.watch_trades(SYMBOL)
                network.hold_all(FEED, direction=direction)
                before = loop.time()
                with pytest.raises(ccxt.NetworkError):
                    await watch_for_ever(exchange)
                return loop.time() - before

        assert 30 <= run_twice(main) <= 95


class TestReconnect:
    def test_it_subscribes_again_after_every_reset(self) -> None:
        """The usual bot: on NetworkError call watch_trades again. Four resets, five connections, each subscribed, trades go on in order."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with trading(loop) as (script, exchange):
                ids: list[int] = []
                errors = 0

                async def watch() -> None:
                    nonlocal errors
                    while True:
                        try:
                            ids.extend(int(trade["id"]) for trade in await exchange.watch_trades(SYMBOL))
                        except ccxt.NetworkError:
                            errors += 1
                            await asyncio.sleep(0.5)

                watching = asyncio.create_task(watch())
                for _ in range(4):
                    await asyncio.sleep(30)
                    network.reset_all(FEED)
                await asyncio.sleep(30)
                watching.cancel()
                await asyncio.wait([watching])
                subscribed = [number for number, channel in script.subscribed if channel == "market_trades"]
                return script.connections, subscribed, errors, ids == sorted(set(ids)), len(ids) >= 130

        assert run_twice(main) == (5, [1, 2, 3, 4, 5], 4, True, True)

    def test_a_pool_dials_again_after_a_reset_between_requests(self) -> None:
        """ccxt's REST side notices nothing."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with trading(loop) as (script, exchange):
                for _ in range(5):
                    await exchange.fetch_time({"method": "v3PublicGetBrokerageTime"})
                    network.reset_all(REST)
                    await asyncio.sleep(1)
                return len(script.asked), network.opened

        assert run_twice(main) == (5, 5)


class TestBackPressure:
    def test_a_slow_client_makes_the_venue_wait(self) -> None:
        """While the line to ccxt is held, the venue can send no more than the network takes; afterwards every trade comes, in order."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with trading(loop) as (script, exchange):
                ids = [int(trade["id"]) for trade in await exchange.watch_trades(SYMBOL)]
                script.pads, script.is_flooding = 50_000, True
                network.hold_all(FEED, direction="<", until_ns=loop.now_ns + 20 * SECOND)
                await asyncio.sleep(10)
                before = script.sent
                await asyncio.sleep(8)
                meanwhile = script.sent - before
                script.is_flooding = False
                while ids[-1] < before:
                    ids += [int(trade["id"]) for trade in await exchange.watch_trades(SYMBOL)]
                return before, meanwhile, ids == list(range(1, len(ids) + 1))

        before, meanwhile, in_order = run_twice(main)
        assert 10 <= before <= 60
        assert meanwhile == 0
        assert in_order
