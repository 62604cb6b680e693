"""Streams, which many small clients are made of, behave on our connections as on asyncio's own."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from runtime.manners import HOST, both, run_on, settle

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def talking(handler: Handler, **options: Any) -> Any:
    """(reader, writer) of a client of `handler`; afterwards nothing is open."""
    done = asyncio.get_running_loop().create_future()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()
            done.set_result(None)

    server = await asyncio.start_server(handle, HOST, 0, **options)
    reader, writer = await asyncio.open_connection(HOST, server.sockets[0].getsockname()[1], **options)
    try:
        yield reader, writer
    finally:
        server.close()
        writer.close()
        await done
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        await settle()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)
        await writer.drain()


@both
def test_a_stream_reads_lines_separators_and_exact_counts(kind: str) -> None:
    """And says what it had when there is no more."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.writelines([b"line\n", b"one|two;;", b"exactly", b"rest without end"])
        await writer.drain()

    async def main() -> Any:
        async with talking(handler) as (reader, _):
            got = [await reader.readline(), await reader.readuntil(b"|"), await reader.readuntil(b";;"), await reader.readexactly(7)]
            with pytest.raises(asyncio.IncompleteReadError) as caught:
                await reader.readuntil(b"|")
            got += [caught.value.partial, await reader.read(), await reader.readline(), reader.at_eof()]
            with pytest.raises(asyncio.IncompleteReadError) as caught:
                await reader.readexactly(3)
            return [*got, caught.value.partial, caught.value.expected]

    expected = [b"line\n", b"one|", b"two;;", b"exactly", b"rest without end", b"", b"", True, b"", 3]
    assert run_on(kind, main) == (expected, [])


@both
def test_a_line_over_the_limit_is_an_error_that_can_be_read_past(kind: str) -> None:
    """LimitOverrunError says how much to skip; readline says ValueError and skips itself."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * 50 + b"\n" + b"y" * 50 + b"\n" + b"z\n")
        await writer.drain()
        await reader.read()

    async def main() -> Any:
        async with talking(handler, limit=16) as (reader, _):
            with pytest.raises(asyncio.LimitOverrunError) as caught:
                await reader.readuntil(b"\n")
            skipped = await reader.readexactly(caught.value.consumed)
            rest = await reader.readexactly(51 - len(skipped))
            with pytest.raises(ValueError, match=r"limit|Separator"):
                await reader.readline()
            while (line := await reader.readline()) and not line.startswith(b"z"):
                pass
            return skipped + rest, line

    assert run_on(kind, main)[0] == (b"x" * 50 + b"\n", b"z\n")


@both
def test_a_half_closed_stream_still_reads(kind: str) -> None:
    """The server sees the end, answers, and closes."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.read()
        writer.write(question[::-1])

    async def main() -> Any:
        async with talking(handler) as (reader, writer):
            assert writer.can_write_eof()
            writer.write(b"abc")
            writer.write_eof()
            answer = await reader.read()
            return answer, writer.is_closing(), writer.get_extra_info("peername")[0]

    assert run_on(kind, main)[0] == (b"cba", False, HOST)


@both
def test_drain_waits_for_a_slow_reader(kind: str) -> None:
    """And goes on when the reader does; not a byte is lost."""
    size = 16 << 20

    async def main() -> Any:
        may_read = asyncio.Event()
        counted = asyncio.get_running_loop().create_future()

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await may_read.wait()
            counted.set_result(len(await reader.read()))

        async with talking(handler) as (_, writer):
            writer.write(bytes(size))
            drained = asyncio.ensure_future(writer.drain())
            await (asyncio.sleep(1) if kind == "virtual" else settle(50))
            was_waiting = not drained.done()
            may_read.set()
            await drained
            writer.write_eof()
            return was_waiting, await counted

    assert run_on(kind, main)[0] == (True, size)


@both
def test_draining_a_lost_stream_is_an_error(kind: str) -> None:
    """Whoever waits in drain when the line goes hears of it, and so does whoever drains after that."""

    async def main() -> Any:
        may_end = asyncio.Event()

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"ready")
            await may_end.wait()
            writer.close()

        async with talking(handler) as (reader, writer):
            await reader.readexactly(5)
            writer.write(bytes(16 << 20))
            drained = asyncio.ensure_future(writer.drain())
            await (asyncio.sleep(1) if kind == "virtual" else settle(50))
            assert not drained.done()
            may_end.set()
            (during,) = await asyncio.gather(drained, return_exceptions=True)
            (after,) = await asyncio.gather(writer.drain(), return_exceptions=True)
            return isinstance(during, ConnectionError), isinstance(after, ConnectionResetError), writer.is_closing()

    assert run_on(kind, main)[0] == (True, True, True)


