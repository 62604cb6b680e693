"""TCP as programs know it, without a socket: names, connecting, order of bytes, flow control, ends good and bad."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papertape.model.errors import EscapedSimulation
from papertape.model.units import MILLISECOND, SECOND
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network, Policy
from papertape.runtime.network.network import Connection
from papertape.runtime.network.pipe import IN_FLIGHT_MAX
from papertape.runtime.world import run_virtual
from thorough import tries

HOST = "venue.test"
ONE_WAY_NS = 10 * MILLISECOND


class Recorder(asyncio.Protocol):
    """Writes down what happens to it."""

    def __init__(self, log: list[Any], name: str, *, keeps_half_open: bool = False) -> None:
        self.log, self.name, self.keeps_half_open = log, name, keeps_half_open
        self.received = b""
        self.lost: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.transport: Any = None

    def note(self, *what: Any) -> None:
        self.log.append((self.name, *what))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.note("made")

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        self.note("eof")
        return self.keeps_half_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.note("lost", type(exc).__name__)
        self.lost.set_result(exc)

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")


def constant(connection: Connection, direction: str, piece: int) -> int:
    return ONE_WAY_NS


def run(main: Callable[[VirtualLoop, Network], Awaitable[Any]], **options: Any) -> Any:
    options.setdefault("latency", constant)

    async def outer(loop: VirtualLoop) -> Any:
        network = Network(loop, **options)
        loop.network = network
        return await main(loop, network)

    return run_virtual(outer)


async def pair(loop: VirtualLoop, log: list[Any], **options: Any) -> tuple[Recorder, Recorder]:
    """A client and a server protocol, connected."""
    accepted: list[Recorder] = []

    def accept() -> Recorder:
        accepted.append(Recorder(log, "server", **options))
        return accepted[-1]

    await loop.create_server(accept, HOST, 80)
    _, client = await loop.create_connection(lambda: Recorder(log, "client", **options), HOST, 80)
    await asyncio.sleep(1)
    return client, accepted[0]


def test_connecting_takes_a_round_trip() -> None:
    """And one more with TLS; the names and addresses are the host's."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        await loop.create_server(asyncio.Protocol, HOST, 443)
        plain, _ = await loop.create_connection(asyncio.Protocol, HOST, 443)
        after_plain = loop.now_ns
        secure, _ = await loop.create_connection(asyncio.Protocol, HOST, 443, ssl=True)
        assert secure.get_extra_info("sslcontext") is True
        assert plain.get_extra_info("sslcontext") is None
        assert plain.get_extra_info("peername") == ("10.0.0.1", 443)
        assert plain.get_extra_info("socket").getpeername() == ("10.0.0.1", 443)
        return after_plain, loop.now_ns - after_plain

    assert run(main) == (2 * ONE_WAY_NS, 4 * ONE_WAY_NS)


