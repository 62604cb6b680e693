"""Whatever goes wrong, TCP stays TCP: what arrives on a connection is a beginning of what was sent, whole, once and in order."""

import asyncio
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from papertape.faults import (
    Bandwidth,
    BlackHole,
    Close,
    ConnectRefused,
    ConnectTimeout,
    Corrupt,
    DnsFailure,
    DnsSlow,
    HalfClose,
    HalfOpen,
    Lag,
    Reset,
    SlowConnect,
    Split,
    TlsExpired,
    TlsSlow,
)
from papertape.faults.base import checked
from papertape.model.units import MILLISECOND, SECOND
from papertape.runtime.chance import Chance
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.network.pipe import IN_FLIGHT_MAX, Mark, Piece
from papertape.runtime.world import run_virtual
from runtime.lines import HOST, ONE_WAY_NS, dialled, listening, on_a_network, pair

PORT = 7
CONNECTIONS = 4

durations = st.integers(1, 8000).map(lambda ms: f"{ms}ms")
selectors = {"nth_connection": st.integers(1, CONNECTIONS), "at": durations}
directions = st.sampled_from(["both", "to_server", "to_client"])


def plans(member: Any, **keys: Any) -> Any:
    """Faults of one kind that make sense."""
    return st.fixed_dictionaries(keys, optional=selectors).map(lambda drawn: checked(member(**drawn)))


def counted(member: Any, *, lasts: bool = False, **keys: Any) -> Any:
    """The same with a direction, and perhaps a count."""
    counts = st.one_of(
        st.just({}),
        st.fixed_dictionaries({"after_bytes": st.integers(0, 1000)}),
        st.fixed_dictionaries({"after_frames": st.integers(0, 12)}),
    )
    length = st.fixed_dictionaries({"lasts": durations} if lasts else {})
    main = st.fixed_dictionaries({"direction": directions, **keys}, optional=selectors)
    return st.tuples(main, counts, length).map(lambda drawn: checked(member(**drawn[0], **drawn[1], **drawn[2])))


network_faults = st.one_of(
    plans(ConnectRefused, lasts=durations),
    plans(ConnectTimeout, lasts=durations),
    plans(SlowConnect, add=durations),
    plans(DnsFailure, takes=durations),
    plans(DnsSlow, add=durations),
    plans(TlsExpired, lasts=durations),
    plans(TlsSlow, add=durations),
    counted(Reset),
    counted(Close),
    counted(HalfClose),
    counted(HalfOpen, lasts=True),
    counted(BlackHole, lasts=True),
    counted(BlackHole),
    counted(Bandwidth, lasts=True, bytes_per_second=st.integers(100, 100_000)),
    counted(Split, size=st.integers(20, 400), random=st.booleans()),
    counted(Lag, lasts=True, add=durations, jitter=durations),
)


class Ledger:
    """What was written into and what came out of each direction of each connection, and how much was between at most."""

    def __init__(self, network: Network) -> None:
        self.written: dict[str, bytearray] = {}
        self.arrived: dict[str, bytearray] = {}
        self.ended: dict[str, None] = {}
        self.between = 0
        network.on_push, network.on_piece = self.push, self.come

    def push(self, name: str, piece: Piece) -> None:
        if isinstance(piece, bytes):
            written = self.written.setdefault(name, bytearray())
            written += piece
            self.between = max(self.between, len(written) - len(self.arrived.setdefault(name, bytearray())))

    def come(self, name: str, piece: Piece) -> None:
        assert name not in self.ended or piece is Mark.RST, f"{piece!r} came on {name} after its end"
        if isinstance(piece, bytes):
            self.arrived[name] += piece
        elif piece is not Mark.OPEN:
            self.ended[name] = None


