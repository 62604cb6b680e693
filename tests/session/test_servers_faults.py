"""Faults of the network in a run with servers: when they are over, what they hit, and what is no fault of a network."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import papertape
from papertape.faults import Close, HalfOpen, Reset
from papertape.session.result import FaultResult, Status
from papertape.session.servers import NetworkResult, ServedWorld

URL = "tcp://feed.example.com:9000"


async def tick(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b".")
        await asyncio.sleep(1)


async def watch(world: ServedWorld) -> int:
    """Read until all faults are over, reconnecting; returns how many ticks came."""
    ticks = 0
    healed = asyncio.ensure_future(world.healed())
    while not healed.done():
        reader, writer = await asyncio.open_connection("feed.example.com", 9000)
        try:
            while not healed.done() and (data := await reader.read(100)):
                ticks += len(data)
        except ConnectionResetError:
            pass
        finally:
            writer.close()
    await healed
    return ticks


def run(main: Any, **options: Any) -> NetworkResult:
    return papertape.simulate(main, **{"servers": {URL: tick}, **options})


def test_faults_hit_and_are_counted() -> None:
    """In the order of the plan, as structs, tables or words; connections that they cut are counted too."""
    result = run(watch, faults=[Reset(at="5s"), {"kind": "close", "at": "8s", "host": "feed.example.com"}])
    assert result.is_passed, result.failures
    assert result.faults == (FaultResult(kind="reset", fired=1), FaultResult(kind="close", fired=1))
    assert result.connections == {"feed.example.com:9000": 2}  # after the last fault nobody dials again


def test_a_fault_that_hit_nothing_is_vacuous() -> None:
    """Such a run proves nothing, and raises; where faults are drawn at random, `must_hit=False` lets them miss."""

    async def main(world: ServedWorld) -> None:
        await world.healed()

    plan = [Reset(at="5s")]
    result = run(main, faults=plan)
    assert result.status is Status.VACUOUS
    assert result.failures[0] == "fault 1 (reset) hit nothing"
    with pytest.raises(AssertionError, match=r"main: vacuous\n  fault 1 \(reset\) hit nothing"):
        result.raise_for_failure()
    assert run(main, faults=plan, must_hit=False).is_passed


def test_healed_is_when_the_last_fault_is_over() -> None:
    """Not when it last acted."""

    async def main(world: ServedWorld) -> float:
        await world.healed()
        return world.now

    assert run(main, must_hit=False).value < 0.001
    assert run(main, faults=[Reset(at="5s"), HalfOpen(at="2s", lasts="10s")], must_hit=False).value == 12.0


def test_heal_ends_what_has_no_end() -> None:
    """At its time, or when main says so; bytes that were kept arrive."""
    silence = [HalfOpen(at="3s")]
    result = run(watch, faults=silence, heal="10s")
    assert result.is_passed, result.failures
    assert 10 <= result.value <= 12
    assert result.virtual_ns >= 10_000_000_000

    async def main(world: ServedWorld) -> int:
        reader, writer = await asyncio.open_connection("feed.example.com", 9000)
        await world.sleep(20)
        before = len(await reader.read(100))
        world.heal()
        await world.healed()
        await world.sleep(0.5)
        after = len(await reader.read(100))
        writer.close()
        return before, after  # type: ignore[return-value]  # a program of this world may return anything

    assert run(main, faults=silence).value == (3, 18)


def test_who_waits_for_a_fault_without_end_is_told() -> None:
    """Nobody can say when it is over; main is not left hanging."""
    result = run(watch, faults=["reset"])
    assert result.status is Status.FAILED
    assert "world.healed(): nobody can say when fault 1 (reset) is over" in result.failures[0]


def test_a_silent_line_is_a_deadlock_of_who_waits() -> None:
    """A client without patience on a line that stays silent: its line is named."""

    async def main(world: ServedWorld) -> None:
        reader, writer = await asyncio.open_connection("feed.example.com", 9000)
        try:
            await reader.readexactly(10)
        finally:
            writer.close()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"welcome...")
        await reader.read()

    (failure,) = run(main, servers={URL: greet}, faults=[HalfOpen(direction="to_client")]).failures
    assert failure.startswith("deadlock: nothing can ever happen again")
    assert f"task main at {__file__}:{main.__code__.co_firstlineno + 3} in " in failure


def test_the_digest_knows_the_faults() -> None:
    """Equal plans, equal digests; another plan, another digest; the bytes' digest knows only what came of it."""
    digests = [run(watch, faults=[fault], must_hit=False).digest for fault in (Reset(at="5s"), Reset(at="5s"), Close(at="5s"))]
    assert digests[0] == digests[1] != digests[2]
    late = [run(watch, faults=[Reset(at=at)], heal="4s", must_hit=False) for at in ("5s", "6s")]
    assert late[0].digest != late[1].digest
    assert late[0].wire_digest == late[1].wire_digest


def test_how_to_repeat_it_has_the_plan() -> None:
    """Faults, healing and seed stand in the call."""
    result = run(watch, faults=[Reset(at="5s")], heal="7s", seed=4)
    assert result.repro == (
        "papertape.simulate(watch, servers=…, faults=[{'kind': 'reset', 'at': '5s'}], heal='7s', seed=4) in " + __name__
    )


def test_a_fault_of_a_venue_is_none_of_the_network() -> None:
    """Whoever asks for one is told what there is."""
    with pytest.raises(papertape.ConfigError, match=r'\[\[fault\]\] 2, key `kind`: "lost_reply" acts at the door of a venue .*half_open'):
        run(watch, faults=["reset", "lost_reply"])
    with pytest.raises(papertape.ConfigError, match=r"\[\[fault\]\] 1, key `kind`: no fault is called \"rest\"; did you mean"):
        run(watch, faults=["rest"])
    with pytest.raises(papertape.ConfigError, match="venue"):
        run(watch, faults=[{"kind": "reset", "venue": "coinbase"}])