def test_bytes_arrive_later_and_whole() -> None:
    """What one end writes the other gets, one way later, in both directions."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop, [])
        client.transport.write(b"ping")
        client.transport.writelines([b"-", bytearray(b"a"), memoryview(b"b")])
        await asyncio.sleep(0.009)
        before = server.received
        await asyncio.sleep(0.002)
        server.transport.write(b"pong")
        await asyncio.sleep(0.011)
        return before, server.received, client.received

    assert run(main) == (b"", b"ping-ab", b"pong")


@settings(max_examples=tries(70, 2000))
@given(
    writes=st.lists(st.tuples(st.integers(0, 30), st.binary(min_size=1, max_size=5)), max_size=20),
    delays=st.lists(st.integers(0, 40), min_size=1, max_size=20),
    holds=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 100) | st.none()), max_size=4),
    pauses=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 50)), max_size=4),
    is_buffered=st.booleans(),
)
def test_no_byte_is_lost_doubled_or_reordered(writes: Any, delays: list[int], holds: Any, pauses: Any, is_buffered: bool) -> None:
    """Whatever the latencies, holds and pauses, the reader gets exactly what was written, and then the end."""

    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.space = bytearray(3)

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            reader.connection_made(transport)

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.space

        def buffer_updated(self, nbytes: int) -> None:
            reader.data_received(bytes(self.space[:nbytes]))

        def eof_received(self) -> bool:
            return reader.eof_received()

        def connection_lost(self, exc: Exception | None) -> None:
            reader.connection_lost(exc)

    async def main(loop: VirtualLoop, network: Network) -> None:
        nonlocal reader
        log: list[Any] = []
        reader = Recorder(log, "server")
        await loop.create_server(Buffered if is_buffered else lambda: reader, HOST, 80)
        transport, client = await loop.create_connection(lambda: Recorder(log, "client"), HOST, 80)
        await asyncio.sleep(1)
        start = loop.now_ns
        written = b""
        pipe = network.connections()[0].client.out
        for at, until in holds:
            deadline = None if until is None else start + (at + until) * MILLISECOND
            loop.schedule_ns(start + at * MILLISECOND, 0, pipe.hold, deadline)
        loop.schedule_ns(start + 500 * MILLISECOND, 0, pipe.release)
        for at, lasts in pauses:
            loop.schedule_ns(start + at * MILLISECOND, 0, reader.transport.pause_reading)
            loop.schedule_ns(start + (at + lasts) * MILLISECOND, 0, reader.transport.resume_reading)
        loop.schedule_ns(start + 600 * MILLISECOND, 0, reader.transport.resume_reading)
        for wait, data in writes:
            await asyncio.sleep(wait / 1000)
            transport.write(data)
            written += data
            assert written.startswith(reader.received)
        transport.close()
        assert await reader.lost is None
        assert await client.lost is None
        assert reader.received == written
        assert log.count(("server", "eof")) == 1
        assert network.connections() == []

    reader: Any = None
    run(main, latency=lambda connection, direction, piece: delays[piece % len(delays)] * MILLISECOND)


def test_a_clean_close_reaches_the_other_end_after_the_bytes() -> None:
    """FIN: the peer reads everything, hears the end, closes, and neither sees an error."""
    log: list[Any] = []

    async def main(loop: VirtualLoop, network: Network) -> bytes:
        client, server = await pair(loop, log)
        client.transport.write(b"last words")
        client.transport.close()
        client.transport.write(b"too late")
        assert client.transport.is_closing()
        await server.lost
        return server.received

    assert run(main) == b"last words"
    assert log == [
        ("client", "made"),
        ("server", "made"),
        ("client", "lost", "NoneType"),
        ("server", "eof"),
        ("server", "lost", "NoneType"),
    ]


def test_a_half_close_leaves_the_other_half_open() -> None:
    """After write_eof one end may still read; writing more is an error; TLS cannot do it."""
    log: list[Any] = []

    async def main(loop: VirtualLoop, network: Network) -> bytes:
        client, server = await pair(loop, log, keeps_half_open=True)
        client.transport.write(b"question")
        assert client.transport.can_write_eof()
        client.transport.write_eof()
        with pytest.raises(RuntimeError):
            client.transport.write(b"more")
        await asyncio.sleep(1)
        server.transport.write(b"answer to " + server.received)
        server.transport.close()
        await asyncio.sleep(1)
        client.transport.close()
        await client.lost
        secure, _ = await loop.create_connection(asyncio.Protocol, HOST, 80, ssl=True)
        assert not secure.can_write_eof()
        with pytest.raises(NotImplementedError):
            secure.write_eof()
        return client.received

    assert run(main) == b"answer to question"


def test_an_abort_is_a_reset_at_the_other_end() -> None:
    """RST: the peer gets ConnectionResetError, not a clean end."""
    log: list[Any] = []

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop, log)
        server.transport.abort()
        error = await client.lost
        return error.errno, await server.lost

    assert run(main) == (errno.ECONNRESET, None)
    assert ("client", "eof") not in log


def test_a_paused_reader_hears_of_a_reset() -> None:
    """Also one that takes no bytes, which are then lost."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop, [])
        client.transport.pause_reading()
        server.transport.write(b"unread")
        await asyncio.sleep(1)
        server.transport.abort()
        return type(await client.lost), client.received, loop.now_ns

    assert run(main)[:2] == (ConnectionResetError, b"")


