"""What pytest loads at every start: a fixture, and nothing that takes long to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from papertape.testing.sim_network import SimNetwork


@pytest.fixture(scope="session")  # it holds nothing, so Hypothesis may call a test that uses it as often as it likes
def sim_network() -> SimNetwork:
    """Run `async def main(world)` against servers of your own, in virtual time: `result = sim_network(main, servers={url: handler})`.

    The arguments are those of `papertape.simulate` with `servers`. A run that did not pass raises AssertionError with every failure and how
    to repeat it.
    """
    from papertape.testing.sim_network import sim_network

    return sim_network