@both
def test_waiting_for_a_stream_to_be_closed(kind: str) -> None:
    """wait_closed comes back when connection_lost has been, with its error if it had one."""

    async def main() -> Any:
        async with talking(echo) as (reader, writer):
            writer.write(b"x")
            await reader.readexactly(1)
            waiting = asyncio.ensure_future(writer.wait_closed())
            await settle()
            was_waiting = not waiting.done()
            writer.close()
            assert writer.is_closing()
            await waiting
            return was_waiting, await reader.read()

    assert run_on(kind, main)[0] == (True, b"")


@both
def test_a_reader_learns_of_a_reset(kind: str) -> None:
    """What waits in read gets the error, and so does wait_closed; what came before can no longer be read."""

    async def main() -> Any:
        reset = asyncio.Event()

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            transport: Any = writer.transport
            transport.pause_reading()
            writer.write(b"paused")
            await reset.wait()
            await (asyncio.sleep(1) if kind == "virtual" else settle())
            writer.close()  # with bytes unread

        async with talking(handler) as (reader, writer):
            await reader.readexactly(6)
            writer.write(b"never read")
            reading = asyncio.ensure_future(reader.read())
            await settle()
            reset.set()
            (error,) = await asyncio.gather(reading, return_exceptions=True)
            with pytest.raises(ConnectionResetError):
                await writer.wait_closed()
            return type(error), type(reader.exception())

    assert run_on(kind, main)[0] == (ConnectionResetError, ConnectionResetError)


@both
def test_two_readers_at_once_are_refused(kind: str) -> None:
    """As asyncio has it."""

    async def main() -> Any:
        async with talking(echo) as (reader, writer):
            first = asyncio.ensure_future(reader.read(1))
            await settle()
            with pytest.raises(RuntimeError, match="called while another coroutine is already waiting"):
                await reader.read(1)
            writer.write(b"x")
            return await first

    assert run_on(kind, main)[0] == b"x"


@both
def test_a_handler_that_crashes_is_told_and_its_connection_ends(kind: str) -> None:
    """On every Python: the client reads the end."""

    async def main() -> Any:
        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            raise ValueError("in the handler")

        async with talking(handler) as (reader, _):
            return await reader.read()

    result, told = run_on(kind, main)
    assert result == b""
    assert [text for text in told if "ValueError('in the handler')" in text] == told
    assert len(told) == 1 or kind == "real"  # before 3.12, asyncio tells when the task is collected


def test_tls_can_be_started_in_the_middle() -> None:
    """By fiat: after start_tls the stream goes on, and says that it is secure."""

    async def main() -> Any:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        async with talking(echo) as (reader, writer):
            writer.write(b"plain")
            await reader.readexactly(5)
            await writer.start_tls(context, server_hostname="venue.test")
            writer.write(b"secret")
            assert not writer.can_write_eof()
            return await reader.readexactly(6), writer.get_extra_info("sslcontext") is context

    assert run_on("virtual", main)[0] == (b"secret", True)


def test_one_half_of_a_tls_stream_cannot_be_closed(caplog: pytest.LogCaptureFixture) -> None:
    """Nor kept open: write_eof is not implemented, and eof_received returning True is warned of and ignored."""
    from runtime.manners import Recorder

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        server = Recorder(keeps_half_open=True)
        listener = await loop.create_server(lambda: server, "venue.test", 443)
        transport, client = await loop.create_connection(lambda: Recorder(keeps_half_open=True), "venue.test", 443, ssl=True)
        assert transport.get_write_buffer_limits() == (128 * 1024, 512 * 1024)
        assert transport.get_extra_info("cipher")[1] == "TLSv1.3"
        assert transport.get_extra_info("peercert") is not None
        assert transport.get_extra_info("compression") is None
        with pytest.raises(NotImplementedError):
            transport.write_eof()
        await server.seen("made")
        server.transport.close()
        await client.seen("lost")
        listener.close()
        return client.log, client.lost_with

    assert run_on("virtual", main)[0] == (["made", "eof", "lost"], None)
    assert caplog.messages == ["returning true from eof_received() has no effect when using ssl"]
