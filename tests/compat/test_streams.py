"""A database driver's way of talking, on asyncio alone: a length before each message, a request to upgrade to TLS first, a pool.

Streams on the server's side and a bare Protocol on the client's, so that both of asyncio's interfaces are used.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import struct
from typing import Any

import pytest

from compat.world import HOST, listening, run_twice
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network

PORT = 5_432


def framed(data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + data


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack("!I", await reader.readexactly(4))
    return await reader.readexactly(length)


class Database:
    """Answers each query; `notify` is told to everybody once a second; `flood` is a very long answer."""

    def __init__(self) -> None:
        self.queries: list[bytes] = []
        self.sent = 0
        self.upgraded = 0

    async def listen(self) -> asyncio.Server:
        return await asyncio.start_server(self.serve, HOST, PORT)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await read_frame(reader) == b"ssl?":
                writer.write(b"S")
                await writer.start_tls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
                self.upgraded += writer.get_extra_info("sslcontext") is not None
            while True:
                query = await read_frame(reader)
                self.queries.append(query)
                if query == b"flood":
                    for _ in range(200):
                        writer.write(framed(bytes(100_000)))
                        await writer.drain()
                        self.sent += 100_000
                if query == b"slow":
                    await asyncio.sleep(60)
                writer.write(framed(query.upper()))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Client(asyncio.Protocol):
    """What a driver written on protocols looks like."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.may_upgrade: asyncio.Future[bool] = loop.create_future()
        self.waiting: asyncio.Future[bytes] | None = None
        self.is_upgraded = False
        self.buffer = b""
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.lost: asyncio.Future[Exception | None] = loop.create_future()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not self.may_upgrade.done():
            self.may_upgrade.set_result(data == b"S")
            return
        self.buffer += data
        while len(self.buffer) >= 4 and len(self.buffer) >= (end := 4 + struct.unpack_from("!I", self.buffer)[0]):
            frame, self.buffer = self.buffer[4:end], self.buffer[end:]
            if self.waiting is not None and not self.waiting.done():
                self.waiting.set_result(frame)

    def pause_writing(self) -> None:
        self.may_write.clear()

    def resume_writing(self) -> None:
        self.may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)
        self.may_write.set()
        for future in (self.may_upgrade, self.waiting):
            if future is not None and not future.done():
                future.set_exception(exc or ConnectionError("closed"))

    async def ask(self, query: bytes, timeout: float = 30) -> bytes:
        if self.lost.done():
            raise ConnectionError("lost before")
        self.waiting = self.loop.create_future()
        self.transport.write(framed(query))
        async with asyncio.timeout(timeout):
            return await self.waiting


async def dial(upgrade: bool = True) -> Client:
    """As asyncpg does: ask in plain text whether TLS may begin, then put it around the same connection."""
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(lambda: Client(loop), HOST, PORT)
    transport.write(framed(b"ssl?" if upgrade else b"plain"))
    if upgrade:
        assert await client.may_upgrade
        client.transport = await loop.start_tls(transport, client, ssl.create_default_context(), server_hostname=HOST)
    else:
        client.may_upgrade.set_result(False)
    return client


class Pool:
    """Keeps what is idle, replaces what is dead."""

    def __init__(self) -> None:
        self.idle: list[Client] = []

    async def ask(self, query: bytes) -> bytes:
        while self.idle and self.idle[-1].lost.done():
            self.idle.pop()
        client = self.idle.pop() if self.idle else await dial()
        answer = await client.ask(query)
        self.idle.append(client)
        return answer


