"""Run one scenario, from tapes to verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import localcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from papertape.exchanges.resilient import ResilientExchange
from papertape.exchanges.simulated import SimulatedExchange
from papertape.journal import Journal
from papertape.model.errors import EscapedSimulation, StuckSimulation
from papertape.model.notes import Notes
from papertape.model.units import MINUTE, Nanos
from papertape.resilience.intents import IntentStore, Opened
from papertape.resilience.settings import ShellSettings
from papertape.runtime.chance import Chance
from papertape.runtime.clock import OffClock, VirtualClock, wall_seconds
from papertape.runtime.guest import HostLoop
from papertape.runtime.life import Life
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.network import Network
from papertape.runtime.network.trouble import Armed as ArmedOnLine
from papertape.runtime.rank import END
from papertape.runtime.world import apart, run_virtual, virtual_world
from papertape.session.botfile import load_bot
from papertape.session.drive import Drive
from papertape.session.judge import Verdict, audits, beside, fault_results, fees_paid, judge, kind_of, led_there, pnl
from papertape.session.leaving import note_left
from papertape.session.lives import Lives, NotesOfLife, may_crash
from papertape.session.observer import total_marks
from papertape.session.prepare import prepared, texts
from papertape.session.program import Program
from papertape.session.replay import Replay
from papertape.session.result import ExitCode, RunResult, Status
from papertape.session.script import Script
from papertape.session.spec import Depth, Scenario, network_faults
from papertape.session.unseen import forgotten_awaits, tell_of_context
from papertape.session.wire import Served, environment_of, live_link, network_of, serve
from papertape.session.world import Feed, KeptRows, VenueWorld, build_venue, cursors, may_skip, simulated_link, totals

if TYPE_CHECKING:
    from papertape.runtime.trace import Trace
    from papertape.session.chronicle import Chronicler

OVERTIME_NS: Final = 15 * MINUTE
"""How long after its feed a run may go on before it counts as stuck."""

SETTINGS: Final = ShellSettings(connect_within_ns=24 * 60 * MINUTE, drain_within_ns=5 * MINUTE)
"""The shell's own, but for its patience at the start and the end: virtual time is free. The session connects for the bot, so that a venue
which is down as the run begins is no mistake of the bot's; how soon all must be well again is for `recovers_within` to say, and a feed that
ends first is a failure all the same. In the end an outcome may take `settle_after_ns` to become known."""

Progress = Callable[[Nanos, Nanos], None]


@apart()
def run_scenario(
    scenario: Scenario,
    *,
    journal_path: Path | None = None,
    progress: Progress | None = None,
    inspect: Callable[[list[VenueWorld]], None] | None = None,
    trace: Trace | None = None,
    listen: Callable[[str, bytes], object] | None = None,
    kept: KeptRows | None = None,
    chronicler: Chronicler | None = None,
) -> RunResult:
    """Run `scenario` in virtual time.

    Args:
        journal_path: where to write the journal; nowhere if None.
        progress: called now and then with (run time, the feeds' end), nanoseconds.
        inspect: called once with the venues when all is over.
        trace: takes the run down, for another to be held against.
        listen: called with the kind of each line of the journal and the line; not together with `trace`.
        kept: where tapes are kept in memory for the next run.
        chronicler: takes down what a report shows.

    Raises:
        ConfigError: something in the scenario must be edited.
        TapeError: a tape is missing or damaged.
    """
    started = wall_seconds()
    feeds, header, epoch_ns, end_ns = prepared(scenario, kept)
    script = None if scenario.program is None else load_script(scenario)
    bot = load_bot(scenario.bot or "", scenario.folder) if script is None else None
    # A bot may set the precision of its decimals; the next run must not inherit it.
    who = "the bot" if script is None else "the program"
    with localcontext(), Journal(header, journal_path) as journal, forgotten_awaits(who) as forgotten:
        run = RunInParts(scenario, feeds, journal, end_ns, progress, trace)
        run.forgotten = forgotten
        run.chronicler = chronicler
        journal.on_line = listen if trace is None else trace.event
        limit_ns = end_ns + OVERTIME_NS
        try:
            if script is not None:
                run.with_program(script, HostLoop(epoch_ns=epoch_ns, limit_ns=limit_ns))
            else:
                is_deep = scenario.depth is Depth.WIRE
                run_virtual(
                    partial(run.with_bot, bot), seed=scenario.seed, epoch_ns=epoch_ns, limit_ns=limit_ns, is_deep=is_deep, is_apart=True,
                    roots=(bot,),
                )  # fmt: skip
        except StuckSimulation as stuck:
            run.failures.append(f"the run got stuck: {stuck}")
        except SystemExit as left:
            run.failures.append(f"the bot called sys.exit({'' if left.code is None else left.code}); return from it instead")
        except asyncio.CancelledError:
            run.failures.append("the bot cancelled the run itself: of `asyncio.all_tasks()`, cancel only those that it made")
        except EscapedSimulation as escaped:
            run.escaped = escaped
        if inspect is not None:
            inspect(run.worlds)
        if chronicler is not None:
            chronicler.end(scenario, run.worlds, run.ended_ns)
        return run.result(wall_seconds() - started)


class RunInParts:
    """One world, and what came of it; `run_scenario` and `session.stepped` put its parts together."""

    def __init__(
        self,
        scenario: Scenario,
        feeds: dict[str, list[Feed]],
        journal: Journal,
        end_ns: Nanos,
        progress: Progress | None,
        trace: Trace | None = None,
    ) -> None:
        self.scenario = scenario
        self.feeds = feeds
        self.journal = journal
        self.end_ns = end_ns
        self.progress = progress
        self.trace = trace
        self.chronicler: Chronicler | None = None
        self.failures: list[str] = []
        self.forgotten: list[str] = []
        self.escaped: EscapedSimulation | None = None
        self.worlds: list[VenueWorld] = []
        self.lives: Lives | None = None
        self.verdict: Verdict | None = None
        self.ended_ns: Nanos = 0
        self.events = 0
        self.network: Network | None = None
        self.served: list[Served] = []
        self.intercepted: tuple[tuple[str, int, str], ...] = ()

    async def with_bot(self, bot: Any, loop: VirtualLoop) -> None:
        """A bot on our interface, from the first connect to the last answer."""
        chance = Chance(self.scenario.seed)
        replay = self._build(loop, chance)
        network = self._network(loop, chance)
        close = await self._serve(loop, network, chance) if self.scenario.depth is Depth.WIRE else partial(_close_all, [])
        recovers_ns = self.scenario.expect.recovers_within_ns
        make_drive = partial(Drive, bot, self.scenario.bot_config, self.worlds, end_ns=self.end_ns, recovers_within_ns=recovers_ns)
        if may_crash(self.scenario):
            self.lives = Lives(self.worlds, loop, network, self.journal, make_drive, partial(self._exchange, chance))
            try:
                await self._with_lives(self.lives, loop, replay)
                await close()
                note_left(self.worlds, [loop, self.lives.lives[-1]], self.network)
                self._judge(loop)
            finally:
                self.lives.bury()
        else:
            drive = make_drive(loop)
            for world in self.worlds:
                world.exchange = self._exchange(chance, world, loop, drive)
            self._start(loop, replay)
            if self.trace is None and self.scenario.depth is Depth.INTERFACE and any(may_skip(world.feeds) for world in self.worlds):
                loop.quiet_until_ns = partial(self._quiet_until_ns, replay)
            try:
                await drive.run()
                await close()
                note_left(self.worlds, [loop], self.network)
            finally:
                self.failures += drive.failures
                self._end(loop, replay, drive.escaped)
            self.failures += drive.died_unseen()
            self._judge(loop)

    async def _with_lives(self, lives: Lives, loop: VirtualLoop, replay: Replay) -> None:
        """A bot that may die on the way."""
        self._start(loop, replay)
        try:
            await lives.run()
        finally:
            for drive in lives.drives:
                self.failures += drive.failures
            self._end(loop, replay, next((drive.escaped for drive in lives.drives if drive.escaped is not None), None))
        self.failures += lives.drives[-1].died_unseen()
        self.failures += [tell_of_context(context) for life in lives.lives for context in life.unhandled]

    def with_program(self, script: Script, loop: HostLoop) -> None:
        """A program that never heard of papertape, from its first line to its last."""
        chance = Chance(self.scenario.seed)
        with virtual_world(loop, seed=self.scenario.seed, is_deep=True, is_apart=True) as inside:
            replay = self._build(loop, chance)
            network = self._network(loop, chance)
            close = loop.run_until_complete(self._serve(loop, network, chance))
            self._start(loop, replay)
            program = Program(script, self.worlds, loop, network, self.end_ns)
            try:
                program.run()
                loop.set_limit_ns(None)
                loop.run_until_complete(program.rest())
                loop.run_until_complete(close())
            finally:
                if inside is not None:
                    self.intercepted = tuple((each.what, each.count, each.first) for each in inside.intercepted)
                    self.intercepted += program.dialled()
                self.failures += program.failures + [each for served in self.served for each in served.turned_away()]
                self._end(loop, replay, program.escaped)
            self._judge(loop)

    def _build(self, loop: VirtualLoop, chance: Chance) -> Replay:
        """The venues, and the tapes that make their markets."""
        tapes = []
        for name, spec in self.scenario.venues.items():
            world = build_venue(self.scenario, name, spec, self.feeds[name], loop=loop, journal=self.journal, chance=chance)
            self.worlds.append(world)
            for number, feed in enumerate(world.feeds):
                tapes.append(cursors(world, spec, number, feed, loop=loop, chance=chance))
        if self.chronicler is not None:
            self.chronicler.begin(self.worlds)
        return Replay(loop, tapes)

    def _start(self, loop: VirtualLoop, replay: Replay) -> None:
        """From here on the market moves."""
        if self.trace is not None:
            self.trace.attach(loop)
        loop.feed = replay
        if self.scenario.heal is not None:
            for world in self.worlds:
                loop.schedule_ns(self.scenario.heal.at_ns, END, world.door.plan.heal, self.scenario.heal.only)
                if world.watching is not None:
                    loop.schedule_ns(self.scenario.heal.at_ns, END, world.watching.compare)
            if self.network is not None and not self.scenario.heal.only:
                loop.schedule_ns(self.scenario.heal.at_ns, END, self._heal_line, self.network)
        if self.network is not None:
            for world in self.worlds:
                world.observer.watch_line(self.network)
            for armed in self.network.armed:
                armed.on_acted = self._line_acted
        self._report_progress(loop)

    def _quiet_until_ns(self, replay: Replay) -> Nanos:
        """Before which run time nothing matters but what is on the loop's agenda; 0 while somebody waits for a recovery at each message."""
        return 0 if any(world.observer.waiting for world in self.worlds) else replay.quiet_until_ns()

    def _end(self, loop: VirtualLoop, replay: Replay, escaped: EscapedSimulation | None) -> None:
        self.escaped = escaped or next(iter(loop.escapes), None)
        self.ended_ns = loop.now_ns
        self.events = replay.seen
        for feeds in self.feeds.values():
            for feed in feeds:
                feed.end_reading()

    def _judge(self, loop: VirtualLoop) -> None:
        self.failures += [tell_of_context(context) for context in loop.unhandled] + self.forgotten
        self.verdict = judge(self.scenario, self.worlds, self.failures, loop.now_ns, self._line_faults())
        for world in self.worlds:
            truth = world.door.truth()
            self.journal.write(
                loop.now_ns, "end", venue=world.name, balances=texts(totals(world)), orders=len(truth.orders), fills=len(truth.fills)
            )

    def _heal_line(self, network: Network) -> None:
        network.heal()
        for world in self.worlds:
            world.observer.line_healed()

    def _line_acted(self, armed: ArmedOnLine) -> None:
        for world in self.worlds:
            world.observer.line_acted(armed)

    def _line_faults(self) -> list[tuple[str, int]]:
        """What each fault of the network is, and how often it acted."""
        fired = [] if self.network is None else self.network.fired
        return [(fault.kind, count) for fault, count in zip(network_faults(self.scenario), fired, strict=False)]

    def _network(self, loop: VirtualLoop, chance: Chance) -> Network:
        loop.network = self.network = network_of(loop, self.scenario, chance)
        return self.network

    def _exchange(self, chance: Chance, world: VenueWorld, loop: VirtualLoop | Life, drive: Drive) -> ResilientExchange:
        """An exchange of ours to a venue, over the link that the depth calls for; `loop` is the one that the bot lives on."""
        clock = OffClock(VirtualClock(loop), world.door.plan.skew_ns)
        kind: type[ResilientExchange] = SimulatedExchange
        if self.scenario.depth is Depth.WIRE:
            clock.rounds = None  # bytes of every message are on their way, so there is no round that nobody can see
            link, kind = live_link(world, self.served[self.worlds.index(world)], clock)
        else:
            link = simulated_link(world, loop)
        notes: Notes = world.observer
        store: IntentStore = world.disk
        if isinstance(loop, Life):
            assert self.lives is not None
            link, notes = self.lives.tie(link, loop, world), NotesOfLife(world.observer, loop)
            store = Opened(world.disk, lambda: loop.is_over)
        exchange = kind(
            link, clock=clock, chance=chance, notes=notes, store=store, run_id=f"pt{self.scenario.seed}", settings=SETTINGS,
            on_bot_error=drive.bot_failed,
        )  # fmt: skip
        if world.watching is not None:
            world.watching.listen(exchange, loop, self.end_ns)
        if self.trace is not None:
            self.trace.listen(exchange)
        return exchange

    async def _serve(self, loop: VirtualLoop, network: Network, chance: Chance) -> Callable[[], Any]:
        """Each venue under its real hosts."""
        self.served = [await serve(world, loop, network, chance) for world in self.worlds]
        return partial(_close_all, [each.close for each in self.served])

    def _report_progress(self, loop: VirtualLoop) -> None:
        if self.progress is None:
            return
        progress, end_ns = self.progress, self.end_ns
        step_ns = max(end_ns // 200, 1)

        def tick() -> None:
            progress(loop.now_ns, end_ns)
            if loop.now_ns + step_ns <= end_ns:
                loop.schedule_ns(loop.now_ns + step_ns, END, tick)

        loop.schedule_ns(0, END, tick)

    def result(self, wall_s: float) -> RunResult:
        verdict = self.verdict or Verdict(failures=tuple(self.failures))
        status, failures, broken = verdict.status, verdict.reasons, verdict.broken
        if self.escaped is not None:
            who = "bot" if self.scenario.program is None else "program"
            status, failures = Status.ERROR, (f"the {who} left the simulation: {self.escaped}",)
        elif mishaps := [each for served in self.served for each in served.mishaps]:
            status, failures = Status.ERROR, tuple(f"papertape's own server failed, please report it: {each}" for each in mishaps)
        elif wrong := audits(self.worlds):
            status, failures = Status.ERROR, tuple(f"papertape's own books are wrong, please report it: {problem}" for problem in wrong)
        if status is Status.ERROR or self.verdict is None:
            broken = tuple(dict.fromkeys(kind_of(failure) for failure in failures))
        truths = [world.door.truth() for world in self.worlds]
        has_failed = status in (Status.FAILED, Status.SUSPECT)
        rows = beside(self.worlds, failures, self.ended_ns) if has_failed else ()
        self.journal.close()
        return RunResult(
            scenario=self.scenario.name,
            title=self.scenario.title,
            seed=self.scenario.seed,
            depth=str(self.scenario.depth),
            status=status,
            failures=failures,
            broken=broken,
            not_judged=verdict.not_judged,
            notes=(*(note for feeds in self.feeds.values() for feed in feeds for note in feed.notes), *verdict.notes),
            timeline=led_there(self.worlds, failures, rows) if has_failed else (),
            sides=rows,
            digest=self.journal.digest,
            wire_digest=self.network.digest() if self.network is not None and self.scenario.depth is Depth.WIRE else None,
            events=self.events,
            orders=sum(len(truth.orders) for truth in truths),
            fills=sum(len(truth.fills) for truth in truths),
            faults=fault_results(self.worlds, self._line_faults()),
            marks=total_marks([world.observer for world in self.worlds]),
            balances={world.name: totals(world) for world in self.worlds},
            fees=fees_paid(truths),
            pnl=pnl(self.worlds),
            intercepted=self.intercepted,
            virtual_ns=self.ended_ns,
            wall_s=wall_s,
            repro=self.scenario.repro,
            error_exit=ExitCode.INTERNAL,
        )


async def _close_all(closers: list[Callable[[], Any]]) -> None:
    for closer in closers:
        await closer()


def load_script(scenario: Scenario) -> Script:
    """The scenario's program, with keys to its venues in the environment it will find; raises `ConfigError` where it cannot be run."""
    environment: dict[str, str] = {}
    for name in scenario.venues:
        environment |= environment_of(name, scenario.seed)
    script = Script(scenario.folder / str(scenario.program), scenario.program_args, environment)
    script.prepare()
    return script
