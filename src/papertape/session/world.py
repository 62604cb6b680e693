"""A world: venues with their tapes and doors, and an exchange of ours to each, on one virtual loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from papertape.exchanges.resilient import ResilientExchange
from papertape.faults.base import Fault
from papertape.faults.network import NetworkFault
from papertape.journal import Journal
from papertape.links.base import Link
from papertape.links.simulated import SimulatedLink
from papertape.model.errors import ConfigError
from papertape.model.event import MarketEvent
from papertape.model.instrument import Instrument
from papertape.model.order import NewOrder, OrderUpdate
from papertape.model.units import Nanos
from papertape.model.venue import VenueRules
from papertape.resilience.intents import MemoryIntents
from papertape.runtime.chance import Chance
from papertape.runtime.loop import VirtualLoop
from papertape.session.engine import Engine, engine
from papertape.session.lag import Keeper
from papertape.session.observer import Observer
from papertape.session.opening import OpenedTape, opened
from papertape.session.outages import TOLD_OF, Outages
from papertape.session.replay import AnyCursors, Cursors, Delay, Row, Standing
from papertape.session.skipping import SkippingCursors
from papertape.session.spec import Depth, FeedSpec, Scenario, VenueSpec
from papertape.session.watching import Watching
from papertape.session.yielding import Yielding
from papertape.sim.door import Door
from papertape.sim.fees import FeeModel, FlatFees
from papertape.sim.fills import BarFills, QueueFills
from papertape.sim.lagging import LaggingVenue
from papertape.sim.latency import ConstantLatency, LatencyLaw, RecordedLatency, RecordedLine
from papertape.sim.timeline import Timeline
from papertape.sim.venue import SimVenue
from papertape.tape.block import Block
from papertape.tape.index.store import first_block
from papertape.tape.reader import Tape
from papertape.venues import VENUES

DEFAULT_LAW: Final = ConstantLatency(value="15ms")
"""For orders and answers, if the scenario does not say."""


class KeptRows:
    """Parts of tapes that are kept in memory, since many runs in a row play the same ones.

    A part is kept if all that is kept then stays within `rows_max` messages, some 0.4 kB each; any other is read anew each time.
    """

    def __init__(self, rows_max: int = 1_000_000) -> None:
        self._room = rows_max
        self._parts: dict[tuple[str, Nanos, Nanos], list[Row] | None] = {}
        self._tapes: dict[tuple[bytes, Path], OpenedTape] = {}

    def opened(self, feed: FeedSpec, folder: Path, where: str) -> OpenedTape:
        """What a feed names, opened once; raises as `opening.opened` does."""
        named = feed.tape if feed.files is None else (feed.files, feed.start, feed.end)
        key = (msgspec.json.encode(named, order="deterministic"), folder)
        if key not in self._tapes:
            self._tapes[key] = opened(feed, folder, where)
        return self._tapes[key]

    def rows(self, tape: Tape, start_ns: Nanos, end_ns: Nanos) -> Iterator[Row]:
        key = (tape.content_hash, start_ns, end_ns)
        if key not in self._parts:
            rows = list(islice(tape.messages(start_ns, end_ns), self._room + 1))
            is_kept = len(rows) <= self._room
            self._parts[key] = rows if is_kept else None
            self._room -= len(rows) if is_kept else 0
        part = self._parts[key]
        return tape.messages(start_ns, end_ns) if part is None else iter(part)


class Feed:
    """A tape and the part of it that is played, nanoseconds since 1970-01-01 UTC.

    Attributes:
        outages: whether those of the recorder's line are replayed.
        name: what messages call it.
        notes: what is worth knowing of how it was read, a sentence each.
    """

    def __init__(
        self,
        tape: Tape,
        start_ns: Nanos,
        end_ns: Nanos,
        kept: KeptRows | None = None,
        *,
        outages: bool = True,
        name: str = "",
        notes: tuple[str, ...] = (),
    ) -> None:
        self.name = name or tape.path.name
        self.notes = notes
        self.tape = tape
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.outages = outages
        self._kept = kept
        self._end_reading: Callable[[], object] = lambda: None

    @property
    def is_kept(self) -> bool:
        """Whether its rows are kept in memory for many runs."""
        return self._kept is not None

    @property
    def brings_outages(self) -> bool:
        return self.outages and any(kind in self.tape.counts for kind in TOLD_OF)

    def rows(self) -> Iterator[Row]:
        if self._kept is not None:
            return self._kept.rows(self.tape, self.start_ns, self.end_ns)
        return self.tape.messages(self.start_ns, self.end_ns)

    def block(self) -> Block | None:
        """The first block of the same messages."""
        block = first_block(self.tape, self.start_ns, self.end_ns)
        if block is not None:
            self._end_reading = block.reading.close
        return block

    def end_reading(self) -> None:
        """No message that has not been read will be; an index that is not whole by now never will be."""
        self._end_reading()


class VenueWorld:
    """One venue of a run.

    Attributes:
        asked: what the bot asked for, call by call; see `invariants.no_duplicate_exposure`.
        cursors: of its tapes.
        watching: what looks on for the invariants.
        epoch_ns: run time 0, since 1970-01-01 UTC.
        is_deep: there is a network between it and its client.
        left_behind: what client and bot left behind, in words; None until all is over.
        disk: where the bot's log of intents lies.
        outages: those of its tapes; None where they tell of none.
    """

    def __init__(
        self, name: str, rules: VenueRules, venue: SimVenue, door: Door, observer: Observer, feeds: list[Feed], fees: FeeModel
    ) -> None:
        self.name = name
        self.rules = rules
        self.venue = venue
        self.door = door
        self.observer = observer
        self.feeds = feeds
        self.fees = fees
        self.exchange: ResilientExchange | None = None
        self.asked: list[NewOrder] = []
        self.cursors: list[AnyCursors] = []
        self.watching: Watching | None = None
        self.epoch_ns: Nanos = 0
        self.is_deep = False
        self.left_behind: tuple[str, ...] | None = None
        self.disk = MemoryIntents()
        self.outages: Outages | None = None


def open_feeds(scenario: Scenario, spec: VenueSpec, where: str, kept: KeptRows | None = None) -> list[Feed]:
    """The tapes of one venue, opened; raises `TapeError` or `ConfigError` naming what must be edited."""
    feeds = []
    for feed in spec.feed:
        tape, origin_ns, notes = (opened if kept is None else kept.opened)(feed, scenario.folder, where)
        start_ns, end_ns = feed.window(origin_ns)
        end_ns = tape.last_ns + 1 if end_ns is None else min(end_ns, tape.last_ns + 1)
        if start_ns >= end_ns:
            raise ConfigError(
                f"{where}, key `feed`: the part of {Path(feed.name).name} from {feed.start or 'its start'} to {feed.end or 'its end'} "
                f"holds nothing; `papertape tape info {feed.tape}` shows its span"
            )
        feeds.append(Feed(tape, start_ns, end_ns, kept, outages=feed.outages, name=feed.name, notes=notes))
    return feeds


def build_venue(
    scenario: Scenario, name: str, spec: VenueSpec, feeds: list[Feed], *, loop: VirtualLoop, journal: Journal, chance: Chance
) -> VenueWorld:
    """The venue, its door with its share of the faults, and the observer between both sides."""
    rules, spec = VENUES[name], with_fills(spec, feeds, f"{scenario.name}: [venue.{name}.model]")
    observer = Observer(name, loop, journal)
    named = journal if len(scenario.venues) < 2 else journal.of(name)  # where there is one, everybody knows whose a line is
    faults = [fault for fault in scenario.faults if fault.venue in (None, name) and not isinstance(fault, NetworkFault)]
    venue, door, fees = open_door(
        name, spec, instruments_of(feeds), faults, time=loop, epoch_ns=loop.epoch_ns, journal=named, chance=chance,
        is_told_late=may_skip(feeds),
    )  # fmt: skip
    observer.watch(door)
    world = VenueWorld(name, rules, venue, door, observer, feeds, fees)
    world.epoch_ns = loop.epoch_ns
    world.is_deep = scenario.depth is Depth.WIRE
    world.watching = Watching(world, loop, scenario.expect.invariants)
    observer.on_books_wrong = world.watching.forget_what_passed
    return world


def with_fills(spec: VenueSpec, feeds: Sequence[Feed], where: str) -> VenueSpec:
    """The venue with a fill model that can do something with its tapes, where none was asked for: of bars alone only one can.

    Raises `ConfigError` where that one was asked for, and a tape holds more than bars; it begins with `where`.
    """
    whole = [feed for feed in feeds if not _has_only_bars(feed.tape)]
    if isinstance(spec.model.fills, BarFills) and whole:
        name = Path(whole[0].name).name
        raise ConfigError(f'{where}, key `fills`: holds "bars", which is for tapes of bars alone, and {name} is none; name another model')
    if spec.model.fills is not None or not feeds or whole:
        return spec
    return msgspec.structs.replace(spec, model=msgspec.structs.replace(spec.model, fills=BarFills()))


def _has_only_bars(tape: Tape) -> bool:
    return "candle" in tape.counts and not any(kind in tape.counts for kind in ("trade", "snapshot", "delta"))


def open_door(
    name: str,
    spec: VenueSpec,
    instruments: list[Instrument],
    faults: Sequence[Fault],
    *,
    time: Timeline,
    epoch_ns: Nanos,
    journal: Journal,
    chance: Chance,
    on_update: Callable[[OrderUpdate], object] | None = None,
    is_told_late: bool = False,
) -> tuple[SimVenue, Door, FeeModel]:
    """A venue as `spec` has it, its door, and what it charges; on a virtual loop, or in step with the machine's clock.

    `on_update` hears all that happens to orders before anybody is told of it; `is_told_late`: rows may be worked in when somebody looks.
    """
    rules, latency = VENUES[name], spec.model.latency
    order_law, answer_law = _law(latency.order, DEFAULT_LAW), _law(latency.answer, DEFAULT_LAW)
    line = None
    if isinstance(order_law, RecordedLatency) or isinstance(answer_law, RecordedLatency):
        line = RecordedLine()
        order_law, answer_law = (line if isinstance(law, RecordedLatency) else law for law in (order_law, answer_law))
    fees: FeeModel = spec.model.fees or FlatFees(maker_bps=rules.maker_bps, taker_bps=rules.taker_bps)  # type: ignore[assignment]  # as below
    told: list[Callable[[OrderUpdate], object]] = []

    def emit(update: OrderUpdate) -> None:
        for each in told:
            each(update)

    venue = (LaggingVenue if is_told_late else SimVenue)(
        rules,
        instruments,
        spec.account,
        fills=spec.model.fills or QueueFills(),  # type: ignore[arg-type]  # the spec holds a member of the shelf
        fees=fees,
        epoch_ns=epoch_ns,
        emit=emit,
    )
    door = Door(
        venue, name=name, timeline=time, chance=chance, journal=journal, faults=faults, order_law=order_law, answer_law=answer_law,
        heartbeat_ns=rules.heartbeat_ns, epoch_ns=epoch_ns,
    )  # fmt: skip
    door.line = line
    told += [door.tell] if on_update is None else [on_update, door.tell]
    return venue, door, fees


def simulated_link(world: VenueWorld, loop: Timeline) -> Link:
    """The link that ends in this process; `loop` is that of whoever uses it."""
    return SimulatedLink(world.door, world.rules, loop)


def cursors(world: VenueWorld, spec: VenueSpec, number: int, feed: Feed, *, loop: VirtualLoop, chance: Chance) -> AnyCursors:
    """The two cursors of one tape of a venue."""
    if world.outages is None:
        world.outages = outages_of(world.feeds, world.door, loop)
    made: AnyCursors | None = skipping(world, spec, feed, epoch_ns=loop.epoch_ns)
    made = made or walked(
        world.door, world.name, spec, number, feed.rows(), epoch_ns=loop.epoch_ns, chance=chance,
        outages=world.outages if feed.outages else None,
    )  # fmt: skip
    world.cursors.append(made)
    return made


def may_skip(feeds: Sequence[Feed]) -> bool:
    """Whether the fast engine is asked for, or nobody asks and it may gain something."""
    asked = engine()
    return asked is Engine.FAST or (asked is Engine.AUTO and not any(feed.is_kept for feed in feeds))


def skipping(world: VenueWorld, spec: VenueSpec, feed: Feed, *, epoch_ns: Nanos) -> AnyCursors | None:
    """Cursors that stop only where somebody must be told; None where it takes those that stop at each row.

    It takes them where a delay is drawn for each row or each row is asked how long it took, where rows are made of others, where the tape
    brings outages with it, and where several tapes make one market.
    """
    law, venue = _law(spec.model.latency.market, RecordedLatency()), world.venue
    is_fit = isinstance(law, RecordedLatency | ConstantLatency) and world.door.line is None and not isinstance(venue.fills, BarFills)
    if not is_fit or len(world.feeds) != 1 or world.outages is not None or not isinstance(venue, LaggingVenue) or feed.start_ns < epoch_ns:
        return None
    block = feed.block()
    if block is None:
        return None
    symbols = [instrument.symbol for instrument in feed.tape.instruments]
    made = SkippingCursors(
        block, lambda reached: Keeper(venue, symbols, block, reached=reached, replay=feed.rows, origin_ns=epoch_ns), world.door.broadcast,
        symbols=symbols, origin_ns=epoch_ns, constant_ns=law.ns(0) if isinstance(law, ConstantLatency) else None,
    )  # fmt: skip
    venue.lag = made.keeper
    if engine() is Engine.FAST:
        return made

    def plain(rest: Iterator[Row], standing: Standing) -> Cursors:
        venue.lag = None
        return walked(world.door, world.name, spec, 0, rest, epoch_ns=epoch_ns, chance=None, standing=standing)

    return Yielding(made, plain)


def outages_of(feeds: Sequence[Feed], door: Door, time: Timeline) -> Outages | None:
    """What replays the outages of a venue's tapes; None where they tell of none. A recording may go on from file to file."""
    return Outages(door, time) if any(feed.brings_outages for feed in feeds) else None


