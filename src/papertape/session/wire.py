"""Wire depth: the live adapter, with its libraries and its real URLs, over an in-memory network to the venue's own server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from papertape.links.base import Link
from papertape.model.errors import ConfigError
from papertape.model.request import Lane
from papertape.runtime.chance import Chance
from papertape.runtime.clock import Clock
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network, Policy
from papertape.session.port import DoorPort
from papertape.session.spec import Scenario, network_faults
from papertape.session.world import VenueWorld

HTTPS: Final = 443

SERVED: Final = ("coinbase",)
"""Venues that have a server of ours; the others run at interface depth."""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A venue that is being served in memory.

    Attributes:
        credentials: the keys that it knows.
        strangers: how often it has said no to a key that it does not know, by the key's name.
        mishaps: requests that it could not deal with by its own fault, a sentence each.
    """

    credentials: Any
    close: Callable[[], Awaitable[None]]
    strangers: Mapping[str, int]
    mishaps: Sequence[str]

    def turned_away(self) -> list[str]:
        """What to tell whoever signed with a key that is none of ours, a sentence for each."""
        return [
            f'the program signed with a key that papertape did not give it, "{name}", and was told no ({count}×); let it take its key from '
            "the environment: COINBASE_API_KEY and COINBASE_API_SECRET are set there"
            for name, count in self.strangers.items()
        ]


def load_adapter(venue: str) -> None:
    """Import what the live adapter needs. It takes seconds, and must happen before virtual time begins; raises `ConfigError` where there is
    no adapter.
    """
    if venue not in SERVED:
        raise ConfigError(
            f'[venue.{venue}]: depth "wire" is not there yet for {venue}; it is for {", ".join(SERVED)}. Use depth = "interface"'
        )
    import papertape.exchanges.coinbase
    import papertape.links.coinbase.link
    import papertape.wire.coinbase.server  # noqa: F401 - all three for their import alone


def network_of(loop: VirtualLoop, scenario: Scenario, chance: Chance) -> Network:
    """The network of a run, with its own faults; a Door adds the latency that has a meaning, so here bytes take next to none."""
    hosts = {host: Policy(str(policy)) for host, policy in scenario.hosts.items()}
    return Network(loop, hosts=hosts, faults=network_faults(scenario), chance=chance)


def live_link(world: VenueWorld, served: Served, clock: Clock) -> tuple[Link, type]:
    """The live adapter's way to a venue that is being served, and its exchange."""
    from papertape.exchanges.coinbase import CoinbaseExchange
    from papertape.links.coinbase.link import CoinbaseLink
    from papertape.links.permits import Ungated

    return CoinbaseLink(served.credentials, rules=world.rules, clock=clock, permits=Ungated()), CoinbaseExchange


async def serve(world: VenueWorld, loop: VirtualLoop, network: Network, chance: Chance) -> Served:
    """Serve `world` under the venue's real hosts, to whoever signs with its throwaway keys."""
    from papertape.venues.coinbase.auth import throwaway_credentials
    from papertape.wire.coinbase.server import LANES, CoinbaseServer

    credentials = throwaway_credentials(f"{chance.seed}/{world.name}")
    server = CoinbaseServer(DoorPort(world.door, world.rules, loop), credentials)
    runner = server.runner()
    await runner.setup()
    assert runner.server is not None
    listeners = []
    for host, lane in LANES.items():
        listeners.append(await loop.create_server(runner.server, host, HTTPS))
        network.set_gate(host, _gate(world, lane))
    rest_hosts = [host for host, lane in LANES.items() if lane is Lane.REST]

    def reset_rest() -> None:
        for host in rest_hosts:
            network.reset_all(host)

    world.door.on_rest_cut = reset_rest

    async def close() -> None:
        for listener in listeners:
            listener.close()
        await runner.cleanup()

    return Served(credentials=credentials, close=close, strangers=server.strangers, mishaps=server.mishaps.found)


def environment_of(venue: str, seed: int) -> dict[str, str]:
    """What a program finds in its environment: throwaway keys to the simulated venue, under the names that programs look for."""
    from papertape.venues.coinbase.auth import environment, throwaway_credentials

    return environment(throwaway_credentials(f"{seed}/{venue}"))


def _gate(world: VenueWorld, lane: Lane) -> Callable[[int], bool]:
    return lambda port: world.door.accepts(lane)
