"""websockets, aiohttp and ccxt run unmodified in virtual time, by https and wss URLs, and twice the same."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import websockets
from aiohttp import web
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from papertape.model.units import SECOND
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.world import run_virtual

HOST = "api.venue.test"
EPOCH_NS = 1_700_000_000 * SECOND


def run_twice(main: Callable[[VirtualLoop, Any], Awaitable[Any]], **options: Any) -> Any:
    """Run main twice; results, bytes on the wire and leftovers must be equal and clean."""

    def once() -> Any:
        loops: list[VirtualLoop] = []

        async def outer(loop: VirtualLoop) -> Any:
            loops.append(loop)
            return await main(loop, loop.network), loop.network.digest(), loop.now_ns  # type: ignore[union-attr]  # a run with a network

        result = run_virtual(outer, seed=3, epoch_ns=EPOCH_NS, network=lambda loop: Network(loop, **options))
        assert loops[0].unhandled == []
        assert loops[0].escapes == []
        return result

    first, second = once(), once()
    assert first == second
    return first[0]


async def serve_app(*routes: Any) -> web.AppRunner:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 443).start()
    return runner


def test_websockets_talk_and_reconnect() -> None:
    """A feed of one message a second is cut after 30 s; the client comes back by itself and misses almost nothing."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        opened: list[ServerConnection] = []

        async def feed(connection: ServerConnection) -> None:
            opened.append(connection)
            for number in range(1000):
                await connection.send(json.dumps({"connection": len(opened), "number": number}))
                await asyncio.sleep(1)

        got: list[Any] = []

        async def consume() -> None:
            async for connection in connect(f"wss://{HOST}/feed"):
                try:
                    async for message in connection:
                        got.append(json.loads(message)["connection"])  # noqa: PERF401 - what came before the end counts
                except websockets.ConnectionClosed as closed:
                    got.append(type(closed).__name__)

        async with serve(feed, HOST, 443):
            consumer = asyncio.create_task(consume())
            await asyncio.sleep(30.5)
            network.reset_all(HOST)
            await asyncio.sleep(30)
            consumer.cancel()
            await asyncio.wait([consumer])
        return got

    got = run_twice(main)
    assert got.count("ConnectionClosedError") == 1
    assert got.count(1) == 31
    assert got.count(2) >= 25


def test_websockets_notice_a_half_open_line() -> None:
    """Their own keepalive closes a connection on which nothing arrives any more, in virtual time."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        async def silent(connection: ServerConnection) -> None:
            await connection.wait_closed()

        async with serve(silent, HOST, 443, ping_interval=None):
            connection = await connect(f"wss://{HOST}/", ping_interval=20, ping_timeout=20)
            await asyncio.sleep(50)
            before = loop.time()
            network.hold_all(HOST)
            with pytest.raises(websockets.ConnectionClosedError, match="keepalive ping timeout"):
                await connection.recv()
            return loop.time() - before

    assert 20 <= run_twice(main) <= 60


def test_websockets_wait_for_a_slow_reader() -> None:
    """Back-pressure reaches the sending program: it cannot run ahead of a reader that does not read for ever."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        sent = 0

        async def flood(connection: ServerConnection) -> None:
            nonlocal sent
            while True:
                await connection.send(bytes(100_000))
                sent += 1

        connecting = connect(f"wss://{HOST}/", ping_interval=None, close_timeout=1, compression=None)
        async with serve(flood, HOST, 443, ping_interval=None), connecting as connection:
            await asyncio.sleep(60)
            before = sent
            for _ in range(50):
                await connection.recv()
            await asyncio.sleep(60)
            return before, sent - before

    before, after = run_twice(main)
    assert 10 <= before <= 40
    assert 40 <= after <= 60


