"""Tests that are marked `@pytest.mark.papertape`, as pytest runs them: seeds, fixtures, verdicts, and what a failure says."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from papertape.exchanges.base import BaseExchange
from papertape.model.errors import ConfigError, InvalidOrder
from papertape.model.order import Order
from papertape.testing.fixtures import SimClock, SimFaults, SimVenue
from papertape.testing.marked import seeds_of
from papertape.testing.sim_network import SimNetwork

pytest_plugins = ["pytester"]

SYMBOL = "BTC/USD"


# ---- what the fixtures give, in tests that are marked themselves


@pytest.mark.papertape(seeds=3, faults=[{"kind": "lost_reply"}])
async def test_a_marked_test_trades_in_virtual_time(
    sim_exchange: BaseExchange, venue: SimVenue, sim_clock: SimClock, fault_plan: SimFaults
) -> None:
    """An hour's patience costs nothing, the exchange is connected, and the venue knows what it was asked."""
    order = await sim_exchange.place_order(SYMBOL, "limit", "buy", "0.01", "60000")
    assert [each.id for each in venue.orders] == [order.id]
    before = sim_clock.now
    await asyncio.sleep(200)
    assert sim_clock.now == before + 200
    assert fault_plan.fired("lost_reply") == 1


@pytest.mark.papertape
def test_a_plain_test_drives_the_loop(sim_exchange: BaseExchange, venue: SimVenue, sim_clock: SimClock) -> None:
    """`run` and `advance` let time pass; between them it stands still."""
    order: Order = sim_clock.run(sim_exchange.place_order(SYMBOL, "market", "buy", "0.01"))
    at_ns = sim_clock.now_ns
    assert venue.position(SYMBOL) == order.filled == Decimal("0.01")
    assert sim_clock.now_ns == at_ns
    sim_clock.advance("1m30s")
    assert sim_clock.now_ns == at_ns + 90_000_000_000


@pytest.mark.papertape(seed=5, account={"USD": "1000"}, feed={"tape": "builtin:btc-usd", "start": "1m", "end": "3m"})
class TestMarkedClass:
    """The class's settings, and a method's own before them."""

    async def test_has_its_account(self, sim_exchange: BaseExchange, venue: SimVenue) -> None:
        assert {currency: total for currency, total in venue.balances.items() if total} == {"USD": Decimal(1000)}
        assert (await sim_exchange.fetch_balance())["USD"].total == Decimal(1000)

    @pytest.mark.papertape(account={"USD": "7"})
    async def test_a_method_has_the_last_word(self, venue: SimVenue) -> None:
        assert venue.balances["USD"] == 7

    @staticmethod
    async def test_a_static_one_runs_too(venue: SimVenue) -> None:
        assert venue.balances["USD"] == 1000


@pytest.mark.papertape(seeds=[3, 8])
async def test_a_test_may_ask_for_its_seed(papertape_seed: int, sim_exchange: BaseExchange) -> None:
    assert papertape_seed in (3, 8)


@pytest.mark.papertape(depth="wire", feed={"tape": "builtin:btc-usd", "end": "1m"})
async def test_the_live_adapter_is_tried_over_the_wire(sim_exchange: BaseExchange, venue: SimVenue, sim_network: SimNetwork) -> None:
    """The same test at the other depth; connections to the venue's hosts can be cut."""
    sim_network.cut("user", lasts="3s")
    await sim_exchange.place_order(SYMBOL, "limit", "buy", "0.01", "60000")
    assert len(venue.orders) == 1
    assert type(sim_exchange.health).__name__ == "Health"


@pytest.mark.papertape
async def test_faults_may_be_added_by_hand(sim_exchange: BaseExchange, sim_clock: SimClock, fault_plan: SimFaults) -> None:
    """Counting from now, or at this very moment; and healed again."""
    await sim_exchange.place_order(SYMBOL, "limit", "buy", "0.01", "60000")
    fault_plan.add("lost_reply")
    fault_plan.add({"kind": "disconnect", "connection": "market", "lasts": "1h"})
    assert [fault.kind for fault in fault_plan] == ["lost_reply", "disconnect"]
    await sim_exchange.place_order(SYMBOL, "limit", "buy", "0.01", "60000")
    assert fault_plan.fired("lost_reply") == 1
    await sim_clock.sleep("1m")
    assert not sim_exchange.health.is_healthy
    fault_plan.heal()
    await sim_clock.sleep("2m")
    assert sim_exchange.health.is_healthy


