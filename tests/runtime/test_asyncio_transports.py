"""Connections begin, are written to and end on our loop as they do on asyncio's own."""

import asyncio
import contextvars
import logging
from typing import Any

import pytest

from runtime.manners import Recorder, both, connected, run_on, settle


@both
def test_what_is_written_arrives_in_order(kind: str) -> None:
    """As bytes, bytearray or memoryview, one by one or together; nothing is a write of nothing."""

    async def main() -> Any:
        async with connected() as ends:
            out = ends.client.transport
            changing = bytearray(b"b")
            out.write(b"a")
            out.write(changing)
            changing[0] = 0
            out.write(b"")
            out.write(memoryview(b"xcx")[1:2])
            out.writelines([b"d", bytearray(b"e"), memoryview(b"f")])
            return await ends.server.got(6)

    assert run_on(kind, main) == (b"abcdef", [])


@both
def test_only_bytes_are_written(kind: str) -> None:
    """Anything else is a TypeError that says what it was, and hurts nothing."""

    async def main() -> Any:
        async with connected() as ends:
            with pytest.raises(TypeError, match="must be a bytes-like object, not 'str'"):
                ends.client.transport.write("text")
            ends.client.transport.write(b"fine")
            return await ends.server.got(4)

    assert run_on(kind, main)[0] == b"fine"


@both
def test_a_closed_transport_says_so_before_it_is_lost(kind: str) -> None:
    """is_closing at once, connection_lost(None) a turn later and once, however often it is closed; no more reading."""

    async def main() -> Any:
        async with connected() as ends:
            transport = ends.client.transport
            before = transport.is_closing(), transport.is_reading()
            transport.close()
            at_once = transport.is_closing(), transport.is_reading(), list(ends.client.log)
            transport.close()
            transport.abort()
            await ends.client.seen("lost")
            transport.close()
            transport.abort()
            await settle()
            return before, at_once, ends.client.log, ends.client.lost_with

    assert run_on(kind, main) == (((False, True), (True, False, ["made"]), ["made", "lost"], None), [])


@both
def test_the_peer_of_a_close_hears_the_end_and_closes(kind: str) -> None:
    """Every byte first, then eof_received, then connection_lost without an error."""

    async def main() -> Any:
        async with connected() as ends:
            ends.client.transport.write(b"last words")
            ends.client.transport.close()
            await ends.server.seen("lost")
            return bytes(ends.server.received), ends.server.log, ends.server.lost_with

    assert run_on(kind, main)[0] == (b"last words", ["made", "eof", "lost"], None)


