"""websockets, client and server, by a wss URL: its own keepalive, reconnecting iterator and flow control in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from compat.world import HOST, run_twice
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network

URL = f"wss://{HOST}/feed"


async def until_closed(connection: ServerConnection) -> None:
    await connection.wait_closed()


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


class TestConnect:
    def test_text_and_bytes_come_back_as_they_went(self) -> None:
        """Both kinds of message, also long ones, compressed as the library does by default."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with serve(echo, HOST, 443), connect(URL) as connection:
                sent = ["short", b"\x00\xff", "long " * 50_000, bytes(300_000)]
                got = []
                for message in sent:
                    await connection.send(message)
                    got.append(await connection.recv())
                return got == sent, connection.remote_address[1], type(connection.protocol.extensions[0]).__name__

        assert run_twice(main) == (True, 443, "PerMessageDeflate")

    def test_a_server_that_is_not_there_refuses(self) -> None:
        """The library's own connect raises what it raises live."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            with pytest.raises(ConnectionRefusedError):
                await connect(URL)
            return network.opened

        assert run_twice(main) == 0

    def test_a_rejected_handshake_is_told(self) -> None:
        """An HTTP answer other than 101 becomes InvalidStatus."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with serve(echo, HOST, 443, process_request=lambda connection, request: connection.respond(503, "later\n")):
                with pytest.raises(websockets.InvalidStatus) as raised:
                    await connect(URL)
            return raised.value.response.status_code

        assert run_twice(main) == 503

    def test_an_open_timeout_ends_a_dial_that_nobody_answers(self) -> None:
        """A server that takes the connection and stays silent is given up after exactly open_timeout."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            server = await loop.create_server(asyncio.Protocol, HOST, 443)
            before = loop.time()
            with pytest.raises(TimeoutError):
                await connect(URL, open_timeout=7)
            server.close()
            return round(loop.time() - before, 3)

        assert run_twice(main) == 7


class TestKeepAlive:
    def test_a_quiet_line_lives_for_a_day(self) -> None:
        """Pings and pongs every 20 s are all that passes, and nobody hangs up."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with serve(echo, HOST, 443, ping_interval=None), connect(URL, ping_interval=20, ping_timeout=20) as connection:
                before = network.delivered
                await asyncio.sleep(86_400)
                return network.delivered - before, round(connection.latency * 1000, 1)

        delivered, latency_ms = run_twice(main)
        assert 2 * 4_300 <= delivered <= 2 * 4_320
        assert latency_ms == 0.2

    @pytest.mark.parametrize("direction", [">", "<", "<>"])
    def test_a_black_hole_is_noticed_by_the_librarys_own_timeout(self, direction: str) -> None:
        """Whichever way the line swallows bytes, the client notices within ping_interval + ping_timeout."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async with serve(until_closed, HOST, 443, ping_interval=None):
                connection = await connect(URL, ping_interval=20, ping_timeout=15)
                await asyncio.sleep(50)
                before = loop.time()
                network.hold_all(HOST, direction=direction)
                with pytest.raises(websockets.ConnectionClosedError, match="keepalive ping timeout"):
                    await connection.recv()
                return loop.time() - before

        assert 15 <= run_twice(main) <= 20 + 15 + 11  # and the library waits for a close handshake, at most 10 s

    def test_a_server_notices_a_silent_client(self) -> None:
        """The other end's keepalive works as well."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            ended: list[float] = []

            async def watch(connection: ServerConnection) -> None:
                await connection.wait_closed()
                ended.append(loop.time())

            async with serve(watch, HOST, 443, ping_interval=10, ping_timeout=5):
                connection = await connect(URL, ping_interval=None)
                await asyncio.sleep(25)
                network.hold_all(HOST)
                await asyncio.sleep(60)
                network.reset_all(HOST)
                await connection.wait_closed()
            return ended[0] - 25

        assert 5 <= run_twice(main) <= 26


class TestReconnect:
    def test_the_iterator_dials_again_after_every_reset(self) -> None:
        """`async for … in connect()`: nine cuts, ten connections, each message counted by the connection it came over."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            number = itertools.count(1)

            async def feed(connection: ServerConnection) -> None:
                mine = next(number)
                try:
                    while True:
                        await connection.send(str(mine))
                        await asyncio.sleep(1)
                except websockets.ConnectionClosed:
                    pass

            got: list[int] = []

            async def consume() -> None:
                async for connection in connect(URL):
                    try:
                        async for message in connection:
                            got.append(int(message))  # noqa: PERF401 - what came before the cut counts
                    except websockets.ConnectionClosed:
                        continue

            async with serve(feed, HOST, 443):
                consumer = asyncio.create_task(consume())
                for _ in range(9):
                    await asyncio.sleep(20)
                    network.reset_all(HOST)
                await asyncio.sleep(20)
                consumer.cancel()
                await asyncio.wait([consumer])
            return sorted(set(got)), got == sorted(got), len(got) >= 10 * 14, network.opened

        assert run_twice(main) == (list(range(1, 11)), True, True, 10)

    def test_it_waits_for_a_server_that_comes_back_late(self) -> None:
        """While nobody listens the iterator backs off, in virtual time, and then finds the new server."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async def consume() -> float:
                async for connection in connect(URL):
                    try:
                        return float(await connection.recv())
                    except websockets.ConnectionClosed:
                        continue
                return -1

            async def greet(connection: ServerConnection) -> None:
                await connection.send(str(loop.time()))

            consumer = asyncio.create_task(consume())
            await asyncio.sleep(300)
            async with serve(greet, HOST, 443):
                return await consumer, len(network.refusals)

        heard_at, refused = run_twice(main)
        assert 300 <= heard_at <= 300 + 95
        assert 4 <= refused <= 30


class TestBackPressure:
    def test_a_sender_waits_for_a_slow_reader(self) -> None:
        """The server's send does not return while the client does not read; memory is bounded, and reading lets it go on."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            sent = 0
            buffered = 0

            async def flood(connection: ServerConnection) -> None:
                nonlocal sent, buffered
                while True:
                    await connection.send(bytes(100_000))
                    sent += 1
                    buffered = max(buffered, connection.transport.get_write_buffer_size())

            connecting = connect(URL, ping_interval=None, close_timeout=1, compression=None)
            async with serve(flood, HOST, 443, ping_interval=None), connecting as connection:
                await asyncio.sleep(60)
                before = sent
                await asyncio.sleep(600)
                still = sent
                for _ in range(50):
                    await connection.recv()
                await asyncio.sleep(60)
                return before, still - before, sent - before, buffered

        before, meanwhile, after, buffered = run_twice(main)
        assert 5 <= before <= 60
        assert meanwhile == 0
        assert 40 <= after <= 60
        assert buffered < 1_000_000

    def test_one_who_reads_slowly_loses_nothing(self) -> None:
        """A client that reads a long message every five seconds gets all of them in order, long after the server wanted to be done."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async def feed(connection: ServerConnection) -> None:
                for number in range(100):
                    await connection.send(number.to_bytes(2, "big") * 50_000)

            serving = serve(feed, HOST, 443, ping_interval=None, close_timeout=3_600)
            async with serving, connect(URL, ping_interval=None, compression=None) as connection:
                got = []
                async for message in connection:
                    got.append(int.from_bytes(message[:2], "big"))
                    await asyncio.sleep(5)
                return got, loop.time() >= 500

        assert run_twice(main) == (list(range(100)), True)