@pytest.mark.papertape(seeds=4, faults="swarm", feed={"tape": "builtin:btc-usd", "end": "2m"}, heal="40s")
async def test_a_swarm_differs_from_seed_to_seed(papertape_seed: int, sim_exchange: BaseExchange, fault_plan: SimFaults) -> None:
    """Each seed has its own faults, which may miss, and all are over at `heal`."""
    from papertape.model.units import SECOND
    from papertape.scenario.swarm import drawn_plan

    drawn = drawn_plan(papertape_seed, until_ns=40 * SECOND, venues=("coinbase",))
    assert tuple(fault_plan) == tuple(fault for fault in drawn if fault.crash() is None)


@pytest.mark.papertape
async def test_somebody_else_may_trade_on_the_account(sim_exchange: BaseExchange, venue: SimVenue, sim_clock: SimClock) -> None:
    """The client hears of it as of everything, and no invariant blames it for what it never wanted."""
    foreign = venue.place_foreign(SYMBOL, "buy", "0.01", "60000")
    with pytest.raises(InvalidOrder, match="place_foreign"):
        venue.place_foreign(SYMBOL, "buy", "1000", "60000")
    order = await sim_exchange.place_order(SYMBOL, "limit", "buy", "0.02", "60000")
    await sim_clock.sleep("5s")
    assert [each.id for each in await sim_exchange.fetch_open_orders(SYMBOL)] == [foreign.id, order.id]


@pytest.mark.papertape
async def test_a_crash_is_no_fault_for_a_test(sim_exchange: BaseExchange, fault_plan: SimFaults) -> None:
    """The test would not be there to tell."""
    with pytest.raises(ConfigError, match="the test itself is the bot"):
        fault_plan.add("crash")


@pytest.mark.papertape
async def test_a_test_without_orders_is_its_own_judge(sim_exchange: BaseExchange, sim_clock: SimClock) -> None:
    """Nothing to judge is no failure of a test that asserts something."""
    await sim_clock.sleep("1s")
    assert sim_exchange.health.is_healthy


def test_fixtures_are_dead_outside(sim_exchange: BaseExchange, venue: SimVenue) -> None:
    """Without the marker they say what is missing."""
    with pytest.raises(ConfigError, match=r"sim_exchange is alive only while a test runs that is marked @pytest.mark.papertape"):
        asyncio.run(sim_exchange.fetch_balance())
    with pytest.raises(ConfigError, match="venue is alive only"):
        venue.truth()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seeds": 0}, "key `seeds`: holds 0; expected how many"),
        ({"seeds": "many"}, "key `seeds`: holds 'many'"),
        ({"seeds": [1, "x"]}, "expected whole numbers"),
        ({"seed": 1, "seeds": 2}, "`seed` stands beside `seeds`"),
    ],
)
def test_what_is_no_seed_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        seeds_of(settings, seed=None, seeds=None)


# ---- what somebody sees

FAILING = """
import asyncio
import pytest

from ccxt.base.errors import NetworkError

async def buy(exchange):
    while True:
        try:
            return await asyncio.wait_for(exchange.place_order("BTC/USD", "limit", "buy", "0.01", "60000"), 5)
        except (TimeoutError, NetworkError):
            await asyncio.sleep(1)

@pytest.mark.papertape(seeds=2, faults=[{"kind": "lost_reply"}])
async def test_one_order(sim_exchange, venue, sim_network):
    sim_network.cut("user", lasts="1m")
    await buy(sim_exchange)
    assert len(venue.orders) == 1

@pytest.mark.papertape(faults=[{"kind": "lost_reply", "nth": 7}])
async def test_hits_nothing(sim_exchange):
    await buy(sim_exchange)

class Sneaky:
    def __init__(self, exchange):
        self.exchange = exchange
    async def leaves_it_unseen(self):
        asyncio.get_running_loop().create_task(self.fails())
        await asyncio.sleep(1)
    async def fails(self):
        raise KeyError("BTC/USD")

@pytest.mark.papertape
async def test_content_but_wrong(sim_exchange):
    await Sneaky(sim_exchange).leaves_it_unseen()

@pytest.mark.papertape(faultz=[])
async def test_misspelt(sim_exchange):
    pass

@pytest.mark.papertape(faults=[{"kind": "lost_repyl"}])
async def test_no_such_fault(sim_exchange):
    pass

@pytest.mark.papertape(feed={"tape": "builtin:btc-usd", "end": "30s"})
async def test_outlasts_its_market(sim_exchange):
    await asyncio.sleep(40)

@pytest.mark.papertape
async def test_hangs(sim_exchange):
    await asyncio.get_running_loop().create_future()
"""


@pytest.fixture
def seen(pytester: pytest.Pytester) -> pytest.RunResult:
    pytester.makepyfile(test_mine=FAILING)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n")
    return pytester.runpytest_inprocess("-q", "-p", "no:randomly", "-p", "no:cacheprovider")


