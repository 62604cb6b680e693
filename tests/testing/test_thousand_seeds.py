"""Seeds of random network faults against an echo service, over bare streams and over websockets: a thousand where tests are thorough.

Inside a connection nothing is lost, doubled or put in another order: what is read is how what was written begins. A client with patience
ends, whatever happens; one without hangs on a line that went silent, and each hang is told as a deadlock that names the waiting call.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import papertape
from papertape.faults import BlackHole, HalfOpen
from papertape.scenario.network_menu import KINDS
from papertape.session.result import Status
from papertape.session.servers import NetworkResult
from papertape.testing.plans import drawn_faults
from testing import echo
from thorough import tries

SEEDS = tries(300, 1000)
BLOCK = 50
CARELESS = 4  # every so many seeds the client waits for ever, and its first connection goes silent for good

SILENCES = [
    HalfOpen(at="3s", nth_connection=1),
    HalfOpen(at="5s", nth_connection=1, direction="to_server"),
    HalfOpen(nth_connection=1, after_frames=2, direction="to_client"),
    BlackHole(at="4s", nth_connection=1, direction="to_client"),  # in the other direction TCP itself gives up in the end
]

BLOCKS = [range(first, first + BLOCK) for first in range(0, SEEDS, BLOCK)]
ECHO = str(Path(echo.__file__))


def name_of(block: range) -> str:
    return f"{block.start}-{block.stop - 1}"


def over_streams(seed: int) -> tuple[echo.Streams, NetworkResult]:
    """One run; nothing may arrive that was not sent so."""
    is_patient = seed % CARELESS != 0
    client = echo.Streams(is_patient=is_patient)
    plan = drawn_faults(seed) + ([] if is_patient else [SILENCES[seed // CARELESS % len(SILENCES)]])
    result = papertape.simulate(client.main, servers={echo.STREAM: client.serve}, faults=plan, seed=seed, must_hit=False)
    assert client.ledger.breaches(b"".join) == [], (seed, plan)
    return client, result


@pytest.mark.parametrize("seeds", BLOCKS, ids=name_of)
def test_bare_streams(seeds: range) -> None:
    """A client of streams reconnects until all is echoed; a careless one may hang, and then all that is said is where."""
    for seed in seeds:
        client, result = over_streams(seed)
        if client.is_patient or result.is_passed:
            result.raise_for_failure()
        else:
            (failure,) = result.failures
            assert failure.startswith("deadlock: nothing can ever happen again after ")
            assert f"still waiting: task main at {ECHO}:{LINE_OF_HANG} in Streams.read" in failure


@pytest.mark.parametrize("seeds", BLOCKS, ids=name_of)
def test_websockets(seeds: range) -> None:
    """A client of websockets does too, and its own pings get it over a dead line."""
    for seed in seeds:
        client = echo.Sockets()
        plan = drawn_faults(seed)
        result = papertape.simulate(client.main, servers={echo.SOCKET: client.serve}, faults=plan, seed=seed, must_hit=False)
        assert client.ledger.breaches(list) == [], (seed, plan)
        result.raise_for_failure()


def test_the_seeds_are_worth_something() -> None:
    """Of a part of them: every kind of fault that is drawn hits, clients had to reconnect, and most of the careless ones hung."""
    results = [over_streams(seed)[1] for seed in range(160)]
    hit = Counter(fault.kind for result in results for fault in result.faults if fault.fired)
    assert [kind for kind in KINDS if not hit[kind]] == []
    assert sum(result.status is Status.FAILED for result in results) > 20
    assert sum(sum(result.connections.values()) - 1 for result in results if result.connections) > 100


def test_the_law_can_be_broken() -> None:
    """A bit that is turned over on the way is found."""
    client = echo.Streams(is_patient=True)
    papertape.simulate(client.main, servers={echo.STREAM: client.serve}, faults=[{"kind": "corrupt", "lasts": "1m"}])
    assert client.ledger.breaches(b"".join) != []


LINE_OF_HANG = next(
    number for number, text in enumerate(Path(echo.__file__).read_text(encoding="utf-8").splitlines(), 1) if "a hang waits here" in text
)
