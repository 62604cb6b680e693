"""aiohttp, client and server, by https and wss URLs: its pool, heartbeat, retries and flow control in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from compat.world import HOST, run_twice
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network

URL = f"https://{HOST}/"
WSS = f"wss://{HOST}/"


@asynccontextmanager
async def served(*routes: Any, **options: Any) -> AsyncIterator[None]:
    app = web.Application(client_max_size=1 << 30)
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, **options)
    await runner.setup()
    await web.TCPSite(runner, HOST, 443).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def ok(request: web.Request) -> web.Response:
    return web.Response(text="ok")


async def ask(session: Any) -> str:
    async with session.get(URL) as response:
        return await response.text()  # type: ignore[no-any-return]  # a session of whichever version is installed


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


class TestConnect:
    def test_json_goes_there_and_back_by_https(self) -> None:
        """The server sees the scheme, host and body that the client meant."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async def hello(request: web.Request) -> web.Response:
                return web.json_response([request.scheme, request.host, await request.json()])

            async with (
                served(web.post("/hello", hello)),
                aiohttp.ClientSession() as session,
                session.post(URL + "hello", json={"a": 1}) as response,
            ):
                return await response.json()

        assert run_twice(main) == ["https", HOST, {"a": 1}]

    def test_a_websocket_opens_by_wss(self) -> None:
        """Text comes back as it went."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with served(web.get("/", echo)), aiohttp.ClientSession() as session, session.ws_connect(WSS) as socket:
                await socket.send_str("hello")
                return await socket.receive_str()

        assert run_twice(main) == "hello"

    def test_a_server_that_is_not_there_refuses(self) -> None:
        """ClientConnectorError, as live."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with aiohttp.ClientSession() as session:
                with pytest.raises(aiohttp.ClientConnectorError):
                    await session.get(URL)
            return len(network.refusals)

        assert run_twice(main) == 1

    def test_a_silent_server_is_given_up_after_the_total_timeout(self) -> None:
        """And the connection is not used again."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async def never(request: web.Request) -> web.Response:
                await asyncio.sleep(1_000)
                return web.Response()

            async with served(web.get("/", never)), aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=7)) as session:
                before = loop.time()
                with pytest.raises(TimeoutError):
                    await session.get(URL)
                waited = round(loop.time() - before, 3)
                await asyncio.sleep(1)
                return waited, len(network.connections(HOST))

        waited, left = run_twice(main)
        assert 7 <= waited <= 8  # aiohttp rounds longer timeouts up to whole seconds
        assert left == 0


class TestKeepAlive:
    def test_requests_one_after_the_other_share_a_connection(self) -> None:
        """Twenty requests, ten seconds apart, one connection."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with served(web.get("/", ok)), aiohttp.ClientSession() as session:
                texts = []
                for _ in range(20):
                    texts.append(await ask(session))
                    await asyncio.sleep(10)
                return texts, network.opened

        assert run_twice(main) == (["ok"] * 20, 1)

    def test_requests_at_once_have_one_connection_each_and_leave_a_pool(self) -> None:
        """Five at once open five; five more use those; the pool's limit holds."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            opened = []
            async with served(web.get("/", ok)), aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=5)) as session:
                for count in (5, 5, 30):
                    await asyncio.gather(*(ask(session) for _ in range(count)))
                    opened.append(network.opened)
            return opened

        assert run_twice(main) == [5, 5, 5]

    def test_an_idle_connection_is_dropped_after_the_pools_own_time(self) -> None:
        """keepalive_timeout counts virtual time although aiohttp asks a clock of its own."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            connector = aiohttp.TCPConnector(keepalive_timeout=15)
            async with served(web.get("/", ok), keepalive_timeout=1_000), aiohttp.ClientSession(connector=connector) as session:
                opened = []
                for pause in (14, 40, 0):
                    await ask(session)
                    opened.append(network.opened)
                    await asyncio.sleep(pause)
                return opened

        assert run_twice(main) == [1, 1, 2]

    def test_heartbeats_keep_a_quiet_websocket_for_a_day(self) -> None:
        """Pings every 30 s from the client, and nobody hangs up."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with served(web.get("/", echo)), aiohttp.ClientSession() as session, session.ws_connect(WSS, heartbeat=30) as socket:
                waiting = asyncio.create_task(socket.receive())
                await asyncio.sleep(86_400)
                assert not waiting.done()
                await socket.send_str("still there")
                return (await waiting).data, network.delivered >= 3_800

        assert run_twice(main) == ("still there", True)

    @pytest.mark.parametrize("direction", [">", "<", "<>"])
    def test_a_black_hole_is_noticed_by_the_heartbeat(self, direction: str) -> None:
        """A ping without a pong within half of heartbeat ends the websocket."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with served(web.get("/", echo)), aiohttp.ClientSession() as session, session.ws_connect(WSS, heartbeat=20) as socket:
                waiting = asyncio.create_task(socket.receive())
                await asyncio.sleep(65)
                before = loop.time()
                network.hold_all(HOST, direction=direction)
                message = await waiting
                waited = loop.time() - before
                network.reset_all(HOST)
                return message.type in (aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSED), waited

        noticed, waited = run_twice(main)
        assert noticed
        assert 10 <= waited <= 31