def test_a_slow_reader_pauses_the_writer() -> None:
    """Beyond what the kernels hold, and the transport's high water mark, the writer is told to wait, and to go on when it is read."""
    log: list[Any] = []

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop, log)
        server.transport.pause_reading()
        block = bytes(64 * 1024)
        count = 0
        while ("client", "pause") not in log:
            client.transport.write(block)
            count += 1
            assert count < 100
        assert client.transport.get_write_buffer_size() == count * len(block) - IN_FLIGHT_MAX
        await asyncio.sleep(100)
        assert server.received == b""
        assert ("client", "resume") not in log
        server.transport.resume_reading()
        await asyncio.sleep(1)
        assert log.count(("client", "pause")) == log.count(("client", "resume")) == 1
        return len(server.received) == count * len(block)

    assert run(main) is True


def test_write_buffer_limits_are_checked_and_used() -> None:
    """As asyncio's own transports have them."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, _ = await pair(loop, [])
        transport = client.transport
        default = transport.get_write_buffer_limits()
        transport.set_write_buffer_limits(low=10)
        low_only = transport.get_write_buffer_limits()
        transport.set_write_buffer_limits(high=0)
        with pytest.raises(ValueError, match="must be >="):
            transport.set_write_buffer_limits(high=1, low=2)
        with pytest.raises(TypeError):
            transport.write("text")
        return default, low_only, transport.get_write_buffer_limits()

    assert run(main) == ((16384, 65536), (10, 40), (0, 0))


def test_nobody_listening_is_refused_with_a_reason() -> None:
    """A host that no scenario names refuses, says so, and is remembered."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        with pytest.raises(ConnectionRefusedError, match=r"nobody serves api\.telegram\.org:443 here; \[hosts\]"):
            await loop.create_connection(asyncio.Protocol, "api.telegram.org", 443, ssl=True)
        await loop.create_server(asyncio.Protocol, HOST, 80)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(asyncio.Protocol, HOST, 81)
        return network.refusals

    assert run(main) == [(ONE_WAY_NS, "api.telegram.org", 443), (3 * ONE_WAY_NS, HOST, 81)]


def test_a_gate_refuses_while_it_is_shut() -> None:
    """A listening host may refuse for a while; the gate is asked at each connection."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        is_open, asked = False, []

        def gate(port: int) -> bool:
            asked.append((loop.now_ns, port))
            return is_open

        await loop.create_server(asyncio.Protocol, HOST, 80)
        network.set_gate(HOST.upper(), gate)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(asyncio.Protocol, HOST, 80)
        is_open = True
        await loop.create_connection(asyncio.Protocol, HOST, 80)
        return asked

    assert run(main) == [(ONE_WAY_NS, 80), (3 * ONE_WAY_NS, 80)]


def test_a_black_hole_never_answers() -> None:
    """Connecting hangs until the client's own timeout, or until the system gives up."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.create_connection(asyncio.Protocol, "hole.test", 80), 5)
        assert loop.now_ns == 5 * SECOND
        with pytest.raises(TimeoutError) as caught:
            await loop.create_connection(asyncio.Protocol, "hole.test", 80)
        return caught.value.errno

    assert run(main, hosts={"hole.test": Policy.BLACKHOLE}) == errno.ETIMEDOUT


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_an_accepting_host_answers_each_request_with_an_empty_200(request_bytes: bytes) -> None:
    """However the request comes in pieces, and several on one connection."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        reader, writer = await asyncio.open_connection("api.telegram.org", 443, ssl=True)
        for index in range(len(request_bytes)):
            writer.write(request_bytes[index : index + 1])
        writer.write(request_bytes)
        await asyncio.sleep(1)
        writer.close()
        return await reader.read()

    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert run(main, hosts={"api.telegram.org": "accept"}) == answer * 2


def test_a_reset_of_all_cuts_both_ends_now() -> None:
    """What was on its way is lost, both ends get a reset at this instant, and other hosts are not touched."""
    log: list[Any] = []

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop, log)
        await loop.create_server(asyncio.Protocol, "other.test", 80)
        other, _ = await loop.create_connection(asyncio.Protocol, "other.test", 80)
        client.transport.write(b"lost")
        now = loop.now_ns
        assert network.reset_all(HOST) == 1
        errors = await asyncio.gather(client.lost, server.lost)
        assert loop.now_ns == now
        return [type(error) for error in errors], server.received, other.is_closing(), len(network.connections())

    assert run(main) == ([ConnectionResetError, ConnectionResetError], b"", False, 1)


def test_closing_all_is_clean() -> None:
    """The server's end closes: what it wrote arrives, then the end."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop, [])
        server.transport.write(b"goodbye")
        network.close_all()
        assert await client.lost is None
        return client.received

    assert run(main) == b"goodbye"


