"""What can be seen of a network from outside: counts, facts, bytes, lines of the program, and the end of its faults."""

import asyncio
from typing import Any

import pytest

from papertape.faults import BlackHole, ConnectRefused, DnsSlow, HalfOpen, Lag, Reset, Split
from papertape.model.units import MILLISECOND, SECOND
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.network.connection import ConnectionFacts
from papertape.runtime.network.network import ByteTrace
from papertape.runtime.network.pipe import Mark
from papertape.runtime.network.trouble import Troubles
from runtime.lines import HOST, dialled, listening, ms, on_a_network, pair


def test_connections_are_counted_and_told_of() -> None:
    """Number, host, when opened and closed, bytes that arrived; also those that are over, in the order of opening."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        accepted = await listening(loop)
        await listening(loop, "other.test")
        client, server = await dialled(loop, accepted)
        await loop.create_connection(asyncio.Protocol, "other.test", 443)
        client.transport.write(b"four")
        server.transport.write(b"seventy")
        await asyncio.sleep(0.02)
        client.transport.close()
        await server.lost
        await asyncio.sleep(1)
        return network.facts(), network.opened_to(HOST.upper()), network.opened_to("nowhere.test"), network.opened

    first = ConnectionFacts(number=1, host=HOST, port=443, opened_ns=20 * MILLISECOND, closed_ns=80 * MILLISECOND, to_server=4, to_client=7)
    second = ConnectionFacts(number=2, host="other.test", port=443, opened_ns=50 * MILLISECOND, closed_ns=None, to_server=0, to_client=0)
    assert on_a_network(main) == ([first, second], 1, 0, 2)


def test_a_failed_dial_has_a_number_and_no_facts() -> None:
    async def main(loop: VirtualLoop, network: Network) -> Any:
        accepted = await listening(loop)
        try:
            await dialled(loop, accepted)
        except ConnectionRefusedError:
            await dialled(loop, accepted)
        return [facts.number for facts in network.facts()]

    assert on_a_network(main, ConnectRefused(nth_connection=1)) == [2]


def test_bytes_are_kept_on_request() -> None:
    """When, on which connection, which way, and what; as they arrived."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        client.transport.write(b"ab")
        server.transport.write(b"c")
        await asyncio.sleep(1)
        return network.bytes_seen

    at_ns = 40 * MILLISECOND
    assert on_a_network(main) == []
    assert on_a_network(main, Split(direction="to_server"), trace_bytes=True) == [
        ByteTrace(at_ns, 1, ">", b"a"),
        ByteTrace(at_ns, 1, "<", b"c"),
        ByteTrace(at_ns, 1, ">", b"b"),
    ]


def test_watchers_hear_of_pieces_as_they_are_written_and_as_they_arrive() -> None:
    """Also on connections that were open before; None ends it."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        seen: list[Any] = []
        network.on_push = lambda name, piece: seen.append((ms(loop), "written", name, piece))
        network.on_piece = lambda name, piece: seen.append((ms(loop), "arrived", name, piece))
        client.transport.write(b"x")
        await asyncio.sleep(0.1)
        server.transport.close()
        await asyncio.sleep(0.1)
        network.on_push = network.on_piece = None
        await loop.create_connection(asyncio.Protocol, HOST, 443)
        return seen

    for faults in ((), (Lag(host="other.test"),), (Lag(at="1h"),)):
        assert on_a_network(main, *faults) == [
            (30, "written", "1>", b"x"),
            (40, "arrived", "1>", b"x"),
            (130, "written", "1<", Mark.FIN),
            (140, "arrived", "1<", Mark.FIN),
            (140, "written", "1>", Mark.FIN),
            (150, "arrived", "1>", Mark.FIN),
        ]


def test_a_server_can_ask_which_line_asked() -> None:
    """The line that last wrote on the client's end, as whoever knows it says; nothing where nobody does."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, server = await pair(loop)
        lines = iter(["bot.py:31", "bot.py:40", "bot.py:7"])
        client.transport.write(b"nobody knows")
        seen = [server.transport.get_extra_info("asked_at")]
        network.asked_at = lambda: next(lines)
        server.transport.write(b"not a client")
        for _ in range(2):
            client.transport.write(b"x")
            seen.append(server.transport.get_extra_info("asked_at"))
        network.asked_at = None
        client.transport.write(b"x")
        return [*seen, server.transport.get_extra_info("asked_at")]

    assert on_a_network(main) == [None, "bot.py:31", "bot.py:40", "bot.py:40"]


