"""Holding each streamed book against REST's: a snapshot can be false, and a change lost, without any sign of it in the stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from papertape.exchanges.feeds import BookFeed
from papertape.exchanges.polling import POLITE
from papertape.exchanges.requests import Requests
from papertape.exchanges.streams import Streams
from papertape.model.errors import BaseError
from papertape.model.event import BookSnapshot
from papertape.model.notes import Mark, Notes
from papertape.model.request import Channel, Op, Request
from papertape.model.venue import Quota
from papertape.resilience.comparison import Comparison, Doubt, Place
from papertape.resilience.settings import ShellSettings
from papertape.runtime.clock import Clock

UNASKED: Final[dict[Place, None]] = {}
"""Nothing was found, as nothing could be compared."""


class Comparing:
    """Compares each book soon after its snapshot and now and then after that; one that is wrong is subscribed to anew, and no other.

    A book that REST contradicts is compared again at once, and only what both comparisons find wrong counts. Where REST cannot be had, the
    stream is believed until it can. Books take turns, so that a reconnect with a hundred of them leaves the venue's quota to others.
    """

    def __init__(
        self,
        *,
        streams: Streams,
        requests: Requests,
        public_quota: Quota,
        clock: Clock,
        notes: Notes,
        settings: ShellSettings,
        spawn: Callable[[str, Coroutine[Any, Any, Any]], asyncio.Task[Any]],
    ) -> None:
        self._streams = streams
        self._requests = requests
        self._apart_ns = POLITE * public_quota.per_ns // public_quota.count
        self._clock = clock
        self._notes = notes
        self._settings = settings
        self._spawn = spawn
        self._turn = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[Any]] = {}  # by symbol

    def begin(self, feed: BookFeed) -> None:
        """A book has begun, with whatever snapshot."""
        symbol = feed.book.instrument.symbol
        before = self._tasks.get(symbol)
        if before is not None:
            before.cancel()  # what it has found is of another book
        self._tasks[symbol] = self._spawn(f"the book {symbol} against REST's", self._keep(feed))

    async def _keep(self, feed: BookFeed) -> None:
        symbol, settings, doubt = feed.book.instrument.symbol, self._settings, Doubt()
        await self._clock.sleep_ns(settings.compare_after_ns)
        while self._is_current(feed):
            try:
                places = await self._compare(feed)
            except BaseError:
                await self._clock.sleep_ns(settings.compare_after_ns)
                continue
            if doubt.found(places):
                self._notes.mark(Mark.WRONG_BOOK_FOUND, f"{symbol}: {len(places)} levels")
                del self._tasks[symbol]  # the snapshot must not end what asks for it
                await self._streams.renew(Channel.BOOK, symbol)
                return
            if not doubt.is_open:
                await self._clock.sleep_ns(max(settings.compare_every_ns, len(self._streams.books) * self._apart_ns))

    async def _compare(self, feed: BookFeed) -> dict[Place, None]:
        """Which levels are wrong; it takes an answer of REST, and the time that the stream has to say what REST knows."""
        async with self._turn:
            if not self._is_current(feed):
                return UNASKED
            comparison = feed.comparison = Comparison()
            request = Request(op=Op.BOOK_FETCH, symbol=feed.book.instrument.symbol)
            answer = await self._requests.repeat(request, within_ns=self._settings.poll_fresh_ns)
            await self._clock.sleep_ns(self._apart_ns)
        await self._clock.sleep_ns(max(0, self._settings.mute_grace_ns - self._apart_ns))
        if feed.comparison is not comparison:
            return UNASKED  # it is another book by now
        feed.comparison = None
        book = _book_of(answer.books, feed.book.instrument.symbol)
        return UNASKED if book is None else comparison.differing(feed.book, book)

    def _is_current(self, feed: BookFeed) -> bool:
        return self._streams.books.get(feed.book.instrument.symbol) is feed and feed.invalid_since_ns is None


def _book_of(books: tuple[BookSnapshot, ...], symbol: str) -> BookSnapshot | None:
    return next((book for book in books if book.symbol == symbol), None)
