"""One virtual hour at one message a second over one connection, beside what the same messages cost the same library over a bare pipe.

A library's client and server both run here, so a message costs what it costs to write and to read. The baseline (`bare.py`) has no
network and no clock to wait for: the second between messages is a timer that is due at once. The least of several rounds is compared,
as nothing but other programs makes a round longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import ccxt.pro
import pytest
from aiohttp import web
from pytest_benchmark.fixture import BenchmarkFixture
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from benchmarks.bare import run_bare
from benchmarks.measure import beside
from papertape.model.units import SECOND
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.world import run_virtual

pytestmark = pytest.mark.timeout(3_600)

HOUR_S = 3_600
PING_S = 20
ROUNDS = 7
HOST = "api.coinbase.com"
FEED = "advanced-trade-ws.coinbase.com"
TRADE = {"product_id": "BTC-USD", "price": "64000.01", "size": "0.01", "side": "BUY", "time": "2023-11-14T22:13:20.000000Z"}
PRODUCT = {
    "product_id": "BTC-USD",
    "base_increment": "0.00000001",
    "quote_increment": "0.01",
    "price_increment": "0.01",
    "base_min_size": "0.00000001",
    "status": "online",
    "product_type": "SPOT",
    "quote_currency_id": "USD",
    "base_currency_id": "BTC",
}

Wait = Callable[[], Any]
"""What passes between two messages: a second, or a timer that is due at once."""


def message(number: int) -> str:
    trade = {**TRADE, "trade_id": str(number)}
    told = {"channel": "market_trades", "client_id": "", "timestamp": TRADE["time"], "sequence_num": number}
    return json.dumps({**told, "events": [{"type": "update", "trades": [trade]}]})


MESSAGES = [message(number) for number in range(1, HOUR_S + 1)]


def measure(benchmark: BenchmarkFixture, name: str, story: Callable[[Wait, bool], Any]) -> None:
    async def virtual(loop: VirtualLoop) -> Any:
        loop.network = Network(loop)
        heard = await story(lambda: asyncio.sleep(1), False)
        assert loop.now_ns >= HOUR_S * SECOND - SECOND
        return heard, loop.network.digest()

    def work() -> Any:
        return run_virtual(virtual, seed=1, epoch_ns=1_700_000_000 * SECOND)

    def bare() -> Any:
        return run_bare(lambda: story(lambda: asyncio.sleep(1e-9), True))

    assert work() == work()  # and everything is imported
    assert work()[0] == bare() == HOUR_S
    beside(benchmark, name, work, bare, count=HOUR_S, unit="messages", rounds=ROUNDS, least=True)


def test_websockets(benchmark: BenchmarkFixture) -> None:
    """With its default keepalive: a ping and a pong from each end every twenty seconds, as many in the baseline."""

    async def story(wait: Wait, is_bare: bool) -> int:
        keepalive = None if is_bare else PING_S

        async def ping(connection: Any, number: int) -> None:
            if is_bare and number % PING_S == 0:
                await (await connection.ping())

        async def feed(connection: ServerConnection) -> None:
            for number, text in enumerate(MESSAGES, 1):
                await connection.send(text)
                await ping(connection, number)
                await wait()

        heard = 0
        connecting = connect(f"ws://{HOST}/", proxy=None, ping_interval=keepalive)
        async with serve(feed, HOST, 80, ping_interval=keepalive), connecting as connection:
            async for text in connection:
                json.loads(text)
                heard += 1
                await ping(connection, heard)
        return heard

    measure(benchmark, "websockets, a virtual hour at a message a second", story)


class Feed:
    """A server of aiohttp's, by host and port in a run and by the path of a Unix socket in the baseline."""

    def __init__(self, wait: Wait, is_bare: bool) -> None:
        self.wait, self.is_bare = wait, is_bare

    async def listen(self) -> web.AppRunner:
        app = web.Application()
        app.add_routes([web.get("/", self.feed), web.get("/{path:.*}", self.answer)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        for host in (HOST, FEED):
            await web.TCPSite(runner, host, 443).start()
        return runner

    def session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.UnixConnector("/bare") if self.is_bare else None)

    async def feed(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()  # what the client subscribes to
        reading = asyncio.create_task(self.read(socket))  # and answers pings meanwhile
        with contextlib.suppress(ConnectionResetError):
            for text in MESSAGES:
                await socket.send_str(text)
                await self.wait()
        await socket.close()
        await reading
        return socket

    async def read(self, socket: web.WebSocketResponse) -> None:
        async for _ in socket:
            pass

    async def answer(self, request: web.Request) -> web.Response:
        if request.path.endswith("/products"):
            products = [] if request.query.get("product_type") == "FUTURE" else [PRODUCT]
            return web.json_response({"products": products})
        if request.path.endswith("/exchange-rates"):
            return web.json_response({"data": {"currency": "USD", "rates": {"BTC": "0.01", "USD": "1"}}})
        return web.json_response({"data": []})


def test_aiohttp(benchmark: BenchmarkFixture) -> None:
    """Its client's websocket and its server's, without heartbeats."""

    async def story(wait: Wait, is_bare: bool) -> int:
        server = Feed(wait, is_bare)
        runner = await server.listen()
        heard = 0
        async with server.session() as session, session.ws_connect(f"wss://{FEED}/") as socket:
            await socket.send_str("subscribe")
            async for told in socket:
                json.loads(told.data)
                heard += 1
        await runner.cleanup()
        return heard

    measure(benchmark, "aiohttp, a virtual hour at a message a second", story)


def test_ccxt_pro(benchmark: BenchmarkFixture) -> None:
    """watch_trades of Coinbase from load_markets to the 3,600th trade; its pings every thirty seconds are in the hour alone."""

    async def story(wait: Wait, is_bare: bool) -> int:
        server = Feed(wait, is_bare)
        runner = await server.listen()
        session = server.session()
        exchange = ccxt.pro.coinbase({"newUpdates": True, "enableRateLimit": False, "session": session})
        await exchange.load_markets()
        heard = 0
        while heard < HOUR_S:
            heard += len(await exchange.watch_trades("BTC/USD"))
        await exchange.close()
        await session.close()
        await runner.cleanup()
        return heard

    measure(benchmark, "ccxt.pro, a virtual hour at a message a second", story)
