"""A new book on top of the old one."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from papertape.bots.canaries.base import BrokenShell
from papertape.exchanges.feeds import BookFeed
from papertape.exchanges.line import Line
from papertape.model.book import Book
from papertape.model.event import BookSnapshot, BookUpdate, Side


class MergesASnapshotIntoTheOldBook(BrokenShell):
    """Adds the levels of a snapshot to those it has, so that levels that are gone stay for ever.

    The bug: a snapshot is taken for one more update. The first is right, as there is nothing to add to; each after a reconnect or a gap
    leaves ghosts.

    From: ccxt/ccxt#29210 (the book of before a reconnect is merged with the one after it), coinbase/coinbase-exchange-node#49 and
    coinbase/coinbase-pro-node#24 (books that drift).

    Caught by `book_matches`: the client's book has levels that the venue's has not.
    """

    caught_by: ClassVar[tuple[str, ...]] = ("book_matches",)

    def sabotage(self, line: Line) -> None:
        streams = line._streams
        missed, on_snapshot = streams.missed, streams.on_snapshot
        old: dict[str, Book] = {}

        def keep_the_books(symbol: str | None = None) -> None:
            for symbol, feed in streams.books.items():
                if feed.book.is_complete:
                    old[symbol] = feed.book.copy()
            missed(symbol)

        def merge(feed: BookFeed, event: BookSnapshot) -> None:
            book = old.pop(event.symbol, None)
            if book is not None:
                stamps = {"venue_ns": event.venue_ns, "local_ns": event.local_ns}
                book.apply(BookUpdate(symbol=event.symbol, bids=event.bids, asks=event.asks, **stamps))
                bids, asks = tuple(book.levels(Side.BUY)), tuple(book.levels(Side.SELL))
                event = msgspec.structs.replace(event, bids=bids, asks=asks)
            on_snapshot(feed, event)

        streams.missed = keep_the_books  # type: ignore[method-assign]  # on this one object
        streams.on_snapshot = merge  # type: ignore[method-assign]  # likewise
