"""The heartbeats of one connection: sent for as long as they are wanted, or only counted where nothing else can become of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from papertape.model.event import Heartbeat
from papertape.model.request import Channel
from papertape.model.units import Nanos
from papertape.runtime.loop import FOREVER_NS
from papertape.runtime.rank import TIMER
from papertape.sim.fault_plan import FaultPlan
from papertape.sim.timeline import Timeline

if TYPE_CHECKING:
    from papertape.sim.stream import Message, Stream


class Sender(Protocol):
    """What heartbeats need of a broadcast."""

    def send(self, stream: Stream, message: Message) -> None: ...


class Beats:
    """Sends them; a `runtime.rounds.Passing`."""

    is_ordered = True

    def __init__(self, stream: Stream, sender: Sender, *, every_ns: Nanos, timeline: Timeline, plan: FaultPlan, epoch_ns: Nanos) -> None:
        self.every_ns = every_ns
        self._stream = stream
        self._sender = sender
        self._timeline = timeline
        self._plan = plan
        self._epoch_ns = epoch_ns

    def go_on(self) -> None:
        """The next one is due after a period."""
        due_ns = self._timeline.now_ns + self.every_ns
        schedule: Callable[..., object] | None = getattr(self._timeline, "schedule_round", None)
        if schedule is None:
            self._timeline.schedule_ns(due_ns, TIMER, self._beat)
        else:
            schedule(due_ns, TIMER, self.every_ns, self, self._beat)

    def _beat(self) -> None:
        stream = self._stream
        if self._is_wanted():
            stamp_ns = self._epoch_ns + self._timeline.now_ns
            self._sender.send(stream, Heartbeat(venue_ns=stamp_ns, local_ns=stamp_ns, symbol="", counter=stream.heartbeats))
            stream.heartbeats += 1
            self.go_on()

    def _is_wanted(self) -> bool:
        return self._stream.is_open and (Channel.HEARTBEATS, "") in self._stream.wanted_after

    @property
    def is_steady(self) -> bool:
        """Whether each would arrive as it is sent, and do nothing there but be counted, if nothing else happened."""
        stream = self._stream
        if stream.taker_of_beats is None or stream.can_tell or stream.waiting or stream.aside is not None or not self._is_wanted():
            return False
        is_alone = not stream.counts_instruments and not self._plan.meets_beats(stream.lane)
        return is_alone and stream.taker_of_beats.may_take(stream.lane, stream.sequence, self._epoch_ns + self._timeline.now_ns)

    def quiet_until_ns(self, due_ns: Nanos) -> Nanos:
        return FOREVER_NS if self.is_steady else due_ns

    def passed(self, count: int, last_ns: Nanos) -> None:
        stream = self._stream
        assert stream.taker_of_beats is not None, "else none is passed over"
        sequence = stream.sequence
        stream.sequence += count
        stream.heartbeats += count
        stream.taker_of_beats.take(stream.lane, sequence, count, self._epoch_ns + last_ns, last_ns)
