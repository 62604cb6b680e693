"""`network_faults()`: what it draws is valid, bounded and over in time, and what fails shrinks to what a person would have written."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from papertape.faults import Close, HalfOpen, NetworkFault, Reset
from papertape.model.errors import ConfigError
from papertape.model.units import parse_duration
from papertape.runtime.network.trouble import Armed
from papertape.scenario.network_menu import KINDS, SETTINGS, SIZE_MAX, network_menu
from papertape.scenario.simulate import simulate
from papertape.session.servers import NetworkResult, ServedWorld
from papertape.testing.plans import drawn_faults
from papertape.testing.sim_network import SimNetwork
from papertape.testing.strategies import network_faults, seeds

VENUE = "tcp://orders.example.com:9000"


class Shop:
    """A venue that takes half a second to answer an order, and counts how often it got each."""

    def __init__(self) -> None:
        self.orders: Counter[bytes] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while order := await reader.readline():
            self.orders[order] += 1
            await asyncio.sleep(0.5)
            writer.write(b"ok\n")


async def buy(world: ServedWorld, reconnects: bool = True) -> None:
    """Ten orders, one each second; the classic bug: no answer, so buy again."""
    number = 0
    while number < 10:
        try:
            reader, writer = await asyncio.open_connection("orders.example.com", 9000)
        except OSError:
            await world.sleep(1)
            continue
        try:
            while number < 10:
                await world.sleep(0.75)
                writer.write(b"buy %d\n" % number)
                if not await reader.readline():
                    break
                number += 1
        except ConnectionError:
            pass
        finally:
            writer.close()


def bought(faults: Sequence[NetworkFault]) -> tuple[NetworkResult, Shop]:
    shop = Shop()
    return simulate(buy, servers={VENUE: shop.serve}, faults=faults, must_hit=False), shop


def buys_twice(faults: Sequence[NetworkFault]) -> bool:
    return max(bought(faults)[1].orders.values(), default=0) > 1


SHRINKING = settings(max_examples=500, deadline=None, database=None, derandomize=True, phases=[Phase.generate, Phase.shrink])


def test_a_bad_client_shrinks_to_one_fault() -> None:
    """Of up to five faults of fourteen kinds, what is left is the mildest that does it, at the first moment at which it does."""
    simplest = [Close(at="1s")]  # orders are under way from 0.75 s to 1.25 s, and then again from 2 s
    assert not buys_twice([Close(at="0s")])
    assert not buys_twice([Close(at="2s")])
    for seed in range(3):
        assert find(network_faults(), buys_twice, settings=SHRINKING, random=random.Random(seed)) == simplest  # noqa: TID251 - what find wants


def test_a_bad_client_shrinks_to_two_faults_where_it_takes_two() -> None:
    """What only both do together stays two, each the simplest."""

    def opens_three_times(faults: Sequence[NetworkFault]) -> bool:
        return sum(bought(faults)[0].connections.values()) >= 3

    one_cut_each = network_faults(kinds=["reset"], until="10s").filter(lambda plan: all(fault.lasts is None for fault in plan))
    assert find(one_cut_each, opens_three_times, settings=SHRINKING) == [Reset(at="1s"), Reset(at="2s")]


@given(network_faults(kinds=list(SETTINGS), hosts=["a.example.com", "b.example.com"], max_size=SIZE_MAX, until="100s"))
@settings(deadline=None)
def test_what_is_drawn_is_valid_and_over_in_time(faults: list[NetworkFault]) -> None:
    """Each fault passes the checks that a file's would, names a host and ends by itself."""
    assert len(faults) <= SIZE_MAX
    for fault in faults:
        assert fault.problems() == []
        assert fault.host in ("a.example.com", "b.example.com")
        over_ns = Armed(0, fault.trouble(), None).over_ns()
        assert over_ns is not None
        assert over_ns <= parse_duration("100s")


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_a_run_is_the_same_for_the_same_plan(sim_network: SimNetwork, data: st.DataObject) -> None:
    """Fixture and strategies together, in a test that is no coroutine: no health check complains, no run differs from its twin."""
    faults, seed = data.draw(network_faults(max_size=3)), data.draw(seeds())

    def run() -> Any:
        shop = Shop()
        result = sim_network(buy, servers={VENUE: shop.serve}, faults=faults, seed=seed, must_hit=False)
        return result.digest, result.wire_digest, result.faults, shop.orders

    assert run() == run()


def test_kinds_stand_from_harmless_to_harsh() -> None:
    """The first of all faults is the mildest: with it shrinking ends."""
    first = next(iter(network_menu().values()))[0]
    assert (first.kind, first.at, first.lasts) == ("split", "0s", "1s")
    assert list(network_menu()) == list(KINDS)
    assert find(network_faults(min_size=1), lambda faults: True, settings=SHRINKING) == [first]


def test_every_fault_of_the_line_can_be_drawn() -> None:
    """A new one needs a line in the menu."""
    from papertape.faults import ON_THE_LINE

    assert sorted(SETTINGS) == sorted(str(member.__struct_config__.tag) for member in ON_THE_LINE)


def test_a_seed_gives_its_plan() -> None:
    """Always the same one, of bounded size, and over a hundred seeds all kinds."""
    assert drawn_faults(3) == drawn_faults(3) != drawn_faults(4)
    plans = [drawn_faults(seed, max_size=4) for seed in range(100)]
    assert {len(plan) for plan in plans} == {1, 2, 3, 4}
    assert {fault.kind for plan in plans for fault in plan} == set(KINDS)
    assert all(isinstance(fault, HalfOpen) for fault in drawn_faults(3, kinds=["half_open"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ["resett"]}, 'kinds has "resett", which is no fault of the network; did you mean "reset"'),
        ({"kinds": ["lost_reply"]}, 'kinds has "lost_reply", which is no fault of the network'),
        ({"kinds": []}, "kinds is empty"),
        ({"until": "soon"}, 'until: "soon" is no duration'),
        ({"until": "10ms"}, 'until holds "10ms"; expected 1s or more'),
        ({"max_size": 21}, "max_size holds 21; expected 0 to 20"),
    ],
)
def test_what_cannot_be_drawn_is_named(options: dict[str, Any], message: str) -> None:
    """Before any example is."""
    with pytest.raises(ConfigError, match=message):
        network_faults(**options)
