"""The market that is served: a venue with its door and tapes, on a time that keeps step with the machine's clock.

The venue, the door and the cursors are those of every run; what is here is what a run has no need of: another date, laps, a market that
goes on after its tape, faults that come and go by hand.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any, Final

import msgspec

from papertape.faults.base import Fault, as_table
from papertape.journal import Journal
from papertape.model.errors import ConfigError
from papertape.model.order import iso
from papertape.model.request import Op, Request
from papertape.model.units import SECOND, Nanos, format_duration
from papertape.runtime.chance import Chance
from papertape.runtime.clock import Clock
from papertape.runtime.paced import Pace, PacedTime
from papertape.runtime.rank import COMMAND
from papertape.session.port import DoorPort
from papertape.session.replay import Replay
from papertape.session.serving.laps import laps, valid_from_then
from papertape.session.serving.magic import Magic
from papertape.session.serving.spec import ServeSpec, speed_text
from papertape.session.spec import Scenario
from papertape.session.world import Feed, instruments_of, open_door, open_feeds, outages_of, walked, with_fills
from papertape.sim.armed import Armed
from papertape.venues import VENUES

FORGET_EVERY_NS: Final = 60 * SECOND
"""How long the door remembers what happened: a server may stand for weeks, and nobody judges it."""


class ArmedFault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault and what it has done so far.

    Attributes:
        number: counts the faults of a server, from 1.
        fault: as it would stand in a file.
        fired: how many requests, messages and connections it hit.
        open: its window is running.
        lifted: it was told to act no more.
    """

    number: int
    fault: dict[str, Any]
    fired: int
    open: bool
    lifted: bool


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How the market stands.

    Attributes:
        date: the venue's own, as ISO 8601.
        run_time: how long it has gone on, of its own time.
        behind: how far it is behind where it ought to be; the machine is too slow if that grows.
        speed: tape seconds for each second.
        started: whether it has begun.
        over: the tapes have told all they have, and the market stands still; it is still served.
        rows: messages that have reached the venue.
        streams: stream connections that are open.
        orders: orders that the venue has accepted.
    """

    date: str
    run_time: str
    behind: str
    speed: str
    started: bool
    over: bool
    rows: int
    streams: int
    orders: int


class ServedMarket:
    """One venue, served.

    Attributes:
        port: what a front end needs of it.
        time: its timeline.
        tell: where words for the person at the terminal go.
    """

    def __init__(self, spec: ServeSpec, clock: Clock, journal: Journal, tell: Callable[[str], object]) -> None:
        self.spec = spec
        self.tell = tell
        self.is_over = False
        self.is_started = False
        self._chance = Chance(spec.seed)
        feeds = open_feeds(_as_scenario(spec), spec.venue_spec, f"serve {spec.venue}")
        first_ns, end_ns = min(feed.start_ns for feed in feeds), max(feed.end_ns for feed in feeds)
        shift_ns = clock.wall_ns() - first_ns if spec.dates == "now" else 0
        epoch_ns = first_ns + shift_ns
        self.time = PacedTime(clock, Pace(spec.speed), epoch_ns=epoch_ns)
        instruments = [valid_from_then(each, shift_ns, is_endless=spec.loop) for each in instruments_of(feeds)]
        self._armed: dict[int, Armed] = {}
        self._numbers = itertools.count(1)
        played = with_fills(spec.venue_spec, feeds, f"serve {spec.venue}, model")
        self.venue, self.door, _ = open_door(
            spec.venue, played, instruments, (), time=self.time, epoch_ns=epoch_ns, journal=journal, chance=self._chance
        )
        rules = VENUES[spec.venue]
        self.port = DoorPort(self.door, rules, self.time, self._arrive)
        if spec.has_magic:
            self.door.plan.add(Magic(cancel=self._cancel_later, on_unknown=tell))
        for fault in spec.faults:
            self._keep(self.door.plan.add(fault))
        read = [partial(self._laps, feed, first_ns, end_ns - first_ns, shift_ns) for feed in feeds]
        walk = partial(walked, self.door, spec.venue, spec.venue_spec, epoch_ns=epoch_ns, chance=self._chance)
        outages = outages_of(feeds, self.door, self.time)
        self._replay = Replay(self.time, [walk(number, rows(), outages=outages) for number, rows in enumerate(read)])
        self.time.feed = self._replay
        self.time.on_feed_over = self._feed_over
        self.time.schedule_ns(FORGET_EVERY_NS, COMMAND, self._forget)

    def _laps(self, feed: Feed, first_ns: Nanos, length_ns: Nanos, shift_ns: Nanos) -> Any:
        return laps(feed.rows, start_ns=first_ns, length_ns=length_ns, shift_ns=shift_ns, is_endless=self.spec.loop)

    # Its time

    def start(self) -> None:
        """The market moves from now on."""
        if not self.is_started:
            self.is_started = True
            self.time.start()

    def set_speed(self, speed: Fraction) -> None:
        self.time.catch_up()
        self.time.set_speed(speed)

    def standing(self, streams: int) -> Standing:
        time = self.time
        time.catch_up()
        return Standing(
            date=iso(time.wall_ns()), run_time=format_duration(time.now_ns), behind=format_duration(time.behind_ns()),
            speed=speed_text(time.pace.speed), started=self.is_started, over=self.is_over, rows=self._replay.seen, streams=streams,
            orders=len(self.venue.truth_orders()),
        )  # fmt: skip

    def _arrive(self) -> None:
        if self.spec.waits:
            self.start()
        self.time.catch_up()

    def _feed_over(self) -> None:
        self.is_over = True
        self.tell(
            f"the tape is over after {format_duration(self.time.now_ns)}: the market stands still, and is still served "
            "(--loop plays it again)"
        )

    def _forget(self) -> None:
        self.door.forget()
        self.door.plan.forget()
        self.time.schedule_ns(self.time.now_ns + FORGET_EVERY_NS, COMMAND, self._forget)

    # Its faults

    def arm(self, fault: Fault) -> ArmedFault:
        """One more fault, from now on."""
        self.time.catch_up()
        return self._told(self._keep(self.door.plan.add(fault)))

    def faults(self) -> list[ArmedFault]:
        self.time.catch_up()
        return [self._told(number) for number in self._armed]

    def fault(self, number: int) -> ArmedFault | None:
        self.time.catch_up()
        return self._told(number) if number in self._armed else None

    def lift(self, number: int) -> None:
        """That fault acts no more."""
        self.time.catch_up()
        self.door.plan.lift(self._armed[number])

    def _keep(self, armed: Armed) -> int:
        number = next(self._numbers)
        self._armed[number] = armed
        return number

    def _told(self, number: int) -> ArmedFault:
        armed = self._armed[number]
        assert isinstance(armed.fault, Fault)
        return ArmedFault(number=number, fault=as_table(armed.fault), fired=armed.fired, open=armed.is_open, lifted=armed.is_healed)

    def _cancel_later(self, order_id: str, after_ns: Nanos) -> None:
        """The venue cancels an order of its own accord; what is not open by then stays as it is."""
        request = Request(op=Op.ORDER_CANCEL, order_id=order_id)
        self.time.schedule_ns(self.time.now_ns + after_ns, COMMAND, lambda: self.venue.execute(request, self.time.now_ns))


def check_faults(faults: tuple[Fault, ...], where: str) -> None:
    """Raise `ConfigError` for the first that cannot act here."""
    for fault in faults:
        if getattr(fault, "needs_wire", False):
            raise ConfigError(
                f'{where}: fault "{fault.kind}": acts on the bytes of a simulated network, and `serve` has real sockets; use a fault '
                "that acts at the Door, such as disconnect or outage; `papertape list faults` shows which"
            )
        if fault.needs_bot:
            raise ConfigError(
                f'{where}: fault "{fault.kind}": happens to a bot of papertape\'s own, and `serve` knows its clients by their connections '
                "alone; `papertape list faults` shows all"
            )


def _as_scenario(spec: ServeSpec) -> Scenario:
    return Scenario(title=f"serve {spec.venue}", venues={spec.venue: spec.venue_spec}, folder=spec.folder)
