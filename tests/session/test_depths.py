"""The live adapter over an in-memory network, and our interface straight to the Door: two ways to one venue."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from papertape.model.order import OrderUpdate
from papertape.model.view import Truth
from papertape.runtime.rank import COMMAND, MARKET
from papertape.scenario.load import load_scenario
from papertape.session.result import RunResult, Status
from papertape.session.run import run_scenario
from papertape.session.world import VenueWorld
from papertape.sim.fills import QueueFills
from papertape.sim.venue import SimVenue

BOTH = ["scenarios/lost_reply.scenario.toml", "scenarios/user_line_drops_on_a_buy.scenario.toml"]


def run(path: str, depth: str, journal_path: Path | None = None) -> tuple[RunResult, list[VenueWorld]]:
    worlds: list[VenueWorld] = []
    result = run_scenario(load_scenario(path, depth=depth), journal_path=journal_path, inspect=worlds.extend)
    return result, worlds


def ledger_again(world: VenueWorld, account: dict[str, Decimal], epoch_ns: int) -> Truth:
    """What a fresh venue makes of the same rows and the same commands at the same instants."""
    heard: list[OrderUpdate] = []
    venue = SimVenue(
        world.rules,
        list(world.venue.instruments.values()),
        account,
        fills=QueueFills(),
        fees=world.fees,
        epoch_ns=epoch_ns,
        emit=heard.append,
    )
    steps = [(max(reach - epoch_ns, 0), MARKET, number, event) for number, (_, reach, _, event) in enumerate(world.feeds[0].rows())]
    steps += [(at_ns, COMMAND, number, request) for number, (at_ns, request) in enumerate(world.door.executed)]
    for at_ns, rank, _, what in sorted(steps, key=lambda step: step[:3]):
        venue.apply(what, at_ns) if rank == MARKET else venue.execute(what, at_ns)
    return venue.truth()


@pytest.mark.parametrize("path", BOTH)
def test_a_scenario_passes_at_both_depths_with_the_same_trades(path: str) -> None:
    results = {depth: run(path, depth)[0] for depth in ("interface", "wire")}
    for depth, result in results.items():
        assert result.status is Status.PASSED, (depth, result.failures)
        assert all(fault.fired for fault in result.faults)
    told = [(result.orders, result.fills, result.pnl, result.fees, result.balances) for result in results.values()]
    assert told[0] == told[1]


@pytest.mark.parametrize("path", sorted(path.as_posix() for path in Path("scenarios").glob("*.scenario.toml")))
def test_every_scenario_passes_over_the_wire(path: str) -> None:
    """All six faults, through ccxt and websockets: what hits nothing would be vacuous, what is not recovered from would fail."""
    result, _ = run(path, "wire")
    assert result.status is Status.PASSED, result.failures


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize("depth", ["interface", "wire"])
def test_the_commands_at_their_arrival_times_make_the_same_ledger_again(path: str, depth: str) -> None:
    """So whatever the wire does to timing, the venue behind it is the one venue core."""
    _, (world,) = run(path, depth)
    truth = world.door.truth()
    again = ledger_again(world, {"USD": Decimal(100000), "BTC": Decimal(1)}, world.venue.epoch_ns)
    assert (again.orders, again.fills, again.balances) == (truth.orders, truth.fills, truth.balances)
    assert len(truth.fills) > 20


def test_a_wire_run_is_the_same_twice_to_the_byte() -> None:
    first, second = (run(BOTH[1], "wire")[0] for _ in range(2))
    assert (first.digest, first.wire_digest) == (second.digest, second.wire_digest)
    assert first.wire_digest


def test_hosts_that_are_no_venue_follow_their_policy() -> None:
    """Refused by default; accepted where the scenario says so."""
    import aiohttp

    seen: dict[str, object] = {}

    async def main(exchange: object) -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get("https://api.telegram.org/bot/sendMessage") as answer:
                seen["accepted"] = (answer.status, await answer.text())
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get("https://example.com/")
            seen["refused"] = True

    scenario = load_scenario(BOTH[0], depth="wire")
    hosts = {"api.telegram.org": "accept"}
    changed = msgspec.structs.replace(
        scenario, bot=main, bot_config={}, faults=(), hosts=hosts, expect=msgspec.convert({}, type(scenario.expect))
    )
    result = run_scenario(changed)
    assert seen == {"accepted": (200, ""), "refused": True}, result.failures
