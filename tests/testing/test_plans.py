"""The strategies for whole runs: what they draw is valid, printable and small where it fails."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import papertape
from papertape.exchanges.base import BaseExchange
from papertape.faults import FAULTS
from papertape.model.errors import BaseError, ConfigError
from papertape.scenario.load import load_scenario
from papertape.tape.check import check_tape
from papertape.testing.drawn_tape import Move, SmallTape
from papertape.testing.fixtures import SimFaults, SimVenue
from papertape.testing.flow import Cancel, Edit, OrderFlow, Place, Wait
from papertape.testing.plan import Plan, as_python, as_toml
from papertape.testing.strategies import PHASES, fault_plans, order_flows, tapes

FEW = settings(max_examples=25, deadline=None, database=None, phases=PHASES)
SHRINKING = settings(max_examples=600, deadline=None, database=None, derandomize=True, phases=[Phase.generate, Phase.shrink])

VENUE: dict[str, Any] = {
    "coinbase": {"feed": SmallTape((Move(ticks=1), Move(ticks=-1)) * 20).feed, "account": {"USD": "100000", "BTC": "1"}}
}


async def buys_and_watches(exchange: BaseExchange) -> None:
    """A bot that trades a little and reads the book."""
    await exchange.subscribe_order_book("BTC/USD", lambda book: None)
    for _ in range(3):
        try:
            await exchange.place_order("BTC/USD", "limit", "buy", "0.01", "60000")
        except BaseError:
            continue
        await asyncio.sleep(10)


def goes_wrong(plan: Plan) -> bool:
    """The planted bug: it takes a lost answer and a gap in market data, both, to see it."""
    result = papertape.simulate(buys_and_watches, venues=VENUE, faults=plan, expect={"must_hit": False})
    hit = [fault.kind for fault in result.faults if fault.fired]
    return "lost_reply" in hit and "gap" in hit


def test_a_bug_that_takes_two_faults_shrinks_to_exactly_these() -> None:
    """Out of up to five faults of three kinds, each at its simplest; neither of the two shows it alone."""
    plan = find(fault_plans(kinds=["gap", "lost_reply", "stall"], until="30s"), goes_wrong, settings=SHRINKING)
    assert sorted(fault.kind for fault in plan) == ["gap", "lost_reply"]
    assert [goes_wrong(Plan([fault])) for fault in plan] == [False, False]
    lost = next(fault for fault in plan if fault.kind == "lost_reply")
    assert (lost.nth or lost.nth_intent) == 1


@given(plan=fault_plans(wire=True, max_size=8))
@FEW
def test_a_plan_prints_what_makes_it_again(plan: Plan) -> None:
    """As Python, as the argument of a call, and as the tables of a scenario file."""
    import tomllib

    assert eval(repr(plan)) == plan
    assert Plan(eval(as_python(plan).removeprefix("faults="))) == plan
    assert Plan(tomllib.loads(as_toml(plan)).get("fault", [])) == plan


def test_every_kind_that_a_sweep_draws_is_drawn() -> None:
    """A fault that is new on the shelf is drawn without a line here."""
    seen: dict[str, None] = {}

    @given(plan=fault_plans(max_size=20))
    @settings(max_examples=250, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    def draw(plan: Plan) -> None:
        seen.update(dict.fromkeys(fault.kind for fault in plan))

    draw()
    from papertape.testing.strategies import _drawable

    assert sorted(seen) == sorted(_drawable())
    assert len(seen) >= 14


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ["lost_repyl"]}, 'kinds has "lost_repyl", which is no fault'),
        ({"kinds": ["reset"]}, "a fault of the network; say `wire=True`"),
        ({"kinds": []}, "kinds is empty"),
        ({"until": "10ms"}, 'until holds "10ms"; expected 1s or more'),
        ({"max_size": 21}, "max_size holds 21"),
    ],
)
def test_what_cannot_be_drawn_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fault_plans(**options)


@given(plan=fault_plans(max_size=3, until="20s"), flow=order_flows(max_size=5), tape=tapes(max_size=5))
@settings(FEW, max_examples=15)
@pytest.mark.papertape
async def test_a_marked_test_runs_under_what_is_drawn(
    sim_exchange: BaseExchange, venue: SimVenue, fault_plan: SimFaults, plan: Plan, flow: OrderFlow, tape: SmallTape
) -> None:
    """Plan and tape among its arguments are what its session is made of, and each example has a session of its own."""
    assert all(order.client_order_id.startswith("foreign") for order in venue.orders)  # a plan may bring strangers
    assert tuple(fault_plan) == plan
    outcomes = await flow.run(sim_exchange)
    await asyncio.sleep(60)  # the moves are over
    assert venue.price() == 64_000 + sum(move.ticks for move in tape.moves) / Decimal(100)
    assert [outcome.step for outcome in outcomes] == list(flow.steps)


@given(flow=order_flows())
@FEW
def test_a_flow_prints_what_makes_it_again(flow: OrderFlow) -> None:
    assert eval(repr(flow), {"OrderFlow": OrderFlow, "Place": Place, "Cancel": Cancel, "Edit": Edit, "Wait": Wait}) == flow


@pytest.mark.papertape(feed=SmallTape().feed)
async def test_a_flow_tells_what_became_of_each_step(sim_exchange: BaseExchange, venue: SimVenue) -> None:
    """Orders where there are some, ccxt's errors where the venue or the shell said no."""
    steps = (Place(price="60000"), Place(price="60000.005"), Edit(price="59000"), Cancel(), Cancel(nth=4), Wait(2), Place())
    outcomes = await OrderFlow("BTC/USD", steps).run(sim_exchange)
    told = [type(outcome.error).__name__ if outcome.error else str(outcome.order and outcome.order.status) for outcome in outcomes]
    assert told == ["open", "InvalidOrder", "open", "canceled", "OrderNotFound", "None", "closed"]
    assert [str(order.price) for order in venue.orders[:1]] == ["59000.00"]


@given(tape=tapes(), data=st.data())
@settings(FEW, max_examples=15)
def test_a_tape_is_sound_and_the_same_each_time(tape: SmallTape, data: st.DataObject) -> None:
    """It passes the checks that any tape must, prints what makes it again, and equal ones are one file."""
    assert eval(repr(tape), {"SmallTape": SmallTape, "Move": Move}) == tape
    assert check_tape(tape.path) == []
    assert SmallTape(tape.moves).path == tape.path


def test_a_tape_shrinks_to_a_short_and_flat_one() -> None:
    """What it takes to lift the price above 64,400 is one move."""

    def is_high(tape: SmallTape) -> bool:
        return sum(move.ticks for move in tape.moves) > 40_000

    assert find(tapes(), is_high, settings=SHRINKING) == SmallTape((Move(ticks=50_000),))


def test_a_plan_takes_what_a_file_has() -> None:
    """Tables and bare kinds, checked; an explicit plan is also what `load_scenario` makes of the same tables."""
    assert [fault.kind for fault in Plan(["lost_reply", {"kind": "gap", "at": "5s"}])] == ["lost_reply", "gap"]
    with pytest.raises(ConfigError, match="Plan"):
        Plan([{"kind": "gap"}])
    assert sorted(FAULTS)[0]
    assert Plan(load_scenario("scenarios/lost_reply.scenario.toml").faults)
