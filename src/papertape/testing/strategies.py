"""Hypothesis strategies: the ways in which a network can misbehave.

A run takes milliseconds but may take more under load, and the first one imports a lot: where Hypothesis complains of its deadline, say
`@settings(deadline=None)`.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from papertape.faults import NetworkFault
from papertape.scenario.network_menu import check_size, network_menu


def network_faults(
    *, hosts: Sequence[str] | None = None, min_size: int = 0, max_size: int = 5, kinds: Sequence[str] | None = None, until: str = "60s"
) -> SearchStrategy[list[NetworkFault]]:
    """Lists of faults of the network, for `sim_network(main, servers=…, faults=…, must_hit=False)`.

    They shrink to fewer faults, then to milder kinds, to earlier and shorter ones. Say `must_hit=False`: what is drawn at random may miss.

    Args:
        hosts: each fault hits one of these; any host if left out.
        min_size, max_size: how many faults; at most 20.
        kinds: such as ["reset", "half_open"]; if left out, what a program can get over by itself, so no bad certificate and no turned bit.
        until: when all of them are over.

    Raises:
        ConfigError: there is no such kind, or no time for any fault.
    """
    menu = list(network_menu(hosts=hosts, kinds=kinds, until=until).values())
    # A kind, then one of that kind: in one long list of all faults Hypothesis would not find its way from a harsh kind to a mild one.
    fault = st.sampled_from(menu).flatmap(st.sampled_from)
    return st.lists(fault, min_size=check_size(min_size), max_size=check_size(max_size))


def seeds() -> SearchStrategy[int]:
    """Seeds of runs, small ones first."""
    return st.integers(min_value=0, max_value=999_999)