def test_aiohttp_serves_and_asks() -> None:
    """JSON over https with keep-alive: one connection for several requests, the scheme and host as the client asked."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        async def hello(request: web.Request) -> web.Response:
            return web.json_response({"scheme": request.scheme, "host": request.host, "got": await request.json()})

        runner = await serve_app(web.post("/hello", hello))
        answers = []
        async with aiohttp.ClientSession() as session:
            for number in range(3):
                async with session.post(f"https://{HOST}/hello", json={"number": number}) as response:
                    answers.append(await response.json())
                    assert response.headers["Date"] == "Tue, 14 Nov 2023 22:13:20 GMT"
        await runner.cleanup()
        return answers, network.opened

    answers, opened = run_twice(main)
    assert answers == [{"scheme": "https", "host": HOST, "got": {"number": number}} for number in range(3)]
    assert opened == 1


def test_aiohttp_sees_a_lost_reply_as_a_lost_connection() -> None:
    """A server that executes a POST and aborts: the client gets ClientOSError and the request was executed once."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        executed = 0

        async def order(request: web.Request) -> web.Response:
            nonlocal executed
            executed += 1
            assert request.transport is not None
            request.transport.abort()
            await asyncio.sleep(0)
            return web.Response()

        runner = await serve_app(web.post("/order", order))
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientOSError):
                await session.post(f"https://{HOST}/order", data=b"buy")
        await runner.cleanup()
        return executed

    assert run_twice(main) == 1


def test_aiohttp_talks_over_a_websocket() -> None:
    """Both ends of aiohttp's websocket, with its heartbeat, for a virtual hour."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        async def echo(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse(heartbeat=10)
            await socket.prepare(request)
            async for message in socket:
                await socket.send_str(message.data.upper())
            return socket

        runner = await serve_app(web.get("/ws", echo))
        got = 0
        async with aiohttp.ClientSession() as session, session.ws_connect(f"wss://{HOST}/ws", heartbeat=10) as socket:
            for number in range(360):
                await socket.send_str(f"n{number}")
                got += (await socket.receive()).data == f"N{number}"
                await asyncio.sleep(10)
        await runner.cleanup()
        return got, round(loop.time())

    assert run_twice(main) == (360, 3600)


def test_aiohttp_times_out_on_a_silent_server() -> None:
    """A reply that never comes ends in aiohttp's own timeout after exactly that long."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        async def never(request: web.Request) -> web.Response:
            await asyncio.sleep(10_000)
            return web.Response()

        runner = await serve_app(web.get("/", never))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=7)) as session:
            before = loop.now_ns
            with pytest.raises(TimeoutError):
                await session.get(f"https://{HOST}/")
            waited = loop.now_ns - before
        await runner.cleanup()
        return waited

    assert 7 * SECOND <= run_twice(main) <= 8 * SECOND


def test_aiohttp_finds_a_dead_kept_alive_connection() -> None:
    """A connection that the server cut between two requests is replaced without the program noticing."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        async def ok(request: web.Request) -> web.Response:
            return web.Response(text="ok")

        runner = await serve_app(web.get("/", ok))
        async with aiohttp.ClientSession() as session:
            texts = []
            for _ in range(3):
                async with session.get(f"https://{HOST}/") as response:
                    texts.append(await response.text())
                network.reset_all(HOST)
                await asyncio.sleep(1)
        await runner.cleanup()
        return texts, network.opened

    assert run_twice(main) == (["ok"] * 3, 3)


def test_ccxt_reaches_its_real_url() -> None:
    """ccxt's async Coinbase, with its throttler, asks https://api.coinbase.com and gets what a server here answers."""
    import ccxt.async_support as ccxt

    async def main(loop: VirtualLoop, network: Network) -> Any:
        asked: list[Any] = []

        async def server_time(request: web.Request) -> web.Response:
            asked.append((request.scheme, request.host, request.path))
            if len(asked) == 2:
                return web.json_response({"error": "rate_limit_exceeded", "message": "slow down"}, status=429)
            return web.json_response({"iso": "2023-11-14T22:13:20Z", "epochSeconds": "1700000000", "epochMillis": "1700000000500"})

        app = web.Application()
        app.add_routes([web.get("/api/v3/brokerage/time", server_time)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "api.coinbase.com", 443).start()
        exchange = ccxt.coinbase()
        answers = []
        try:
            for _ in range(3):
                try:
                    answers.append(await exchange.fetch_time({"method": "v3PublicGetBrokerageTime"}))
                except ccxt.RateLimitExceeded:
                    answers.append("slow down")
            answers.append(exchange.milliseconds() - 1_700_000_000_000 < 5_000)
        finally:
            await exchange.close()
            await runner.cleanup()
        return answers, asked

    answers, asked = run_twice(main)
    assert answers == [1_700_000_000_000, "slow down", 1_700_000_000_000, True]
    assert asked == [("https", "api.coinbase.com", "/api/v3/brokerage/time")] * 3