def test_a_failure_says_all_that_is_needed(seen: pytest.RunResult) -> None:
    """The user's own line, the plan to paste, the verdict with what led there, the one command; no line of papertape's, where the test
    itself was content.
    """
    seen.assert_outcomes(failed=8)
    text = seen.stdout.str()
    seen.stdout.fnmatch_lines(
        [
            ">       assert len(venue.orders) == 1",
            "seed 1, * of virtual time; this run, to be pasted:",
            "    @pytest.mark.papertape(seed=1, faults=[[]",
            "        {'kind': 'lost_reply'},",
            "    # at *: fault_plan.add({'kind': 'disconnect', 'at': '*', 'lasts': '1m', 'connection': 'user'})",
            "verdict: passed, by the session's own judges",
            "  what led there:",
            "* order.create * accepted*",
            "again: * test_mine.py::test_one_order --papertape-seed 1",
        ]
    )
    assert "FAILED test_mine.py::test_hits_nothing - fault 1 (lost_reply) hit nothing" in text
    seen.stdout.fnmatch_lines(["E   unhandled in the background: * KeyError: 'BTC/USD' (test_mine.py:*"])
    assert "there is no key `faultz`; did you mean `faults`?" in text
    assert 'no fault is called "lost_repyl"; did you mean "lost_reply"?' in text
    seen.stdout.fnmatch_lines(
        ["E   the market ended after 30s of virtual time, and the test had not: it waited in *test_outlasts_its_market*"]
    )
    assert "the test had not: it waited in task test at " in text
    assert "in test_hangs" in text
    assert "papertape/session" not in text


def test_a_seed_can_be_picked_and_their_number_changed(pytester: pytest.Pytester) -> None:
    """`--papertape-seed` runs the one, `--papertape-seeds` so many; what the marker pins stays pinned."""
    pytester.makepyfile(
        test_mine="""
        import pytest
        @pytest.mark.papertape(seeds=3)
        async def test_many(sim_exchange): pass
        @pytest.mark.papertape(seed=9)
        async def test_pinned(sim_exchange): pass
        """
    )
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")

    def ids(*options: str) -> list[str]:
        lines = pytester.runpytest_inprocess("-q", "-p", "no:randomly", "--collect-only", *options).outlines
        return [line.partition("::")[2] for line in lines if "::" in line]

    assert ids() == ["test_many[seed0]", "test_many[seed1]", "test_many[seed2]", "test_pinned"]
    assert ids("--papertape-seed", "17") == ["test_many", "test_pinned"]
    assert ids("--papertape-seeds", "2") == ["test_many[seed0]", "test_many[seed1]", "test_pinned"]
    refused = pytester.runpytest_inprocess("--papertape-seeds", "0")
    refused.stderr.fnmatch_lines(["ERROR: --papertape-seeds is 0; expected 1 or more"])


def test_settings_without_a_name_are_told_in_a_sentence(pytester: pytest.Pytester) -> None:
    """No frames of pytest's or ours, which nobody can mend."""
    pytester.makepyfile(
        test_mine="""
        import pytest
        @pytest.mark.papertape(50)
        async def test_many(sim_exchange): pass
        """
    )
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    text = pytester.runpytest_inprocess("-q", "-p", "no:randomly").stdout.str()
    assert "test_mine.py::test_many: @pytest.mark.papertape takes its settings by name, such as seeds=50; it was given 50" in text
    assert "plugin.py" not in text


def test_a_test_that_is_not_the_same_twice_is_told_where(pytester: pytest.Pytester) -> None:
    """`--papertape-check-determinism` runs each seed again; one that takes something from the run before parts from it."""
    pytester.makepyfile(
        test_mine="""
        import itertools
        import pytest
        COUNT = itertools.count(1)
        @pytest.mark.papertape
        async def test_same(sim_exchange):
            await sim_exchange.place_order("BTC/USD", "limit", "buy", "0.01", "60000")
        @pytest.mark.papertape
        async def test_other(sim_exchange):
            await sim_exchange.place_order("BTC/USD", "limit", "buy", f"0.0{next(COUNT)}", "60000")
        """
    )
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    options = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
    pytester.runpytest_inprocess(*options).assert_outcomes(passed=2)
    seen = pytester.runpytest_inprocess(*options, "--papertape-check-determinism")
    seen.assert_outcomes(passed=1, failed=1)
    seen.stdout.fnmatch_lines(
        ["E   the first run and the second part at line *", "E     differs in: order", "E   again: pytest test_mine.py::*"]
    )