def disturbed_s(fault: Any, *at_s: float, acted_s: float | None = 2.5, healed_s: float | None = None) -> list[float]:
    """Until when a fault that acted once has been at work, as it can be said at each of these times, seconds."""
    troubles = Troubles([fault], lambda host: host)
    (armed,) = troubles.all
    if acted_s is not None:
        armed.note(int(acted_s * SECOND))
    if healed_s is not None:
        troubles.heal(int(healed_s * SECOND))
    return [troubles.disturbed_ns(int(each * SECOND)) / SECOND for each in at_s]


@pytest.mark.parametrize(
    ("fault", "at_s", "expected"),
    [
        (BlackHole(at="2s", lasts="5s"), (3, 7, 9), [3, 7, 7]),
        (BlackHole(after_bytes=9, lasts="5s"), (3, 7, 9), [3, 7, 7.5]),
        (BlackHole(at="2s"), (3, 99), [3, 99]),
        (Reset(at="2s", lasts="5s"), (3, 7, 9), [2.5, 2.5, 2.5]),
        (DnsSlow(at="2s", lasts="1s", add="4s"), (3, 7, 9), [3, 6.5, 6.5]),
    ],
)
def test_until_when_a_fault_has_been_at_work(fault: Any, at_s: Any, expected: list[float]) -> None:
    """To its end, once it has acted; what happens at an instant, at that; and for as long as what it made late is late."""
    assert disturbed_s(fault, *at_s) == expected
    assert disturbed_s(fault, *at_s, acted_s=None) == [0] * len(at_s)


def test_a_fault_that_was_healed_has_been_at_work_until_then() -> None:
    assert disturbed_s(BlackHole(at="2s"), 3, 5, 99, healed_s=4) == [3, 4, 4]
    assert disturbed_s(BlackHole(at="2s", lasts="9s"), 99, healed_s=4) == [4]


def test_the_end_of_the_faults_can_be_waited_for() -> None:
    """When the last one's time is over; at once where there are none."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        waiters = [network.faults_over(), network.faults_over()]
        for waiter in waiters:
            await waiter
        at = ms(loop)
        await network.faults_over()
        return at, ms(loop)

    assert on_a_network(main) == (0, 0)
    assert on_a_network(main, Lag(at="1s", lasts="2s"), HalfOpen(from_="1s", until="5s"), Reset(at="4s")) == (5000, 5000)


def test_a_fault_that_waits_for_a_connection_is_over_only_when_healed() -> None:
    """Nobody can know beforehand whether it will ever come about."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        loop.call_later(60, network.heal)
        await network.faults_over()
        return ms(loop)

    for fault in (Reset(nth_connection=2), HalfOpen(after_frames=3, lasts="1s"), Lag(at="1s"), ConnectRefused(lasts="1s")):
        assert on_a_network(main, fault) == 60_000


def test_healing_ends_all_faults() -> None:
    """Also those whose time has not come; what was late on its way stays late."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        accepted = await listening(loop)
        client, server = await dialled(loop, accepted)
        client.transport.write(b"late")
        network.heal()
        client.transport.write(b"!")
        await asyncio.sleep(2)
        await dialled(loop, accepted)
        return server.arrivals, network.fired, [armed.last_ns for armed in network.troubles.all]  # type: ignore[union-attr]  # a run with a network

    faults = Lag(add="500ms"), Reset(at="1s"), ConnectRefused(at="1s"), Split(at="1s")
    assert on_a_network(main, *faults) == ([(540, b"late"), (540, b"!")], [2, 0, 0, 0], [30 * MILLISECOND, None, None, None])


def test_what_a_fault_did_is_dated() -> None:
    """When it acted first and last."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        client, _ = await pair(loop)
        for _ in range(3):
            await asyncio.sleep(1)
            client.transport.write(b"x")
        await asyncio.sleep(1)
        assert network.troubles is not None
        armed = network.troubles.all[0]
        return armed.fired, armed.first_ns, armed.last_ns

    assert on_a_network(main, Lag(add="1s", from_="1s", until="3s", direction="to_server")) == (
        2,
        SECOND + 30 * MILLISECOND,
        2 * SECOND + 30 * MILLISECOND,
    )
