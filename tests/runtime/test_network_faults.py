"""What each fault of the network does to bytes on open connections, as a plain asyncio program sees it."""

import asyncio
import errno
from typing import Any

import pytest

from papertape.faults import Bandwidth, BlackHole, Close, Corrupt, HalfClose, HalfOpen, Lag, Reset, Split
from papertape.model.units import SECOND
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.network.pipe import IN_FLIGHT_MAX
from runtime.lines import HOST, dialled, listening, ms, on_a_network, pair


def test_a_reset_after_bytes_lets_exactly_those_through() -> None:
    """The third byte from the server is the last; both ends lose the connection with an error at that instant."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        client.transport.write(b"does not count")
        server.transport.write(b"abcdef")
        await client.lost
        await server.lost
        return client.received, client.events, server.events, network.fired, len(network.connections())

    reset = [(40, "ConnectionResetError")]
    assert on_a_network(main, Reset(after_bytes=3, direction="to_client")) == (b"abc", reset, reset, [1], 0)


def test_a_reset_after_frames_counts_what_was_written_at_once() -> None:
    """Two pieces pass whole, the third is lost."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        for piece in (b"one", b"two", b"three"):
            client.transport.write(piece)
        await server.lost
        return server.received

    assert on_a_network(main, Reset(after_frames=2, direction="to_server")) == b"onetwo"


def test_a_reset_at_a_time_hits_what_is_open_then() -> None:
    """And no connection to another host, nor one that is opened later."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        accepted, others = await listening(loop), await listening(loop, "other.test")
        first, _ = await dialled(loop, accepted)
        other, _ = await dialled(loop, others, "other.test")
        await asyncio.sleep(2)
        second, _ = await dialled(loop, accepted)
        await asyncio.sleep(10)
        return first.events, other.events, second.events, network.fired

    assert on_a_network(main, Reset(at="1s", host=HOST.upper())) == ([(1000, "ConnectionResetError")], [], [], [1])


def test_a_reset_that_lasts_hits_each_new_connection() -> None:
    """Until its time is over: each is accepted first, then cut."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        accepted = await listening(loop)
        seen = []
        for _ in range(3):
            await asyncio.sleep(1)
            client, server = await dialled(loop, accepted)
            await asyncio.sleep(0.1)
            seen.append((type(server.transport).__name__, client.lost.done(), server.lost.done()))
        return seen, network.fired

    cut, whole = ("MemoryTransport", True, True), ("MemoryTransport", False, False)
    assert on_a_network(main, Reset(from_="500ms", until="2500ms")) == ([cut, cut, whole], [2])


def test_the_nth_connection_alone_is_hit() -> None:
    """They are counted for each host."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        accepted, others = await listening(loop), await listening(loop, "other.test")
        await dialled(loop, others, "other.test")
        clients = [(await dialled(loop, accepted))[0] for _ in range(3)]
        return [client.lost.done() for client in clients]

    assert on_a_network(main, Reset(host=HOST, nth_connection=2)) == [False, True, False]


def test_a_cut_while_the_server_has_not_heard_of_the_connection_is_heard_in_order() -> None:
    """It is accepted, then reset; never the other way round."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        accepted = await listening(loop)
        await loop.create_connection(asyncio.Protocol, HOST, 443)
        network.reset_all()
        await asyncio.sleep(1)
        return accepted[0].transport is not None, accepted[0].events

    assert on_a_network(main) == (True, [(30, "ConnectionResetError")])


def test_a_close_is_the_servers_polite_end() -> None:
    """What it had written arrives; nobody sees an error."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        client.transport.write(b"request")
        server.transport.write(b"answer")
        await client.lost
        return client.received, client.events, server.events, network.fired

    closed = (b"answer", [(50, "eof"), (50, "lost")], [(40, "lost")], [1])
    assert on_a_network(main, Close(after_bytes=7, direction="to_server")) == closed


def test_a_half_close_ends_one_direction_and_leaves_the_other() -> None:
    """The client reads to the end and goes on writing; what the server writes later is gone, and it does not notice."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop, keeps_half_open=True)
        server.transport.write(b"before")
        await asyncio.sleep(1)
        server.transport.write(b"after")
        client.transport.write(b"still here")
        await asyncio.sleep(1)
        assert network.connections()[0].server.out.waiting == 0
        server.transport.close()
        await asyncio.sleep(1)
        return client.received, client.events, server.received, server.events, network.fired

    expected = (b"before", [(40, "eof")], b"still here", [(2030, "lost")], [1])
    assert on_a_network(main, HalfClose(after_frames=1)) == expected


