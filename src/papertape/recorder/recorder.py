"""Record a venue: two lanes kept up, everything public subscribed to, whatever comes put down."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import msgspec

from papertape.exchanges.admission import Admission
from papertape.exchanges.bell import Bell
from papertape.exchanges.lanes import LaneKeeper
from papertape.exchanges.requests import Requests
from papertape.links.base import Link
from papertape.model.errors import BaseError, ConfigError, PapertapeError, TapeError
from papertape.model.event import Event
from papertape.model.instrument import Instrument
from papertape.model.notes import Mark
from papertape.model.order import OrderUpdate
from papertape.model.request import Channel, Lane, Op, Request
from papertape.model.units import MILLISECOND, SECOND, Nanos, format_duration
from papertape.model.venue import Numbering
from papertape.recorder.spool import Row
from papertape.recorder.subscribing import Subscribing
from papertape.recorder.tap import TappedLink
from papertape.recorder.transcript import Transcript, shown
from papertape.resilience.backoff import Backoff
from papertape.resilience.reconnect import Reconnect, Signal
from papertape.resilience.settings import ShellSettings
from papertape.resilience.silence import Silence
from papertape.runtime.chance import Chance
from papertape.runtime.clock import Clock
from papertape.tape.stamping import UNTIMED

CHANNELS: Final = {"book": Channel.BOOK, "trades": Channel.TRADES, "ticker": Channel.TICKER, "candles": Channel.CANDLES}
"""What can be recorded, by the names that people use."""

_BEATS_MISSED: Final = 5  # a stream that missed so many heartbeats is dead


class RecorderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a recorder works; durations in nanoseconds.

    Attributes:
        channels: what of each symbol.
        flush_every_ns: how much of a recording a kill may cost at most.
        sync_every_ns: how much of it a power cut may cost.
        probe_every_ns: how often REST is asked for the time, so that its latency and its rate limits are on the tape; 0 is never.
        begin_within_ns: how long the venue may take to say what it trades before the recorder gives up; later it never does.
        shell: how its lanes are kept.
    """

    channels: tuple[Channel, ...] = (Channel.BOOK, Channel.TRADES)
    flush_every_ns: Nanos = 250 * MILLISECOND
    sync_every_ns: Nanos = 1 * SECOND
    probe_every_ns: Nanos = 10 * SECOND
    begin_within_ns: Nanos = 60 * SECOND
    shell: ShellSettings = ShellSettings()


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """How a recording goes.

    Attributes:
        lag_ns: how much later than the fastest one the last message came; None before the first.
        drops, gaps: connections lost, and losses on connections that stood.
        is_up: whether the market lane stands.
        spooled_bytes: what a kill now would not cost.
    """

    rows: int
    lag_ns: Nanos | None
    drops: int
    gaps: int
    is_up: bool
    path: str
    spooled_bytes: int


class Sink(Protocol):
    """Where a recorder puts what it hears; a `Reel` makes tapes of it. Whatever it raises ends the recording, if it is a `PapertapeError`.

    Attributes:
        rows, path, spooled_bytes: for who asks how a recording goes.
    """

    @property
    def rows(self) -> int: ...
    @property
    def path(self) -> Path: ...
    @property
    def spooled_bytes(self) -> int: ...

    def write(self, rows: Sequence[Row]) -> None:
        """What came, in the order of arrival."""

    def flush(self) -> None:
        """A while has passed: nothing that was written should be lost with the process any more."""

    def sync(self) -> None:
        """Likewise, with the machine; called from a thread."""

    def rotate(self, wall_ns: Nanos, now_ns: Nanos, instruments: Sequence[Instrument]) -> object:
        """The venue has changed its steps."""

    def rotate_if_due(self, wall_ns: Nanos, now_ns: Nanos) -> object:
        """A while has passed."""

    def finish(self) -> None:
        """The recording is over."""

    def give_up(self) -> None:
        """It has failed."""


