"""The venue that paper orders meet: a simulated one that is told what the real market says, as it says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from papertape.journal import Journal
from papertape.links.simulated import SimulatedLink
from papertape.model.event import MarketEvent
from papertape.model.instrument import Instrument
from papertape.model.order import Order, OrderStatus, OrderUpdate
from papertape.model.phase import Phase
from papertape.model.units import SECOND, Nanos, plain
from papertape.model.venue import VenueRules
from papertape.runtime.chance import Chance
from papertape.runtime.clock import Clock, Timer
from papertape.runtime.rank import COMMAND
from papertape.session.outages import Outages
from papertape.session.spec import LatencySpec, ModelSpec, VenueSpec
from papertape.session.world import open_door
from papertape.sim.latency import ConstantLatency
from papertape.sim.order import fits
from papertape.tape.stamping import UNTIMED
from papertape.trading.paper.account import PaperAccount
from papertape.trading.paper.fed_time import FedTime
from papertape.trading.paper.latency import RoundTrips

FORGET_EVERY_NS: Final = 60 * SECOND
"""How long the door remembers what happened: nobody judges it."""


class PaperVenue:
    """Goes on with a paper account, from the first that is known of the real venue's time.

    Args:
        account: written, and on the disk, before anybody is told what changed it.
        model: how it fills and charges; its latency is of no account.
        latency: how long an order takes. What the bot hears has had its way already, so nothing else takes time.
        epoch_ns: what time it is at the real venue.

    Raises `ConfigError` where the account holds an open order in a market that is no more.
    """

    def __init__(
        self,
        rules: VenueRules,
        instruments: Sequence[Instrument],
        account: PaperAccount,
        *,
        model: ModelSpec,
        latency: RoundTrips,
        epoch_ns: Nanos,
        journal: Journal,
        chance: Chance,
    ) -> None:
        self._rules = rules
        self._account = account
        self._time = FedTime(epoch_ns=epoch_ns)
        kept = account.kept
        at_once = ConstantLatency(value="0s")
        model = ModelSpec(fills=model.fills, fees=model.fees, latency=LatencySpec(market=at_once, order=latency, answer=at_once))
        spec = VenueSpec(feed=(), account=kept.money, model=model)
        self._venue, self._door, _ = open_door(
            rules.name, spec, list(instruments), (), time=self._time, epoch_ns=epoch_ns, journal=journal, chance=chance,
            on_update=self._hear,
        )  # fmt: skip
        self._venue.resume(self._fitting({instrument.symbol: instrument for instrument in instruments}), kept.fills)
        self._outages = Outages(self._door, self._time)
        self._time.schedule_ns(FORGET_EVERY_NS, COMMAND, self._forget)

    def _fitting(self, instruments: Mapping[str, Instrument]) -> list[Order]:
        """The account's orders. One that is open, and does not fit its market any more, since that has other steps now, is cancelled."""
        found = []
        for order in self._account.kept.orders:
            instrument = instruments.get(order.symbol)
            if order.status is OrderStatus.OPEN and instrument is not None and not fits(order, instrument):
                steps = f"a tick of {plain(instrument.tick)} and a lot of {plain(instrument.lot)}"
                reason = f"{order.symbol} has {steps} by now, which it does not fit"
                order = msgspec.structs.replace(order, status=OrderStatus.CANCELED, reason=reason)  # as it is from now on
                self._account.write({}, [order], [])
            found.append(order)
        return found

    @property
    def open_symbols(self) -> tuple[str, ...]:
        """Markets in which orders are open."""
        return tuple(dict.fromkeys(order.symbol for order in self._venue.truth_open()))

    def knows(self, symbol: str) -> bool:
        """Whether an order in that market meets something: its book is whole, or there is no such market."""
        return symbol not in self._venue.books or self._venue.books[symbol].is_complete

    def set_phases(self, phases: Mapping[str, Phase]) -> None:
        """From now on these markets, by symbol, are in these phases."""
        for symbol, phase in phases.items():
            if symbol in self._venue.instruments:
                self._venue.set_phase(symbol, phase)

    def link(self, clock: Clock) -> SimulatedLink:
        """A link to it. It waits by the machine's clock, for this venue's may stand still."""
        return SimulatedLink(self._door, self._rules, self._time, patience=_ByClock(clock))

    def feed(self, events: Sequence[MarketEvent]) -> None:
        """What the real market said, in the order of arrival; then what is due by that time."""
        for event in events:
            when_ns = self._time.now_ns if event.venue_ns == UNTIMED else event.venue_ns - self._time.epoch_ns
            self._time.reach(when_ns, self._happen, event)
        self._time.live()

    def _happen(self, event: MarketEvent) -> None:
        broadcast = self._door.broadcast
        broadcast.reached += 1
        self._venue.apply(event, self._time.now_ns)
        self._outages.deliver(broadcast.reached, event)

    def _hear(self, update: OrderUpdate) -> None:
        """An order changed: it is on the disk, with the money as it is now, before anybody else hears of it."""
        balances = self._venue.truth_balances().currencies
        money = {each: balance.total for each, balance in balances.items() if balance.total or each in self._account.kept.money}
        self._account.write(money, [update.order], [] if update.fill is None else [update.fill])

    def _forget(self) -> None:
        self._door.forget()
        self._door.plan.forget()
        self._time.schedule_ns(self._time.now_ns + FORGET_EVERY_NS, COMMAND, self._forget)


class _ByClock:
    """The machine's clock, as who waits for a door needs it; see `sim.timeline.Timeline`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    def now_ns(self) -> Nanos:
        return self._clock.now_ns()

    def schedule_ns(self, when_ns: Nanos, rank: int, callback: Callable[..., object], *args: object) -> Timer:
        return self._clock.call_at_ns(when_ns, callback, *args)