def test_a_half_open_line_takes_bytes_and_hands_them_over_when_it_ends() -> None:
    """All of them at once, in order; the other direction is whole."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        await asyncio.sleep(0.97)
        for piece in (b"a", b"b"):
            await asyncio.sleep(1)
            client.transport.write(piece)
            server.transport.write(piece)
        await asyncio.sleep(10)
        client.transport.write(b"c")
        await asyncio.sleep(1)
        return server.arrivals, client.arrivals, network.fired

    arrivals = [(6000, b"a"), (6000, b"b"), (13010, b"c")]
    fault = HalfOpen(at="1s", lasts="5s", direction="to_server")
    assert on_a_network(main, fault) == (arrivals, [(2010, b"a"), (3010, b"b")], [1])


def test_a_half_open_line_begins_at_a_byte_and_holds_even_the_end() -> None:
    """From the fourth byte on nothing comes for 30 s, FIN neither; new connections can be made."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        accepted = await listening(loop)
        client, server = await dialled(loop, accepted)
        client.transport.write(b"abcdef")
        client.transport.close()
        await asyncio.sleep(5)
        await dialled(loop, accepted)
        await server.lost
        return server.arrivals, server.events

    expected = ([(40, b"abc"), (30040, b"def")], [(30040, "eof"), (30040, "lost")])
    assert on_a_network(main, HalfOpen(nth_connection=1, after_bytes=3, lasts="30s")) == expected


def test_a_half_open_line_without_an_end_waits_for_healing() -> None:
    """However long; nobody gets an error by it."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        client.transport.write(b"late")
        await asyncio.sleep(10_000)
        before = server.received
        network.heal()
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return before, server.arrivals, client.events

    assert on_a_network(main, HalfOpen()) == (b"", [(10_000_030, b"late")], [])


def test_a_black_hole_that_ends_lets_tcp_send_again() -> None:
    """Lost at 2.03 s, sent again after 0.2, 0.6, 1.4, 3.0, 6.2 … s: what was lost arrives at the first of them after the hole is gone."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        await asyncio.sleep(2)
        client.transport.write(b"lost")
        await asyncio.sleep(0.001)
        client.transport.write(b"behind")
        await asyncio.sleep(20)
        client.transport.write(b"whole")
        await asyncio.sleep(1)
        return server.arrivals, network.fired

    arrivals = [(2030 + 6200 + 10, b"lost"), (2030 + 6200 + 10, b"behind"), (22041, b"whole")]
    assert on_a_network(main, BlackHole(at="1s", lasts="5s")) == (arrivals, [1])


def test_bytes_on_their_way_are_lost_in_a_black_hole_too() -> None:
    """Sent before it opens, due after: sent again."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        await asyncio.sleep(0.965)
        client.transport.write(b"x")
        await asyncio.sleep(10)
        return server.arrivals

    assert on_a_network(main, BlackHole(at="1s", lasts="100ms")) == [(995 + 200 + 10, b"x")]


def test_whoever_writes_into_a_black_hole_gives_up_after_fifteen_minutes() -> None:
    """The writer is told ETIMEDOUT after 924.6 s; who writes nothing never notices."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        await asyncio.sleep(1)
        client.transport.write(b"hello?")
        error: Any = await client.lost
        await asyncio.sleep(10_000)
        return error.errno, client.events, server.events, server.received

    expected = (errno.ETIMEDOUT, [(1030 + 924_600, "TimeoutError")], [], b"")
    assert on_a_network(main, BlackHole(at="500ms")) == expected


def test_a_reset_into_a_black_hole_is_never_heard() -> None:
    """RST is not sent again: the peer stays half-open for ever."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        await asyncio.sleep(1)
        client.transport.abort()
        await asyncio.sleep(10_000)
        return client.events, server.events

    assert on_a_network(main, BlackHole(at="500ms", lasts="5s")) == ([(1030, "lost")], [])


def test_a_healed_black_hole_passes_what_tcp_sends_next() -> None:
    """Not at the instant of healing, but when it is sent again."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        await asyncio.sleep(1)
        client.transport.write(b"lost")
        await asyncio.sleep(4)
        network.heal()
        await asyncio.sleep(10)
        return server.arrivals

    assert on_a_network(main, BlackHole(at="500ms")) == [(1030 + 6200 + 10, b"lost")]