class TestReconnect:
    def test_a_pool_dials_again_after_a_reset_between_requests(self) -> None:
        """The program notices nothing; each reset costs a connection."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with served(web.get("/", ok)), aiohttp.ClientSession() as session:
                texts = []
                for _ in range(5):
                    texts.append(await ask(session))
                    network.reset_all(HOST)
                    await asyncio.sleep(1)
                return texts, network.opened

        assert run_twice(main) == (["ok"] * 5, 5)

    def test_a_lost_get_is_sent_again_and_a_lost_post_is_not(self) -> None:
        """aiohttp repeats what is idempotent, without a word; the server sees how often."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            seen: list[str] = []

            async def lose_first(request: web.Request) -> web.Response:
                seen.append(request.method)
                if seen.count(request.method) == 1:
                    assert request.transport is not None
                    request.transport.abort()
                return web.Response(text="ok")

            async with served(web.get("/", lose_first), web.post("/", lose_first)):
                async with aiohttp.ClientSession() as session:
                    text = await ask(session)
                async with aiohttp.ClientSession() as session:
                    with pytest.raises(aiohttp.ClientConnectionError):
                        await session.post(URL, data=b"buy")
            return text, seen

        assert run_twice(main) == ("ok", ["GET", "GET", "POST"])

    def test_a_websocket_program_with_a_loop_comes_back(self) -> None:
        """The usual while-True around ws_connect: four resets, five connections, no message from before after a later one."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            opened = 0

            async def feed(request: web.Request) -> web.WebSocketResponse:
                nonlocal opened
                opened += 1
                mine = opened
                socket = web.WebSocketResponse()
                await socket.prepare(request)
                while not socket.closed:
                    try:
                        await socket.send_str(str(mine))
                    except ConnectionResetError:
                        break
                    await asyncio.sleep(1)
                return socket

            got: list[int] = []

            async def consume() -> None:
                async with aiohttp.ClientSession() as session:
                    while True:
                        async with session.ws_connect(WSS) as socket:
                            async for message in socket:
                                got.append(int(message.data))  # noqa: PERF401 - what came before the cut counts
                        await asyncio.sleep(1)

            async with served(web.get("/", feed)):
                consumer = asyncio.create_task(consume())
                for _ in range(4):
                    await asyncio.sleep(20)
                    network.reset_all(HOST)
                await asyncio.sleep(20)
                consumer.cancel()
                await asyncio.wait([consumer])
            return sorted(set(got)), got == sorted(got), len(got) >= 80, network.opened

        assert run_twice(main) == ([1, 2, 3, 4, 5], True, True, 5)


class TestBackPressure:
    def test_a_streaming_server_waits_for_a_slow_reader(self) -> None:
        """`await response.write()` does not return while the client does not read, and its buffer stays small."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            written = 0
            buffered = 0

            async def download(request: web.Request) -> web.StreamResponse:
                nonlocal written, buffered
                response = web.StreamResponse()
                await response.prepare(request)
                for _ in range(200):
                    await response.write(bytes(100_000))
                    written += 100_000
                    assert request.transport is not None
                    buffered = max(buffered, request.transport.get_write_buffer_size())
                return response

            async with served(web.get("/", download)), aiohttp.ClientSession() as session, session.get(URL) as response:
                await asyncio.sleep(60)
                before = written
                await asyncio.sleep(100)
                meanwhile = written - before
                got = sum([len(chunk) async for chunk in response.content.iter_any()])
                return before, meanwhile, got, buffered

        before, meanwhile, got, buffered = run_twice(main)
        assert 500_000 <= before <= 3_000_000
        assert (meanwhile, got) == (0, 20_000_000)
        assert buffered < 1_000_000

    def test_an_upload_waits_for_a_slow_server(self) -> None:
        """The client's generator is asked for no more than server and network take."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            asked = 0
            seen: list[int] = []

            async def upload() -> AsyncIterator[bytes]:
                nonlocal asked
                for _ in range(200):
                    asked += 100_000
                    yield bytes(100_000)

            async def slow(request: web.Request) -> web.Response:
                await asyncio.sleep(60)
                seen.append(asked)
                return web.Response(text=str(len(await request.read())))

            async with served(web.post("/", slow)), aiohttp.ClientSession() as session, session.post(URL, data=upload()) as response:
                return seen, await response.text()

        seen, text = run_twice(main)
        assert 500_000 <= seen[0] <= 3_000_000
        assert text == "20000000"

    def test_a_websocket_sender_waits_for_a_slow_reader(self) -> None:
        """`await send_bytes()` stops while nobody reads, and goes on when somebody does."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            sent = 0

            async def flood(request: web.Request) -> web.WebSocketResponse:
                nonlocal sent
                socket = web.WebSocketResponse()
                await socket.prepare(request)
                try:
                    while sent < 1_000:
                        await socket.send_bytes(bytes(100_000))
                        sent += 1
                except ConnectionResetError:
                    pass
                return socket

            async with served(web.get("/", flood)), aiohttp.ClientSession() as session, session.ws_connect(WSS) as socket:
                await asyncio.sleep(60)
                before = sent
                await asyncio.sleep(600)
                meanwhile = sent - before
                for _ in range(50):
                    await socket.receive_bytes()
                await asyncio.sleep(60)
                after = sent - before
                network.reset_all(HOST)
                return before, meanwhile, after

        before, meanwhile, after = run_twice(main)
        assert 5 <= before <= 60
        assert meanwhile == 0
        assert 30 <= after <= 60  # aiohttp's own buffers take some
