"""Faults of the network as websockets and aiohttp see them, unmodified: their own errors, at the right moment."""

import asyncio
from typing import Any

import aiohttp
import pytest
import websockets
from aiohttp import web
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from papertape.faults import (
    Bandwidth,
    BlackHole,
    Close,
    ConnectRefused,
    ConnectTimeout,
    DnsFailure,
    HalfOpen,
    Lag,
    Reset,
    Split,
    TlsExpired,
    TlsSlow,
    TlsWrongHost,
)
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from runtime.lines import HOST, on_a_network

URL = f"wss://{HOST}/feed"


async def fed(loop: VirtualLoop, lasts: float, **options: Any) -> list[Any]:
    """What a websockets client gets of a feed of one message a second, reconnecting by itself: (seconds, message or error)."""
    got: list[Any] = []

    async def feed(connection: ServerConnection) -> None:
        for number in range(10_000):
            await connection.send(str(number))
            await asyncio.sleep(1)

    async def consume() -> None:
        async for connection in connect(URL, **options):
            try:
                async for message in connection:
                    got.append((int(loop.time()), message))  # noqa: PERF401 - what came before the end counts
            except websockets.ConnectionClosed as closed:
                got.append((int(loop.time()), type(closed).__name__))

    async with serve(feed, HOST, 443, ping_interval=None):
        consumer = asyncio.create_task(consume())
        await asyncio.sleep(lasts)
        consumer.cancel()
        await asyncio.wait([consumer])
    return got


def test_websockets_come_back_after_a_reset() -> None:
    """Cut after five messages (and the answer to its upgrade request), refused twice, then fed again from the beginning."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        got = await fed(loop, 60)
        return got, network.fired, network.opened

    faults = Reset(nth_connection=1, after_frames=6, direction="to_client"), ConnectRefused(at="2s", lasts="5s")
    got, fired, opened = on_a_network(main, *faults)
    assert [what for _, what in got[:8]] == ["0", "1", "2", "3", "4", "ConnectionClosedError", "0", "1"]
    assert fired[0] == 1 <= fired[1]
    assert opened == 2


def test_websockets_read_a_polite_end_without_a_goodbye_as_an_error() -> None:
    """TCP is closed and no close frame was sent: 1006."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        async with serve(ServerConnection.wait_closed, HOST, 443), connect(URL) as connection:
            with pytest.raises(websockets.ConnectionClosedError) as caught:
                await connection.recv()
            return caught.value.rcvd, int(loop.time())

    assert on_a_network(main, Close(at="7s")) == (None, 7)


@pytest.mark.parametrize("fault", [HalfOpen(at="10s", lasts="1h"), BlackHole(at="10s", lasts="1h")])
def test_websockets_notice_silence_by_their_keepalive(fault: Any) -> None:
    """Ping every 20 s, 20 s of patience: known between 20 and 50 s after the line went silent."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        got = await fed(loop, 100)
        return next(at for at, what in got if what == "ConnectionClosedError"), network.fired[0]

    at, fired = on_a_network(main, fault)
    assert 30 <= at <= 60
    assert fired >= 1


def test_websockets_frames_survive_the_smallest_parts() -> None:
    """One byte at a time, late, and through a narrow line: the same messages."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        return [what for _, what in await fed(loop, 20)]

    faults = Split(size=1), Lag(add="100ms", jitter="500ms"), Bandwidth(bytes_per_second=2000)
    assert on_a_network(main, *faults)[:15] == [str(number) for number in range(15)]


def test_websockets_open_timeout_meets_a_slow_handshake() -> None:
    """Their 10 s are up before TLS is."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        async with serve(ServerConnection.wait_closed, HOST, 443):
            with pytest.raises(TimeoutError, match="timed out during opening handshake"):
                await connect(URL)
            return int(loop.time())

    for fault in (TlsSlow(add="30s"), ConnectTimeout(), HalfOpen(after_bytes=0)):
        assert on_a_network(main, fault) == 10


async def app(*routes: Any) -> web.AppRunner:
    application = web.Application()
    application.add_routes(routes)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 443).start()
    return runner


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (DnsFailure(host=HOST), "ClientConnectorDNSError"),
        (ConnectRefused(), "ClientConnectorError"),
        (TlsExpired(), "ClientConnectorCertificateError"),
        (TlsWrongHost(), "ClientConnectorCertificateError"),
        (Reset(), "ClientOSError"),
        (Reset(after_bytes=10, direction="to_server"), "ClientOSError"),
        (Close(after_frames=1, direction="to_server"), "ServerDisconnectedError"),
        (HalfOpen(), "ConnectionTimeoutError"),
        (ConnectTimeout(), "ConnectionTimeoutError"),
        (BlackHole(after_frames=0), "ServerTimeoutError"),
    ],
)
def test_aiohttp_raises_its_own_errors(fault: Any, error: str) -> None:
    """A POST is not repeated: the caller gets the library's class for what happened to the line."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(text=await request.text())

        runner = await app(web.post("/", answer))
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=20)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            with pytest.raises(aiohttp.ClientError) as caught:
                await session.post(f"https://{HOST}/", data="x")
        network.heal()
        await runner.cleanup()
        return [each.__name__ for each in type(caught.value).__mro__], network.fired

    classes, fired = on_a_network(main, fault)
    assert error in classes, classes
    assert fired >= [1]


def test_aiohttp_repeats_a_get_on_a_connection_that_died() -> None:
    """And the server does it twice: what makes a lost answer dangerous."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        served = 0

        async def answer(request: web.Request) -> web.Response:
            nonlocal served
            served += 1
            return web.Response(text="x" * 100)

        runner = await app(web.get("/", answer))
        async with aiohttp.ClientSession() as session, session.get(f"https://{HOST}/") as response:
            text = await response.text()
        await runner.cleanup()
        return len(text), served, network.opened_to(HOST)

    assert on_a_network(main, Reset(nth_connection=1, after_bytes=10, direction="to_client")) == (100, 2, 2)


def test_a_large_answer_waits_for_a_narrow_line() -> None:
    """Two million bytes at a hundred thousand a second: 20 s, and the server's writes wait for it."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(20):
                await response.write(bytes(100_000))
            written.append(loop.time())
            return response

        written: list[float] = []
        runner = await app(web.get("/", answer))
        async with aiohttp.ClientSession() as session, session.get(f"https://{HOST}/") as response:
            size = len(await response.read())
        took = loop.time()
        await runner.cleanup()
        return size, took, took - written[0]

    size, took, ahead = on_a_network(main, Bandwidth(bytes_per_second=100_000, direction="to_client"))
    assert size == 2_000_000
    assert 20 <= took <= 21
    assert 5 <= ahead <= 16  # what the kernels hold, and a high-water mark
