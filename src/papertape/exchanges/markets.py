"""What can be traded, and how each market stands, as far as the venue has told."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

import msgspec

from papertape.exchanges.requests import Requests
from papertape.exchanges.streams import Streams
from papertape.model.account import Market
from papertape.model.errors import BaseError
from papertape.model.event import ONLINE, MarketStatus
from papertape.model.instrument import Instrument
from papertape.model.notes import Mark, Notes
from papertape.model.phase import Phase
from papertape.model.request import Op, Request
from papertape.model.units import SECOND, Nanos
from papertape.resilience.settings import ShellSettings
from papertape.runtime.clock import Clock

AGAIN_NS: Final = 10 * SECOND
"""How often REST is asked while a market does not take every order, whatever the words are: somebody waits for it."""


class Markets:
    """Keeps the list of markets, and of those whose status is followed the phase.

    A stream's status says that a market is shut, or that something about it has changed, in words for people; which orders it takes now
    only the list of markets tells. So REST is asked for that as soon as the words change, once a venue has refused an order because of its
    market's phase, and now and then, since a venue may change the list and say nothing: oftener while a market is not online.
    Orders are not held back by what is known here: it may be old by then, either way, and a venue that refuses makes nothing.

    Attributes:
        by_symbol: as last told.
        instruments: theirs.
    """

    def __init__(
        self,
        *,
        requests: Requests,
        clock: Clock,
        notes: Notes,
        settings: ShellSettings,
        streams: Streams,
        spawn: Callable[[str, Coroutine[Any, Any, Any]], object],
        on_change: Callable[[], None],
    ) -> None:
        self.by_symbol: dict[str, Market] = {}
        self.instruments: dict[str, Instrument] = {}
        self._requests = requests
        self._clock = clock
        self._notes = notes
        self._settings = settings
        self._streams = streams
        self._spawn = spawn
        self._on_change = on_change
        self._asked_ns: Nanos = 0
        self._is_asking = self._is_due = self._is_kept = False

    def learn(self, markets: Iterable[Market]) -> None:
        """The venue lists its markets."""
        for market in markets:
            feed, before = self._streams.statuses.get(market.symbol), self.by_symbol.get(market.symbol)
            if feed is not None and feed.is_shut:
                market = msgspec.structs.replace(market, phase=Phase.OFFLINE)
            self.instruments[market.symbol] = market.instrument
            self.by_symbol[market.symbol] = market
            if feed is not None and before is not None and before.phase is not market.phase:
                self._notes.mark(Mark.MARKET_PHASE_CHANGED, f"{market.symbol}: {before.phase} → {market.phase}")
                feed.show(market)
                self._on_change()

    def hear(self, message: MarketStatus) -> None:
        """A stream tells how a market stands."""
        feed = self._streams.statuses.get(message.symbol)
        if feed is None:
            return
        if not self._is_kept:
            self._is_kept = True
            self._spawn("phases of markets", self._keep())
        before = (ONLINE, "") if feed.last is None else (feed.last.status, feed.last.text)
        feed.last = message
        market = self.by_symbol.get(message.symbol)
        if market is not None and feed.is_shut:
            self.learn([market])
        is_usual = market is not None and market.phase is Phase.ONLINE
        if (message.status, message.text) != before or (not is_usual and self._clock.now_ns() - self._asked_ns >= AGAIN_NS):
            self.look()

    def refused(self, symbol: str) -> None:
        """The venue takes no such order in that market now."""
        if symbol in self._streams.statuses:
            self.look()

    def look(self) -> None:
        """Ask for the list of markets; once more where that is being done, for what it answers may be old by now."""
        self._is_due = True
        if not self._is_asking:
            self._is_asking = True
            self._spawn("how markets stand", self._ask())

    async def _keep(self) -> None:
        """Look now and then, for as long as we are connected, if anybody follows the status of a market."""
        while True:
            await self._clock.sleep_ns(self._settings.markets_every_ns)
            if self._streams.statuses:
                self.look()

    def not_online(self) -> dict[str, Phase]:
        """Markets whose status is followed, and which do not take every order, by symbol."""
        markets = [self.by_symbol[symbol] for symbol in self._streams.statuses if symbol in self.by_symbol]
        return {market.symbol: market.phase for market in markets if market.phase is not Phase.ONLINE}

    async def _ask(self) -> None:
        try:
            while self._is_due:
                self._is_due, self._asked_ns = False, self._clock.now_ns()
                answer = await self._requests.repeat(Request(op=Op.MARKETS_FETCH))
                self.learn(answer.markets)
        except BaseError:
            for feed in self._streams.statuses.values():
                feed.last = None  # so that the next word has REST asked again, if it is not the usual one
        finally:
            self._is_asking = False
