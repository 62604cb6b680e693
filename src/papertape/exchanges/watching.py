"""Comparing what a subscription says with what REST says: is it mute, and can its snapshot be the book?"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Any, Final

from papertape.exchanges.feeds import BookFeed
from papertape.exchanges.requests import Requests
from papertape.exchanges.streams import Streams
from papertape.model.errors import BaseError
from papertape.model.event import BookSnapshot, Side
from papertape.model.notes import Mark, Notes
from papertape.model.request import Channel, Op, Request
from papertape.model.units import Nanos
from papertape.resilience.doubt import is_borne_out
from papertape.resilience.quiet import Look, Quiet
from papertape.resilience.settings import ShellSettings
from papertape.resilience.topics import Topic
from papertape.runtime.clock import Clock
from papertape.runtime.loop import FOREVER_NS
from papertape.runtime.rounds import sleep_ns

COMPARED: Final = 10
"""Levels of a side that are compared; REST may not tell more, and what happens in a market happens here."""

STATUS_PATIENCE: Final = 10
"""So many times as long as others may the status of a market be silent: nobody knows how often a real venue tells it, and REST is asked now
and then in any case."""

LOOKS: Final = 10
"""Looks at each subscription within `mute_after_ns`."""


class Watching:
    """Looks at each subscription of a market lane that lives, because a lane may bring one channel and forget another.

    A book is compared by its best levels, trades by the last one, a ticker by its prices. A mute subscription is renewed, and no other. The
    looks are rounds that may be passed over (`runtime.rounds.Passing`).
    """

    is_ordered = False

    def __init__(
        self,
        *,
        streams: Streams,
        requests: Requests,
        clock: Clock,
        notes: Notes,
        settings: ShellSettings,
        market_is_live: Callable[[], bool],
        on_wrong: Callable[[str], None],
        spawn: Callable[[str, Coroutine[Any, Any, Any]], object],
    ) -> None:
        self._streams = streams
        self._requests = requests
        self._clock = clock
        self._notes = notes
        self._settings = settings
        self._market_is_live = market_is_live
        self._on_wrong = on_wrong
        self._spawn = spawn
        self._quiet: dict[Topic, Quiet] = {}
        self._prices: dict[str, object] = {}  # by REST, of a ticker that has said nothing yet

    # Is it mute?

    async def keep(self) -> None:
        """Look at every subscription for ever."""
        while True:
            await sleep_ns(self._clock, max(1, self._settings.mute_after_ns // LOOKS), self)
            wanted = self._streams.wanted()
            for topic in [topic for topic in self._quiet if topic not in wanted or not self._market_is_live()]:
                del self._quiet[topic]  # silence counts from when it should speak
            for topic in wanted:
                if self._market_is_live():
                    await self._look(topic)

    def quiet_until_ns(self, due_ns: Nanos) -> Nanos:
        """There is nothing to look at, or there may be something to find."""
        return due_ns if self._quiet or self._streams.wanted() else FOREVER_NS

    def passed(self, count: int, last_ns: Nanos) -> None:
        """There was nothing to look at."""

    async def _look(self, topic: Topic) -> None:
        now_ns = self._clock.now_ns()
        quiet = self._quiet.get(topic)
        if quiet is None:
            if topic[0] is not Channel.BOOK and self._token(topic) is None:
                try:
                    await self._rest_knows_more(topic)  # from here on: what comes before a first word is missed by nobody else
                except BaseError:
                    return  # the next look asks again
            patience = STATUS_PATIENCE if topic[0] is Channel.STATUS else 1
            limit_ns, grace_ns = patience * self._settings.mute_after_ns, self._settings.mute_grace_ns
            quiet = self._quiet[topic] = Quiet(limit_ns=limit_ns, grace_ns=grace_ns, now_ns=now_ns)
        match quiet.look(self._token(topic), now_ns):
            case Look.ASK:
                try:
                    knows_more = await self._rest_knows_more(topic)
                except BaseError:
                    return  # the next look asks again
                quiet.answered(self._token(topic), self._clock.now_ns(), knows_more=knows_more)
            case Look.RENEW:
                channel, symbol = topic
                self._notes.mark(Mark.MUTE_FOUND, f"{channel} {symbol}")
                await self._streams.renew(channel, symbol)

    def _token(self, topic: Topic) -> object:
        channel, symbol = topic
        streams = self._streams
        if channel is Channel.BOOK and symbol in streams.books:
            feed = streams.books[symbol]
            return feed.book.venue_ns, feed.invalid_since_ns  # one that waits for its snapshot is watched by its lane
        if channel is Channel.TRADES and symbol in streams.trades:
            return streams.trades[symbol].thread.last
        if channel is Channel.STATUS:
            return streams.statuses[symbol].last if symbol in streams.statuses else None
        return streams.tickers[symbol].last if symbol in streams.tickers else None

    async def _rest_knows_more(self, topic: Topic) -> bool:
        channel, symbol = topic
        streams = self._streams
        if channel is Channel.STATUS:
            return True  # it comes now and then, changed or not
        if channel is Channel.BOOK:
            book = await self._fetch_book(symbol)
            feed = streams.books.get(symbol)
            return book is not None and feed is not None and feed.invalid_since_ns is None and _differ(feed, book)
        trades = streams.trades.get(symbol)
        since_ns = trades.thread.since_ns if channel is Channel.TRADES and trades is not None else None
        answer = await self._requests.repeat(Request(op=Op.TRADES_FETCH, symbol=symbol, since_ns=since_ns))
        if channel is Channel.TRADES:
            return trades is not None and trades.thread.lacks(answer.trades)
        ticker = streams.tickers.get(symbol)
        if ticker is None or not answer.books:
            return False
        best = answer.books[0]
        prices = (_first(best.bids), _first(best.asks))
        before = self._prices.get(symbol) if ticker.last is None else (ticker.last.bid_ticks, ticker.last.ask_ticks)
        self._prices[symbol] = prices
        return before is not None and before != prices

    async def _fetch_book(self, symbol: str, within_ns: Nanos | None = None) -> BookSnapshot | None:
        answer = await self._requests.repeat(Request(op=Op.BOOK_FETCH, symbol=symbol), within_ns=within_ns)
        return next((book for book in answer.books if book.symbol == symbol), None)

    # Can it be the book?

    def settle(self, symbol: str, why: str) -> None:
        """A second snapshot in a row cannot be the book: find out from REST whether it is."""
        self._spawn(f"the book {symbol}, which {why}", self._settle(symbol, why))

    async def _settle(self, symbol: str, why: str) -> None:
        feed = self._streams.books.get(symbol)
        if feed is None or feed.doubtful is None:
            return
        doubtful, known_ns = feed.doubtful, feed.whole_from_ns
        try:
            book = await self._fetch_book(symbol, self._settings.snapshot_within_ns)
        except BaseError:
            book = None  # then it is not believed
        if feed.doubtful is not doubtful:
            return  # the lane was lost meanwhile, or another came
        if book is not None and is_borne_out(doubtful, book, known_ns):
            self._streams.believe(feed, doubtful)
        else:
            self._on_wrong(f"{symbol}: {why}, and REST tells another")


def _differ(feed: BookFeed, book: BookSnapshot) -> bool:
    ours = [list(islice(feed.book.levels(side), COMPARED)) for side in Side]
    count = [min(len(mine), len(theirs)) for mine, theirs in zip(ours, (book.bids, book.asks), strict=True)]
    return any(mine[:most] != list(theirs[:most]) for mine, theirs, most in zip(ours, (book.bids, book.asks), count, strict=True))


def _first(levels: tuple[tuple[int, int], ...]) -> int | None:
    return levels[0][0] if levels else None
