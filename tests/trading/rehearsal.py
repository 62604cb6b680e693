"""A rehearsal: a simulated Coinbase at its real URLs for the real market, and a paper exchange that listens to it, in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from papertape.faults import Fault
from papertape.journal import Journal
from papertape.links.coinbase.link import CoinbaseLink
from papertape.links.simulated import SimulatedLink
from papertape.model.notes import Mark
from papertape.model.units import SECOND, Nanos
from papertape.resilience.intents import MemoryIntents
from papertape.resilience.settings import ShellSettings
from papertape.runtime.chance import Chance
from papertape.runtime.clock import VirtualClock
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.world import run_virtual
from papertape.session.replay import Replay
from papertape.session.spec import Depth, FeedSpec, ModelSpec, Scenario, VenueSpec
from papertape.session.wire import serve
from papertape.session.world import VenueWorld, build_venue, cursors, open_feeds
from papertape.trading.paper.account import PaperAccount
from papertape.trading.paper.exchange import PaperExchange

ROOT = Path(__file__).parents[2]
TAPE = ROOT / "fixtures" / "btc-usd-30s.parquet"
OPENING = {"USD": Decimal(10_000), "BTC": Decimal(1)}


class Notes:
    """Who takes notes, and shows them to nobody."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []

    def mark(self, mark: Mark, detail: str = "") -> None:
        self.marks.append(mark)

    def health_changed(self, is_healthy: bool, why: str) -> None:
        """Nobody asks."""


Bot = Callable[[PaperExchange, VenueWorld], Awaitable[object]]


def rehearse(
    path: Path,
    bot: Bot,
    *faults: Fault,
    tape: Path = TAPE,
    is_deep: bool = False,
    lives: int = 1,
    cancels: bool = True,
    lasts_ns: Nanos = 600 * SECOND,
) -> list[BaseException]:
    """Run `bot` on the paper account in `path`, so many times one after another on one market; returns what stopped it."""
    spec = VenueSpec(feed=(FeedSpec(tape=str(tape)),), account={"USD": Decimal(1_000)}, model=ModelSpec())
    scenario = Scenario(title="A rehearsal", depth=Depth.WIRE, venues={"coinbase": spec}, faults=faults)
    feeds = open_feeds(scenario, spec, "the rehearsal")
    stopped: list[BaseException] = []

    async def main(loop: VirtualLoop) -> None:
        chance, clock, store = Chance(0), VirtualClock(loop), MemoryIntents()
        world = build_venue(scenario, "coinbase", spec, feeds, loop=loop, journal=Journal({}), chance=chance)
        rows = [cursors(world, spec, number, each, loop=loop, chance=chance) for number, each in enumerate(feeds)]
        loop.network = network = Network(loop)
        served = await serve(world, loop, network, chance)
        loop.feed = Replay(loop, rows)
        try:
            for life in range(lives):
                link: Any = CoinbaseLink(None, rules=world.rules, clock=clock) if is_deep else SimulatedLink(world.door, world.rules, loop)
                account = PaperAccount(path, venue="coinbase", opening=OPENING)
                exchange = PaperExchange(
                    link, account, journal=Journal({}), clock=clock, chance=chance, notes=Notes(), store=store, run_id=f"paper{life}",
                    settings=ShellSettings(cancel_on_disconnect=cancels), on_bot_error=stopped.append,
                )  # fmt: skip
                async with exchange:
                    await bot(exchange, world)
        finally:
            await served.close()

    run_virtual(main, epoch_ns=min(each.start_ns for each in feeds), limit_ns=lasts_ns)
    return stopped