def test_a_held_connection_takes_bytes_and_delivers_them_later() -> None:
    """Half-open: writing works, nothing arrives; afterwards everything does, in order. One direction can be held alone."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop, [])
        network.hold_all(HOST, direction="<")
        client.transport.write(b"up")
        server.transport.write(b"down")
        await asyncio.sleep(60)
        seen = [server.received, client.received]
        network.release_all(HOST)
        server.transport.write(b"-again")
        await asyncio.sleep(1)
        network.hold_all(until_ns=loop.now_ns + 5 * SECOND)
        server.transport.write(b"!")
        await asyncio.sleep(4)
        seen.append(client.received)
        await asyncio.sleep(2)
        return [*seen, client.received]

    assert run(main) == [b"up", b"", b"down-again", b"down-again!"]


def test_a_reset_loses_even_what_arrives_at_this_instant() -> None:
    """Without any latency, what was written just before the cut is lost too."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop, [])
        client.transport.write(b"lost")
        network.reset_all(HOST)
        await server.lost
        return server.received

    assert run(main, latency=lambda connection, direction, piece: 0) == b""


def test_a_hold_from_within_a_delivery_holds_the_next_piece() -> None:
    """A fault that sees a message and holds the line stops what comes right behind it."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop, [])
        take = server.data_received

        def hold_and_take(data: bytes) -> None:
            network.hold_all(HOST)
            take(data)

        server.data_received = hold_and_take  # type: ignore[method-assign]  # this protocol's alone
        client.transport.write(b"first")
        client.transport.write(b"second")
        await asyncio.sleep(1)
        held = server.received
        network.release_all(HOST)
        await asyncio.sleep(1)
        return held, server.received

    assert run(main) == (b"first", b"firstsecond")


def test_names_are_looked_up_inside() -> None:
    """getaddrinfo gives each name its own address, the same one each time, also for services by name; both lead to the host."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        (first,) = await loop.getaddrinfo("a.test", "https")
        (second,) = await loop.getaddrinfo(b"B.test.", 80)
        (again,) = await loop.getaddrinfo("A.TEST", 1)
        (six,) = await loop.getaddrinfo("::2", 80)
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("a.test", "gopher")
        await loop.create_server(asyncio.Protocol, "a.test", 443)
        await loop.create_connection(asyncio.Protocol, first[4][0], 443)
        return first[4], second[4], again[4], six[4], await loop.getnameinfo(first[4])

    assert run(main) == (("10.0.0.1", 443), ("10.0.0.2", 80), ("10.0.0.1", 1), ("::2", 80, 0, 0), ("10.0.0.1", "443"))


