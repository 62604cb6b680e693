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


class Stage:
    """The market that stands for the real one.

    Attributes:
        credentials: the key that it knows.
    """

    def __init__(self, world: VenueWorld, clock: VirtualClock, chance: Chance, credentials: Any) -> None:
        self.world = world
        self.clock = clock
        self.chance = chance
        self.credentials = credentials


def staged(play: Callable[[Stage], Awaitable[object]], *faults: Fault, tape: Path = TAPE, lasts_ns: Nanos = 600 * SECOND) -> None:
    """Run `play` where a simulated Coinbase is served at the real one's hosts."""
    spec = VenueSpec(feed=(FeedSpec(tape=str(tape)),), account={"USD": Decimal(1_000_000), "BTC": Decimal(10)}, model=ModelSpec())
    scenario = Scenario(title="A rehearsal", depth=Depth.WIRE, venues={"coinbase": spec}, faults=faults)
    feeds = open_feeds(scenario, spec, "the rehearsal")

    async def main(loop: VirtualLoop) -> None:
        chance, clock = Chance(0), VirtualClock(loop)
        world = build_venue(scenario, "coinbase", spec, feeds, loop=loop, journal=Journal({}), chance=chance)
        rows = [cursors(world, spec, number, each, loop=loop, chance=chance) for number, each in enumerate(feeds)]
        loop.network = network = Network(loop)
        served = await serve(world, loop, network, chance)
        loop.feed = Replay(loop, rows)
        try:
            await play(Stage(world, clock, chance, served.credentials))
        finally:
            await served.close()

    run_virtual(main, epoch_ns=min(each.start_ns for each in feeds), limit_ns=lasts_ns)


def rehearse(
    path: Path, bot: Bot, *faults: Fault, tape: Path = TAPE, is_deep: bool = False, lives: int = 1, cancels: bool = True
) -> list[BaseException]:
    """Run `bot` on the paper account in `path`, so many times one after another on one market; returns what stopped it."""
    stopped: list[BaseException] = []

    async def play(stage: Stage) -> None:
        world, clock, store = stage.world, stage.clock, MemoryIntents()
        for life in range(lives):
            near = SimulatedLink(world.door, world.rules, world.door._timeline)
            link: Any = CoinbaseLink(None, rules=world.rules, clock=clock) if is_deep else near
            account = PaperAccount(path, venue="coinbase", opening=OPENING)
            exchange = PaperExchange(
                link, account, journal=Journal({}), clock=clock, chance=stage.chance, notes=Notes(), store=store, run_id=f"paper{life}",
                settings=ShellSettings(cancel_on_disconnect=cancels), on_bot_error=stopped.append,
            )  # fmt: skip
            async with exchange:
                await bot(exchange, world)

    staged(play, *faults, tape=tape)
    return stopped