@both
def test_writes_after_a_close_are_dropped_and_in_the_end_complained_of(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """The first ones silently, from the fifth on with a word in asyncio's log."""

    async def main() -> Any:
        async with connected() as ends:
            ends.client.transport.close()
            heard = []
            with caplog.at_level(logging.WARNING, "asyncio"):
                for _ in range(7):
                    ends.client.transport.write(b"too late")
                    heard.append(len(caplog.records))
                    await asyncio.sleep(0)
            await ends.server.seen("lost")
            return heard, bytes(ends.server.received)

    assert run_on(kind, main)[0] == ([0, 0, 0, 0, 1, 2, 3], b"")
    assert caplog.messages == ["socket.send() raised exception."] * 3


@both
def test_a_close_sends_first_what_was_written(kind: str) -> None:
    """Megabytes that do not fit on the line keep a closing connection alive; what is written meanwhile goes too."""
    size = 16 << 20

    async def main() -> Any:
        async with connected() as ends:
            out = ends.client.transport
            ends.server.transport.pause_reading()
            out.write(bytes(size))
            out.close()
            assert out.get_write_buffer_size() > 0
            out.write(b"and this")
            await settle()
            log_while_full = list(ends.client.log)
            ends.server.transport.resume_reading()
            await ends.server.seen("lost")
            await ends.client.seen("lost")
            received = bytes(ends.server.received)
            return log_while_full, len(received), received[size:], ends.client.log, ends.client.lost_with

    expected = ["made", "pause"], size + 8, b"and this", ["made", "pause", "resume", "lost"], None
    assert run_on(kind, main)[0] == expected


@both
def test_an_abort_loses_what_was_not_sent(kind: str) -> None:
    """Bytes on the line may arrive, those that still waited for it do not; the protocol hears of it without an error."""
    size = 32 << 20

    async def main() -> Any:
        async with connected() as ends:
            ends.server.transport.pause_reading()
            ends.client.transport.write(bytes(size))
            ends.client.transport.abort()
            assert ends.client.transport.is_closing()
            assert ends.client.transport.get_write_buffer_size() == 0
            await ends.client.seen("lost")
            ends.server.transport.resume_reading()
            await ends.server.seen("lost")
            return ends.client.log, ends.client.lost_with, len(ends.server.received) < size

    assert run_on(kind, main)[0] == (["made", "pause", "lost"], None, True)


@both
def test_an_abort_is_a_reset_here_and_an_end_there(kind: str) -> None:
    """The one manner that is ours alone: asyncio leaves an abort to the kernel, which says goodbye; we hang up, as who aborts wants."""

    async def main() -> Any:
        async with connected() as ends:
            ends.server.transport.write(b"before")
            ends.server.transport.abort()
            await ends.client.seen("lost")
            return bytes(ends.client.received), type(ends.client.lost_with)

    expected = ConnectionResetError if kind == "virtual" else type(None)
    assert run_on(kind, main)[0] == (b"before", expected)


@both
def test_a_close_with_bytes_unread_is_a_reset(kind: str) -> None:
    """Who closes without reading what has come hangs up on the writer."""

    async def main() -> Any:
        async with connected(lambda: Recorder(keeps_half_open=True)) as ends:
            ends.server.transport.pause_reading()
            ends.client.transport.write(b"unread")
            if kind == "virtual":
                await asyncio.sleep(1)
            ends.server.transport.close()
            await ends.client.seen("lost")
            return ends.client.log, type(ends.client.lost_with), ends.server.lost_with

    assert run_on(kind, main)[0] == (["made", "lost"], ConnectionResetError, None)


@both
def test_a_half_close_leaves_the_other_half_open(kind: str) -> None:
    """After write_eof nothing can be written, but an answer can be read; eof_received returning True keeps it so."""

    async def main() -> Any:
        async with connected(make_server=lambda: Recorder(keeps_half_open=True)) as ends:
            out = ends.client.transport
            assert out.can_write_eof()
            out.write(b"question")
            out.write_eof()
            out.write_eof()
            with pytest.raises(RuntimeError, match=r"Cannot call write\(\) after write_eof\(\)"):
                out.write(b"more")
            with pytest.raises(RuntimeError, match=r"Cannot call write(lines)?\(\) after write_eof\(\)"):
                out.writelines([b"more"])
            await ends.server.seen("eof")
            await settle()
            assert not ends.server.transport.is_closing()
            ends.server.transport.write(b"answer")
            ends.server.transport.close()
            await ends.client.seen("lost")
            with pytest.raises(RuntimeError, match="write_eof"):
                out.write(b"more")
            return bytes(ends.server.received), bytes(ends.client.received), ends.client.log, ends.client.lost_with

    assert run_on(kind, main)[0] == (b"question", b"answer", ["made", "eof", "lost"], None)


@both
def test_eof_received_returning_false_closes(kind: str) -> None:
    """But what was still to be written is."""

    async def main() -> Any:
        async with connected() as ends:
            ends.server.transport.write(b"answer")
            ends.client.transport.write_eof()
            await ends.client.seen("lost")
            return bytes(ends.client.received), ends.server.log, ends.server.lost_with

    assert run_on(kind, main)[0] == (b"answer", ["made", "eof", "lost"], None)


@both
def test_who_writes_to_a_closed_peer_finds_out_at_the_next_write(kind: str) -> None:
    """The first write after the peer is gone goes out, and comes back as a reset that the second finds."""

    async def main() -> Any:
        async with connected(lambda: Recorder(keeps_half_open=True)) as ends:
            ends.server.transport.close()
            await ends.client.seen("eof")
            await ends.server.seen("lost")
            ends.client.transport.write(b"anybody there?")
            if kind == "virtual":
                await asyncio.sleep(1)
            first = list(ends.client.log), ends.client.transport.is_closing()
            ends.client.transport.write(b"hello?")
            second = ends.client.transport.is_closing(), list(ends.client.log)
            await ends.client.seen("lost")
            return first, second, type(ends.client.lost_with)

    assert run_on(kind, main) == (((["made", "eof"], False), (True, ["made", "eof"]), BrokenPipeError), [])


class Raising(Recorder):
    """Fails in one of its callbacks."""

    def __init__(self, where: str, error: BaseException) -> None:
        super().__init__()
        self.where, self.error = where, error

    def _fail_in(self, where: str) -> None:
        if where == self.where:
            raise self.error

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._fail_in("connection_made")

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._fail_in("data_received")

    def eof_received(self) -> bool:
        self._fail_in("eof_received")
        return super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._fail_in("connection_lost")


@both
@pytest.mark.parametrize("where", ["data_received", "eof_received"])
@pytest.mark.parametrize(
    "error", [ValueError("mine"), OSError("the line's"), asyncio.CancelledError()], ids=lambda error: type(error).__name__
)
def test_an_error_in_a_callback_ends_the_connection(kind: str, where: str, error: BaseException) -> None:
    """connection_lost gets it, once; the exception handler hears of it unless it is an OSError, which lines have; the peer sees an end."""

    async def main() -> Any:
        async with connected(make_server=lambda: Raising(where, error)) as ends:
            ends.client.transport.write(b"x")
            ends.client.transport.write_eof()
            await ends.server.seen("lost")
            await ends.client.seen("lost")
            await settle()
            return ends.server.log.count("lost"), ends.server.lost_with is error, ends.client.lost_with

    (count, is_same, peers), told = run_on(kind, main)
    assert (count, is_same) == (1, True)
    assert peers is None or where == "data_received"  # an end of ours may overtake the reader's there
    assert told == ([] if isinstance(error, OSError) else [f"Fatal error: protocol.{where}() call failed. {error!r}"])


@both
@pytest.mark.parametrize("where", ["connection_made", "connection_lost"])
@pytest.mark.parametrize("end", ["client", "server"])
def test_an_error_at_either_end_of_a_life_is_told_and_stops_nothing(kind: str, where: str, end: str) -> None:
    """The other connection events go their way."""
    error = ValueError("mine")

    async def main() -> Any:
        makers = {f"make_{end}": lambda: Raising(where, error)}
        async with connected(**makers) as ends:
            ends.client.transport.write(b"x")
            received = await ends.server.got(1)
            ends.client.transport.close()
            await ends.server.seen("lost")
            await ends.client.seen("lost")
            return received, ends.client.log, ends.server.log

    result, told = run_on(kind, main)
    assert result == (b"x", ["made", "lost"], ["made", "eof", "lost"])
    assert len(told) == 1
    assert told[0].startswith("Exception in callback ")
    assert told[0].endswith("ValueError('mine')")


def test_a_factory_that_fails_at_the_server_hangs_up() -> None:
    """The client connected, and then is alone; only in debug mode does the loop say why. asyncio's own leaks the socket."""

    def make() -> Any:
        raise ValueError("no protocol")

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(make, "127.0.0.1", 0)
        _, client = await loop.create_connection(Recorder, "127.0.0.1", listener.sockets[0].getsockname()[1])
        await client.seen("lost")
        listener.close()
        return client.log[0], client.log[-1]

    assert run_on("virtual", main) == (("made", "lost"), [])
    assert run_on("virtual", main, debug=True)[1] == ["Error on transport creation for incoming connection ValueError('no protocol')"]


@both
def test_each_end_hears_in_its_own_context(kind: str) -> None:
    """A server's callbacks see the variables that its listener was made with, a client's those of whoever dialled."""
    who = contextvars.ContextVar("who", default="nobody")

    class Asker(Recorder):
        def data_received(self, data: bytes) -> None:
            self.note(who.get())
            super().data_received(data)

    class Answerer(Asker):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.write(b"answer")

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        server = Answerer()

        def make() -> Answerer:
            server.note(who.get())
            return server

        who.set("server")
        listener = await loop.create_server(make, "127.0.0.1", 0)
        who.set("client")
        transport, client = await loop.create_connection(Asker, "127.0.0.1", listener.sockets[0].getsockname()[1])
        who.set("later")
        transport.write(b"question")
        await client.got(6)
        transport.close()
        await server.seen("lost")
        listener.close()
        return client.log, server.log

    assert run_on(kind, main)[0] == (["made", "client", "lost"], ["server", "made", "server", "eof", "lost"])


@both
def test_a_transport_tells_where_it_is(kind: str) -> None:
    """Each end's name is the other's peer, its socket agrees, and what a plain connection has not is None."""

    async def main() -> Any:
        async with connected() as ends:
            client, server = ends.client.transport, ends.server.transport
            assert client.get_extra_info("peername") == server.get_extra_info("sockname")
            assert client.get_extra_info("sockname") == server.get_extra_info("peername")
            for transport in (client, server):
                socket = transport.get_extra_info("socket")
                assert socket.getsockname() == transport.get_extra_info("sockname")
                assert socket.getpeername() == transport.get_extra_info("peername")
                socket.setsockopt(6, 1, 1)
                assert socket.fileno() >= 0
                for key in ("sslcontext", "ssl_object", "cipher", "peercert", "compression", "nonsense"):
                    assert transport.get_extra_info(key) is None
                assert transport.get_extra_info("nonsense", 7) == 7
            return client.get_protocol() is ends.client, server.get_protocol() is ends.server

    assert run_on(kind, main)[0] == (True, True)