def test_servers_take_ports_and_give_them_back() -> None:
    """A port is used once at a time; 0 means any; every way to write localhost is localhost."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        server = await loop.create_server(asyncio.Protocol, "0.0.0.0", 8080)
        with pytest.raises(OSError, match="already in use"):
            await loop.create_server(asyncio.Protocol, "127.0.0.1", 8080)
        transport, _ = await loop.create_connection(asyncio.Protocol, "localhost", 8080)
        transport.close()
        server.close()
        await server.wait_closed()
        assert not server.is_serving()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(asyncio.Protocol, "localhost", 8080)
        first, second = [await loop.create_server(asyncio.Protocol, [HOST, "b.test"], 0) for _ in range(2)]
        return [each.getsockname() for each in (*first.sockets, *second.sockets)]

    assert run(main) == [("10.0.0.1", 49152), ("10.0.0.2", 49152), ("10.0.0.1", 49153), ("10.0.0.2", 49153)]


def test_a_server_can_start_later_and_serve_until_cancelled() -> None:
    """start_serving=False, serve_forever and `async with` work as in asyncio."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        server = await loop.create_server(asyncio.Protocol, HOST, 80, start_serving=False)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(asyncio.Protocol, HOST, 80)
        async with server:
            serving = asyncio.create_task(server.serve_forever())
            await asyncio.sleep(1)
            transport, _ = await loop.create_connection(asyncio.Protocol, HOST, 80)
            await asyncio.sleep(1)
            server.abort_clients()
            await asyncio.sleep(1)
            serving.cancel()
            await asyncio.wait([serving])
        return transport.is_closing(), server.is_serving(), server.get_loop() is loop

    assert run(main) == (True, False, True)


def test_streams_work() -> None:
    """asyncio's own open_connection and start_server, with drain, readline and wait_closed."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(line.upper())
                await writer.drain()
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(echo, HOST, 7):
            reader, writer = await asyncio.open_connection(HOST, 7)
            lines = []
            for word in (b"one\n", b"two\n"):
                writer.write(word)
                await writer.drain()
                lines.append(await reader.readline())
            writer.write_eof()
            lines.append(await reader.read())
            writer.close()
            await writer.wait_closed()
            return lines

    assert run(main) == [b"ONE\n", b"TWO\n", b""]


def test_tls_can_be_started_on_an_open_connection() -> None:
    """start_tls marks the transport as secure; nothing is encrypted."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, _ = await pair(loop, [])
        context = object()
        transport = await loop.start_tls(client.transport, client, context)
        return transport.get_extra_info("sslcontext") is context, transport is client.transport

    assert run(main) == (True, True)


def test_a_real_socket_is_refused() -> None:
    """A socket object of the machine cannot be given to the simulated network."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        with pytest.raises(EscapedSimulation):
            await loop.create_connection(asyncio.Protocol, sock=object())
        with pytest.raises(EscapedSimulation):
            await loop.create_server(asyncio.Protocol, sock=object())

    run(main)


def test_the_digest_is_of_every_byte_and_instant() -> None:
    """The same traffic gives the same digest; one other byte, or one other nanosecond, another."""

    def traffic(data: bytes, delay_ns: int) -> Any:
        async def main(loop: VirtualLoop, network: Network) -> Any:
            client, _ = await pair(loop, [])
            client.transport.write(data)
            await asyncio.sleep(1)
            assert network.opened == 1
            assert network.delivered == 2
            return network.digest()

        return run(main, latency=lambda connection, direction, piece: delay_ns)

    assert traffic(b"a", 5) == traffic(b"a", 5)
    assert len(dict.fromkeys([traffic(b"a", 5), traffic(b"b", 5), traffic(b"a", 6)])) == 3


def test_no_certificate_is_read_for_a_simulated_connection() -> None:
    """TLS is by fiat, so a context made in a run needs no file; outside it does."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        context = ssl.create_default_context(cafile="/no/such/file.pem")
        await loop.create_server(asyncio.Protocol, HOST, 443)
        transport, _ = await loop.create_connection(asyncio.Protocol, HOST, 443, ssl=context)
        return transport.get_extra_info("sslcontext") is context

    assert run(main) is True
    with pytest.raises(FileNotFoundError):
        ssl.create_default_context(cafile="/no/such/file.pem")
