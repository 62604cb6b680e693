"""httpx over anyio by https URLs: TLS wrapped by the library itself, its pool, retries and flow control in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest

from compat.world import HOST, listening, run_twice
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network

URL = f"https://{HOST}/"


class HttpServer:
    """As little HTTP as a server can speak: a line of text for each request, chunk by chunk for `/long`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.sent = 0
        self.received = 0
        self.pause_s = 0.0
        self.lose_next = 0

    async def listen(self) -> asyncio.Server:
        return await asyncio.start_server(self.serve, HOST, 443)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await self.head(reader):
                method, path, _ = head.split("\r\n")[0].split(" ")
                self.asked.append(f"{method} {path}")
                if self.lose_next:
                    self.lose_next -= 1
                    writer.transport.abort()
                    return
                await asyncio.sleep(self.pause_s)
                await self.body(head, reader)
                if path == "/long":
                    await self.stream(writer)
                else:
                    text = f"{method} {path}"
                    writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode())
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def head(self, reader: asyncio.StreamReader) -> str:
        try:
            return (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return ""

    async def body(self, head: str, reader: asyncio.StreamReader) -> None:
        if "transfer-encoding: chunked" in head.lower():
            while size := int((await reader.readline()).strip(), 16):
                self.received += len(await reader.readexactly(size + 2)) - 2
            await reader.readline()

    async def stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 20000000\r\n\r\n")
        for _ in range(200):
            writer.write(bytes(100_000))
            await writer.drain()
            self.sent += 100_000


class TestConnect:
    def test_it_asks_by_https(self) -> None:
        """Request and answer pass as they are, over TLS that the client believes in."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            server = HttpServer()
            async with listening(await server.listen()), httpx.AsyncClient() as client:
                response = await client.get(URL + "hello")
                return response.status_code, response.text, response.http_version

        assert run_twice(main) == (200, "GET /hello", "HTTP/1.1")

    def test_a_server_that_is_not_there_refuses(self) -> None:
        """ConnectError, as live."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with httpx.AsyncClient() as client:
                with pytest.raises(httpx.ConnectError):
                    await client.get(URL)
            return len(network.refusals)

        assert run_twice(main) == 1

    def test_a_silent_server_is_given_up_after_the_read_timeout(self) -> None:
        """anyio's cancel scopes count virtual time, to the nanosecond's rounding."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            server = HttpServer()
            server.pause_s = 100
            async with listening(await server.listen()), httpx.AsyncClient(timeout=httpx.Timeout(3, read=7)) as client:
                before = loop.time()
                with pytest.raises(httpx.ReadTimeout):
                    await client.get(URL)
                return round(loop.time() - before, 2)

        assert run_twice(main) == 7

    def test_anyios_own_streams_and_scopes_work(self) -> None:
        """connect_tcp, a task group that is cancelled, and a deadline."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                with contextlib.suppress(ConnectionResetError):  # anyio ends with a reset
                    while data := await reader.read(100):
                        writer.write(data.upper())
                writer.close()

            cancelled = 0

            async def forever() -> None:
                nonlocal cancelled
                try:
                    await anyio.sleep_forever()
                finally:
                    cancelled += 1

            async with listening(await asyncio.start_server(upper, HOST, 5_000)), await anyio.connect_tcp(HOST, 5_000) as stream:
                await stream.send(b"anyio")
                got = await stream.receive()
                async with anyio.create_task_group() as group:
                    for _ in range(3):
                        group.start_soon(forever)
                    with anyio.move_on_after(5) as scope:
                        await stream.receive()
                    group.cancel_scope.cancel()
                return got, scope.cancelled_caught, cancelled, round(anyio.current_time())

        assert run_twice(main) == (b"ANYIO", True, 3, 5)


class TestKeepAlive:
    def test_requests_one_after_the_other_share_a_connection(self) -> None:
        """Twenty requests, two seconds apart, one connection."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            server = HttpServer()
            async with listening(await server.listen()), httpx.AsyncClient() as client:
                for _ in range(20):
                    await client.get(URL)
                    await asyncio.sleep(2)
            return len(server.asked), network.opened

        assert run_twice(main) == (20, 1)

    def test_an_idle_connection_expires_in_virtual_time(self) -> None:
        """keepalive_expiry is 5 s by default: after six quiet seconds there is a new connection."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            server = HttpServer()
            opened = []
            async with listening(await server.listen()), httpx.AsyncClient() as client:
                for pause in (4, 6, 0):
                    await client.get(URL)
                    opened.append(network.opened)
                    await asyncio.sleep(pause)
            return opened

        assert run_twice(main) == [1, 1, 2]

    def test_the_pools_limit_holds(self) -> None:
        """Thirty requests at once over at most five connections."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            server = HttpServer()
            server.pause_s = 0.1
            async with listening(await server.listen()), httpx.AsyncClient(limits=httpx.Limits(max_connections=5)) as client:
                answers = await asyncio.gather(*(client.get(URL) for _ in range(30)))
            return len(answers), network.opened

        assert run_twice(main) == (30, 5)

    def test_a_black_hole_is_noticed_by_the_read_timeout(self) -> None:
        """A pooled connection whose line swallows bytes costs one timeout; the next request dials anew."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            server = HttpServer()
            async with listening(await server.listen()), httpx.AsyncClient(timeout=4) as client:
                await client.get(URL)
                network.hold_all(HOST)
                before = loop.time()
                with pytest.raises(httpx.ReadTimeout):
                    await client.get(URL)
                waited = round(loop.time() - before, 2)
                text = (await client.get(URL + "again")).text
            return waited, text, network.opened

        assert run_twice(main) == (4, "GET /again", 2)


class TestReconnect:
    @pytest.mark.parametrize("how", ["reset_all", "close_all"])
    def test_a_pool_dials_again_after_the_server_hung_up_between_requests(self, how: str) -> None:
        """httpcore polls the idle socket first, so that the program notices nothing."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            server = HttpServer()
            async with listening(await server.listen()), httpx.AsyncClient() as client:
                for _ in range(5):
                    await client.get(URL)
                    getattr(network, how)(HOST)
                    await asyncio.sleep(1)
            return len(server.asked), network.opened

        assert run_twice(main) == (5, 5)

    def test_a_lost_reply_is_an_error_and_no_second_request(self) -> None:
        """httpx repeats nothing by itself: the server has seen each request once."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            server = HttpServer()
            server.lose_next = 2
            async with listening(await server.listen()), httpx.AsyncClient() as client:
                for method in ("GET", "POST"):
                    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                        await client.request(method, URL)
                await client.get(URL)
            return server.asked, network.opened

        assert run_twice(main) == (["GET /", "POST /", "GET /"], 3)

    def test_retries_of_the_transport_wait_for_a_server_that_comes_back(self) -> None:
        """`retries=` dials again with backoff, in virtual time."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            server = HttpServer()
            async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=6)) as client:
                asking = asyncio.create_task(client.get(URL))
                await asyncio.sleep(5)
                async with listening(await server.listen()):
                    text = (await asking).text
                    return text, len(network.refusals) >= 3, loop.time() > 5

        assert run_twice(main) == ("GET /", True, True)


class TestBackPressure:
    def test_a_streaming_server_waits_for_a_slow_reader(self) -> None:
        """`drain()` does not return while the client does not iterate."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            server = HttpServer()
            async with listening(await server.listen()), httpx.AsyncClient() as client, client.stream("GET", URL + "long") as response:
                await asyncio.sleep(60)
                before = server.sent
                await asyncio.sleep(100)
                meanwhile = server.sent - before
                got = sum([len(chunk) async for chunk in response.aiter_bytes()])
                return before, meanwhile, got

        before, meanwhile, got = run_twice(main)
        assert 500_000 <= before <= 3_000_000
        assert (meanwhile, got) == (0, 20_000_000)

    def test_an_upload_waits_for_a_slow_server(self) -> None:
        """The program's generator is asked for no more than network and server take."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            asked = 0

            async def upload() -> AsyncIterator[bytes]:
                nonlocal asked
                for _ in range(200):
                    asked += 100_000
                    yield bytes(100_000)

            server = HttpServer()
            server.pause_s = 60
            async with listening(await server.listen()), httpx.AsyncClient(timeout=500) as client:
                posting = asyncio.create_task(client.post(URL, content=upload()))
                await asyncio.sleep(50)
                before = asked
                await posting
            return before, server.received

        before, received = run_twice(main)
        assert 500_000 <= before <= 3_000_000
        assert received == 20_000_000
