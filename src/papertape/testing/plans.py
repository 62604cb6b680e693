"""Plans of faults from a seed, for a thousand runs in a loop; Hypothesis draws its own (`papertape.testing.strategies`)."""

from __future__ import annotations

from collections.abc import Sequence

from papertape.faults import NetworkFault
from papertape.runtime.chance import Chance
from papertape.scenario.network_menu import check_size, network_menu


def drawn_faults(
    seed: int, *, hosts: Sequence[str] | None = None, max_size: int = 5, kinds: Sequence[str] | None = None, until: str = "60s"
) -> list[NetworkFault]:
    """One to `max_size` faults of the network, each over at `until`; the same seed gives the same plan.

    Which kinds there are is drawn first and then the faults among them, so that some seeds have a lot of one thing and others have none.

    >>> drawn_faults(7, kinds=["reset"], max_size=1, until="10s")
    [Reset(at='8s')]
    """
    stream = Chance(seed).stream("faults/plan")
    menu = list(network_menu(hosts=hosts, kinds=kinds, until=until).values())
    stream.shuffle(menu)
    some = menu[: stream.between(1, len(menu))]
    return [stream.choice(stream.choice(some)) for _ in range(stream.between(1, max(1, check_size(max_size))))]