def test_bandwidth_spreads_bytes_over_time() -> None:
    """14,600 bytes at 14,600 a second come in ten segments, 100 ms apart, and the next piece queues behind them."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        client.transport.write(bytes(14_600))
        client.transport.write(b"next" * 365)
        await asyncio.sleep(5)
        client.transport.write(bytes(1460))
        await asyncio.sleep(5)
        return [at for at, _ in server.arrivals], len(dict.fromkeys(len(data) for _, data in server.arrivals)), network.fired

    times = [40 + 100 * n for n in range(1, 12)]
    assert on_a_network(main, Bandwidth(bytes_per_second=14_600)) == ([*times, 5140], 1, [12])


def test_the_rest_comes_at_once_when_the_line_is_wide_again() -> None:
    """By time and by healing alike."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        client.transport.write(bytes(14_600))
        await asyncio.sleep(0.22)
        network.heal()
        await asyncio.sleep(5)
        return [at for at, _ in server.arrivals][:4], len(server.received)

    narrow = Bandwidth(bytes_per_second=14_600, at="0s")
    assert on_a_network(main, narrow) == ([140, 240, 260, 260], 14_600)
    assert on_a_network(main, Bandwidth(bytes_per_second=14_600, at="0s", lasts="240ms")) == ([140, 240, 250, 250], 14_600)


def test_bandwidth_pauses_writers() -> None:
    """Beyond what the kernels hold a writer must wait, and gets on at the pace of the line."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        client.transport.write(bytes(IN_FLIGHT_MAX + 200_000))
        assert client.events == [(30, "pause")]
        assert client.transport.get_write_buffer_size() == 200_000
        await asyncio.sleep(30)
        return client.events, len(server.received)

    # 200,000 bytes less the low-water mark of 16,384 at 100,000 bytes a second, in whole segments
    resumed = -(-(200_000 - 16_384) // 1460) * 1460 // 100
    assert on_a_network(main, Bandwidth(bytes_per_second=100_000)) == ([(30, "pause"), (40 + resumed, "resume")], IN_FLIGHT_MAX + 200_000)


def test_split_pieces_are_read_in_parts() -> None:
    """Of so many bytes at most, each in a turn of its own, so that a reader task sees them one by one."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"abcdefgh")
            writer.write(b"ij")
            writer.close()

        await asyncio.start_server(talk, HOST, 443)
        reader, writer = await asyncio.open_connection(HOST, 443)
        parts = [await reader.read(100) for _ in range(4)]
        writer.close()
        return parts, network.fired, ms(loop)

    assert on_a_network(main, Split(size=3)) == ([b"abc", b"def", b"gh", b"ij"], [2], 40)
    assert on_a_network(main, Split(size=1, parts=3)) == ([b"a", b"b", b"c", b"defgh"], [3], 40)
    assert on_a_network(main, Split(size=2, parts=2)) == ([b"ab", b"cd", b"efgh", b"ij"], [2], 40)


def test_an_answer_that_comes_byte_by_byte_is_no_standstill(monkeypatch: pytest.MonkeyPatch) -> None:
    """More turns at one instant than time may stand still for."""
    monkeypatch.setattr("papertape.runtime.loop.TURNS_MAX", 300)
    count = 3_000

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        server.transport.write(bytes(count))
        await asyncio.sleep(0.02)
        return len(client.received), len(client.arrivals), client.arrivals[0][0] == client.arrivals[-1][0]

    assert on_a_network(main, Split(size=1)) == (count, count, True)


def test_random_parts_are_drawn_by_place() -> None:
    """Up to the size, and the same in every run; another seed splits elsewhere."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        client.transport.write(bytes(range(200)))
        await asyncio.sleep(1)
        assert server.received == bytes(range(200))
        return [len(data) for _, data in server.arrivals]

    sizes = on_a_network(main, Split(size=20, random=True))
    assert sizes == on_a_network(main, Split(size=20, random=True))
    assert max(sizes) <= 20
    assert len(dict.fromkeys(sizes)) > 5


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Corrupt(bit=0), b"`bcd"),
        (Corrupt(bit=0, after_bytes=2), b"abbd"),
        (Corrupt(bit=0, after_bytes=1, skip=2), b"abce"),
        (Corrupt(bit=5, after_frames=1), b"abCd"),
        (Corrupt(bit=0, after_bytes=9), b"abcd"),
        (Corrupt(bit=0, at="1s"), b"abcd"),
        (Corrupt(bit=0, direction="to_server"), b"abcd"),
    ],
)
def test_one_bit_of_one_byte_is_turned_over(fault: Corrupt, expected: bytes) -> None:
    """The one that was asked for, and nothing else; what never comes about does not count."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        server.transport.write(b"ab")
        server.transport.write(b"cd")
        await asyncio.sleep(0.5)
        assert network.fired == [int(expected != b"abcd")]
        return client.received

    assert on_a_network(main, fault) == expected


