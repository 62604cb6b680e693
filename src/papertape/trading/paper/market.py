"""The real market, for paper: a recording that is played at once.

A `Recorder` keeps two lanes to the real venue up, and what it hears goes to a `PaperVenue` instead of into a tape, outages included. So
whatever happens to the line happens to the bot, and while the line is down no order meets anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from papertape.exchanges.bell import Bell
from papertape.journal import Journal
from papertape.links.base import Link
from papertape.links.simulated import SimulatedLink
from papertape.model.account import Market
from papertape.model.errors import ConfigError
from papertape.model.event import ConnectionEvent, ConnectionKind, MarketEvent
from papertape.model.instrument import Instrument
from papertape.model.request import Channel, Lane
from papertape.model.units import Nanos, parse_duration, plain
from papertape.recorder import Recorder, RecorderSettings
from papertape.recorder.spool import Row
from papertape.runtime.chance import Chance
from papertape.runtime.clock import Clock
from papertape.session.spec import ModelSpec
from papertape.tape.stamping import UNTIMED
from papertape.trading.paper.account import PaperAccount
from papertape.trading.paper.latency import RoundTrips
from papertape.trading.paper.venue import PaperVenue

MET_ON: Final = (Channel.BOOK, Channel.TRADES)
"""What an order needs to know of its market."""


class PaperMarket:
    """What a real venue says, and the paper venue that hears it.

    Args:
        link: to the real venue, with no key.
        account: the paper account.
        model: how the paper venue fills and charges.
        chance: for jitter, and for which round trip an order takes.

    Attributes:
        latency: how long orders take, as measured.
        venue: None until the real one has said what it trades, and what time it is there.
        rows, path, spooled_bytes: a recorder's sink has them.
    """

    def __init__(
        self, link: Link, account: PaperAccount, *, clock: Clock, chance: Chance, journal: Journal, model: ModelSpec | None = None
    ) -> None:
        self._model = model or ModelSpec()
        self.latency = RoundTrips()
        self.venue: PaperVenue | None = None
        self.rows = 0
        self.path = Path()
        self.spooled_bytes = 0
        self._link = link
        self._account = account
        self._clock = clock
        self._chance = chance
        self._journal = journal
        self._bell = Bell(clock)
        self._instruments: dict[str, Instrument] = {}
        self._changed: dict[str, Instrument] = {}
        self._followed: dict[str, None] = {}
        self._outdated = ""  # why nothing that comes is believed any more
        self._early: list[MarketEvent] = []
        self._recorder = Recorder(
            link, (), clock=clock, chance=chance, make_reel=self._learned, settings=RecorderSettings(channels=())
        )  # fmt: skip

    async def run(self) -> None:
        """Keep the market up until `stop`.

        Raises what `Recorder.run` does, and `ConfigError` where the account cannot be used, or a market that is followed has new steps.
        """
        await self._recorder.run()
        if self._outdated:
            raise ConfigError(self._outdated)

    def stop(self) -> None:
        """Come to an end."""
        self._recorder.stop()

    async def stands(self, within_ns: Nanos) -> bool:
        """Wait until there is a venue."""
        return await self._bell.until(lambda: self.venue is not None, self._clock.now_ns() + within_ns)

    def link_within(self) -> SimulatedLink:
        """A link to the venue, which must stand."""
        assert self.venue is not None, "the venue stands"
        return self.venue.link(self._clock)

    def follow(self, symbol: str, *channels: Channel) -> None:
        """From now on hear this of a market, and whatever orders there need."""
        if symbol in self._changed:
            self._end(symbol)
        elif symbol in self._instruments:
            self._followed[symbol] = None
            for channel in dict.fromkeys((*MET_ON, *channels)):
                self._recorder.follow(channel, symbol)

    async def knows(self, symbol: str, within_ns: Nanos) -> bool:
        """Wait until an order in that market meets something."""
        venue = self.venue
        return venue is None or await self._bell.until(lambda: venue.knows(symbol), self._clock.now_ns() + within_ns)

    # A recorder's sink

    def write(self, rows: Sequence[Row]) -> None:
        """What came."""
        events = [event for _, _, event in rows]
        for event in events:
            self._measure(event)
        if self.venue is None:
            self._early += events
            epoch_ns = next((event.venue_ns for event in events if event.venue_ns != UNTIMED), None)
            if epoch_ns is None:
                return
            events, self._early = self._early, []
            self._begin(epoch_ns)
        if self._outdated:
            return
        assert self.venue is not None, "it has begun"
        self.venue.feed(events)
        self.rows += len(rows)
        self._bell.ring()

    def flush(self) -> None:
        """Nothing waits to be written."""

    def sync(self) -> None:
        """Nothing waits to be written."""

    def rotate(self, wall_ns: Nanos, now_ns: Nanos, instruments: Sequence[Instrument]) -> None:
        """The real venue has changed something of its markets."""
        self.learn(instruments)

    def learn(self, instruments: Sequence[Instrument]) -> None:
        """What the real venue trades now. Prices and amounts that come are counted in its steps of now: where those are no longer the ones
        that this venue began with, nothing of that market may be believed, and it ends. Minima stay as they were until the next start.
        """
        for now in instruments:
            before = self._instruments.get(now.symbol)
            if before is not None and (before.tick, before.lot) != (now.tick, now.lot):
                self._changed[now.symbol] = now
                if now.symbol in self._followed:
                    self._end(now.symbol)

    def stand(self, markets: Sequence[Market]) -> None:
        """In which phase the real venue's markets are: the paper venue's take what those take."""
        if self.venue is not None:
            self.venue.set_phases({market.symbol: market.phase for market in markets})

    def rotate_if_due(self, wall_ns: Nanos, now_ns: Nanos) -> None:
        """There are no files."""

    def finish(self) -> None:
        """All is on the disk."""

    def give_up(self) -> None:
        """All is on the disk."""

    # Within

    def _end(self, symbol: str) -> None:
        before, now = self._instruments[symbol], self._changed[symbol]
        self._outdated = (
            f"{self._link.rules.name} has changed the steps of {symbol}, tick {plain(before.tick)} to {plain(now.tick)}, lot "
            f"{plain(before.lot)} to {plain(now.lot)}, while paper trades there; start again: the account goes on with the new ones"
        )
        self._recorder.stop()

    def _learned(self, instruments: Sequence[Instrument]) -> PaperMarket:
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        return self

    def _begin(self, epoch_ns: Nanos) -> None:
        self.venue = PaperVenue(
            self._link.rules, list(self._instruments.values()), self._account, model=self._model, latency=self.latency,
            epoch_ns=epoch_ns, journal=self._journal, chance=self._chance,
        )  # fmt: skip
        for symbol in self.venue.open_symbols:
            self.follow(symbol)

    def _measure(self, event: MarketEvent) -> None:
        """Learn how long the line takes from what the recorder says of it."""
        if isinstance(event, ConnectionEvent) and event.what is ConnectionKind.LATENCY and event.connection == Lane.REST and event.text:
            self.latency.note(parse_duration(event.text.split()[0]))
