"""What a bot is subscribed to: kept through every reconnect, and never delivered from a book that cannot be trusted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from papertape.exchanges.feeds import BookFeed, StatusFeed, TickerFeed, TradeFeed
from papertape.exchanges.speaker import Speaker
from papertape.links.base import Link
from papertape.model.errors import NetworkError
from papertape.model.event import BookSnapshot
from papertape.model.request import Channel
from papertape.model.units import Nanos
from papertape.resilience.doubt import doubt
from papertape.resilience.outbox import UNSEEN, Seen
from papertape.resilience.topics import HEARTBEATS, Topics
from papertape.runtime.clock import Clock

T = TypeVar("T")


class Streams:
    """The market lane's subscriptions.

    Attributes:
        trades, books, tickers, statuses: feeds by symbol; the hot path looks here.
        is_connected: this connection was asked for what is wanted, or is being asked.
    """

    def __init__(
        self,
        link: Link,
        clock: Clock,
        *,
        may_say: Callable[[], Awaitable[None]],
        patience_ns: Nanos,
        follows_status: bool,
        on_books_changed: Callable[[], None],
        on_doubt: Callable[[str], None],
        on_second_doubt: Callable[[str, str], None],
        on_begun: Callable[[BookFeed], None],
    ) -> None:
        self.trades: dict[str, TradeFeed] = {}
        self.books: dict[str, BookFeed] = {}
        self.tickers: dict[str, TickerFeed] = {}
        self.statuses: dict[str, StatusFeed] = {}
        self._follows_status = follows_status  # with whatever else is followed of a market
        self._clock = clock
        self.on_books_changed = on_books_changed
        self.on_doubt = on_doubt
        self._on_second_doubt = on_second_doubt
        self._on_begun = on_begun
        self._topics = Topics()
        self._speaker = Speaker(link, self._topics, clock=clock, may_say=may_say, patience_ns=patience_ns)
        self.is_connected = False

    # What is wanted

    async def want(self, channel: Channel, symbol: str) -> None:
        """One more subscription needs a channel; asks for it if the lane stands, else it is asked for when it does."""
        self._topics.want((channel, symbol))
        if self._follows_status and channel is not Channel.STATUS:
            self._topics.want((Channel.STATUS, symbol))
            self.statuses.setdefault(symbol, StatusFeed())
        await self.say()

    async def release(self, channel: Channel, symbol: str) -> None:
        """One subscription less; the last one ends the channel."""
        is_over = self._topics.release((channel, symbol))
        if self._follows_status and channel is not Channel.STATUS and self._topics.release((Channel.STATUS, symbol)):
            self.statuses.pop(symbol, None)
        if not is_over:
            return
        if channel is Channel.STATUS:
            self.statuses.pop(symbol, None)
        elif channel is Channel.BOOK:
            self.books.pop(symbol, None)
            self.on_books_changed()
        elif channel is Channel.TICKER:
            self.tickers.pop(symbol, None)
        elif channel is Channel.TRADES:
            self.trades.pop(symbol, None)
        self._speaker.changed()
        await self.say()

    async def say(self) -> None:
        """Say what is to be said, if there is a connection to say it on."""
        if self.is_connected:
            try:
                await self._speaker.say_all()
            except NetworkError:
                return  # the lane is going; the next connection asks

    # What is so

    def seen(self, symbol: str, *, is_live: bool) -> Seen:
        """What the bot was last shown of a symbol: its book's middle, else its ticker's last price, else its last trade.

        `is_live`: whether the lane that brings them is, or is polled.
        """
        book, others = self.books.get(symbol), (self.tickers.get(symbol), self.trades.get(symbol))
        if book is None and others == (None, None):
            return UNSEEN
        is_current = is_live and (book is None or book.is_valid)
        price = None if book is None else book.book.mid if book.is_valid else book.last_mid
        for feed in others:
            if price is None and feed is not None and feed.last_ticks is not None:
                price = feed.instrument.price(feed.last_ticks)
        return Seen(price, is_current)

    def stale_books(self) -> list[str]:
        """Subscribed books that wait for their snapshot, and that REST does not tell either."""
        return [symbol for symbol, feed in self.books.items() if not feed.is_valid]

    def wanted(self) -> list[tuple[Channel, str]]:
        """What bots are subscribed to."""
        return [topic for topic in self._topics.wanted() if topic != HEARTBEATS]

    def expire(self, until_ns: Nanos) -> None:
        """No book that REST told at `until_ns` or before may be acted upon any more."""
        old = [feed for feed in self.books.values() if feed.polled_ns is not None and feed.polled_ns <= until_ns]
        for feed in old:
            feed.forget_polled()
        if old:
            self.on_books_changed()

    def polled_since_ns(self) -> Nanos | None:
        """Run time of the oldest book that is shown as REST told it; None where there is none."""
        return min((feed.polled_ns for feed in self.books.values() if feed.polled_ns is not None), default=None)

    def starved(self, now_ns: Nanos, within_ns: Nanos) -> str:
        """Why the connection is no good although it talks: a book that never gets its snapshot; empty if all is well."""
        for symbol, feed in self.books.items():
            asked_ns = self._topics.asked_ns((Channel.BOOK, symbol))
            if feed.invalid_since_ns is not None and asked_ns is not None and now_ns - max(feed.invalid_since_ns, asked_ns) >= within_ns:
                return f"no snapshot of the book {symbol}"
        return ""

    def on_snapshot(self, feed: BookFeed, event: BookSnapshot) -> None:
        """A book is whole again, unless this cannot be it: then it is asked for once more, and after that REST is."""
        if feed.invalid_since_ns is None:  # one that nobody waits for replaces the book all the same
            feed.held.restart()
        why = doubt(event, feed.whole_from_ns)
        if not why and not feed.held.is_enough_for(event):
            why = "more changes came before it than can be kept"
        elif why and feed.is_doubted:
            feed.invalidate(self._clock.now_ns())
            feed.doubtful = event  # what comes now is held, and belongs to it if it is the book
            self.on_books_changed()
            self._on_second_doubt(event.symbol, why)
            return
        if why:
            feed.is_doubted = True
            feed.invalidate(self._clock.now_ns())
            self.on_doubt(f"{event.symbol}: {why}")
            return
        self.believe(feed, event)

    def believe(self, feed: BookFeed, event: BookSnapshot) -> None:
        """This is the book."""
        self._speaker.came((Channel.BOOK, event.symbol))
        was_valid = feed.invalid_since_ns is None
        feed.begin(event)
        self._on_begun(feed)
        if not was_valid:
            self.on_books_changed()

    def lost(self) -> None:
        """The connection is gone, and what it was asked for with it."""
        self.is_connected = False
        self._speaker.lost()
        self.missed()

    def missed(self, symbol: str | None = None) -> None:
        """Something was lost, of one instrument or of any: its book cannot be trusted, and nobody may see it; trades may be missing.

        One instrument's book is to be asked for anew at once; where it may be any, the lane's repair sees to it.
        """
        for trades in self.trades.values() if symbol is None else _only(self.trades, symbol):
            trades.thread.tear()
        now_ns = self._clock.now_ns()
        books = list(self.books.values()) if symbol is None else _only(self.books, symbol)
        for feed in books:
            feed.invalidate(now_ns)
        if symbol is not None:
            self._topics.again((Channel.BOOK, symbol))
        if books:
            self.on_books_changed()

    async def renew(self, channel: Channel, symbol: str) -> None:
        """Subscribe to one topic anew, because what comes of it is no good."""
        if channel is Channel.BOOK and symbol in self.books:
            self.books[symbol].invalidate(self._clock.now_ns())
            self.on_books_changed()
        elif channel is Channel.TRADES and symbol in self.trades:
            self.trades[symbol].thread.tear()
        self._topics.again((channel, symbol))
        await self.say()

    async def repair(self) -> int:
        """Ask for everything that is wanted and not asked for, and for each book anew that lost its thread; returns for how many."""
        self.is_connected = True
        for symbol, feed in self.books.items():
            if feed.invalid_since_ns is not None:
                self._topics.again((Channel.BOOK, symbol))
        return sum(topic != HEARTBEATS for topic in await self._speaker.say_all())


def _only(feeds: dict[str, T], symbol: str) -> list[T]:
    return [feeds[symbol]] if symbol in feeds else []