def test_a_drawn_bit_is_the_same_in_every_run() -> None:
    """And differs by connection."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        accepted, seen = await listening(loop), []
        for _ in range(8):
            client, server = await dialled(loop, accepted)
            server.transport.write(b"\x00")
            await asyncio.sleep(1)
            seen.append(client.received)
        return seen

    seen = on_a_network(main, Corrupt())
    assert seen == on_a_network(main, Corrupt())
    assert all(bin(each[0]).count("1") == 1 for each in seen)
    assert len(dict.fromkeys(seen)) > 1


def test_corruption_within_a_time_hits_the_first_byte_then() -> None:
    """Bytes before it are left alone."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        server.transport.write(b"aa")
        await asyncio.sleep(2)
        server.transport.write(b"aa")
        await asyncio.sleep(1)
        return client.received

    assert on_a_network(main, Corrupt(bit=0, at="1s", lasts="5s")) == b"aa`a"


def test_lag_makes_bytes_late_and_lets_none_overtake() -> None:
    """What is written while it lasts is later by as much, in that direction; what follows waits behind it."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        await asyncio.sleep(0.97)
        client.transport.write(b"late")
        server.transport.write(b"in time")
        await asyncio.sleep(0.1)
        client.transport.write(b"behind")
        await asyncio.sleep(1)
        return server.arrivals, client.arrivals, network.fired

    expected = ([(1510, b"late"), (1510, b"behind")], [(1010, b"in time")], [1])
    assert on_a_network(main, Lag(add="500ms", at="1s", lasts="50ms", direction="to_server")) == expected


def test_jitter_is_drawn_by_piece() -> None:
    """Between nothing and `jitter` on top, the same in every run, whatever else is drawn; order is kept."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        for number in range(50):
            client.transport.write(bytes([number]))
            await asyncio.sleep(1)
        assert server.received == bytes(range(50))
        return [at % 1000 - 40 for at, _ in server.arrivals]

    late = on_a_network(main, Lag(add="100ms", jitter="300ms"))
    assert late == on_a_network(main, Lag(add="100ms", jitter="300ms"))
    assert all(100 <= each <= 400 for each in late)
    assert len(dict.fromkeys(late)) > 25


def test_two_faults_act_together() -> None:
    """A narrow line that is also cut: as many bytes as had time to pass."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        client.transport.write(bytes(14_600))
        await server.lost
        return len(server.received), ms(loop), network.fired

    faults = Bandwidth(bytes_per_second=14_600), Reset(at="500ms")
    assert on_a_network(main, *faults) == (4 * 1460, 500, [4, 1])


def test_what_is_dropped_is_forgotten_whole() -> None:
    """An abort drops what the kernels had not taken, also under faults: the queue and the instants of writing stay in step."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        for _ in range(5):
            client.transport.write(bytes(IN_FLIGHT_MAX // 2))
        await asyncio.sleep(1)
        client.transport.abort()
        out: Any = network.connections()[0].client.out
        steps = len(out._queue), len(out._sent), out._passed
        await server.lost
        return steps, server.events[-1][1], len(server.received)

    steps, end, received = on_a_network(main, Bandwidth(bytes_per_second=100_000))
    assert steps[0] == steps[1]
    assert (steps[2], end) == (0, "ConnectionResetError")
    assert received <= IN_FLIGHT_MAX + 150_000


def test_a_line_without_trouble_is_the_same_line() -> None:
    """A fault for another host changes no byte and no instant."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        for number in range(20):
            client.transport.write(bytes([number]))
            server.transport.write(b"!")
            await asyncio.sleep(0.003)
        client.transport.close()
        await server.lost
        return network.digest(), loop.now_ns // SECOND

    assert on_a_network(main) == on_a_network(main, Reset(host="other.test"), Lag(host="other.test"), HalfOpen(at="1h"))