class TestConnect:
    @pytest.mark.parametrize("upgrade", [True, False])
    def test_a_driver_connects_with_and_without_an_upgrade_to_tls(self, upgrade: bool) -> None:
        """start_tls on both ends of a connection that has already spoken."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            database = Database()
            async with listening(await database.listen()):
                client = await dial(upgrade)
                answer = await client.ask(b"select")
                client.transport.close()
                await client.lost
            return answer, database.upgraded, client.transport.get_extra_info("sslcontext") is not None

        assert run_twice(main) == (b"SELECT", int(upgrade), upgrade)

    def test_two_addresses_are_tried(self) -> None:
        """getaddrinfo, then happy eyeballs over what it told."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            database = Database()
            async with listening(await database.listen()):
                infos = await loop.getaddrinfo(HOST, PORT, type=1)
                reader, writer = await asyncio.open_connection(HOST, PORT, happy_eyeballs_delay=0.25)
                writer.write(framed(b"plain") + framed(b"both"))
                answer = await read_frame(reader)
                writer.close()
                await writer.wait_closed()
            return [info[4][1] for info in infos], answer

        assert run_twice(main) == ([PORT], b"BOTH")

    def test_frames_arrive_whole_however_they_were_written(self) -> None:
        """A byte at a time, or many in one write: the order and the bytes are the same."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            database = Database()
            async with listening(await database.listen()):
                reader, writer = await asyncio.open_connection(HOST, PORT)
                for byte in framed(b"plain") + framed(b"one"):
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.01)
                writer.writelines([framed(b"two"), framed(b"three")])
                answers = [await read_frame(reader) for _ in range(3)]
                writer.close()
                await writer.wait_closed()
            return answers

        assert run_twice(main) == [b"ONE", b"TWO", b"THREE"]


class TestKeepAlive:
    def test_a_pool_uses_one_connection_for_a_day(self) -> None:
        """A query an hour; nothing in between."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            database, pool = Database(), Pool()
            async with listening(await database.listen()):
                for _ in range(24):
                    await pool.ask(b"select")
                    await asyncio.sleep(3_600)
                network.reset_all(HOST)
                await asyncio.sleep(1)
            return len(database.queries), network.opened

        assert run_twice(main) == (24, 1)

    @pytest.mark.parametrize("direction", [">", "<", "<>"])
    def test_a_black_hole_is_noticed_by_the_drivers_own_timeout(self, direction: str) -> None:
        """A query over a line that swallows bytes ends after exactly its timeout, and has reached the server or not."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            database = Database()
            async with listening(await database.listen()):
                client = await dial()
                network.hold_all(HOST, direction=direction)
                before = loop.time()
                with pytest.raises(TimeoutError):
                    await client.ask(b"select", timeout=12)
                waited = round(loop.time() - before, 6)
                network.reset_all(HOST)
                await client.lost
            return waited, len(database.queries)

        assert run_twice(main) == (12, int(direction == "<"))


class TestReconnect:
    @pytest.mark.parametrize("how", ["reset_all", "close_all"])
    def test_a_pool_dials_again_when_the_server_hung_up(self, how: str) -> None:
        """Each time the driver's connection_lost has told, with an error or without."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            database, pool = Database(), Pool()
            errors = []
            async with listening(await database.listen()):
                for _ in range(5):
                    await pool.ask(b"select")
                    client = pool.idle[-1]
                    getattr(network, how)(HOST)
                    errors.append(type(await client.lost).__name__)
            return len(database.queries), network.opened, errors

        error = {"reset_all": "ConnectionResetError", "close_all": "NoneType"}[how]
        assert run_twice(main) == (5, 5, [error] * 5)

    def test_a_query_in_flight_fails_and_the_next_one_succeeds(self) -> None:
        """A reset while the server works: the caller gets ConnectionResetError at once, not a timeout."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            database, pool = Database(), Pool()
            async with listening(await database.listen()):
                asking = asyncio.create_task(pool.ask(b"slow"))
                await asyncio.sleep(10)
                network.reset_all(HOST)
                with pytest.raises(ConnectionResetError):
                    await asking
                at = round(loop.time(), 2)
                return at, await pool.ask(b"select"), network.opened

        assert run_twice(main) == (10, b"SELECT", 2)

    def test_a_driver_backs_off_until_the_server_is_there(self) -> None:
        """Refused, refused, … connected: every attempt in virtual time."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            async def patient() -> tuple[bytes, int]:
                for attempt in itertools.count(1):
                    try:
                        return await (await dial()).ask(b"select"), attempt
                    except ConnectionRefusedError:
                        await asyncio.sleep(2**attempt)
                raise AssertionError

            asking = asyncio.create_task(patient())
            await asyncio.sleep(100)
            async with listening(await Database().listen()):
                return await asking, round(loop.time())

        assert run_twice(main) == ((b"SELECT", 7), 126)


class TestBackPressure:
    def test_a_servers_drain_waits_for_a_paused_reader(self) -> None:
        """The client stops reading at the transport; the server's drain does not return, and its buffer stays small."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            database = Database()
            async with listening(await database.listen()):
                client = await dial()
                asking = asyncio.create_task(client.ask(b"flood", timeout=10_000))
                client.transport.pause_reading()
                await asyncio.sleep(60)
                before = database.sent
                await asyncio.sleep(600)
                meanwhile = database.sent - before
                client.transport.resume_reading()
                await asking
                await asyncio.sleep(60)
                sent = database.sent
                network.reset_all(HOST)
                await client.lost
            return before, meanwhile, sent

        before, meanwhile, sent = run_twice(main)
        assert 500_000 <= before <= 2_000_000
        assert (meanwhile, sent) == (0, 20_000_000)

    def test_a_client_is_told_to_pause_and_to_resume_writing(self) -> None:
        """pause_writing while the server works on a slow query, resume_writing when it reads on; nothing is lost."""

        async def main(loop: VirtualLoop, network: Network) -> Any:
            database = Database()
            written = 0
            buffered = 0

            async def write(client: Client) -> None:
                nonlocal written, buffered
                for number in range(100):
                    client.transport.write(framed(struct.pack("!I", number) * 25_000))
                    written += 1
                    buffered = max(buffered, client.transport.get_write_buffer_size())
                    await client.may_write.wait()

            async with listening(await database.listen()):
                client = await dial()
                client.transport.write(framed(b"slow"))
                await asyncio.sleep(1)
                writing = asyncio.create_task(write(client))
                await asyncio.sleep(50)
                before = written
                await writing
                resumed_s = round(loop.time())
                await asyncio.sleep(10)
                numbers = [struct.unpack_from("!I", query)[0] for query in database.queries[1:]]
            return before, resumed_s, buffered, numbers

        before, resumed_s, buffered, numbers = run_twice(main)
        assert 5 <= before <= 20
        assert resumed_s == 60
        assert buffered < 300_000
        assert numbers == list(range(100))