def talk(faults: Any, seed: int = 1, block: int = 100) -> tuple[Ledger, Any]:
    """Some connections to an echo server, one after another, on a network with these faults; then it heals, and all must end."""
    ledgers: list[Ledger] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def client(number: int) -> Any:
        try:
            reader, writer = await asyncio.open_connection(HOST, PORT, ssl=True if number % 2 else None)
        except OSError as error:
            return type(error).__name__
        try:
            lines = [bytes([number, line]) * (block // 2) for line in range(10)]
            sent = b"".join(lines)
            answer = asyncio.create_task(reader.readexactly(len(sent)))
            try:
                for line in lines:
                    writer.write(line)
                    await writer.drain()
                    await asyncio.sleep(0.1)
            finally:
                await asyncio.wait([answer])
            return answer.result() == sent
        except (OSError, asyncio.IncompleteReadError) as error:
            return type(error).__name__
        finally:
            writer.close()

    async def main(loop: VirtualLoop) -> Any:
        loop.network = network = Network(loop, faults=faults, chance=Chance(seed))
        ledgers.append(Ledger(network))
        await asyncio.start_server(echo, HOST, PORT)
        tasks = []
        for number in range(CONNECTIONS):
            tasks.append(asyncio.create_task(client(number)))
            await asyncio.sleep(0.7)
        await asyncio.sleep(20)
        network.heal()
        async with asyncio.timeout(3000):
            outcomes = await asyncio.gather(*tasks)
        return outcomes, network.fired, network.digest()

    run = run_virtual(main)
    return ledgers[0], run


@settings(max_examples=120, deadline=None)
@given(faults=st.lists(network_faults, max_size=5), seed=st.integers(0, 9))
@example(faults=[HalfClose(direction="both", after_bytes=5), BlackHole(after_bytes=5, lasts="3s"), Split(size=7)], seed=0)
@example(faults=[Reset(after_bytes=2), Split()], seed=0)
def test_what_arrives_is_a_beginning_of_what_was_sent(faults: Any, seed: int) -> None:
    """None lost in the middle, doubled or reordered, and nothing after the end; every program comes to an end; twice the same."""
    ledger, run = talk(faults, seed)
    for name, arrived in ledger.arrived.items():
        assert ledger.written[name].startswith(arrived)
    assert all(outcome is True or isinstance(outcome, str) for outcome in run[0])
    assert talk(faults, seed)[1] == run


def test_without_faults_everything_arrives() -> None:
    """The property above could not hold by nothing ever arriving."""
    ledger, run = talk([])
    assert run[0] == [True] * CONNECTIONS
    assert ledger.arrived == ledger.written
    assert sum(map(len, ledger.arrived.values())) == 2 * 1000 * CONNECTIONS


def test_a_corrupt_line_changes_bits_and_no_lengths() -> None:
    """The one fault under which what arrives differs: in one byte of each connection."""
    ledger, run = talk([Corrupt(after_bytes=100, direction="to_server")])
    assert run[:2][1] == [CONNECTIONS]
    for name, arrived in ledger.arrived.items():
        differing = [place for place, (one, other) in enumerate(zip(arrived, ledger.written[name], strict=True)) if one != other]
        assert differing == ([100] if name.endswith(">") else [])


@pytest.mark.parametrize("fault", [Bandwidth(bytes_per_second=50_000), HalfOpen(lasts="10s"), BlackHole(at="100ms", lasts="10s")])
def test_no_more_is_under_way_than_the_kernels_take(fault: Any) -> None:
    """A writer that drains waits: what is between two programs is bounded by kernels, high-water mark and one write."""
    ledger, _ = talk([fault], block=300_000)
    assert IN_FLIGHT_MAX < ledger.between <= IN_FLIGHT_MAX + 512 * 1024 + 300_000


@pytest.mark.parametrize(
    ("fault", "arrived_ns"),
    [
        (HalfOpen(at="1s", lasts="5s"), 6 * SECOND),
        (BlackHole(at="1s", lasts="5s"), 2030 * MILLISECOND + 6200 * MILLISECOND + ONE_WAY_NS),
        (BlackHole(at="1s", lasts="1230ms"), 2230 * MILLISECOND + ONE_WAY_NS),
        ([HalfOpen(at="1s", lasts="5s"), BlackHole(at="3s", lasts="3s")], 6 * SECOND),
        ([HalfOpen(at="1s", lasts="5s"), HalfOpen(at="6s", lasts="1s")], 7 * SECOND),
    ],
)
def test_what_was_kept_comes_at_the_very_nanosecond(fault: Any, arrived_ns: int) -> None:
    """The end of a fault is no longer part of it, whatever else begins or ends then."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        arrivals: list[int] = []
        network.on_piece = lambda name, piece: arrivals.append(loop.now_ns) if piece == b"kept" else None
        client, _ = await pair(loop)
        await asyncio.sleep(2)
        client.transport.write(b"kept")
        await asyncio.sleep(20)
        return arrivals

    assert on_a_network(main, *(fault if isinstance(fault, list) else [fault])) == [arrived_ns]


def test_each_direction_of_each_connection_draws_its_own() -> None:
    """The same bytes come in other parts on every way."""

    async def main(loop: VirtualLoop, network: Network) -> Any:
        accepted = await listening(loop)
        ends = [*await dialled(loop, accepted), *await dialled(loop, accepted)]
        for end in ends:
            end.transport.write(bytes(1000))
        await asyncio.sleep(1)
        return [tuple(len(data) for _, data in end.arrivals) for end in ends]

    parts = on_a_network(main, Split(size=20, random=True))
    assert [sum(sizes) for sizes in parts] == [1000] * 4
    assert len(set(parts)) == 4