class Recorder:
    """Records `symbols` until it is told to stop. It makes no connection before `run`.

    Args:
        link: whose streams; no key is needed. It is tapped, so that nobody else may bind a receiver to it.
        symbols: none where it is told later what to `follow`; all that the venue trades is known then.
        make_reel: called once the venue has said what it trades, with the instruments.
        chance: for the jitter of redials.
    """

    def __init__(
        self,
        link: Link,
        symbols: Sequence[str],
        *,
        clock: Clock,
        chance: Chance,
        make_reel: Callable[[Sequence[Instrument]], Sink],
        settings: RecorderSettings | None = None,
    ) -> None:
        self.settings = settings or RecorderSettings()
        self.transcript = Transcript(link.rules.numbering)
        self.reel: Sink | None = None
        self._symbols = tuple(dict.fromkeys(symbols))
        self._clock = clock
        self._make_reel = make_reel
        self._bell = Bell(clock)
        self._failure: PapertapeError | None = None
        self._is_stopping = False
        self._early: list[Row] = []  # heard before the instruments were known
        self._instruments: tuple[Instrument, ...] = ()
        self._lag_ns: Nanos | None = None
        self._least_ns: Nanos | None = None
        self._gaps = 0  # that were acted upon
        self._link = TappedLink(link, self.transcript, clock, put=self._put, on_failed=self._failed)
        self._link.bind(self)
        shell, rules = self.settings.shell, link.rules
        backoff = partial(Backoff, first_ns=shell.backoff_first_ns, max_ns=shell.backoff_max_ns)
        self._requests = Requests(
            self._link, clock=clock, notes=_Nobody(), settings=shell, bell=self._bell,
            backoff=backoff(draws=chance.stream(f"record/{rules.name}/calls")), rest_is_live=lambda: self._rest.is_live,
            on_line_dead=lambda why: self._rest.signal(Signal.DROPPED, why),
        )  # fmt: skip
        self._admission = Admission(rules, self._requests, clock=clock, margin_ns=shell.rate_margin_ns)
        self._subscribing = Subscribing(
            self._link, [(channel, symbol) for symbol in self._symbols for channel in self.settings.channels], clock=clock,
            may_say=self._admission.message, patience_ns=shell.resync_step_ns, within_ns=shell.snapshot_within_ns,
        )  # fmt: skip
        self._rest, self._market = (
            self._keeper(lane, backoff(draws=chance.stream(f"record/{rules.name}/{lane}"))) for lane in (Lane.REST, Lane.MARKET)
        )

    def _keeper(self, lane: Lane, backoff: Backoff) -> LaneKeeper:
        shell, rules = self.settings.shell, self._link.rules
        is_market = lane is Lane.MARKET
        return LaneKeeper(
            lane, self._link, clock=self._clock, settings=shell, machine=Reconnect(backoff, stable_after_ns=shell.stable_after_ns),
            silence=Silence(limit_ns=shell.stale_after_ns or _BEATS_MISSED * rules.heartbeat_ns) if is_market else None,
            may_dial=partial(self._admission.dial, lane), on_refused=self._admission.refused,
            repair=self._subscribe if is_market else self._learn, on_lost=partial(self._lost, lane),
            on_change=lambda keeper: self._bell.ring(), on_silent=lambda why: None,
            is_starved=(lambda now_ns: self._subscribing.starved(now_ns)) if is_market else (lambda now_ns: ""),
            counts_instruments=is_market and rules.numbering is Numbering.INSTRUMENT,
        )  # fmt: skip

    # From outside

    async def run(self) -> None:
        """Record until `stop`; the last tape is finished then.

        Raises:
            ConfigError: the venue does not trade one of the symbols.
            TapeError: a file cannot be written, or the venue did not answer at all; spools stay where they are.
        """
        tasks = [asyncio.ensure_future(self._rest.run())]
        is_finished = False
        try:
            await self._learned()
            tasks += [asyncio.ensure_future(work) for work in (self._market.run(), self._flush(), self._probe())]
            for task in tasks:
                task.add_done_callback(lambda done: self._bell.ring())
            await self._bell.until(lambda: self._is_stopping or self._failure is not None or any(task.done() for task in tasks))
            self._link.is_over = True  # that we hang up is nothing that happened to the line
            for task in tasks:
                if task.done():
                    task.result()  # none of them ends before it is told to
            if self._failure is not None:
                raise self._failure
            if self.reel is not None:
                self.reel.finish()
            is_finished = True
        finally:
            self._link.is_over = True
            if not is_finished and self.reel is not None:
                self.reel.give_up()
            await self._leave(tasks)

    def stop(self) -> None:
        """Finish the tape, and come to an end."""
        self._is_stopping = True
        self._bell.ring()

    def follow(self, channel: Channel, symbol: str) -> None:
        """From now on this too; what is followed already stays as it is."""
        if not self._subscribing.wants((channel, symbol)):
            self._subscribing.want((channel, symbol))
            self._market.signal(Signal.MISSED, f"{channel} {symbol} is wanted")

    def recording(self) -> Recording:
        reel = self.reel
        return Recording(
            rows=0 if reel is None else reel.rows, lag_ns=self._lag_ns, drops=self.transcript.drops, gaps=self.transcript.gaps,
            is_up=self._market.is_live, path="" if reel is None else str(reel.path),
            spooled_bytes=0 if reel is None else reel.spooled_bytes,
        )  # fmt: skip

    # What the link brings: `links.base.Receiver`, behind the tap

    def on_message(self, lane: Lane, sequence: int | None, message: Event | OrderUpdate) -> None:
        self._market.heard += 1
        self._subscribing.on_message(message)

    def on_closed(self, lane: Lane, reason: str) -> None:
        (self._rest if lane is Lane.REST else self._market).signal(Signal.DROPPED, reason)

    # What is put down

    def _put(self, rows: list[Row]) -> None:
        if self.reel is None:
            self._early += rows
            return
        self.reel.write(rows)
        event = rows[-1][2]
        if event.venue_ns != UNTIMED:
            late_ns = event.local_ns - event.venue_ns
            self._least_ns = late_ns if self._least_ns is None else min(late_ns, self._least_ns)
            self._lag_ns = late_ns - self._least_ns
        if self.transcript.gaps != self._gaps:
            self._gaps = self.transcript.gaps
            self._subscribing.torn()
            self._market.signal(Signal.MISSED, "a gap")

    def _failed(self, error: PapertapeError) -> None:
        self._failure = self._failure or error
        self._bell.ring()

    # REST

    async def _learned(self) -> None:
        """Wait until the venue has said what it trades."""
        deadline_ns = self._clock.now_ns() + self.settings.begin_within_ns
        has_begun = await self._bell.until(lambda: self._is_stopping or self._failure is not None or self.reel is not None, deadline_ns)
        if self._failure is not None:
            raise self._failure
        if not has_begun:
            raise TapeError(
                f"{self._link.rules.name}: did not say within {format_duration(self.settings.begin_within_ns)} what it trades; "
                f"{shown(self._rest.reason) or 'no answer'}. Is the line up? Nothing was recorded."
            )

    async def _learn(self) -> None:
        """The REST lane is open: learn the instruments, unless they are known."""
        if self.reel is not None:
            return
        self._instruments = await self._fetch_instruments()
        if not self._instruments:
            return
        try:
            self.reel = self._make_reel(self._instruments)
            rows, self._early = self._early, []
            self._put(rows)
        except PapertapeError as error:
            self._failed(error)
        self._bell.ring()

    async def _fetch_instruments(self) -> tuple[Instrument, ...]:
        await self._requests.spend(Op.MARKETS_FETCH, urgent=False)
        answer = await self._requests.send(Request(op=Op.MARKETS_FETCH))
        known = {market.symbol: market.instrument for market in answer.markets}
        for symbol in self._symbols:
            if symbol not in known:
                near = difflib.get_close_matches(symbol, known, n=1)
                hint = f'; did you mean "{near[0]}"?' if near else "."
                self._failed(ConfigError(f'record: {self._link.rules.name} does not trade "{symbol}"{hint}'))
                return ()
        return tuple(known[symbol] for symbol in self._symbols or known)

    async def _look_at_steps(self) -> None:
        if not self._rest.is_live or self.reel is None:
            return
        try:
            now = await self._fetch_instruments()
        except BaseError:
            return  # the next connection asks again
        if now and now != self._instruments:
            self._instruments = now
            self.reel.rotate(self._clock.wall_ns(), self._clock.now_ns(), now)

    async def _probe(self) -> None:
        every_ns = self.settings.probe_every_ns
        if not every_ns:
            await self._bell.until(lambda: self._is_stopping)
        while not self._is_stopping:
            await self._clock.sleep_ns(every_ns)
            if self._rest.is_live:
                await self._requests.spend(Op.TIME_FETCH, urgent=False)
                try:
                    await self._requests.send(Request(op=Op.TIME_FETCH))
                except BaseError:
                    continue  # it is on the tape

    # The market lane

    async def _subscribe(self) -> None:
        """What a connection needs; before any but the first: the venue may have changed its steps, and then another tape must begin."""
        if not self._subscribing.is_begun and self.transcript.drops:
            await self._look_at_steps()
        await self._subscribing.say_all()

    def _lost(self, lane: Lane, reason: str) -> None:
        self._link.reasons[lane] = reason
        if lane is Lane.MARKET:
            self._subscribing.lost()

    # Files

    async def _flush(self) -> None:
        synced_ns = self._clock.now_ns()
        while not self._is_stopping and self.reel is not None:
            await self._clock.sleep_ns(self.settings.flush_every_ns)
            now_ns = self._clock.now_ns()
            try:
                if not self._link.is_over:
                    self.reel.flush()
                if now_ns - synced_ns >= self.settings.sync_every_ns:
                    synced_ns = now_ns
                    await asyncio.to_thread(self.reel.sync)
                if not self._link.is_over:
                    self.reel.rotate_if_due(self._clock.wall_ns(), self._clock.now_ns())
            except PapertapeError as error:
                self._failed(error)
                return

    async def _leave(self, tasks: list[asyncio.Task[None]]) -> None:
        self._is_stopping = True
        self._bell.ring()
        for keeper in (self._market, self._rest):
            keeper.signal(Signal.CLOSED)
        lanes, others = tasks[:2], tasks[2:]
        for task in others:
            task.cancel()
        await asyncio.wait(lanes, timeout=2 * self.settings.shell.hang_up_within_ns / SECOND)
        for task in lanes:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Nobody:
    """Nobody reads the notes of a recorder: what happens is on the tape."""

    def mark(self, mark: Mark, detail: str = "") -> None:
        """Forget it."""

    def health_changed(self, is_healthy: bool, why: str) -> None:
        """Forget it."""
