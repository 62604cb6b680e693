"""Seeds of the swarm for a bot that lives by stops, brackets and dates: whatever goes wrong, the books agree."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from papertape.model.order import OrderStatus
from papertape.scenario.load import load_scenario
from papertape.scenario.worker import Base, Job, Runner
from papertape.session.result import Status
from papertape.session.run import run_scenario
from papertape.session.spec import Depth
from papertape.session.world import VenueWorld

STORY = os.path.relpath(Path(__file__).parent / "stops" / "stops.toml")


@pytest.mark.parametrize(("depth", "seeds"), [(None, 10), (Depth.WIRE, 2)], ids=["interface", "wire"])
def test_stops_live_through_storms(depth: Depth | None, seeds: int) -> None:
    """No order twice, none unknown, no fill lost: by every judge that can say something of it, of each seed."""
    base = Base(STORY) if depth is None else msgspec.structs.replace(Base(STORY), depth=depth)
    runner = Runner()
    results = [runner.run(Job(base, seed)) for seed in range(1, 1 + seeds)]
    assert [(each.seed, each.failures) for each in results if each.status is not Status.PASSED] == []


def test_the_bot_gets_into_every_corner() -> None:
    """Or its seeds would show nothing: stops are set off, brackets end at either side, and some orders end by the clock."""
    worlds: list[VenueWorld] = []
    run_scenario(load_scenario(STORY), inspect=worlds.extend)
    orders = worlds[0].door.truth().orders
    closed, expired = OrderStatus.CLOSED, OrderStatus.EXPIRED
    seen = {(order.trigger_price is not None, order.stop_loss_price is not None, order.is_triggered, order.status) for order in orders}
    assert {(True, False, True, closed), (False, True, True, closed), (False, True, False, closed), (False, False, False, expired)} <= seen
