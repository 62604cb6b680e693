"""A session that synchronous code opens, drives one coroutine at a time, and has judged at the end.

It is the run of `session.run` with the reins in somebody's hands: a test, or a state machine of Hypothesis whose rules are no coroutines.
Between two steps nothing happens and no time passes; while one runs, everything does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from decimal import localcontext
from pathlib import Path
from typing import Any, Final, TypeVar

from papertape.exchanges.resilient import ResilientExchange
from papertape.journal import Journal
from papertape.model.errors import ConfigError, EscapedSimulation, StuckSimulation
from papertape.model.units import SECOND, Nanos, format_duration
from papertape.runtime.clock import wall_seconds
from papertape.runtime.loop import VirtualLoop
from papertape.runtime.place import waiting_at
from papertape.runtime.world import virtual_world
from papertape.session.prepare import prepared
from papertape.session.result import RunResult
from papertape.session.run import OVERTIME_NS, RunInParts
from papertape.session.spec import Scenario
from papertape.session.unseen import forgotten_awaits
from papertape.session.world import KeptRows, VenueWorld

T = TypeVar("T")

KEPT: Final = KeptRows()
"""Tapes that this process has read for such sessions: there are many of them, and most play the same."""


class SteppedSession:
    """One session, from `with` to the end of its block.

    Attributes:
        loop: the virtual loop.
        worlds: its venues, in the scenario's order.
        result: what came of it; None until it has ended.

    Args:
        scenario: its bot is not run; whoever drives is the bot.
        roots: functions and classes of the user whose own copies of clocks and the like are replaced too.
        journal_path: where to write the journal; nowhere if None.

    Raises:
        ConfigError: something in the scenario must be edited, or the exchange could not be connected before the feed ended.
        TapeError: a tape is missing or damaged.
    """

    def __init__(
        self, scenario: Scenario, *, roots: Sequence[Any] = (), journal_path: Path | None = None, kept: KeptRows | None = KEPT
    ) -> None:
        self.scenario = scenario
        self.result: RunResult | None = None
        self._roots = roots
        self._journal_path = journal_path
        self._kept = kept
        self._stack = ExitStack()
        self._driver = _Driver()
        self._work: asyncio.Task[Any] | None = None
        self._outlasted = ""

    def __enter__(self) -> SteppedSession:
        self._started_s = wall_seconds()
        parts = prepared(self.scenario, self._kept)
        with ExitStack() as stack:
            stack.enter_context(localcontext())  # a test may set the precision of its decimals; the next must not inherit it
            journal = stack.enter_context(Journal(parts.header, self._journal_path))
            self._run = RunInParts(self.scenario, parts.feeds, journal, parts.end_ns, None)
            self._run.forgotten = stack.enter_context(forgotten_awaits("the test"))
            self.loop = VirtualLoop(epoch_ns=parts.epoch_ns, limit_ns=parts.end_ns + OVERTIME_NS)
            stack.enter_context(virtual_world(self.loop, seed=self.scenario.seed, roots=self._roots))
            self._life = self.loop.create_task(self._run.with_bot(self._driver, self.loop), name="session")
            self._driver.cut_off = self._cut_off
            self._begin()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """End it and have it judged, whatever came of the block; what that raised goes on."""
        if self.result is None:
            with self._stack, self._mishaps():
                self._end()
            self.result = self._run.result(wall_seconds() - self._started_s)

    @property
    def worlds(self) -> list[VenueWorld]:
        return self._run.worlds

    @property
    def exchange(self) -> ResilientExchange:
        """The connected exchange at the first venue."""
        exchange = self.worlds[0].exchange
        assert exchange is not None, "the exchange is made before the driver is called"
        return exchange

    @property
    def now_ns(self) -> Nanos:
        """Run time."""
        return self.loop.now_ns

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end, while time passes and everything else goes on, and return what it returns.

        Raises:
            ConfigError: the market ended first.
            StuckSimulation: it waits for what can never happen.
            BaseException: whatever it raised.
        """
        if self._driver.is_cut_off:
            work.close()
            raise ConfigError(f"the market ended after {format_duration(self._run.end_ns)}, and the session with it; give a longer feed")
        self._work = task = self.loop.create_task(work, name="test")
        try:
            value: T = self.loop.run_until_complete(task)
            return value
        except asyncio.CancelledError:
            if self._outlasted:
                raise ConfigError(self._outlasted) from None
            raise
        finally:
            self._work = None

    def sleep_ns(self, ns: Nanos) -> None:
        """Let time pass."""
        self.do(asyncio.sleep(ns / SECOND))

    def _begin(self) -> None:
        begun = self.loop.create_task(self._driver.begun.wait(), name="connecting")
        self.loop.run_until_complete(asyncio.wait([begun, self._life], return_when=asyncio.FIRST_COMPLETED))
        if not begun.done():
            begun.cancel()
            self.loop.run_until_complete(self._life)
            raise ConfigError(f"{self.scenario.name}: {'; '.join(self._run.failures) or 'the session ended before it had begun'}")

    def _end(self) -> None:
        self._driver.over.set()
        self.loop.run_until_complete(self._life)

    def _cut_off(self) -> None:
        """The feed is over, and the exchange is about to be disconnected."""
        if self._work is not None and not self._work.done():
            ended = format_duration(self._run.end_ns)
            self._outlasted = (
                f"the market ended after {ended} of virtual time, and the test had not: it waited in {waiting_at(self._work)}; give a "
                "longer feed, or end it sooner"
            )
            self._work.cancel()

    @contextmanager
    def _mishaps(self) -> Iterator[None]:
        """What ends a session before its time is told in its result."""
        try:
            yield
        except StuckSimulation as stuck:
            self._run.failures.append(f"the run got stuck: {stuck}")
        except EscapedSimulation as escaped:
            self._run.escaped = escaped


class _Driver:
    """The bot of such a session: it does nothing but last."""

    ends_with_main = True  # subscriptions that are left do not keep it alive

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.over = asyncio.Event()
        self.is_cut_off = False
        self.cut_off: Callable[[], None] = lambda: None

    async def __call__(self, exchange: Any) -> None:
        self.begun.set()
        try:
            await self.over.wait()
        except asyncio.CancelledError:
            self.is_cut_off = True
            self.cut_off()
            raise
