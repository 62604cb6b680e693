"""A booth at the fair: the real venue, its Door and a tape of half a minute, served at Coinbase's URLs to a client in its world."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt.pro
import msgspec

from papertape.faults import Fault
from papertape.journal import Journal
from papertape.model.units import SECOND
from papertape.model.venue import Quota
from papertape.runtime.chance import Chance
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.world import run_virtual
from papertape.session.replay import Replay
from papertape.session.spec import Depth, FeedSpec, Scenario, VenueSpec
from papertape.session.wire import serve
from papertape.session.world import VenueWorld, build_venue, cursors, open_feeds
from papertape.sim.venue import SimVenue

ROOT = Path(__file__).parents[2]
LOTS = Quota(count=1_000_000)
TAPE_S = 31
"""By then the tape has told all it has, and what is asked for stands still."""


class Booth:
    """The venue's truth, and a plain ccxt.pro exchange of a client that has the venue's key."""

    def __init__(self, world: VenueWorld, loop: VirtualLoop, keys: Any) -> None:
        self.world, self.loop = world, loop
        self.exchange = ccxt.pro.coinbase({"apiKey": keys.name, "secret": keys.secret, "enableRateLimit": False})

    @property
    def venue(self) -> SimVenue:
        return self.world.venue

    async def until_the_tape_ends(self) -> None:
        await asyncio.sleep(TAPE_S - self.loop.now_ns / SECOND)


def at_a_booth(story: Callable[[Booth], Awaitable[None]], *faults: Fault) -> None:
    """Tell the story in virtual time."""
    spec = VenueSpec(feed=(FeedSpec(tape="fixtures/btc-usd-30s.parquet"),), account={"USD": Decimal(100_000), "BTC": Decimal(1)})
    scenario = Scenario(title="A booth", depth=Depth.WIRE, venues={"coinbase": spec}, faults=faults, folder=ROOT)
    feeds = open_feeds(scenario, spec, "the booth")

    async def main(loop: VirtualLoop) -> None:
        chance, journal = Chance(0), Journal({})
        world = build_venue(scenario, "coinbase", spec, feeds, loop=loop, journal=journal, chance=chance)
        world.rules = msgspec.structs.replace(world.rules, private_quota=LOTS, public_quota=LOTS)  # asked without a pause
        rows = [cursors(world, spec, number, feed, loop=loop, chance=chance) for number, feed in enumerate(feeds)]
        loop.network = network = Network(loop)
        served = await serve(world, loop, network, chance)
        loop.feed = Replay(loop, rows)
        booth = Booth(world, loop, served.credentials)
        try:
            await story(booth)
        finally:
            await booth.exchange.close()
            await served.close()

    run_virtual(main, epoch_ns=feeds[0].start_ns, limit_ns=600 * SECOND)
