"""The shell of one lane: it dials, repairs, waits and closes as its machine says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from papertape.links.base import Link
from papertape.model.errors import BaseError, ExchangeError
from papertape.model.request import Lane
from papertape.model.units import SECOND, Nanos
from papertape.resilience.feed import FeedState
from papertape.resilience.health import LaneHealth
from papertape.resilience.reconnect import Deliver, Dial, LaneState, Reconnect, Repair, Rest, Signal, Wait
from papertape.resilience.sequence import Sequence, Sequences
from papertape.resilience.settings import ShellSettings
from papertape.resilience.silence import Silence
from papertape.runtime.clock import Clock, Timer
from papertape.runtime.loop import FOREVER_NS
from papertape.runtime.rounds import call_after_ns

NO_SEQUENCE = -1
"""What a closed lane expects: no message fits, so whatever still trickles in takes the slow path and is dropped there."""


class LaneKeeper:
    """Keeps one lane open for as long as it is wanted. Before each dial it awaits `may_dial`, so that no storm of them reaches the venue.

    Its looks whether the lane is silent are rounds that may be passed over (`runtime.rounds.Passing`).

    Attributes:
        heard: messages since the start; the hot path counts here.
        sequence: the connection's counter; the hot path compares `sequence.expected`.
        sequences: those of its instruments, where the venue counts each of them; then nothing fits the other.
        is_open: messages are wanted: from dialling until the connection ends.
        reason: why the lane was last lost.
        due_ns: when it dials next, or dialled last, run time.
        refused: what the venue said no with while we dialled or repaired; None while all is well.
    """

    is_ordered = True

    def __init__(
        self,
        lane: Lane,
        link: Link,
        *,
        clock: Clock,
        settings: ShellSettings,
        machine: Reconnect,
        silence: Silence | None,
        may_dial: Callable[[], Awaitable[object]],
        on_refused: Callable[[BaseException], None],
        repair: Callable[[], Awaitable[None]],
        on_lost: Callable[[str], None],
        on_change: Callable[[LaneKeeper], None],
        on_silent: Callable[[str], None],
        is_starved: Callable[[Nanos], str],
        counts_instruments: bool = False,
    ) -> None:
        self.lane = lane
        self.heard = 0
        self.sequence = Sequence()
        self.sequence.expected = NO_SEQUENCE
        self.sequences = Sequences() if counts_instruments else None
        self.is_open = False
        self.reason = ""
        self.due_ns: Nanos | None = None
        self.refused: ExchangeError | None = None
        self._link = link
        self._volume: Callable[[Lane], int] | None = getattr(link, "volume", None)
        self._beats_every_ns: Callable[[Lane], Nanos | None] = getattr(link, "beats_every_ns", _uncertain)
        # Five looks within the limit: silence is noticed at most a fifth of it late.
        self._look_every_ns = 0 if silence is None else max(1, silence.limit_ns // 5)
        self._clock = clock
        self._settings = settings
        self._machine = machine
        self._silence = silence
        self._may_dial = may_dial
        self._on_refused = on_refused
        self._repair = repair
        self._on_lost = on_lost
        self._on_change = on_change
        self._on_silent = on_silent
        self._is_starved = is_starved
        self._signal: Signal | None = None  # what interrupts whatever is being done
        self._work: asyncio.Task[Any] | asyncio.Future[None] | None = None
        self._tick: Timer | None = None
        self._was_silent = False
        self._heard_before = 0  # this connection opened

    @property
    def state(self) -> LaneState:
        """Where the lane stands, counting what has just happened to it and is yet to be acted upon."""
        if self._signal is Signal.DROPPED:
            return LaneState.DOWN
        if self._signal is Signal.MISSED:
            return LaneState.SYNCING
        return self._machine.state

    @property
    def is_live(self) -> bool:
        return self._machine.state is LaneState.LIVE and self._signal is None

    @property
    def times_live(self) -> int:
        return self._machine.times_live

    def health(self, feed: FeedState | None = None) -> LaneHealth:
        quiet_ns = None
        if self._silence is not None and self.is_open:
            quiet_ns = self._clock.now_ns() - self._silence.quiet_since_ns
        return LaneHealth(
            lane=self.lane,
            state=self.state,
            feed=feed,
            reconnects=max(0, self.times_live - 1),
            failures=self._machine.failures,
            quiet_ns=quiet_ns,
            reason=self.reason,
        )

    async def run(self) -> None:
        """Keep the lane until `signal(CLOSED)`."""
        signal = await self._during(self._admitted())
        while True:
            action = self._machine.on(signal, self._clock.now_ns())
            self._on_change(self)
            match action:
                case Dial():
                    signal = await self._during(self._dial())
                case Repair():
                    signal = await self._during(self._mend())
                case Deliver():
                    signal = await self._during(None)
                case Wait(until_ns):
                    signal = await self._during(self._pause(until_ns))
                case Rest():
                    await self._close()
                    return

    def signal(self, signal: Signal, reason: str = "") -> None:
        """Something happened to the lane from outside of what it is doing; the worst that happened counts."""
        if signal is Signal.DROPPED:
            if not self.is_open:
                return
            self._lost(reason)
        elif signal is Signal.MISSED and (not self.is_open or self.state not in (LaneState.SYNCING, LaneState.LIVE)):
            return
        if self._signal is not Signal.CLOSED and (self._signal is None or signal is not Signal.MISSED):
            self._signal = signal
        if self._work is not None and not self._work.done():
            self._work.cancel()

    async def _during(self, work: Coroutine[Any, Any, Signal] | None) -> Signal:
        """Do `work`, or nothing, until it is done or something happens to the lane."""
        if self._signal is None:
            loop = asyncio.get_running_loop()
            self._work = loop.create_future() if work is None else loop.create_task(work)
            try:
                signal = await self._work
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    self._work.cancel()
                    raise
                if not self._is_interrupted():  # something that the work waited for was cancelled, and nobody asked for that
                    self._lost("given up by a library")
                    self._signal = Signal.RETRY_DUE if self._machine.state is LaneState.DOWN else Signal.DROPPED
            else:
                if not self._is_interrupted() or (signal is Signal.DROPPED and self._signal is Signal.MISSED):
                    self._signal = signal
            finally:
                self._work = None
        elif work is not None:
            work.close()
        signal, self._signal = self._signal, None
        assert signal is not None
        return signal

    def _is_interrupted(self) -> bool:
        return self._signal is not None

    async def _dial(self) -> Signal:
        self.is_open = True
        self._heard_before = self.heard
        if self.sequences is None:
            self.sequence.restart()
        else:
            self.sequences.restart()
        try:
            async with asyncio.timeout(self._settings.dial_within_ns / SECOND):
                await self._link.open(self.lane)
        except (BaseError, TimeoutError) as error:
            self._on_refused(error)
            self._failed(error)
            return Signal.DROPPED
        if self._silence is not None:
            self._silence.restart(self._clock.now_ns(), self.heard)
            self._look_later()
        return Signal.OPENED

    async def _mend(self) -> Signal:
        try:
            await self._repair()
        except BaseError as error:
            self._failed(error)
            await self._hang_up()
            return Signal.DROPPED
        self.refused = None
        if self._was_silent and self._silence is not None:
            # The last connection took everything and said nothing; this one is believed when it has spoken.
            while self.heard == self._heard_before:
                await self._clock.sleep_ns(max(1, self._silence.limit_ns // 50))
        self._was_silent = False
        return Signal.REPAIRED

    async def _pause(self, until_ns: Nanos) -> Signal:
        self.due_ns = until_ns
        # A lane that was dropped by us, not by the venue, may still be open on the other side.
        await self._hang_up()
        await self._clock.sleep_ns(until_ns - self._clock.now_ns())
        return await self._admitted()

    async def _admitted(self) -> Signal:
        await self._may_dial()
        return Signal.RETRY_DUE

    async def _close(self) -> None:
        self._lost("closed by us")
        await self._hang_up()

    async def _hang_up(self) -> None:
        """Close the lane, or leave it to itself: whatever its other end does, ours goes on."""
        with suppress(TimeoutError, BaseError):
            async with asyncio.timeout(self._settings.hang_up_within_ns / SECOND):
                await self._link.close(self.lane)

    def _failed(self, error: BaseError | TimeoutError) -> None:
        self.refused = error if isinstance(error, ExchangeError) else None
        self._lost(f"{type(error).__name__}: {error or 'no answer'}")

    def _lost(self, reason: str) -> None:
        self.reason = reason
        if self.is_open:
            self.is_open = False
            self.sequence.expected = NO_SEQUENCE
            if self._tick is not None:
                self._tick.cancel()
                self._tick = None
            self._on_lost(reason)

    def _look_later(self) -> None:
        self._tick = call_after_ns(self._clock, self._look_every_ns, self, self._look)

    def quiet_until_ns(self, due_ns: Nanos) -> Nanos:
        """Looks find nothing while heartbeats are certain to come between any two of them; without that, for as long as silence is none."""
        silence = self._silence
        if not self.is_open or silence is None or self._volume is not None or self._is_starved(FOREVER_NS):
            return due_ns
        beats_ns = self._beats_every_ns(self.lane)
        if beats_ns is None:
            return silence.lives_until_ns
        return FOREVER_NS if beats_ns == self._look_every_ns and due_ns < silence.lives_until_ns else due_ns

    def passed(self, count: int, last_ns: Nanos) -> None:
        assert self._silence is not None, "else there is no look"
        if count > 1 and self._beats_every_ns(self.lane) is not None:
            self._silence.restart(last_ns, self.heard)  # there was a heartbeat before each but the first
            return
        is_dead = self._silence.is_dead(self.heard, last_ns - (count - 1) * self._look_every_ns)
        assert not is_dead, "else it is not passed over"

    def _look(self) -> None:
        if not self.is_open or self._silence is None:
            return
        now_ns = self._clock.now_ns()
        volume = 0 if self._volume is None else self._volume(self.lane)
        if self._silence.is_dead(self.heard, now_ns, volume):
            why = f"silent for {self._silence.limit_ns} ns"
        elif self._is_receiving(now_ns):
            why = ""  # what is waited for may be in it
        else:
            why = self._is_starved(now_ns)
        if why:
            self._was_silent = True
            self._on_silent(why)
            self.signal(Signal.DROPPED, why)
        else:
            self._look_later()

    def _is_receiving(self, now_ns: Nanos) -> bool:
        """Whether a large message is on its way, and has not been for too long."""
        since_ns = None if self._silence is None else self._silence.receiving_since_ns
        return since_ns is not None and now_ns - since_ns < self._settings.message_within_ns


def _uncertain(lane: Lane) -> Nanos | None:
    """Of a link that does not know when heartbeats come."""
    return None
