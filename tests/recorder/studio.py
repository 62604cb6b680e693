"""A studio: a simulated Coinbase at its real URLs, a tape played there, and a recorder that listens in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

from papertape.faults import Fault
from papertape.journal import Journal
from papertape.links.coinbase.link import CoinbaseLink
from papertape.links.permits import Ungated
from papertape.links.simulated import SimulatedLink
from papertape.model.event import ConnectionEvent, ConnectionKind, MarketEvent
from papertape.model.instrument import Instrument
from papertape.model.request import Channel
from papertape.model.units import MILLISECOND, SECOND, Nanos
from papertape.recorder import Recorder, RecorderSettings, Reel, Rotation
from papertape.runtime.chance import Chance
from papertape.runtime.clock import VirtualClock
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.world import run_virtual
from papertape.session.replay import Replay
from papertape.session.spec import Depth, FeedSpec, ModelSpec, Scenario, VenueSpec
from papertape.session.wire import serve
from papertape.session.world import VenueWorld, build_venue, cursors, open_feeds
from papertape.tape import open_tape
from papertape.venues.coinbase.auth import Credentials

ROOT = Path(__file__).parents[2]
TAPE = ROOT / "fixtures" / "btc-usd-30s.parquet"
EVERYTHING = RecorderSettings(channels=(Channel.BOOK, Channel.TRADES))


def recorded(
    folder: Path,
    *faults: Fault,
    tape: Path | Sequence[Path] = TAPE,
    lasts_ns: Nanos = 31 * SECOND,
    rotation: Rotation | None = None,
    settings: RecorderSettings = EVERYTHING,
    symbols: Sequence[str] = ("BTC/USD",),
    is_deep: bool = True,
    outages: bool = True,
    credentials: Credentials | None = None,
    during: Callable[[Recorder, VenueWorld, VirtualLoop], None] = lambda recorder, world, loop: None,
) -> list[Path]:
    """The tapes that a recorder made in `folder`, oldest first; `credentials` are what it signs with, though it need not."""
    tapes = [tape] if isinstance(tape, Path) else list(tape)
    feed = tuple(FeedSpec(tape=str(each), outages=outages) for each in tapes)
    spec = VenueSpec(feed=feed, account={"USD": Decimal(1_000)}, model=ModelSpec())
    scenario = Scenario(title="A studio", depth=Depth.WIRE, venues={"coinbase": spec}, faults=faults)
    feeds = open_feeds(scenario, spec, "the studio")
    made: list[Path] = []

    async def main(loop: VirtualLoop) -> None:
        chance, journal, clock = Chance(0), Journal({}), VirtualClock(loop)
        world = build_venue(scenario, "coinbase", spec, feeds, loop=loop, journal=journal, chance=chance)
        rows = [cursors(world, spec, number, each, loop=loop, chance=chance) for number, each in enumerate(feeds)]
        loop.network = network = Network(loop)
        served = await serve(world, loop, network, chance)
        permits = None if credentials is None else Ungated()
        link = (
            CoinbaseLink(credentials, rules=world.rules, clock=clock, permits=permits)
            if is_deep
            else SimulatedLink(world.door, world.rules, loop)
        )

        def make_reel(instruments: Sequence[Instrument]) -> Reel:
            return Reel(
                folder, venue="coinbase", instruments=instruments, rotation=rotation or Rotation(), wall_ns=clock.wall_ns(),
                now_ns=clock.now_ns(), on_finished=lambda finished: made.append(finished.path),
            )  # fmt: skip

        recorder = Recorder(link, symbols, clock=clock, chance=chance, make_reel=make_reel, settings=settings)
        loop.feed = Replay(loop, rows)
        during(recorder, world, loop)
        clock.call_at_ns(lasts_ns, recorder.stop)
        try:
            await recorder.run()
        finally:
            await served.close()

    run_virtual(main, epoch_ns=min(each.start_ns for each in feeds), limit_ns=lasts_ns + 600 * SECOND)
    return made


def events(path: Path) -> list[MarketEvent]:
    return [event for _, _, _, event in open_tape(path).messages()]


def line_events(path: Path) -> list[ConnectionEvent]:
    """What happened to the recorder's lanes, without the signs of life."""
    return [event for event in events(path) if isinstance(event, ConnectionEvent) and event.what is not ConnectionKind.LATENCY]


def in_ms(path: Path, event: ConnectionEvent | MarketEvent) -> int:
    """When it arrived, in milliseconds since the fixture's first row."""
    return (event.local_ns - open_tape(TAPE).first_ns) // MILLISECOND