def walked(
    door: Door,
    name: str,
    spec: VenueSpec,
    number: int,
    rows: Iterator[Row],
    *,
    epoch_ns: Nanos,
    chance: Chance | None,
    outages: Outages | None = None,
    standing: Standing | None = None,
) -> Cursors:
    """The two cursors that bring `rows`, those of the venue's tape with that number, to the venue behind `door` and to its clients.

    Without `chance` delays are the same for all rows, or recorded; `standing` is how other cursors left off before these rows.
    """
    law = _law(spec.model.latency.market, RecordedLatency())
    delay: Delay | None = None
    if not isinstance(law, RecordedLatency):
        delay = (lambda row: law.ns(0)) if chance is None else partial(_drawn, law, chance, f"latency/market/{name}/{number}")
    venue, broadcast = door.venue, door.broadcast
    apply = venue.apply_in_time if isinstance(venue, LaggingVenue) and venue.lag is None else venue.apply

    def reached(event: MarketEvent, now_ns: Nanos) -> int:
        broadcast.reached = index = broadcast.reached + 1
        apply(event, now_ns)
        return index

    deliver = broadcast.deliver if outages is None else outages.deliver
    if isinstance(door.venue.fills, BarFills):
        rows = door.venue.fills.played(rows, door.venue.instruments)
    if door.line is not None:
        rows = door.line.listening(rows)
    return Cursors(rows, origin_ns=epoch_ns, delay=delay, apply=reached, deliver=deliver, standing=standing)


def instruments_of(feeds: list[Feed]) -> list[Instrument]:
    """What can be traded: the tapes' instruments, each symbol once, as the tape that names it first has it at its start."""
    found: dict[str, Instrument] = {}
    for feed in feeds:
        for instrument in feed.tape.instruments:
            is_valid = instrument.valid_from_ns <= feed.start_ns and (
                instrument.valid_to_ns is None or feed.start_ns < instrument.valid_to_ns
            )
            if is_valid or instrument.symbol not in found:
                found.setdefault(instrument.symbol, instrument)
    return list(found.values())


def totals(world: VenueWorld) -> dict[str, Decimal]:
    """What the account holds in all, by currency."""
    return {currency: balance.total for currency, balance in world.door.truth().balances.currencies.items()}


def _law(given: object, default: LatencyLaw) -> LatencyLaw:
    return default if given is None else given  # type: ignore[return-value]  # the spec holds a member of the shelf


def _drawn(law: LatencyLaw, chance: Chance, stream: str, row: int) -> Nanos:
    return law.ns(chance.keyed(stream, row))
